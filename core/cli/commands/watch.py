"""`anr watch` and `drift`."""

from typing import Annotated

import typer

from core.cli.context import AsJson, Reason, operating
from core.cli.output import out
from core.cli.render import finish
from core.operations import end_drift
from core.target.order import Order
from core.watch import guard as guard_looks
from core.watch import watch as watching
from core.watch.observe import followed

commands = typer.Typer()
drift_app = typer.Typer(no_args_is_help=True, help="End a difference between router and journal; for approvers.")
commands.add_typer(drift_app, name="drift")


@drift_app.command()
def reapply(*, reason: Reason = "", as_json: AsJson = False) -> None:
    """Write the settings that the journal says once more; more live traffic than the router shows waits for an approval."""
    with operating() as (me, target):
        result = followed(target, end_drift.reapply(target, Order(me, reason)))
    finish(result, as_json=as_json)


@drift_app.command()
def accept(*, reason: Reason = "", as_json: AsJson = False) -> None:
    """Record what the router shows as the new state; more live traffic than the journal says waits for an approval."""
    with operating() as (me, target):
        result = end_drift.accept(target, Order(me, reason))
    finish(result, as_json=as_json)


@commands.command()
def watch(
    *, guard: Annotated[bool, typer.Option("--guard/--no-guard", help="Also look at the guard's gates, if it is time to.")] = True
) -> None:
    """Look once as the bot does every minute: expired holds, the running router, drift, guard. For machines without the bot."""
    with operating() as (_, target):
        news = [*watching.watch(target), *([seen] if guard and (seen := guard_looks.guard_look(target)) else [])]
    for message in news:
        out.say(watching.told(message))
    if not news:
        out.print("Nothing new.")
