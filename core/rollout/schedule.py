"""When the daily run is due: once per local date, at a local time, within a grace.

Pure. Excluded: what the run does (core/operations/propose.py) and who looks at the clock (the bot's jobs).
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator

APART = timedelta(hours=20)
"""How far apart two daily runs are due at least, whatever becomes of zone and time in between; a day of 23 hours is longer."""


class PromotionMode(StrEnum):
    """What the daily run does with a GO."""

    AUTO = "auto"
    APPROVE = "approve"
    OFF = "off"


class Schedule(BaseModel):
    """When the daily run happens, and what it does with a GO."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    zone: str = Field("UTC", description="IANA time zone of the daily run")
    at: time = Field(time(9, 5), description="local time of the daily run")
    grace_hours: float = Field(6, gt=0, le=23, description="how late a missed run is caught up, in hours")
    preflight_minutes: int = Field(
        30,
        ge=0,
        le=720,
        description="how long before the daily run it is announced what the run will do, in minutes; 0 for never",
    )
    drill: bool = Field(
        default=False,
        description="whether the safety nets are tried out once in each week, as `anr drill` does",
    )
    drill_alerts: bool = Field(
        default=False,
        description="whether the alert path is tried out once in each week, as `anr drill alerts` does",
    )
    promotion: PromotionMode = Field(
        PromotionMode.AUTO,
        description="what the daily run does with a GO: `auto` promotes, `approve` asks for an approval, `off` only reports",
    )

    @field_validator("zone")
    @classmethod
    def _is_known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{zone!r} is not an IANA time zone, for example Europe/Zurich") from error
        return zone


def due(now: datetime, schedule: Schedule) -> date | None:
    """Return the local date whose run is due, or None before its time and after its grace.

    A local time that a change of the clocks skips is due when the clocks have jumped over it; one that comes twice, the
    first time. Near midnight the grace reaches into the next date: yesterday's run is still due until it ends.
    """
    today = now.astimezone(ZoneInfo(schedule.zone)).date()
    for day in (today, today - timedelta(days=1)):
        begins = begin_of(day, schedule)
        if begins <= now < begins + timedelta(hours=schedule.grace_hours):
            return day
    return None


def preflight_due(now: datetime, schedule: Schedule) -> date | None:
    """Return the local date whose run is to be announced now, or None before that time and once the run is due."""
    ahead = _ahead(now, schedule)
    return ahead.day if ahead.begins - timedelta(minutes=schedule.preflight_minutes) <= now else None


def last_missable(now: datetime, schedule: Schedule) -> date:
    """Return the newest local date whose run can no longer be caught up: its grace is over."""
    today = now.astimezone(ZoneInfo(schedule.zone)).date()
    over = (today - timedelta(days=ago) for ago in range(3))
    grace = timedelta(hours=schedule.grace_hours)
    return next(day for day in over if begin_of(day, schedule) + grace <= now)


@dataclass(frozen=True, slots=True)
class ComingRun:
    """A daily run that is to be made.

    Attributes:
        day: its local date.
        begins: when it begins, in UTC. Where clocks jump over its local time that may be on the next local date.
    """

    day: date
    begins: datetime


def coming_run(now: datetime, schedule: Schedule, ran: datetime | None = None) -> ComingRun:
    """Return the run that is made next: one that is due and was not made yet, else the first to begin after `now`.

    Whatever speaks of the next run means this one: the veto, the outlook, the announcement and the home.

    Args:
        now: the operation's one reading of the clock.
        schedule: as it is now.
        ran: when the newest run that was made was due; None if none was.
    """
    day = due(now, schedule)
    if day is not None and not too_soon(day, schedule, ran):
        return ComingRun(day, begin_of(day, schedule))
    ahead = _ahead(now, schedule)
    while too_soon(ahead.day, schedule, ran):
        ahead = _ahead(ahead.begins, schedule)
    return ahead


def next_run(now: datetime, schedule: Schedule) -> datetime:
    """Return when the next daily run begins, in UTC, after `now`."""
    return _ahead(now, schedule).begins


def _ahead(now: datetime, schedule: Schedule) -> ComingRun:
    """Return the first run to begin after `now`.

    Yesterday's may be among them: where clocks jump over midnight its local time comes on the next date.
    """
    today = now.astimezone(ZoneInfo(schedule.zone)).date()
    days = (today + timedelta(days=ahead) for ahead in range(-1, 3))
    runs = (ComingRun(day, begin_of(day, schedule)) for day in days)
    # of two dates with one beginning the first does not exist: the zone left it out
    return min((run for run in runs if run.begins > now), key=lambda run: (run.begins, -run.day.toordinal()))


def too_soon(day: date, schedule: Schedule, ran: datetime | None) -> bool:
    """Whether the run of a local date is one that was made already under another zone or time of day.

    Args:
        day: the local date.
        schedule: as it is now.
        ran: when the newest run that was made was due; None if none was.
    """
    return ran is not None and begin_of(day, schedule) < ran + APART


def run_day(now: datetime, schedule: Schedule) -> date:
    """Return the local date of the next daily run after `now`: the date whose run it is, on whatever date it begins."""
    return _ahead(now, schedule).day


def begin_of(day: date, schedule: Schedule) -> datetime:
    """Return when the run of a local date begins, in UTC."""
    return datetime.combine(day, schedule.at, ZoneInfo(schedule.zone)).astimezone(ZoneInfo("UTC"))
