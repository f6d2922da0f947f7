"""`anr why`, `next`, `schedule`, `drift` and `watch`."""

from typing import Annotated

import typer
from rich.markup import escape

from core import pausing, realigning, watching
from core.actors import Actor
from core.actuation import Order
from core.blockers import Blocker
from core.cli_options import AsJson, Reason
from core.cli_site import operating
from core.endings import finish
from core.insight import insight_into
from core.overview import look
from core.terminal import REFUSED, out, print_json

commands = typer.Typer()
schedule_app = typer.Typer(no_args_is_help=True, help="Pause the daily run, or let it go on.")
drift_app = typer.Typer(no_args_is_help=True, help="End a difference between router and journal; for approvers.")
commands.add_typer(schedule_app, name="schedule")
commands.add_typer(drift_app, name="drift")


@commands.command()
def why(*, as_json: AsJson = False) -> None:
    """List everything that stands in the way of the next promotion, with its owner and how to lift it."""
    with operating() as (_, site):
        seen = insight_into(look(site), site.target.schedule)
    if as_json:
        print_json(seen.as_json())
    else:
        for blocker in seen.blockers:
            _print(blocker)
        if not seen.blockers:
            out.print("Nothing stands in the way of the next promotion.")
    if seen.blockers:
        raise typer.Exit(REFUSED)


@commands.command("next")
def ahead(*, as_json: AsJson = False) -> None:
    """Say the earliest possible promotion, and what the next scheduled run will do."""
    with operating() as (_, site):
        seen = insight_into(look(site), site.target.schedule)
    if as_json:
        print_json(seen.as_json())
        return
    for line in seen.lines():
        out.say(line)
    for blocker in seen.ahead.first:
        _print(blocker)


@schedule_app.command()
def pause(*, reason: Reason = "", as_json: AsJson = False) -> None:
    """Pause the schedule: the daily run reports and promotes nothing."""
    with operating() as (settings, site):
        result = pausing.pause(site, Order(settings.terminal_actor(), reason))
    finish(result, as_json=as_json)


@schedule_app.command()
def resume(*, reason: Reason = "", as_json: AsJson = False) -> None:
    """Let the schedule go on."""
    with operating() as (settings, site):
        result = pausing.resume(site, Order(settings.terminal_actor(), reason))
    finish(result, as_json=as_json)


@drift_app.command()
def reapply(*, reason: Reason = "", as_json: AsJson = False) -> None:
    """Write the settings that the journal says once more."""
    with operating() as (settings, site):
        result = realigning.reapply(site, Order(settings.terminal_actor(), reason))
    finish(result, as_json=as_json)


@drift_app.command()
def accept(*, reason: Reason = "", as_json: AsJson = False) -> None:
    """Record what the router shows as the new state."""
    with operating() as (settings, site):
        result = realigning.accept(site, Order(settings.terminal_actor(), reason))
    finish(result, as_json=as_json)


@commands.command()
def watch(
    *, guard: Annotated[bool, typer.Option("--guard/--no-guard", help="Also look at the guard's gates, if it is time to.")] = True
) -> None:
    """Look once as the bot does every minute: expired holds, the running router, drift, guard. For machines without the bot."""
    with operating() as (_, site):
        news = [*watching.watch(site), *([seen] if guard and (seen := watching.guard_look(site)) else [])]
    for one in news:
        out.say(watching.told(one))
    if not news:
        out.print("Nothing new.")


def _print(blocker: Blocker) -> None:
    alone = " (stops the scheduled run; a person may ask)" if blocker.scheduled_only else ""
    out.print(f"[bold]{blocker.code}[/bold]{alone}: {escape(blocker.text)}")
    out.print(f"  owner: {escape(_name(blocker.owner))} · to lift it: {escape(blocker.lift)}")


def _name(whose: Actor | str) -> str:
    return whose.id if isinstance(whose, Actor) else whose
