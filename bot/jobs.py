"""The scheduled jobs: daily run and pre-flight, looks between the runs, open requests, brakes that wait to be recorded, upkeep.

The daily run is made once per local date, whoever makes it: its cause key is the date. A run that was missed is caught up
within the grace, because a job looks again and again whether today's is due; no job store has to remember anything.
APScheduler looks when the clock says so; once the clock was set back, all look at once, and from there on.

Upkeep is due once in its period, and its cause key is the period: a backup with the daily run, a prune in each week (and a
drill of the safety nets and one of the alert path, if the settings want them), and a look each day at
what of the ledger is to archive. The journal is copied once in each day, which leaves a file and no receipt.

Excluded: what a run does (core/operations/propose.py, core/upkeep/backup.py, core/upkeep/drill.py, core/brake/alert_drill.py,
core/upkeep/archive.py, core/upkeep/journal_copy.py).
"""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from core.actors import UPKEEP
from core.brake import alert_drill
from core.errors import AnrError
from core.journal.marks import Marks
from core.operations import daily, requests
from core.operations.requests import Reexamined
from core.operations.results import Refused
from core.receipts.cause import Archive, Backup, Daily, Drill, DrillAlerts, Preflight, Prune
from core.rollout.schedule import due, preflight_due
from core.system.logs import logger
from core.target.target import Target
from core.text import spoken
from core.upkeep import archive, backup, drill, journal_copy, prune
from core.watch import clock, guard, recover, watch
from core.watch.clock import ClockWatch

log = logger(__name__)

_UTC = ZoneInfo("UTC")
_LOOK_SECONDS = 20
_VERIFY_SECONDS = 600
"""How often every receipt is compared with what was verified; a look in between only verifies what was added."""
_UPKEEP_RETRY_SECONDS = 600.0


