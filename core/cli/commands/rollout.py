"""`anr init`, `promote`, `approve`, `deny` and `unfreeze`."""

from typing import Annotated

import typer

from core.cli.context import AsJson, Reason, operating
from core.cli.render import finish
from core.operations import propose, requests
from core.operations import shadow as shadowing
from core.target.order import Order
from core.watch.observe import followed

commands = typer.Typer()


@commands.command()
def init(reason: Reason = "") -> None:
    """Record the stage that the router's settings show, as the journal's first receipt."""
    with operating() as (settings, site):
        result = propose.init(site, settings.terminal_actor(), reason)
    finish(result)


@commands.command()
def promote(
    stage: Annotated[int | None, typer.Argument(help="Stage in percent; the next one if it is left out.")] = None,
    *,
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide, but change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask for a move on the ladder: a step up waits for an approval, a move down happens at once."""
    with operating() as (settings, site):
        result = followed(site, propose.propose(site, Order(settings.terminal_actor(), reason), wanted=stage, dry_run=dry_run))
    finish(result, as_json=as_json)


@commands.command()
def approve(request: str, *, as_json: AsJson = False) -> None:
    """Approve a request and carry it out, after checking everything again."""
    with operating() as (settings, site):
        result = followed(site, requests.approve(site, settings.terminal_actor(), request))
    finish(result, as_json=as_json)


@commands.command()
def deny(request: str, *, reason: Reason = "", as_json: AsJson = False) -> None:
    """End a request with a no."""
    with operating() as (settings, site):
        result = requests.deny(site, settings.terminal_actor(), request, reason)
    finish(result, as_json=as_json)


@commands.command()
def unfreeze(
    holds: Annotated[list[str] | None, typer.Argument(help="Ids of holds, or their first characters; all if left out.")] = None,
    *,
    reason: Reason = "",
    while_firing: Annotated[bool, typer.Option(help="Although an alert still fires; needs a reason.")] = False,
    in_shadow: Annotated[bool, typer.Option("--shadow", help="Then let the router observe in shadow again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Lift holds; the router stays as it is, unless it is to observe in shadow again."""
    with operating() as (settings, site):
        order = Order(settings.terminal_actor(), reason)
        lift = shadowing.unfreeze_in_shadow if in_shadow else propose.unfreeze
        result = followed(site, lift(site, order, frozenset(holds or ()), while_firing=while_firing))
    finish(result, as_json=as_json)


@commands.command()
def shadow(*, reason: Reason = "", as_json: AsJson = False) -> None:
    """Let a router that was rolled back learn in shadow again; it serves nothing."""
    with operating() as (settings, site):
        result = followed(site, shadowing.shadow(site, Order(settings.terminal_actor(), reason)))
    finish(result, as_json=as_json)
