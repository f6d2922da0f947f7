"""Keeps what the webhook refused, and which alerts about ANR no rule matched, beside each router.

Written off the event loop and never waited for: a flood of requests is one write a second.

Excluded: refusing (bot/http/webhook.py), and how it is kept (core/target/refusals.py).
"""

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

from core.system.logs import logger
from core.target.refusals import Refusal, keep_refusals, keep_unmatched
from core.target.target import Target

log = logger(__name__)

_REST_SECONDS = 1.0
_UNMATCHED_EVERY = timedelta(minutes=10)
_MOST_NAMES = 1000


class RefusalKeeper:
    """Keeps refusals for `doctor`, the home and the metrics, on a thread of its own."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = tuple(targets)
        self._refused: dict[str, Refusal] = {}
        self._unmatched: dict[str, None] = {}
        self._kept_at: dict[str, datetime] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="anr-refused")
        self._writing: asyncio.Task[None] | None = None

    def refused(self, status: int, result: str, text: str) -> None:
        """Keep that somebody was refused."""
        log.warning("the webhook refused a request", status=status, result=result, said=text)
        if not self._targets:
            return
        one = Refusal(self._targets[0].clock(), status, result, text)
        before = self._refused.get(result)
        self._refused[result] = replace(one, count=before.count + 1) if before else one
        self._begin()

    def unmatched(self, names: Iterable[str]) -> None:
        """Keep that alerts about ANR were heard that no rule matches."""
        if not self._targets:
            return
        now = self._targets[0].clock()
        if len(self._kept_at) > _MOST_NAMES:
            self._kept_at.clear()
        for name in names:
            if name not in self._kept_at or now - self._kept_at[name] >= _UNMATCHED_EVERY:
                self._kept_at[name] = now
                self._unmatched[name] = None
        if self._unmatched:
            self._begin()

    async def drain(self) -> None:
        """Wait until everything is kept."""
        if self._writing is not None:
            await self._writing
        self._thread.shutdown()

    def _begin(self) -> None:
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        while self._refused or self._unmatched:
            refused, self._refused = tuple(self._refused.values()), {}
            names, self._unmatched = tuple(self._unmatched), {}
            await asyncio.get_running_loop().run_in_executor(self._thread, self._keep, refused, names)
            if self._refused or self._unmatched:
                await asyncio.sleep(_REST_SECONDS)
        self._writing = None

    def _keep(self, refused: tuple[Refusal, ...], names: tuple[str, ...]) -> None:
        for target in self._targets:
            try:
                if refused:
                    keep_refusals(target.settings.run_dir, refused)
                if names:
                    keep_unmatched(target.settings.run_dir, names, target.clock())
            except OSError as error:
                log.error("what the webhook refused could not be kept", target=target.settings.name, error=str(error))  # noqa: TRY400
