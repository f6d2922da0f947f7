"""Follows the journal and keeps one message per story in the channel.

What is to be said is derived from receipts, so that nothing can be lost between an operation and its message: a story whose
newest receipt is not shown yet is shown, whoever made it (bot, scheduler or command line) and however long Slack was away.
Stories that are to be shown stand in a queue that survives a restart; one that cannot be shown waits alone.

Excluded: what a message says (bot/stories/compose.py) and how it gets to Slack (bot/slack/outbox.py).
"""

import asyncio
import random
import sqlite3
import time
from dataclasses import dataclass

from bot.slack.deliveries import Deliveries, Parked, Waiting
from bot.slack.errors import SLACK_FAILED, AskedToWait, is_outage, said
from bot.slack.outbox import Outbox
from bot.stories.compose import StoryComposer
from core.errors import AnrError
from core.journal.marks import Mark
from core.operations.requests import Reexamined
from core.receipts.chain import Sealed
from core.system.logs import logger
from core.target.target import Target

log = logger(__name__)

POLL_SECONDS = 2.0
"""How often the journal is looked at for what other processes wrote."""
_RETRY_SECONDS = (1.0, 2.0, 5.0, 15.0, 60.0)
"""How long the follower, and each story that could not be shown, waits at most before the next try; at least half as long.

Not stamina's retries: nothing waits in them. A story that waits lets the others pass, and a receipt, a person or Slack's return
ends its pause or the follower's.
"""
_AT_ONCE = 512
"""How many receipts are read at a time."""
_OUTAGE_AFTER = 2
"""How many stories in a row have to meet an outage before the others are not tried in the same pass."""


@dataclass(frozen=True, slots=True)
class _Pause:
    """How long a story waits that could not be shown.

    Attributes:
        until: on the monotonic clock.
        failures: how often in a row it could not be shown.
        outage: whether it met what every story would have met.
        asked: whether Slack asked for it.
    """

    until: float = 0.0
    failures: int = 0
    outage: bool = False
    asked: bool = False

    def longer(self, error: Exception) -> "_Pause":
        """Return the pause after one more failure."""
        longest = _RETRY_SECONDS[min(self.failures, len(_RETRY_SECONDS) - 1)]
        wait = random.uniform(longest / 2, longest)  # noqa: S311 - jitter, so that bots do not return in step
        if isinstance(error, AskedToWait):
            wait = error.seconds
        return _Pause(time.monotonic() + wait, self.failures + 1, is_outage(error), isinstance(error, AskedToWait))


