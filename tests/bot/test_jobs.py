"""The daily job against clocks that misbehave. The job is the bot's own; only the clock is moved by hand."""

import asyncio
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from time import monotonic
from zoneinfo import ZoneInfo

import pytest

from bot.jobs import Jobs
from core.brake import brake
from core.errors import JournalUnavailable
from core.operations import propose
from core.receipts.receipt import Action
from core.rollout.schedule import PromotionMode, Schedule
from core.settings.target import TargetSettings
from core.target.target import Target
from core.watch.clock import newest_jump
from tests.support.rig import Clock, Rig, decision, rig, slots  # noqa: F401 - fixtures of the other folder

STEP = timedelta(minutes=20)


def scheduled(rig: Rig, zone: str, at: time) -> Rig:  # noqa: F811 - the fixture's name
    """The same house with a daily run that only reports, at a local time of a zone."""
    schedule = Schedule(zone=zone, at=at, promotion=PromotionMode.OFF)
    target = rig.settings.model_copy(update={"schedule": schedule})
    return Rig(Target.at(target, rig.target.access, rig.clock), rig.clock, rig.statuses, rig.people)


def live_through(rig: Rig, moments: Iterable[datetime]) -> list[tuple[str, datetime]]:  # noqa: F811
    """Let the job look at each of these moments; return the runs that were made: local date and moment."""
    jobs = Jobs(rig.target, lambda: None, lambda _found: None)
    for moment in moments:
        rig.clock.now = moment
        jobs._daily()
    receipts = (sealed.receipt for sealed in rig.target.journal.receipts())
    return [(str(receipt.cause).removeprefix("daily:"), receipt.ts) for receipt in receipts if receipt.action is Action.DAILY]


def ticks(begin: datetime, end: datetime) -> Iterator[datetime]:
    while begin < end:
        yield begin
        begin += STEP


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


TRANSITIONS = [
    ("Europe/Zurich", "2025-03-30", "2025-10-26", time(2, 30)),
    ("America/New_York", "2025-03-09", "2025-11-02", time(2, 30)),
    ("America/St_Johns", "2025-03-09", "2025-11-02", time(2, 15)),
    ("Australia/Lord_Howe", "2025-10-05", "2025-04-06", time(2, 15)),
    ("Pacific/Auckland", "2025-09-28", "2025-04-06", time(2, 45)),
    ("America/Santiago", "2025-09-07", "2025-04-06", time(0, 10)),
    ("Africa/Cairo", "2025-04-25", "2025-10-31", time(0, 5)),
]
CHANGES = [
    pytest.param(zone, day, at, id=f"{zone}-{which}-{at:%H%M}")
    for zone, forward, back, awkward in TRANSITIONS
    for which, day in (("forward", forward), ("back", back))
    for at in (time(9, 5), awkward)
]


@pytest.mark.parametrize(("zone", "day", "at"), CHANGES)
def test_the_run_is_made_once_a_day_over_every_change_of_the_clocks(
    rig: Rig,  # noqa: F811
    zone: str,
    day: str,
    at: time,
    figure: Callable[[str], None],
) -> None:
    """Three local days around a change, also at a time that does not exist that day or comes twice: three runs, each on time."""
    change = date.fromisoformat(day)
    days = [change + timedelta(days=offset) for offset in (-1, 0, 1)]
    local = ZoneInfo(zone)
    begin, end = (
        datetime.combine(judged_day, time(0), local).astimezone(UTC) for judged_day in (days[0], change + timedelta(days=2))
    )
    runs = live_through(scheduled(rig, zone, at), ticks(begin, end))
    assert [made for made, _ in runs] == [judged_day.isoformat() for judged_day in days]
    for one, (_, moment) in zip(days, runs, strict=True):
        due = datetime.combine(one, at, local).astimezone(UTC)
        assert due <= moment < due + STEP
    figure(f"daily run, {zone} around {day} at {at:%H:%M}: {len(runs)} runs in 3 days")


@pytest.mark.parametrize(("zone", "day", "at"), CHANGES)
def test_the_changes_that_are_tried_are_changes(zone: str, day: str, at: time) -> None:
    """The table would prove nothing if a zone had its change on another day."""
    local, change = ZoneInfo(zone), date.fromisoformat(day)
    offsets = {datetime.combine(change + timedelta(days=offset), at, local).utcoffset() for offset in (-1, 1)}
    assert len(offsets) == 2


