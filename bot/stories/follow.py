"""Follows the journal and keeps one message per story in the channel.

What is to be said is derived from receipts, so that nothing can be lost between an operation and its message: a story whose
newest receipt is not shown yet is shown, whoever made it (bot, scheduler or command line) and however long Slack was away.

Excluded: what a message says (bot/stories/compose.py) and how it gets to Slack (bot/slack/outbox.py).
"""

import asyncio
import random
import sqlite3

from bot.slack.deliveries import Deliveries
from bot.slack.errors import SLACK_FAILED
from bot.slack.outbox import Outbox
from bot.stories.compose import Telling
from core.errors import AnrError, WitnessUnreadable
from core.operations.requests import Reexamined
from core.receipts.chain import Sealed
from core.system.logs import logger
from core.target.target import Target

log = logger(__name__)

POLL_SECONDS = 2.0
"""How often the journal is looked at for what other processes wrote."""
_RETRY_SECONDS = (1.0, 2.0, 5.0, 15.0, 60.0)


class Stories:
    """Shows every story of one site."""

    def __init__(self, site: Target, telling: Telling, outbox: Outbox, deliveries: Deliveries) -> None:
        self._site = site
        self._telling = telling
        self._outbox = outbox
        self._deliveries = deliveries
        self._woken = asyncio.Event()
        self._changed: dict[str, None] = {}
        self._failures = 0
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
        self._telling.looked(found)
        self.refresh(found.approval.id)

    def open(self, operation: str) -> None:
        """Add the details of a story to its thread."""
        self._telling.open(operation)
        self.refresh(operation)

    def unshown(self) -> int:
        """Return how many receipts the channel does not show yet.

        Raises:
            JournalError: the journal cannot be read.
        """
        newest = self._site.journal.receipts(last=1)
        return max(0, newest[-1].receipt.seq - self._deliveries.cursor()) if newest else 0

    def parked(self) -> int:
        """Return how many messages Slack refused for good."""
        return len(self._deliveries.parked())

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
        """Post or update every story that has a receipt which is not shown yet.

        Raises:
            AnrError: the journal cannot be read.
            SLACK_FAILED: Slack refused or cannot be reached; what was not shown will be.
        """
        async with self._showing:  # the last look at shutdown must not post what the follower is just posting
            await self._catch_up()

    async def _catch_up(self) -> None:
        cursor = await asyncio.to_thread(self._deliveries.cursor)
        news = await asyncio.to_thread(self._site.journal.receipts, after=cursor)
        stories = await asyncio.to_thread(self._telling.touched, news) if news else ()
        for operation in (*stories, *(one for one in tuple(self._changed) if one not in stories)):
            self._changed.pop(operation, None)  # first: what changes while it is shown must be shown again
            try:
                post = await asyncio.to_thread(self._telling.tell, operation)
                if post is not None:
                    await self._outbox.show(operation, post)
            except BaseException:
                self._changed[operation] = None
                raise
        if news:
            await asyncio.to_thread(self._deliveries.advance, news[-1].receipt.seq)
            await asyncio.to_thread(self._witness, news[-1])

    def _witness(self, sealed: Sealed) -> None:
        try:
            self._site.witness.saw(sealed)
        except (OSError, WitnessUnreadable):
            log.exception("that %s was shown could not be remembered; the channel itself still witnesses it", sealed.mark)