class Stories:
    """Shows every story of one target."""

    def __init__(self, target: Target, composer: StoryComposer, outbox: Outbox, deliveries: Deliveries) -> None:
        self._target = target
        self._composer = composer
        self._outbox = outbox
        self._deliveries = deliveries
        self._woken = asyncio.Event()
        self._changed: dict[str, None] = {}
        self._failures = 0
        self._pauses: dict[str, _Pause] = {}
        self._showing = asyncio.Lock()

    def wake(self) -> None:
        """Look at the journal now: something was recorded."""
        self._woken.set()

    def refresh(self, operation: str) -> None:
        """Show a story again, although it has no new receipt: what is shown beside its receipts has changed."""
        self._changed[operation] = None
        self._woken.set()

    def looked(self, found: Reexamined) -> None:
        """Show what the gates say at present about a request that waits."""
        self._composer.looked(found)
        self.refresh(found.approval.id)

    def open(self, operation: str) -> None:
        """Add the details of a story to its thread."""
        self._composer.open(operation)
        self.refresh(operation)

    def unshown(self) -> int:
        """Return how many receipts are not looked at yet, and stories that are to be shown and are not yet.

        Raises:
            JournalError: the journal cannot be read.
        """
        newest = self._target.journal.head()
        ahead = max(0, newest.seq - self._deliveries.cursor()) if newest is not None else 0
        return ahead + len(self._deliveries.queued())

    def parked(self) -> int:
        """Return how many messages Slack refused for good."""
        return len(self._deliveries.parked())

    def undelivered(self) -> tuple[tuple[Parked, ...], tuple[Waiting, ...]]:
        """Return the messages that Slack refused for good, and the stories that something stands in the way of."""
        return self._deliveries.parked(), self._deliveries.waiting()

    async def try_again(self) -> int:
        """Show again what was parked, and at once what waits; return how many messages and stories that is."""
        parked, waiting = await asyncio.to_thread(self.undelivered)
        self._pauses.clear()
        for operation in (*(refused.operation for refused in parked), *(queued.operation for queued in waiting)):
            self.refresh(operation)
        return len(parked) + len(waiting)

    async def run(self) -> None:
        """Follow the journal until cancelled."""
        while True:
            self._woken.clear()
            try:
                await self.catch_up()
                self._failures = 0
                wait = POLL_SECONDS
            except Exception as error:  # the top of a follower that must not die: what is not shown is tried again
                longest = _RETRY_SECONDS[min(self._failures, len(_RETRY_SECONDS) - 1)]
                wait = random.uniform(longest / 2, longest)  # noqa: S311 - jitter, so that bots do not return in step
                self._failures += 1
                foreseen = isinstance(error, (AnrError, sqlite3.Error, *SLACK_FAILED))
                log.warning("the channel's messages wait %.1f s: %s", wait, error, exc_info=not foreseen)
            try:
                await asyncio.wait_for(self._woken.wait(), wait)
            except TimeoutError:
                continue

    async def catch_up(self) -> None:
        """Post or update every story that has a receipt which is not shown yet; one that cannot be shown waits alone.

        Raises:
            AnrError: the journal cannot be read.
        """
        async with self._showing:  # the last look at shutdown must not post what the follower is just posting
            while await self._queue_news() == _AT_ONCE:  # a bot that was away for long reads what came a few at a time
                continue
            await self._show_queued()

    async def _queue_news(self) -> int:
        """Queue the stories of the next receipts; return how many receipts those were."""
        cursor = await asyncio.to_thread(self._deliveries.cursor)
        news = await asyncio.to_thread(self._target.journal.receipts, after=cursor, first=_AT_ONCE)
        stories = await asyncio.to_thread(self._composer.touched, news) if news else ()
        changed = tuple(self._changed)
        if news or changed:
            upto = news[-1].receipt.seq if news else None
            await asyncio.to_thread(self._deliveries.queue, (*stories, *changed), upto)
        for operation in changed:
            self._changed.pop(operation, None)
        for operation in stories:
            if (pause := self._pauses.get(operation)) is not None and not pause.asked:
                del self._pauses[operation]  # it has something new to say
        return len(news)

    async def _show_queued(self) -> None:
        """Show what is queued, in order; what cannot be shown waits alone, and an outage is not met by every story in turn."""
        in_a_row = 0
        for operation in await asyncio.to_thread(self._deliveries.queued):
            pause = self._pauses.get(operation, _Pause())
            if time.monotonic() < pause.until:
                continue
            try:
                await self._show(operation)
            except Exception as error:  # the top of one story: no other waits for it
                self._pauses[operation] = pause = pause.longer(error)
                foreseen = isinstance(error, (AnrError, sqlite3.Error, *SLACK_FAILED))
                wait = pause.until - time.monotonic()
                log.warning("story %s waits %.1f s: %s", operation, wait, error, exc_info=not foreseen)
                await asyncio.to_thread(self._deliveries.failed, operation, said(error), time.time())
                in_a_row = in_a_row + 1 if is_outage(error) else 0
                if in_a_row == _OUTAGE_AFTER:
                    return
            else:
                in_a_row = 0
                # Slack is there again: who met an outage has waited long enough
                self._pauses = {story: it for story, it in self._pauses.items() if story != operation and not it.outage}

    async def _show(self, operation: str) -> None:
        told = await asyncio.to_thread(self._target.journal.of_operation, operation)
        post = await asyncio.to_thread(self._composer.post_of, told)
        if post is not None:
            first = not (await asyncio.to_thread(self._deliveries.of, operation)).ts
            await self._outbox.show(operation, post)
            if first:  # those that link to it could not until now
                for other in await asyncio.to_thread(self._composer.related, operation):
                    self.refresh(other)
        await asyncio.to_thread(self._deliveries.done, operation)
        if post is not None and told:
            await asyncio.to_thread(self._witness, told[-1])

    def _witness(self, sealed: Sealed) -> None:
        try:
            self._target.witness.saw(Mark.of(sealed), chain=self._target.journal.digests)
        except (OSError, AnrError):
            log.exception("that %s was shown could not be remembered; the channel itself still witnesses it", sealed.mark)