def test_a_date_that_a_zone_skips_has_no_run_of_its_own(rig: Rig) -> None:  # noqa: F811
    """Samoa had no 30 December 2011: the runs are those of the 29th and the 31st."""
    begin = datetime(2011, 12, 29, tzinfo=ZoneInfo("Pacific/Apia")).astimezone(UTC)
    runs = live_through(scheduled(rig, "Pacific/Apia", time(9, 5)), ticks(begin, begin + timedelta(hours=48)))
    assert [made for made, _ in runs] == ["2011-12-29", "2011-12-31"]


def test_a_leap_day_has_its_run(rig: Rig) -> None:  # noqa: F811
    """29 February is a date like any other, and so is the day after it."""
    runs = live_through(scheduled(rig, "UTC", time(9, 5)), ticks(utc("2024-02-28"), utc("2024-03-02")))
    assert [made for made, _ in runs] == ["2024-02-28", "2024-02-29", "2024-03-01"]


@pytest.mark.parametrize(
    ("begins", "jumps_at", "hours"),
    [
        pytest.param("2025-10-01T08:55", "2025-10-01T09:30", -1, id="an-hour-back-after-the-run"),
        pytest.param("2025-10-01T08:00", "2025-10-01T09:04", -1, id="an-hour-back-just-before-it"),
        pytest.param("2025-10-01T08:55", "2025-10-02T00:30", -1, id="an-hour-back-over-midnight"),
        pytest.param("2025-10-01T08:00", "2025-10-01T08:50", 1, id="an-hour-forward-over-it"),
    ],
)
def test_a_clock_that_jumps_makes_no_second_run_and_loses_none(
    rig: Rig,  # noqa: F811
    begins: str,
    jumps_at: str,
    hours: int,
) -> None:
    """The run's key is its date: whatever the clock does, each date has one."""
    before = ticks(utc(begins), utc(jumps_at))
    after = ticks(utc(jumps_at) + timedelta(hours=hours), utc("2025-10-02T12:00"))
    runs = live_through(scheduled(rig, "UTC", time(9, 5)), [*before, *after])
    assert [made for made, _ in runs] == ["2025-10-01", "2025-10-02"]


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        pytest.param("2025-10-01T09:06", [("2025-10-01", "2025-10-01T09:06")], id="at-09:06"),
        pytest.param("2025-10-01T11:00", [("2025-10-01", "2025-10-01T11:00")], id="at-11:00"),
        pytest.param("2025-10-01T15:04", [("2025-10-01", "2025-10-01T15:04")], id="in-the-last-minute-of-the-grace"),
        pytest.param("2025-10-01T15:05", [], id="after-the-grace"),
        pytest.param("2025-10-02T08:00", [("2025-10-02", "2025-10-02T09:20")], id="the-next-day-before-the-run"),
        pytest.param("2025-10-02T09:06", [("2025-10-02", "2025-10-02T09:06")], id="the-next-day-after-the-run"),
    ],
)
def test_a_run_that_was_missed_at_0905_is_made_on_return_within_the_grace(
    rig: Rig,  # noqa: F811
    returns: str,
    expected: list[tuple[str, str]],
) -> None:
    """The process was down at 09:05 on 1 October: late it runs once, after the grace not at all, and never two at once."""
    begin = utc(returns)
    looks = [utc("2025-10-01T09:04"), *ticks(begin, min(begin + timedelta(hours=3), utc("2025-10-02T12:00")))]
    runs = live_through(scheduled(rig, "UTC", time(9, 5)), looks)
    assert [(made, f"{at:%Y-%m-%dT%H:%M}") for made, at in runs] == expected


def test_two_bots_make_one_run(rig: Rig) -> None:  # noqa: F811
    """The journal has one run of a date, whichever process looked first."""
    first, second = scheduled(rig, "UTC", time(9, 5)), scheduled(rig, "UTC", time(9, 5))
    for moment in ticks(utc("2025-10-01T09:00"), utc("2025-10-01T11:00")):
        for bot in (first, second):
            live_through(bot, [moment])
    assert [made for made, _ in live_through(first, [])] == ["2025-10-01"]


