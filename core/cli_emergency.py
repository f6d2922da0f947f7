"""`anr skip`, `break-glass` and `review`: what one person decides alone, and what another makes of it."""

from typing import Annotated

import typer

from core import emergency, preflight
from core.actuation import Order
from core.cli_options import AsJson, Reason
from core.cli_site import operating
from core.endings import finish

commands = typer.Typer()


@commands.command()
def skip(*, reason: Reason = "", as_json: AsJson = False) -> None:
    """Veto the next scheduled run: it reports and promotes nothing. The runs after it go on as always."""
    with operating() as (settings, site):
        result = preflight.skip(site, settings.terminal_actor(), site.day_ahead(), reason)
    finish(result, as_json=as_json)


@commands.command("break-glass")
def break_glass(reason: str, *, as_json: AsJson = False) -> None:
    """Promote alone against gates that fail; REASON says why. For approvers; somebody else reviews it afterwards."""
    with operating() as (settings, site):
        result = emergency.break_glass(site, Order(settings.terminal_actor(), reason))
    finish(result, as_json=as_json)


@commands.command()
def review(finding: Annotated[str, typer.Argument(help="What you found.")] = "", *, as_json: AsJson = False) -> None:
    """Say that you have looked at the last break-glass of somebody else, so that the next one is possible."""
    with operating() as (settings, site):
        result = emergency.review(site, settings.terminal_actor(), finding)
    finish(result, as_json=as_json)
