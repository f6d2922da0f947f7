"""`anr daily`, `schedule` and `skip`: the scheduled run, its pause and its veto."""

from dataclasses import replace
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from core.cli.context import AsJson, Reason, operating
from core.cli.render import finish
from core.cli.tables import print_gates
from core.operations import daily as daily_run
from core.target.order import Order
from core.watch.observe import followed

commands = typer.Typer()


@commands.command()
def skip(*, reason: Reason = "", as_json: AsJson = False) -> None:
    """Veto the next scheduled run: it reports and promotes nothing. The runs after it go on as always."""
    with operating() as (settings, site):
        result = daily_run.skip(site, settings.terminal_actor(), site.day_ahead(), reason)
    finish(result, as_json=as_json)


schedule_app = typer.Typer(no_args_is_help=True, help="Pause the daily run, or let it go on.")
commands.add_typer(schedule_app, name="schedule")


@schedule_app.command()
def pause(*, reason: Reason = "", as_json: AsJson = False) -> None:
    """Pause the schedule: the daily run reports and promotes nothing."""
    with operating() as (settings, site):
        result = daily_run.pause(site, Order(settings.terminal_actor(), reason))
    finish(result, as_json=as_json)


@schedule_app.command()
def resume(*, reason: Reason = "", as_json: AsJson = False) -> None:
    """Let the schedule go on."""
    with operating() as (settings, site):
        result = daily_run.resume(site, Order(settings.terminal_actor(), reason))
    finish(result, as_json=as_json)


@commands.command()
def daily(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide, but change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make today's scheduled run: report, and promote when GO. Once per local date."""
    with operating() as (_, site):
        today = site.clock().astimezone(ZoneInfo(site.target.schedule.zone)).date()
        ran = daily_run.daily(site, today, site.target.schedule.promotion, dry_run=dry_run)
        if isinstance(ran, daily_run.DailyRun):
            ran = replace(ran, outcome=followed(site, ran.outcome))
    if not isinstance(ran, daily_run.DailyRun):
        finish(ran, as_json=as_json)
        return
    if not as_json:
        print_gates(ran.report.gates.gates, title="GO" if ran.report.gates.go else "NO-GO")
    finish(ran.outcome, as_json=as_json)