@pytest.mark.parametrize("wanted", [True, False])
def test_a_drill_is_held_once_a_week_where_the_settings_want_it(rig: Rig, *, wanted: bool) -> None:  # noqa: F811
    """Off by default; on, once in each ISO week of local time, whoever restarts the bot."""
    assert Schedule().drill is False
    options = rig.settings.model_copy(update={"schedule": Schedule(drill=wanted)})
    target = Target.at(options, rig.target.access, rig.clock)
    propose.init(target, rig.people["olivia"], "begin")
    options.state_file.write_text('{"R1": 1}', encoding="utf-8")
    for _ in range(15):
        Jobs(target, lambda: None, lambda _found: None)._drill()
        rig.clock.pass_(days=1)
    causes = [sealed.receipt.cause for sealed in target.journal.receipts() if sealed.receipt.action is Action.DRILL]
    assert causes == (["drill:2025-W40", "drill:2025-W41", "drill:2025-W42"] if wanted else [])


@pytest.mark.parametrize("wanted", [True, False])
def test_a_drill_of_the_alert_path_is_held_once_a_week_where_the_settings_want_it(rig: Rig, *, wanted: bool) -> None:  # noqa: F811
    """Off by default; on, once in each ISO week of local time, also where nothing answers as Alertmanager."""
    assert Schedule().drill_alerts is False
    schedule = Schedule(drill_alerts=wanted)
    options = rig.settings.model_copy(update={"schedule": schedule, "alertmanager_url": "http://127.0.0.1:9"})
    target = Target.at(options, rig.target.access, rig.clock)
    propose.init(target, rig.people["olivia"], "begin")
    for _ in range(15):
        Jobs(target, lambda: None, lambda _found: None)._drill_alerts()
        rig.clock.pass_(days=1)
    held = [sealed.receipt for sealed in target.journal.receipts() if sealed.receipt.action is Action.ALERT_DRILL]
    weeks = ["drill-alerts:2025-W40", "drill-alerts:2025-W41", "drill-alerts:2025-W42"] if wanted else []
    assert [receipt.cause for receipt in held] == weeks
    assert all("Alertmanager cannot be reached" in receipt.note for receipt in held)


def test_the_ledger_is_renamed_once_a_month_and_compressed_once_it_was_quiet_for_a_day(rig: Rig) -> None:  # noqa: F811
    """Looked at each day: what was renamed on the first does not wait for the next month."""
    propose.init(rig.target, rig.people["olivia"], "begin")
    ledger = rig.settings.ledger
    names, told = [], []
    for _ in range(4):
        line = json.dumps({**decision(rig.clock.now - timedelta(days=1)), "id": str(rig.clock.now)}) + "\n"
        with ledger.open("a", encoding="utf-8") as stream:
            stream.write(line)
        os.utime(ledger, (rig.clock.now.timestamp(), rig.clock.now.timestamp()))
        Jobs(rig.target, lambda: None, lambda _found: None)._archive()
        Jobs(rig.target, lambda: None, lambda _found: None)._archive()
        names.append(sorted(path.name for path in ledger.parent.glob("ledger*")))
        told = [sealed.receipt.cause for sealed in rig.target.journal.receipts() if sealed.receipt.action is Action.ARCHIVE]
        rig.clock.pass_(days=1)
    renamed = "ledger-20251001T090500Z.ndjson"
    assert names == [*[[renamed, "ledger.ndjson"]] * 2, *[[f"{renamed}.gz", "ledger.ndjson"]] * 2]
    assert told == ["archive:2025-10-01", "archive:2025-10-03"]


def test_a_weekly_drill_of_the_alert_path_needs_an_alertmanager() -> None:
    """A job that could never be done is no setting."""
    with pytest.raises(ValueError, match=r"schedule\.drill_alerts needs alertmanager_url"):
        TargetSettings(schedule=Schedule(drill_alerts=True))
    assert TargetSettings(schedule=Schedule(drill_alerts=True), drill_alertmanager_url="http://127.0.0.1:9093").drill_url


def copied(rig: Rig) -> list[str]:  # noqa: F811
    return sorted(path.name for path in rig.settings.copies_dir.glob("*"))


def test_the_journal_is_copied_once_in_each_local_date(rig: Rig) -> None:  # noqa: F811
    """Whoever starts the bot anew on the same day makes no second copy; before `anr init` there is nothing to copy."""
    rig.clock.now = utc("2025-10-01T10:00")
    Jobs(rig.target, lambda: None, lambda _found: None)._copy_journal()
    assert copied(rig) == []
    propose.init(rig.target, rig.people["olivia"], "begin")
    for moment in ("2025-10-01T10:01", "2025-10-01T15:00", "2025-10-02T00:30", "2025-10-02T09:00"):
        rig.clock.now = utc(moment)
        Jobs(rig.target, lambda: None, lambda _found: None)._copy_journal()
    assert copied(rig) == ["journal_20251001_100100.sqlite", "journal_20251002_003000.sqlite"]


