"""`anr init`, `promote`, `approve`, `deny` and `unfreeze`."""

from typing import Annotated

import typer

from core.cli.context import AsJson, Reason, operating
from core.cli.render import finish
from core.operations import propose, requests
from core.target.order import Order

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
        result = propose.propose(site, Order(settings.terminal_actor(), reason), wanted=stage, dry_run=dry_run)
    finish(result, as_json=as_json)


@commands.command()
def approve(request: str, *, as_json: AsJson = False) -> None:
    """Approve a request and carry it out, after checking everything again."""
    with operating() as (settings, site):
        result = requests.approve(site, settings.terminal_actor(), request)
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
    as_json: AsJson = False,
) -> None:
    """Lift holds; the router stays at 0 %."""
    with operating() as (settings, site):
        order = Order(settings.terminal_actor(), reason)
        result = propose.unfreeze(site, order, frozenset(holds or ()), while_firing=while_firing)
    finish(result, as_json=as_json)
