"""`anr daily`, `schedule` and `skip`: the scheduled run, its pause and its veto."""

from dataclasses import replace
from typing import Annotated

import typer

from core.cli.context import AsJson, Reason, operating
from core.cli.render import finish
from core.cli.tables import print_gates
from core.operations import daily as daily_run
from core.operations import propose
from core.rollout.schedule import due, run_day
from core.target.order import Order
from core.watch.observe import followed

commands = typer.Typer()


@commands.command()
def skip(*, reason: Reason = "", as_json: AsJson = False) -> None:
    """Veto the next scheduled run: it reports and promotes nothing. The runs after it go on as always."""
    with operating() as (me, target):
        result = daily_run.skip(target, me, target.day_ahead(), reason)
    finish(result, as_json=as_json)


schedule_app = typer.Typer(no_args_is_help=True, help="Pause the daily run, or let it go on.")
commands.add_typer(schedule_app, name="schedule")


@schedule_app.command()
def pause(*, reason: Reason = "", as_json: AsJson = False) -> None:
    """Pause the schedule: the daily run reports and promotes nothing."""
    with operating() as (me, target):
        result = daily_run.pause(target, Order(me, reason))
    finish(result, as_json=as_json)


@schedule_app.command()
def resume(*, reason: Reason = "", as_json: AsJson = False) -> None:
    """Let the schedule go on."""
    with operating() as (me, target):
        result = daily_run.resume(target, Order(me, reason))
    finish(result, as_json=as_json)


@commands.command()
def daily(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide, but change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the scheduled run that is due: report, and promote when GO. Once per local date, by the account that runs anr."""
    ran: object
    with operating() as (me, target):
        now, schedule = target.clock(), target.settings.schedule
        day = due(now, schedule) or run_day(now, schedule)
        if me.is_person and not dry_run:  # a person asks, like anybody who types `promote`
            ran = propose.propose(target, Order(me, "anr daily"))
        else:
            ran = daily_run.daily(target, day, schedule.promotion, dry_run=dry_run)
        if isinstance(ran, daily_run.DailyRun):
            ran = replace(ran, outcome=followed(target, ran.outcome))
    if not isinstance(ran, daily_run.DailyRun):
        finish(ran, as_json=as_json)
        return
    if not as_json:
        print_gates(ran.report.gates.gates, title="GO" if ran.report.gates.go else "NO-GO")
    finish(ran.outcome, as_json=as_json)
