"""Brings posts to Slack: posted once, updated in place, in order, whatever Slack answers meanwhile.

A message whose posting was tried but never confirmed (the process was killed, the answer was lost) is looked for in the
channel, by its metadata, before it is posted again. Where the channel cannot be used the message goes to the fallback
channel. What Slack refuses for what it is becomes plain text; if it refuses that too, it is parked and holds up nothing, and
what can no longer be decided keeps no live button. A file that cannot be uploaded keeps no message back: it comes without.

Excluded: what is to be shown (bot/stories/follow.py) and the pace of calls (bot/slack/calls.py).
"""

import asyncio
import time
from dataclasses import replace
from hashlib import sha256
from typing import Any

from aiohttp import ClientConnectionError
from slack_sdk.errors import SlackApiError

from bot.blockkit.blocks import context
from bot.blockkit.charts import has_native, without_native
from bot.blockkit.post import Attachment, Block, Post, Reply, with_picture
from bot.slack.calls import SlackCalls
from bot.slack.deliveries import Deliveries, Delivery, Parked
from bot.slack.errors import (
    SLACK_FAILED,
    AskedToWait,
    code_of,
    is_about_the_file,
    is_content,
    is_not_editable,
    said,
    stays,
    wants_another_channel,
    was_not_done,
)
from core.canonical import canonical_bytes
from core.errors import JournalError
from core.journal.journal import Journal
from core.system.logs import logger
from core.system.retries import async_caller

log = logger(__name__)

EVENT = "anr_story"
"""What the metadata of the messages of a story is called."""
_SKEW_SECONDS = 600.0
"""How far Slack's clock and ours may be apart when an unconfirmed message is looked for."""
_PROCESSING_TRIES, _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 5, 0.5, 4.0
"""How often a message is tried while Slack processes its picture (Slack answers `invalid_blocks` until then); pauses double."""
_IN_THREAD = "thread"
"""In place of a picture's id: Slack did not show it in the message, so that it lies in the thread."""
_UNCONFIRMED_SECONDS = 600.0
"""For how long a message that may be posted already waits for the channel's history; then it is posted, perhaps twice."""
_HISTORY_SECONDS = 3.0
"""For how long the channel's history may lack a message that was just posted: before that nobody concludes that it was not."""
_NO_UPLOAD_SECONDS = 600.0
"""For how long nothing is uploaded after the upload host could not be reached: every message would wait for it."""
_STUB = "Slack refuses to show this message; `anr doctor` says why. What it showed before may no longer be so: see `/anr status`."


class _ChartsRefused(Exception):
    """Slack refuses a message that has charts or tables of its own: it is sent again without them."""