def test_a_copy_that_could_not_be_made_is_tried_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """A folder that is in the way delays the day's copy until it is gone, and ten minutes."""
    propose.init(rig.target, rig.people["olivia"], "begin")
    jobs = Jobs(rig.target, lambda: None, lambda _found: None)
    rig.settings.copies_dir.write_text("in the way", encoding="utf-8")
    with pytest.raises(JournalUnavailable):
        jobs._copy_journal()
    rig.settings.copies_dir.unlink()
    jobs._copy_journal()
    assert copied(rig) == []
    later = monotonic() + 601
    monkeypatch.setattr("bot.jobs.time.monotonic", lambda: later)
    jobs._copy_journal()
    assert len(copied(rig)) == 1


class Looking(Jobs):
    """The jobs, telling of each look before it begins."""

    def __init__(self, rig: Rig) -> None:  # noqa: F811
        super().__init__(rig.target, lambda: None, lambda _found: None)
        self.looks = asyncio.Queue[str]()

    async def _guarded(self, job: Callable[[], None]) -> None:
        self.looks.put_nowait(job.__name__)
        await super()._guarded(job)

    async def everybody(self, *, but: str = "") -> None:
        """Wait until each job has begun one more look that nobody has waited for yet."""
        wanted = {job.id for job in self._scheduler.get_jobs()} - {but}
        while wanted:
            wanted.discard(await self.looks.get())


class Going(Clock):
    """A clock that goes on by itself, also where a test has set it."""

    def __call__(self) -> datetime:
        return self.now + timedelta(seconds=monotonic())


@pytest.fixture
def hasty(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Rig:  # noqa: F811
    """The same house, whose clock goes on and whose jobs hardly pause."""
    for pause in ("_LOOK_SECONDS", "_VERIFY_SECONDS"):
        monkeypatch.setattr(f"bot.jobs.{pause}", 0.01)
    clock, settings = Going(rig.clock.now), rig.settings.model_copy(update={"recheck_minutes": 0.01 / 60})
    return Rig(Target.at(settings, rig.target.access, clock), clock, rig.statuses, rig.people)


class SetBack(datetime):
    """The machine's clock, once somebody has set it back by a day."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "SetBack":
        return super().now(tz) - timedelta(days=1)


async def test_a_clock_that_is_set_back_stops_no_job(
    hasty: Rig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every job goes on looking while the clock is a day behind; it is logged, and kept for `doctor`."""
    jobs = Looking(hasty)
    jobs.start()
    try:
        await jobs.everybody()
        for scheduling in ("bot.jobs", "apscheduler.schedulers.base"):
            monkeypatch.setattr(f"{scheduling}.datetime", SetBack)
        hasty.clock.pass_(days=-1)
        for _ in range(3):
            await jobs.everybody()
    finally:
        await jobs.stop()
    assert "the clock was set back by 1 d; the jobs go on" in caplog.text
    jump = newest_jump(hasty.settings.run_dir)
    assert jump is not None
    assert round(jump.by_s) == -86400


async def test_a_job_that_takes_long_is_not_begun_beside_itself(hasty: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others go on meanwhile; at the end it is waited for, and nothing is begun any more."""
    begun, may_end = list[int](), threading.Event()

    def _sweep(_self: Jobs) -> None:
        begun.append(1)
        may_end.wait()

    monkeypatch.setattr(Jobs, "_sweep", _sweep)
    jobs = Looking(hasty)
    jobs.start()
    for _ in range(3):
        await jobs.everybody(but="_sweep")
    ending = asyncio.create_task(jobs.stop())
    await asyncio.sleep(0)
    assert (begun, ending.done()) == ([1], False)
    may_end.set()
    await ending
    assert begun == [1]


def test_a_brake_that_waits_is_recorded_although_the_clock_was_set_back(rig: Rig) -> None:  # noqa: F811
    """What it left is of a future that may be hours away: it is not taken for a brake that is just recording itself."""
    propose.init(rig.target, rig.people["olivia"], "begin")
    with closing(sqlite3.connect(rig.settings.journal, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        brake.rollback(rig.target, rig.people["max"], "slow")
        other.execute("ROLLBACK")
    rig.clock.pass_(hours=-3)
    Jobs(rig.target, lambda: None, lambda _found: None)._record_brakes()
    assert [sealed.receipt.action for sealed in rig.target.journal.receipts(last=1)] == [Action.ROLLBACK]
