"""The durable outbox: follows the journal and keeps one message per story in the channel.

What is to be said is derived from receipts, so that nothing can be lost between an operation and its message: a story whose
newest receipt is not shown yet is shown, whoever made it (bot, scheduler or command line) and however long Slack was away.
Where each story stands (ts, newest receipt shown) is kept beside the journal and survives a restart. A message whose
posting was tried but never confirmed (the process was killed, the answer was lost) is looked for in the channel, by the
operation in its metadata, before it is posted again: one message per story.

Excluded: what a message looks like (bot/messages.py).
"""

import asyncio
import logging
import sqlite3
import time
from contextlib import closing
from dataclasses import astuple, dataclass
from http import HTTPStatus
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


_EVENT = "anr_story"
_SKEW_SECONDS = 600.0
"""How far Slack's clock and ours may be apart when an unconfirmed message is looked for."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """Where a story stands in the channel.

    Attributes:
        seq: number of the newest receipt that its message shows.
        ts: Slack's id of the message; empty if none is known.
        tried_at: when its posting was first tried, in seconds since 1970; 0 if it was never.
    """

    seq: int = 0
    ts: str = ""
    tried_at: float = 0.0


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
        for operation in dict.fromkeys(one.receipt.operation for one in news):
            sealed = await asyncio.to_thread(self._site.journal.of_operation, operation)
            approval_id = next((one.receipt.approval_id for one in sealed if one.receipt.approval_id), None)
            approval = await asyncio.to_thread(self._site.journal.approval, approval_id) if approval_id else None
            text, blocks = messages.story(sealed, approval)
            newest = sealed[-1].receipt.seq
            known = shown.get(operation, _Shown())
            if known.seq < newest:
                ts = await self._show(operation, text, blocks, known)
                await asyncio.to_thread(self._save, operation, _Shown(newest, ts))
        if news:
            await asyncio.to_thread(self._advance, news[-1].receipt.seq)

    async def _show(self, operation: str, text: str, blocks: list[messages.Block], known: "_Shown") -> str:
        """Update the story's message, or post it if it has none; return its ts."""
        ts = known.ts or (await self._find(operation, known.tried_at) if known.tried_at else "")
        try:
            if ts:
                await self._client.chat_update(channel=self._channel, ts=ts, text=text, blocks=blocks)
                return ts
            await asyncio.to_thread(self._save, operation, _Shown(known.seq, "", known.tried_at or time.time()))
            metadata = {"event_type": _EVENT, "event_payload": {"operation": operation}}
            posted = await self._client.chat_postMessage(channel=self._channel, text=text, blocks=blocks, metadata=metadata)
            return str(posted["ts"])
        except SlackApiError as error:
            code = str(error.response.get("error", ""))
            if ts and code in _GONE:
                return await self._show(operation, text, blocks, _Shown())
            if code in _POISON and blocks:
                log.error("Slack refused the blocks of “%s” (%s); it is shown as text", text, code)  # noqa: TRY400 - no bug's trace
                return await self._show(operation, text, [], known)
            raise

    async def _find(self, operation: str, tried_at: float) -> str:
        """Return the ts of a message whose posting was tried but never confirmed, or "" if it is not in the channel."""
        cursor = ""
        while True:
            try:
                page = await self._client.conversations_history(
                    channel=self._channel,
                    oldest=f"{tried_at - _SKEW_SECONDS:.6f}",
                    include_all_metadata=True,
                    limit=200,
                    cursor=cursor or None,
                )
            except SlackApiError as error:
                if error.response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                    raise
                log.error("the channel's history cannot be read (%s); a message may come twice", error.response.get("error"))  # noqa: TRY400 - no bug's trace
                return ""
            for message in page.get("messages") or ():
                metadata = message.get("metadata") or {}
                if metadata.get("event_type") == _EVENT and metadata.get("event_payload", {}).get("operation") == operation:
                    return str(message["ts"])
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return ""

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS stories"
            " (operation TEXT PRIMARY KEY, seq INTEGER NOT NULL, ts TEXT NOT NULL, tried_at REAL NOT NULL)"
        )
        connection.execute("CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL)")
        return connection

    def _load(self) -> tuple[int, dict[str, "_Shown"]]:
        with closing(self._connect()) as connection:
            row = connection.execute("SELECT seq FROM cursor").fetchone()
            stories = connection.execute("SELECT operation, seq, ts, tried_at FROM stories").fetchall()
        return (row[0] if row else 0), {operation: _Shown(*where) for operation, *where in stories}

    def _save(self, operation: str, shown: "_Shown") -> None:
        with closing(self._connect()) as connection:
            connection.execute("INSERT OR REPLACE INTO stories VALUES (?, ?, ?, ?)", (operation, *astuple(shown)))

    def _advance(self, seq: int) -> None:
        with closing(self._connect()) as connection:
            connection.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?)", (seq,))


def _retry_after(error: Exception) -> float | None:
    if not isinstance(error, SlackApiError):
        return None
    headers = getattr(error.response, "headers", None) or {}
    value = headers.get("Retry-After") or headers.get("retry-after")
    return float(value) if value and str(value).isdigit() else None