class Outbox:
    """The messages of one router in one channel."""

    def __init__(
        self, calls: SlackCalls, deliveries: Deliveries, channel: str, fallback: str = "", journal: Journal | None = None
    ) -> None:
        self._calls = calls
        self._journal = journal
        self._deliveries = deliveries
        self._channel = channel
        self._fallback = fallback if fallback != channel else ""
        self._no_upload_before = 0.0

    async def show(self, operation: str, post: Post) -> None:
        """Post a story's message, or update it, and add the replies that its thread does not have yet.

        Raises:
            SLACK_FAILED: Slack cannot be reached, or cannot take anything at present; nothing is lost, show it again.
        """
        at = await self._show_message(operation, post)
        if at.ts:
            for reply in post.replies:
                await self._show_reply(operation, reply, at)
            if at.file_id == _IN_THREAD and post.picture is not None:
                await self._show_reply(operation, Reply("picture", post.picture.title, attachment=post.picture), at)
        for old in await asyncio.to_thread(self._deliveries.left, operation):
            await self._remove(operation, old)

    async def _show_message(self, operation: str, post: Post) -> Delivery:
        known = await asyncio.to_thread(self._deliveries.of, operation)
        shown = sha256(canonical_bytes([post.text, post.blocks])).hexdigest()
        if known.ts and known.shown == shown:
            return known
        blocks = post.blocks
        if has_native(blocks) and await self._takes_charts():
            try:
                return await self._put(operation, replace(known, shown=shown), post.text, with_picture(blocks, ""))
            except _ChartsRefused:
                await self._refused_charts()
        blocks = without_native(blocks)
        if post.picture is not None and not known.file_id:
            file_id, problem = await self._upload(post.picture)
            known = replace(known, file_id=file_id)
            await asyncio.to_thread(self._deliveries.save, operation, "", known)
            blocks += (context(f"Without its picture: {problem}"),) if problem else ()
        blocks = with_picture(blocks, known.file_id if known.file_id != _IN_THREAD else "")
        try:
            return await self._put(operation, replace(known, shown=shown), post.text, blocks, known.file_id)
        except SlackApiError as error:
            await self._park(operation, "", error)
            await self._disarm(operation, known)
            return Delivery()

    async def _put(self, operation: str, delivery: Delivery, text: str, blocks: tuple[Block, ...], file_id: str = "") -> Delivery:
        """Update the message where it is, or post it; return where it stands then."""
        content: dict[str, Any] = {"text": text, "blocks": list(blocks)}
        if not delivery.ts and delivery.tried_at:
            delivery = replace(delivery, ts=await self._find(operation, "", delivery))
        try:
            if delivery.ts:
                metadata = await self._metadata(operation, "")
                await self._patiently("chat.update", channel=delivery.channel, ts=delivery.ts, metadata=metadata, **content)
                await asyncio.to_thread(self._deliveries.save, operation, "", delivery)
                return delivery
            return await self._post(operation, "", delivery, content)
        except SlackApiError as error:
            if delivery.ts and (is_not_editable(error) or wants_another_channel(error)):
                anew = Delivery(shown=delivery.shown, file_id=file_id)
                posted = await self._put(operation, anew, text, blocks, file_id)
                await asyncio.to_thread(self._deliveries.leave, operation, delivery)
                return posted
            if is_content(error) and has_native(blocks):
                raise _ChartsRefused from error
            pictured = any(block["type"] == "image" for block in blocks)
            if pictured and (is_content(error) or is_about_the_file(error)):
                log.error("Slack does not show the picture of “%s” (%s); it goes to the thread", text, code_of(error))  # noqa: TRY400 - no bug's trace
                without = tuple(block for block in blocks if block["type"] != "image")
                return await self._put(operation, replace(delivery, file_id=_IN_THREAD), text, without, _IN_THREAD)
            if is_content(error) and blocks:
                log.error("Slack refused the blocks of “%s” (%s); it is shown as text", text, code_of(error))  # noqa: TRY400 - no bug's trace
                return await self._put(operation, delivery, text, ())
            raise

    async def _post(self, operation: str, part: str, delivery: Delivery, content: dict[str, Any], thread: str = "") -> Delivery:
        """Post a message in the channel, or in the fallback channel if the channel cannot be used."""
        channel = delivery.channel or self._channel
        delivery = replace(delivery, channel=channel, tried_at=delivery.tried_at or time.time())
        await asyncio.to_thread(self._deliveries.save, operation, part, delivery)
        metadata = await self._metadata(operation, part)
        place = {"channel": channel, "metadata": metadata, **({"thread_ts": thread} if thread else {})}
        try:
            posted = await self._patiently("chat.postMessage", **place, **content)
        except SLACK_FAILED as error:
            if was_not_done(error):  # nothing has to be looked for at the next try
                await asyncio.to_thread(self._deliveries.save, operation, part, replace(delivery, tried_at=0.0))
            elsewhere_too = not thread and self._fallback and channel != self._fallback
            if not (elsewhere_too and isinstance(error, SlackApiError) and wants_another_channel(error)):
                raise
            log.error("the channel %s cannot be used (%s); the message goes to %s", channel, code_of(error), self._fallback)  # noqa: TRY400 - no bug's trace
            elsewhere = Delivery(channel=self._fallback, shown=delivery.shown, file_id=delivery.file_id)
            return await self._post(operation, part, elsewhere, content)
        delivery = replace(delivery, ts=str(posted["ts"]))
        await asyncio.to_thread(self._deliveries.save, operation, part, delivery)
        return delivery

    async def _metadata(self, operation: str, part: str) -> dict[str, Any]:
        """Return what tells a message among others, with the mark of the newest receipt: the channel then witnesses the chain."""
        payload = {"operation": operation, "part": part}
        if self._journal is not None:
            try:
                mark = await asyncio.to_thread(self._journal.head)
            except JournalError as error:
                log.warning("a message carries no mark of the journal: %s", error)
            else:
                payload |= {"target": self._journal.target, "mark": f"{mark.seq}:{mark.digest}"} if mark is not None else {}
        return {"event_type": EVENT, "event_payload": payload}

    async def _show_reply(self, operation: str, reply: Reply, at: Delivery) -> None:
        """Add one reply to the thread, once."""
        known = await asyncio.to_thread(self._deliveries.of, operation, reply.key)
        if known.ts:
            return
        delivery = replace(known, channel=at.channel)
        if delivery.tried_at and (found := await self._find(operation, reply.key, delivery, thread=at.ts)):
            await asyncio.to_thread(self._deliveries.save, operation, reply.key, replace(delivery, ts=found))
            return
        text, blocks = reply.text, list(reply.blocks)
        if reply.attachment is not None and not delivery.file_id:
            file_id, problem = await self._upload(reply.attachment, channel=at.channel, thread_ts=at.ts)
            delivery = replace(delivery, file_id=file_id)
            await asyncio.to_thread(self._deliveries.save, operation, reply.key, delivery)
            if problem:
                text = f"{text}\nWithout the file `{reply.attachment.name}`: {problem}"
                blocks += [context(f"Without the file: {problem}")] if blocks else []
        try:
            await self._post_reply(operation, reply.key, delivery, {"text": text, "blocks": blocks}, at.ts)
        except SlackApiError as error:
            await self._park(operation, reply.key, error)

    async def _post_reply(self, operation: str, key: str, delivery: Delivery, content: dict[str, Any], thread: str) -> None:
        if (charts := has_native(content["blocks"])) and not await self._takes_charts():
            charts, content = False, {**content, "blocks": list(without_native(content["blocks"]))}
        try:
            await self._post(operation, key, delivery, content, thread=thread)
        except SlackApiError as error:
            if not (is_content(error) and content["blocks"]):
                raise
            if charts:
                await self._refused_charts()
                await self._post_reply(operation, key, delivery, content, thread)
                return
            log.error("Slack refused the blocks of a reply (%s); it is shown as text", code_of(error))  # noqa: TRY400 - no bug's trace
            await self._post(operation, key, delivery, {**content, "blocks": []}, thread=thread)

    async def _takes_charts(self) -> bool:
        return await asyncio.to_thread(self._deliveries.takes_charts, self._calls.workspace_url, time.time())

    async def _refused_charts(self) -> None:
        log.warning("this workspace does not take Slack's own charts and tables yet; it gets pictures and plain tables")
        await asyncio.to_thread(self._deliveries.refused_charts, self._calls.workspace_url, time.time())

    async def _upload(self, file: Attachment, **share: str) -> tuple[str, str]:
        """Upload a file; return its id, or "" and what stands in the way: no message waits for its file."""
        if time.monotonic() < self._no_upload_before:
            return "", "Slack's upload host could not be reached a moment ago. `anr report` and `anr receipts` have the figures."
        try:
            return await self._calls.upload(file.name, file.title, await asyncio.to_thread(file.data), **share), ""
        except SLACK_FAILED as error:
            if isinstance(error, (ClientConnectionError, TimeoutError)):  # blocked or silent, and no word of Slack's
                self._no_upload_before = time.monotonic() + _NO_UPLOAD_SECONDS
            log.error("“%s” could not be uploaded, the message comes without it: %s", file.title, error)  # noqa: TRY400 - no bug's trace
            return "", f"it could not be uploaded ({said(error)})."

    async def _patiently(self, method: str, **arguments: Any) -> Any:
        """Call a method, and again while Slack is still processing a picture in it."""
        if not any(block["type"] == "image" for block in arguments.get("blocks", ())):
            return await self._calls(method, **arguments)
        trying = async_caller(_PROCESSING_TRIES, _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
        return await trying(_may_be_processing, self._calls, method, **arguments)

    async def _park(self, operation: str, part: str, error: SlackApiError) -> None:
        """Put a message aside that Slack will never take; anything else is raised, to be tried again.

        Raises:
            SlackApiError: it is not the message that is wrong.
        """
        code = code_of(error)
        if not is_content(error):
            raise error
        log.error("Slack refuses a message of story %s for good (%s); it is parked, `anr doctor` shows it", operation, code)
        await asyncio.to_thread(self._deliveries.park, Parked(operation, part, code, time.time()))

    async def _disarm(self, operation: str, known: Delivery) -> None:
        """Take the buttons off a message whose newer form Slack refuses: they may ask for what is decided already."""
        if not known.ts:
            return
        try:
            await self._calls("chat.update", channel=known.channel, ts=known.ts, text=_STUB, blocks=[])
        except SlackApiError as error:
            if not is_content(error):
                raise
            log.error("story %s cannot keep its old message: %s", operation, code_of(error))  # noqa: TRY400 - no bug's trace
            await asyncio.to_thread(self._deliveries.leave, operation, known)

    async def _remove(self, operation: str, old: Delivery) -> None:
        """Delete an old message whose buttons cannot be taken off.

        Where Slack lets nobody, it stays, and a click on it only tells the truth.

        Raises:
            SLACK_FAILED: it may be possible later; show the story again.
        """
        try:
            await self._calls("chat.delete", channel=old.channel, ts=old.ts)
        except SlackApiError as error:
            if not stays(error):
                raise
            log.info("the old message stays, if it is there (%s)", code_of(error))
        await asyncio.to_thread(self._deliveries.gone, operation, old)

    async def _find(self, operation: str, part: str, delivery: Delivery, thread: str = "") -> str:
        """Return the ts of a message whose posting was tried but never confirmed, or "" if it is not in the channel.

        Raises:
            SLACK_FAILED: it is too early to say, or the channel cannot be read.
        """
        method = "conversations.replies" if thread else "conversations.history"
        place: dict[str, Any] = {"channel": delivery.channel, **({"ts": thread} if thread else {})}
        cursor = ""
        while True:
            oldest = f"{delivery.tried_at - _SKEW_SECONDS:.6f}"
            page: dict[str, Any] = {"oldest": oldest, "include_all_metadata": True, "limit": 200, "cursor": cursor or None}
            try:
                found = await self._calls(method, **place, **page)
            except SlackApiError as error:
                if abs(time.time() - delivery.tried_at) < _UNCONFIRMED_SECONDS:
                    raise
                log.error("the channel's history cannot be read (%s); a message may come twice", said(error))  # noqa: TRY400 - no bug's trace
                return ""
            for message in found.get("messages") or ():
                metadata = message.get("metadata") or {}
                payload = metadata.get("event_payload") or {}
                if metadata.get("event_type") == EVENT and (payload.get("operation"), payload.get("part")) == (operation, part):
                    return str(message["ts"])
            cursor = (found.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                if 0 <= (age := time.time() - delivery.tried_at) < _HISTORY_SECONDS:  # not if the clock was set back meanwhile
                    raise AskedToWait(method, _HISTORY_SECONDS - age)
                return ""


def _may_be_processing(error: Exception) -> bool:
    return isinstance(error, SlackApiError) and code_of(error) == "invalid_blocks"