class Jobs:
    """Runs the jobs of one target."""

    def __init__(
        self,
        target: Target,
        on_change: Callable[[], None],
        on_look: Callable[[Reexamined], None],
        marks: Callable[[], Marks] = lambda: Marks("the channel"),
    ) -> None:
        self._target = target
        self._marks = marks
        self._on_look = on_look
        self._schedule = target.settings.schedule
        self._on_change = on_change
        self._clock = ClockWatch()
        self._scheduler = AsyncIOScheduler(timezone=_UTC)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._done: set[str] = set()
        self._not_before: dict[str, float] = {}
        self._stopping = threading.Event()
        self._stopped = asyncio.Event()

    def start(self) -> None:
        """Begin to look at the clock, at once for what was missed."""
        periods = {self._reexamine: self._target.settings.recheck_minutes * 60, self._verify: _VERIFY_SECONDS}
        for job in (
            self._record_brakes,
            self._preflight,
            self._daily,
            self._note_missed,
            self._sweep,
            self._watch,
            self._guard,
            self._backup,
            self._prune,
            self._drill,
            self._drill_alerts,
            self._archive,
            self._copy_journal,
            self._reexamine,
            self._verify,
        ):
            self._scheduler.add_job(
                self._begin,
                "interval",
                args=(job,),
                id=job.__name__,
                seconds=periods.get(job, _LOOK_SECONDS),
                next_run_time=datetime.now(_UTC),
                misfire_grace_time=None,
                coalesce=True,
            )
        self._scheduler.start()
        self._watching = asyncio.create_task(self._look_at_clock_again_and_again(), name="anr-clock")

    async def stop(self) -> None:
        """Begin nothing more, and wait for what is under way."""
        self._stopping.set()
        self._stopped.set()
        self._scheduler.shutdown(wait=False)
        await self._watching
        while self._running:  # the scheduler's own end comes with the loop's next turn, and may begin a job until then
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _begin(self, job: Callable[[], None]) -> None:
        # the scheduler cancels its own tasks at shutdown; a run that touches the router is drained instead
        if job.__name__ in self._running:
            return
        task = asyncio.create_task(self._guarded(job))
        self._running[job.__name__] = task
        task.add_done_callback(lambda _: self._running.pop(job.__name__))

    async def _look_at_clock_again_and_again(self) -> None:
        """Pause by the time that passes: the scheduler itself would wait until a clock that was set back is where it was."""
        while not self._stopped.is_set():
            await self._guarded(self._look_at_clock)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._stopped.wait()

    async def _guarded(self, job: Callable[[], None]) -> None:
        structlog.contextvars.bind_contextvars(router=self._target.settings.name, job=job.__name__.strip("_"))
        try:
            await asyncio.to_thread(job)
        except AnrError as error:
            log.warning("a scheduled job could not be done, it is tried again: %s", error)
        except Exception:  # the top of a job
            log.exception("a scheduled job failed")

    def _daily(self) -> None:
        day = due(self._target.clock(), self._schedule)
        if day is None or self._target.journal.find_cause(Daily(day)) is not None:
            return
        if not isinstance(daily.daily(self._target, day, self._schedule.promotion), Refused):
            self._on_change()

    def _look_at_clock(self) -> None:
        """A clock that was set is told; what was due and done stays done, by its date."""
        jump = self._clock.look(self._target.clock(), time.monotonic())
        if jump is None:
            return
        if jump.back is None:
            log.warning("the clock is ahead of the time that has passed by %.0f s: set, or the machine slept", jump.by_s)
            return
        log.error("the clock was set back by %s; the jobs go on, but ages, soaks and expiries are wrong by it", spoken(jump.back))
        for job in self._scheduler.get_jobs():  # each would wait until the clock says again what it said
            job.modify(next_run_time=datetime.now(_UTC))
        clock.remember(self._target.settings.run_dir, jump)

    def _record_brakes(self) -> None:
        if recover.record_waiting(self._target):
            self._on_change()

    def _preflight(self) -> None:
        day = preflight_due(self._target.clock(), self._schedule)
        if day is None or self._target.journal.find_cause(Preflight(day)) is not None:
            return
        daily.preflight(self._target, day, self._schedule.promotion)
        self._on_change()

    def _note_missed(self) -> None:
        if daily.note_missed(self._target) is not None:
            self._on_change()

    def _reexamine(self) -> None:
        for found in requests.reexamine(self._target):
            self._on_look(found)

    def _sweep(self) -> None:
        if requests.sweep(self._target):
            self._on_change()

    def _watch(self) -> None:
        if watch.watch(self._target):
            self._on_change()

    def _guard(self) -> None:
        if guard.guard_look(self._target) is not None:
            self._on_change()

    def _verify(self) -> None:
        """From a receipt that was altered on, nobody is told a stage and nothing is promoted; neither by an older copy put back.

        What the channel has shown is remembered for whoever promotes at the terminal, where Slack is not asked.
        """
        shown = self._marks()
        if shown.problem:
            log.warning("the journal was not compared with the channel: %s", shown.problem)
        self._target.witness.saw(*shown.marks, chain=self._target.journal.digests)
        self._target.journal.state(whole=True)

    def _backup(self) -> None:
        """Once per local date, when the daily run is due."""
        day = due(self._target.clock(), self._schedule)
        if day is not None:
            self._once(str(Backup(day)), lambda cause: backup.back_up(self._target, UPKEEP, cause=cause))

    def _prune(self) -> None:
        """Once per ISO week of local time."""
        year, week, _ = self._target.clock().astimezone(ZoneInfo(self._schedule.zone)).isocalendar()
        self._once(str(Prune(year, week)), lambda cause: prune.prune(self._target, UPKEEP, cause=cause))

    def _drill(self) -> None:
        """Once per ISO week of local time, where the settings want it."""
        if not self._schedule.drill:
            return
        year, week, _ = self._target.clock().astimezone(ZoneInfo(self._schedule.zone)).isocalendar()
        self._once(str(Drill(year, week)), lambda cause: drill.drill(self._target, UPKEEP, cause=cause))

    def _drill_alerts(self) -> None:
        """Once per ISO week of local time, where the settings want it."""
        if not self._schedule.drill_alerts:
            return
        year, week, _ = self._target.clock().astimezone(ZoneInfo(self._schedule.zone)).isocalendar()
        self._once(
            str(DrillAlerts(year, week)),
            lambda cause: alert_drill.drill_alerts(self._target, UPKEEP, cause=cause, stopping=self._stopping),
        )

    def _archive(self) -> None:
        """Once per local date: the ledger is renamed once a month, and compressed once nobody has written to it for a day."""
        today = self._target.clock().astimezone(ZoneInfo(self._schedule.zone))
        self._once(
            str(Archive(today.year, today.month, today.day)), lambda cause: archive.archive(self._target, UPKEEP, cause=cause)
        )

    def _copy_journal(self) -> None:
        """Once per local date: the names of the copies say which were made."""
        zone = ZoneInfo(self._schedule.zone)
        today, now = self._target.clock().astimezone(zone).date(), time.monotonic()
        what = f"copy:{today}"
        if what in self._done or now < self._not_before.get(what, now):
            return
        self._not_before[what] = now + _UPKEEP_RETRY_SECONDS
        found = journal_copy.copies_of(self._target).found()
        if not any(copy.made_at.astimezone(zone).date() == today for copy in found) and self._target.journal.head() is not None:
            journal_copy.copy_journal(self._target)
        self._done.add(what)

    def _once(self, cause: str, work: Callable[[str], object]) -> None:
        """Do upkeep that is due once in its period; what cannot be done at all is tried again after a while."""
        now = time.monotonic()
        if cause in self._done or now < self._not_before.get(cause, now):
            return
        self._not_before[cause] = now + _UPKEEP_RETRY_SECONDS
        if self._target.journal.find_cause(cause) is None:
            work(cause)
            self._on_change()
        self._done.add(cause)  # also where there was nothing to do, and so no receipt with this cause
