"""Commands about the scheduled run: pause it, let it go on, skip one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

from bot.blockkit.blocks import calendar_day
from bot.blockkit.fields import written
from bot.commands.command import Addressed, Call, Misunderstood
from bot.commands.phrases import bare, cut, plain
from bot.views import modals
from bot.views.modals import About, View, Wrong
from core.actors import Actor
from core.operations import daily
from core.operations.daily import Scheduled, Skipped
from core.operations.results import Refused
from core.receipts.cause import day_of
from core.target.target import Target

Change = Literal["pause", "resume"]


@dataclass(frozen=True, slots=True)
class Schedule(Addressed):
    """The daily run only reports from now on, or goes on.

    Attributes:
        change: pause or resume.
        reason: why, in somebody's own words.
    """

    change: Change
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Skip(Addressed):
    """The next daily run promotes nothing; if `operation` is an announcement's story, the run that it announces.

    Attributes:
        days: of which local date, counted from today; None for the run that comes next.
    """

    reason: str = ""
    days: int | None = None


def schedule(call: Call, command: Schedule) -> Scheduled | Refused:
    """Pause or resume."""
    change = daily.pause if command.change == "pause" else daily.resume
    return change(call.target, call.order(command.reason))


def skip(call: Call, command: Skip) -> Skipped | Refused:
    """Skip one run."""
    if command.days is None:
        day = _announced_day(call.target, command.operation)
    else:
        today = call.target.clock().astimezone(ZoneInfo(call.target.settings.schedule.zone)).date()
        day = today + timedelta(days=command.days)
    return daily.skip(call.target, call.actor, day, command.reason)


def _announced_day(target: Target, operation: str) -> date:
    """Return the local date of the run that a pre-flight announced, or of the next run if none is named."""
    announced = next((sealed.receipt.cause for sealed in target.journal.of_operation(operation)), None) if operation else None
    return day_of(announced) or target.day_ahead()


def parse_schedule(rest: str) -> Schedule | Misunderstood:
    """Understand `schedule pause` and `schedule resume`."""
    word, reason = cut(rest)
    if word.lower() not in {"pause", "resume"}:
        return Misunderstood("`schedule` needs one of `schedule pause`, `schedule resume`.")
    return Schedule(cast("Change", word.lower()), plain(reason))


_DAYS = {"today": 0, "tonight": 0, "tomorrow": 1}


def parse_skip(rest: str) -> Skip:
    """Understand `skip [today|tomorrow] [reason]`; without a day the run that comes next is meant."""
    head, reason = cut(rest)
    days = _DAYS.get(bare(head))
    return Skip(plain(rest)) if days is None else Skip(plain(reason), days)


def ask_skip(target: Target, _actor: Actor, about: About) -> View:
    """Return the question why."""
    day = _announced_day(target, about.argument)
    text = f"The run of {calendar_day(day)} will report and promote nothing. The runs after it go on as always."
    return modals.reason_for(modals.SKIP, about, text, "What speaks against it today")


def read_skip(values: Mapping[str, Any], about: About) -> Skip | Wrong:
    """Return which run is skipped, if it says why."""
    reason = written(values, "reason")
    return Skip(reason, operation=about.argument, target=about.target or None) if reason else dict(modals.WHY_IN_RECEIPT)
