"""Follows one running router for as long as the bot lives: a brake's card turns within seconds of what its ledger shows.

A thread of its own looks, so that neither an operation nor a report delays it. Excluded: what is seen, and how it is recorded
(core/watch/observe.py).
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from core.errors import AnrError
from core.receipts.observation import Observation
from core.system.logs import logger
from core.target.target import Target
from core.watch.observe import Observer

log = logger(__name__)

_TICK_SECONDS, _COUNT_SECONDS = 1.0, 10.0


class Following:
    """Follows the running router of one target; tells when something was recorded of it, and which story's count has grown."""

    def __init__(self, target: Target, on_change: Callable[[], None], on_count: Callable[[str], None]) -> None:
        self._observer = Observer(target)
        self._on_change = on_change
        self._on_count = on_count
        self._counted = (0, 0.0)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="anr-observe")

    @property
    def seen(self) -> Observation | None:
        """What was seen at the last look; None before the first, and if nothing is expected of the router."""
        return self._observer.seen

    async def run(self) -> None:
        """Look again and again until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                if await loop.run_in_executor(self._thread, self._observer.tick) is not None:
                    self._on_change()
                self._tell_count()
            except AnrError as error:
                log.warning("the running router cannot be followed at present: %s", error)
            except Exception:  # the top of a follower that must not die: the next look tries again
                log.exception("a look at the running router failed")
            await asyncio.sleep(_TICK_SECONDS)

    def _tell_count(self) -> None:
        """Have a card that says STILL SERVING shown again now and then, while the decisions that it counts become more."""
        seen, (told, told_at) = self.seen, self._counted
        if seen is None or not seen.sight.contradicts or seen.live == told or not self._observer.story:
            return
        if time.monotonic() - told_at >= _COUNT_SECONDS:
            self._counted = (seen.live, time.monotonic())
            self._on_count(self._observer.story)

    def close(self) -> None:
        """Let the thread and the journal go."""
        self._thread.shutdown(cancel_futures=True)
        self._observer.close()
