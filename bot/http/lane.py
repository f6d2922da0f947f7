"""The way of alerts to one router: one at a time, in order.

Excluded: the HTTP request (bot/http/webhook.py), and what an alert asks for (core/brake/respond.py).
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.dispatch.channel import TargetChannel
from bot.http.metrics import Counters
from bot.http.together import Together
from core.alerts.payload import AlertFacts, AlertStatus
from core.alerts.rules import Effect
from core.brake.respond import AlertResponder
from core.brake.second_look import stay_safe
from core.brake.turns import BrakeResult, RecordResult
from core.system.logs import logger
from core.target.alert_path import WatchdogUnwritable, heard
from core.target.announced_drills import DrillUnwritable, announced, keep_heard
from core.target.target import Target

log = logger(__name__)
_NOTE_SECONDS = 10.0
"""How long an answer waits for the journal, if the payload holds what only the journal keeps."""
_NOTE_WITHIN_SECONDS = 0.1
"""How long what nobody waits for may wait to be recorded: the marks hold it, and together it costs half."""
_LOOK_AFTER_SECONDS = 0.2
_TELL_AFTER_SECONDS = 0.2
_MOST_AT_ONCE = 200
"""Payloads that wait for one router, as many as there are connections (bot/http/server.py); more are told to come again."""


@dataclass(frozen=True, slots=True)
class LaneResult:
    """What came of a payload at one router.

    Attributes:
        done: all that it asks for is done and kept.
        problems: what went wrong, each a sentence.
        held: any alert of it holds the router.
        safe_after_s: seconds from the request to the router's safe settings on disk; None if nothing new froze.
    """

    done: bool
    problems: tuple[str, ...] = ()
    held: bool = False
    safe_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Heard:
    """The alerts of a payload, and when it came by the monotonic clock."""

    facts: tuple[AlertFacts, ...]
    received: float


_Acted = tuple[BrakeResult, tuple[str, ...], float | None]
"""What was done about a payload, what else went wrong, and after how many seconds the router was safe."""


class Lane:
    """The way of alerts to one router, with threads of its own, so that no report and no other router can delay them."""

    def __init__(self, target_channel: TargetChannel, counters: Counters) -> None:
        self.name = target_channel.target.settings.name
        self._target: Target = target_channel.target
        self._wake: Callable[[], None] = target_channel.stories.wake
        self._counters = counters
        self._responder = AlertResponder(target_channel.target)
        self._to_act = Together(self._act, "anr-alert")
        self._to_note = Together(self._responder.note_down_all, "anr-note")
        self._kept: set[asyncio.Future[Any]] = set()
        self._waiting = 0
        self._look: asyncio.TimerHandle | None = None
        self._telling: asyncio.TimerHandle | None = None

    async def take(self, facts: tuple[AlertFacts, ...], received: float) -> LaneResult:
        """Do what a payload's alerts ask for; return what came of it.

        Args:
            facts: the alerts that mean this router.
            received: when the request came, by the monotonic clock.
        """
        if self._waiting >= _MOST_AT_ONCE:
            return LaneResult(done=False, problems=(f"{self.name}: too many payloads wait. Nothing was done; come again.",))
        self._waiting += 1
        try:
            return await self._take(facts, received)
        finally:
            self._waiting -= 1

    async def _take(self, facts: tuple[AlertFacts, ...], received: float) -> LaneResult:
        loop = asyncio.get_running_loop()
        acted, problems, seconds = await self._to_act.ask(_Heard(facts, received))
        is_done = acted.held and acted.safe and not acted.shown
        noting = self._to_note.ask(acted, within_s=_NOTE_WITHIN_SECONDS if is_done else 0.0)
        self._keep(noting)
        noting.add_done_callback(lambda _: self._tell_soon())
        if acted.notes and self._look is None:
            self._look = loop.call_later(_LOOK_AFTER_SECONDS, self._look_again)
        if is_done:
            return LaneResult(not problems, problems, bool(acted.notes or acted.repeated), seconds)
        try:
            noted: RecordResult = await asyncio.wait_for(asyncio.shield(noting), _NOTE_SECONDS)
        except TimeoutError:
            noted = RecordResult(kept=False, problems=("The journal does not answer.",))
        done = acted.safe and noted.kept and not problems
        problems = (*problems, *acted.problems, *noted.problems)
        return LaneResult(done, problems, bool(acted.notes or acted.repeated), seconds)

    async def drain(self) -> None:
        """Wait for what was begun, then let the threads go."""
        if self._look is not None:
            self._look.cancel()
            self._look_again()
        while self._kept:
            await asyncio.gather(*self._kept, return_exceptions=True)
        for thread in (self._to_act, self._to_note):
            thread.close()
        self._responder.close()

    def _act(self, heard: Sequence[_Heard]) -> list[_Acted]:
        """Act on all payloads that wait, and measure how long each waited for the safe settings."""
        apart = [self._drills_apart(waiting.facts) for waiting in heard]
        results = self._responder.act_on_all([facts for _, facts in apart])
        now = time.monotonic()
        return [
            self._acted(acted, drills, facts, now - waiting.received)
            for waiting, (drills, facts), acted in zip(heard, apart, results, strict=True)
        ]

    def _acted(
        self, acted: BrakeResult, drills: Sequence[tuple[str, AlertFacts]], facts: tuple[AlertFacts, ...], took_s: float
    ) -> _Acted:
        seconds = took_s if acted.notes and acted.safe else None
        if seconds is not None:
            self._counters.freeze_seconds.labels(self.name).observe(seconds)
        self._counters.freezes.labels(self.name).inc(len(acted.notes))
        for alert in facts:
            self._counters.alerts.labels(self.name, alert.effect.value, alert.status.value).inc()
        problems: tuple[str, ...] = ()
        if any(alert.effect is Effect.WATCHDOG and alert.status is AlertStatus.FIRING for alert in facts):
            try:
                heard(self._target.settings.run_dir, acted.at)
            except WatchdogUnwritable as error:
                problems = (str(error),)
        return acted, (*problems, *self._hear(drills, acted.at)), seconds

    def _drills_apart(self, facts: tuple[AlertFacts, ...]) -> tuple[list[tuple[str, AlertFacts]], tuple[AlertFacts, ...]]:
        """Return the alerts that were announced as drills, with their ids, and all others, which the rules judge."""
        drills: list[tuple[str, AlertFacts]] = []
        others: list[AlertFacts] = []
        for alert in facts:
            drill = (
                announced(self._target.settings.run_dir, self.name, alert, self._target.clock())
                if "drill" in alert.labels
                else None
            )
            if drill is None:
                others.append(alert)
            else:
                drills.append((drill, alert))
        return drills, tuple(others)

    def _hear(self, drills: Sequence[tuple[str, AlertFacts]], at: datetime) -> Iterator[str]:
        """Keep that drills were heard; yield what could not be kept, each a sentence."""
        for drill, facts in drills:
            self._counters.alerts.labels(self.name, "drill", facts.status.value).inc()
            if facts.status is AlertStatus.FIRING:
                try:
                    keep_heard(self._target.settings.run_dir, drill, at)
                except DrillUnwritable as error:
                    yield str(error)

    def _tell_soon(self) -> None:
        """Tell the channel of several alerts in a row at once."""
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(_TELL_AFTER_SECONDS, self._tell)

    def _tell(self) -> None:
        self._telling = None
        self._wake()

    def _look_again(self) -> None:
        """One look after several brakes in a row: none of them waits for it."""
        self._look = None
        self._keep(
            asyncio.get_running_loop().run_in_executor(self._to_note.thread, stay_safe, self._target, self._target.clock())
        )

    def _keep(self, work: "asyncio.Future[Any]") -> None:
        self._kept.add(work)
        work.add_done_callback(self._done)

    def _done(self, work: "asyncio.Future[Any]") -> None:
        self._kept.discard(work)
        if not work.cancelled() and (error := work.exception()) is not None:
            log.error("alerts could not be noted down", target=self.name, exc_info=error)
