"""The durable outbox: follows the journal and keeps one message per story in the channel.

What is to be said is derived from receipts, so that nothing can be lost between an operation and its message: a story whose
newest receipt is not shown yet is shown, whoever made it (bot, scheduler or command line) and however long Slack was away.
Where each story stands (channel, ts, newest receipt shown) is kept beside the journal and survives a restart.

Excluded: what a message looks like (bot/messages.py).
"""

import asyncio
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot import messages
from bot.outage import SLACK_FAILED
from core.errors import AnrError
from core.site import Site

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0
"""How often the journal is looked at for what other processes wrote."""
_RETRY_SECONDS = (1.0, 2.0, 5.0, 15.0, 60.0)
_GONE = frozenset({"message_not_found", "edit_window_closed", "cant_update_message"})
_POISON = frozenset({"invalid_blocks", "msg_too_long", "invalid_blocks_format"})


class Stories:
    """Shows every story of one site in one channel."""

    def __init__(self, site: Site, client: AsyncWebClient, channel: str, file: Path) -> None:
        self._site = site
        self._client = client
        self._channel = channel
        self._file = file
        self._woken = asyncio.Event()
        self._failures = 0
        self._showing = asyncio.Lock()

    def wake(self) -> None:
        """Look at the journal now: something was recorded."""
        self._woken.set()

    async def run(self) -> None:
        """Follow the journal until cancelled."""
        while True:
            self._woken.clear()
            try:
                await self.catch_up()
                self._failures = 0
                wait = POLL_SECONDS
            except Exception as error:  # the top of a follower that must not die: what is not shown is tried again
                wait = _retry_after(error) or _RETRY_SECONDS[min(self._failures, len(_RETRY_SECONDS) - 1)]
                self._failures += 1
                foreseen = isinstance(error, (AnrError, sqlite3.Error, *SLACK_FAILED))
                log.warning("the channel's messages wait %.0f s: %s", wait, error, exc_info=not foreseen)
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
        cursor, shown = await asyncio.to_thread(self._load)
        news = await asyncio.to_thread(self._site.journal.receipts, after=cursor)
        operations = list(dict.fromkeys(one.receipt.operation for one in news))
        for operation in operations:
            sealed = await asyncio.to_thread(self._site.journal.of_operation, operation)
            approval_id = next((one.receipt.approval_id for one in sealed if one.receipt.approval_id), None)
            approval = await asyncio.to_thread(self._site.journal.approval, approval_id) if approval_id else None
            text, blocks = messages.story(sealed, approval)
            seq, ts = shown.get(operation, (0, ""))
            if seq < sealed[-1].receipt.seq:
                ts = await self._show(text, blocks, ts)
                await asyncio.to_thread(self._save, operation, sealed[-1].receipt.seq, ts)
        if news:
            await asyncio.to_thread(self._advance, news[-1].receipt.seq)

    async def _show(self, text: str, blocks: list[messages.Block], ts: str) -> str:
        try:
            if ts:
                await self._client.chat_update(channel=self._channel, ts=ts, text=text, blocks=blocks)
                return ts
            posted = await self._client.chat_postMessage(channel=self._channel, text=text, blocks=blocks)
            return str(posted["ts"])
        except SlackApiError as error:
            code = str(error.response.get("error", ""))
            if ts and code in _GONE:
                return await self._show(text, blocks, "")
            if code in _POISON and blocks:
                log.error("Slack refused the blocks of “%s” (%s); it is shown as text", text, code)  # noqa: TRY400 - no bug's trace
                return await self._show(text, [], ts)
            raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS stories (operation TEXT PRIMARY KEY, seq INTEGER NOT NULL, ts TEXT NOT NULL)"
        )
        connection.execute("CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL)")
        return connection

    def _load(self) -> tuple[int, dict[str, tuple[int, str]]]:
        with closing(self._connect()) as connection:
            row = connection.execute("SELECT seq FROM cursor").fetchone()
            stories = connection.execute("SELECT operation, seq, ts FROM stories").fetchall()
        return (row[0] if row else 0), {operation: (seq, ts) for operation, seq, ts in stories}

    def _save(self, operation: str, seq: int, ts: str) -> None:
        with closing(self._connect()) as connection:
            connection.execute("INSERT OR REPLACE INTO stories VALUES (?, ?, ?)", (operation, seq, ts))

    def _advance(self, seq: int) -> None:
        with closing(self._connect()) as connection:
            connection.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?)", (seq,))


def _retry_after(error: Exception) -> float | None:
    if not isinstance(error, SlackApiError):
        return None
    headers = getattr(error.response, "headers", None) or {}
    value = headers.get("Retry-After") or headers.get("retry-after")
    return float(value) if value and str(value).isdigit() else None
