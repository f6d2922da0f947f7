"""`anr break-glass` and `review`: what one person decides alone, and what another makes of it."""

from typing import Annotated

import typer

from core.cli.context import AsJson, operating
from core.cli.render import finish
from core.operations import break_glass as glass_operations
from core.target.order import Order

commands = typer.Typer()


@commands.command("break-glass")
def break_glass(
    reason: Annotated[str, typer.Argument(help="Why this cannot wait for the gates; kept in the receipt.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Promote alone against gates that fail; REASON says why. For approvers; somebody else reviews it afterwards."""
    with operating() as (me, target):
        result = glass_operations.break_glass(target, Order(me, reason))
    finish(result, as_json=as_json)


@commands.command()
def review(finding: Annotated[str, typer.Argument(help="What you found.")] = "", *, as_json: AsJson = False) -> None:
    """Say that you have looked at the last break-glass of somebody else, so that the next one is possible."""
    with operating() as (me, target):
        result = glass_operations.review(target, me, finding)
    finish(result, as_json=as_json)
