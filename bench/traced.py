"""`python -m bench.traced FILE bot`: the bot, which writes at its end where the time of each alert went.

Of each request it says in milliseconds how long every leg took, and of the alerts' thread how much of that it computed; the rest
is the disk, or waiting for a turn of the interpreter or of a processor. Beside that the pauses for garbage, and how late the
event loop was.

Excluded: sending alerts and printing (bench/alerts.py).
"""

import asyncio
import gc
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from bot.cli import main as command
from bot.http import lane, webhook
from core.brake import respond
from core.router import control, marks

LAG_SECONDS = 0.005
"""How often it is asked how late the event loop is."""
STANDSTILL_SECONDS = 0.04
"""How long the event loop must not have come round for its thread to be looked at."""
JUDGED, WAITED, RECALLED, MARKED, SETTINGS, DISK, COMPUTED = (
    "judged on a thread",
    "waited for the alerts' thread",
    "asked the journal",
    "mark",
    "settings",
    "of which synced",
    "of which computed",
)
QUEUED = "of which waited for a processor"
LEGS = (JUDGED, WAITED, RECALLED, MARKED, SETTINGS, DISK, COMPUTED, QUEUED)


def _queued() -> float:
    """Milliseconds for which this thread was ready to run and did not (Linux: `Documentation/scheduler/sched-stats.rst`)."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()[1]) / 1e6
    except OSError:
        return 0.0


class _Tracer:
    """What was measured so far, in milliseconds."""

    def __init__(self) -> None:
        self.requests: list[dict[str, float]] = []
        self.garbage: list[tuple[float, int]] = []
        self.lags: list[float] = []
        self.stood: list[str] = []
        self._beat = 0.0
        self._under_way: dict[float, dict[str, float]] = {}
        self._judged: dict[float, float] = {}
        self._here = threading.local()

    def trace(self) -> None:
        """Put the measuring around the calls that are measured."""
        self._wrap(webhook.AlertWebhook, "_receive", self._receiving)
        self._wrap(webhook.AlertWebhook, "_act_on", self._judging)
        self._wrap(lane.Lane, "_act", self._acting)
        self._wrap(webhook.AlertWebhook, "drain", self._draining)
        for owner, name, leg in (
            (respond.AlertResponder, "_recall", RECALLED),
            (marks.Brake, "engage", MARKED),
            (control.Router, "make_safe", SETTINGS),
            (os, "fsync", DISK),
        ):
            self._wrap(owner, name, self._leg(leg))
        begun = 0.0

        def collecting(phase: str, info: dict[str, int]) -> None:
            nonlocal begun
            if phase == "start":
                begun = time.perf_counter()
            else:
                self.garbage.append((1000 * (time.perf_counter() - begun), info["generation"]))

        gc.callbacks.append(collecting)

    @staticmethod
    def _wrap(owner: Any, name: str, around: Callable[..., Any]) -> None:
        call = getattr(owner, name)
        setattr(owner, name, wraps(call)(lambda *args, **kwargs: around(call, *args, **kwargs)))

    async def _receiving(self, call: Callable[..., Any], webhook: Any, request: Any, received: float) -> Any:
        if not hasattr(self, "lag"):
            self.garbage.clear()
            self.lag = asyncio.create_task(self._follow_lag())
            threading.Thread(target=self._look_at_standstill, args=(threading.get_ident(),), daemon=True).start()
        found = self._under_way[received] = {}
        try:
            return await call(webhook, request, received)
        finally:
            self.requests.append({**found, "whole": 1000 * (time.monotonic() - received)})

    async def _judging(self, call: Callable[..., Any], webhook: Any, judged: Any, received: float) -> Any:
        self._judged[received] = time.monotonic()
        self._under_way[received][JUDGED] = 1000 * (self._judged[received] - received)
        return await call(webhook, judged, received)

    def _acting(self, call: Callable[..., Any], lane: Any, heard: Any) -> Any:
        queued = _queued()
        begun, computed = time.monotonic(), time.thread_time()
        legs: dict[str, float] = {}
        self._here.legs = legs
        try:
            return call(lane, heard)
        finally:
            self._here.legs = None
            legs[COMPUTED] = 1000 * (time.thread_time() - computed)
            ended = time.monotonic()
            legs[QUEUED] = _queued() - queued
            for payload in heard:
                waited = 1000 * (begun - self._judged.pop(payload.received, begun))
                self._under_way.pop(payload.received, {}).update(
                    {**legs, WAITED: waited, "safe": 1000 * (ended - payload.received), "together": len(heard)}
                )

    def _leg(self, leg: str) -> Callable[..., Any]:
        def timed(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            legs = getattr(self._here, "legs", None)
            begun = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                if legs is not None:
                    legs[leg] = legs.get(leg, 0.0) + 1000 * (time.perf_counter() - begun)

        return timed

    async def _follow_lag(self) -> None:
        while True:
            due = time.perf_counter() + LAG_SECONDS
            await asyncio.sleep(LAG_SECONDS)
            self._beat = time.perf_counter()
            self.lags.append(1000 * (self._beat - due))

    def _look_at_standstill(self, loop: int) -> None:
        """Keep what the event loop's thread does whenever it has not come round for a while."""
        while True:
            time.sleep(LAG_SECONDS)
            stood = time.perf_counter() - self._beat
            if self._beat and stood > STANDSTILL_SECONDS:
                frame = sys._current_frames().get(loop)  # noqa: SLF001 - the documented way to another thread's stack
                self.stood.append(f"{1000 * stood:.0f} ms: {''.join(traceback.format_stack(frame, limit=6) if frame else [])}")

    async def _draining(self, call: Callable[..., Any], webhook: Any) -> Any:
        if hasattr(self, "lag"):
            self.lag.cancel()
            self._beat = 0.0
        return await call(webhook)


def main() -> None:
    """Run the command line that follows the file's name."""
    into = Path(sys.argv.pop(1))
    tracer = _Tracer()
    tracer.trace()
    try:
        command.main()
    finally:
        measured = {"requests": tracer.requests, "garbage": tracer.garbage, "lags": tracer.lags, "stood": tracer.stood}
        into.write_text(json.dumps(measured), encoding="utf-8")


if __name__ == "__main__":
    main()
