"""Brings posts to Slack: posted once, updated in place, in order, whatever Slack answers meanwhile.

A message whose posting was tried but never confirmed (the process was killed, the answer was lost) is looked for in the
channel, by its metadata, before it is posted again. Where the channel cannot be used the message goes to the fallback
channel. What Slack refuses for what it is becomes plain text; if it refuses that too, it is parked and holds up nothing.

Excluded: what is to be shown (bot/stories/follow.py) and the pace of calls (bot/slack/calls.py).
"""

import asyncio
import time
from dataclasses import replace
from hashlib import sha256
from http import HTTPStatus
from typing import Any

import stamina
from slack_sdk.errors import SlackApiError
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from bot.blockkit.post import Attachment, Block, Post, Reply, with_picture
from bot.slack.calls import SlackCalls
from bot.slack.deliveries import Deliveries, Delivery, Parked
from core.canonical import canonical_bytes
from core.system.logs import logger

log = logger(__name__)

_EVENT = "anr_story"
_SKEW_SECONDS = 600.0
"""How far Slack's clock and ours may be apart when an unconfirmed message is looked for."""
_PROCESSING_TRIES, _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 5, 0.5, 4.0
"""How often a message is tried while Slack processes its picture (Slack answers `invalid_blocks` until then); pauses double."""
_IN_THREAD = "thread"
"""In place of a picture's id: Slack did not show it in the message, so that it lies in the thread."""
_GONE = frozenset({"message_not_found", "edit_window_closed", "cant_update_message"})
_NO_CHANNEL = frozenset({"channel_not_found", "is_archived", "not_in_channel", "restricted_action"})
_TRANSIENT = frozenset(
    {
        "ratelimited",
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "request_timeout",
        "team_added_to_org",
        "accesslimited",
        # who we are is wrong, not the message: it waits until somebody has mended the token
        "invalid_auth",
        "not_authed",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "missing_scope",
        "no_permission",
        "org_login_required",
        "ekm_access_denied",
    }
)


def _tell(details: RetryDetails) -> None:
    """Log a retry, without what was called."""
    log.info("Slack is still processing a picture; the message is tried again in %.1f s", details.wait_for)


set_on_retry_hooks([_tell])  # left to itself, stamina prints past our log


class Outbox:
    """The messages of one router in one channel."""

    def __init__(self, calls: SlackCalls, deliveries: Deliveries, channel: str, fallback: str = "") -> None:
        self._calls = calls
        self._deliveries = deliveries
        self._channel = channel
        self._fallback = fallback if fallback != channel else ""

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

    async def _show_message(self, operation: str, post: Post) -> Delivery:
        known = await asyncio.to_thread(self._deliveries.of, operation)
        shown = sha256(canonical_bytes([post.text, post.blocks])).hexdigest()
        if known.ts and known.shown == shown:
            return known
        if post.picture is not None and not known.file_id:
            known = replace(known, file_id=await self._upload(post.picture))
            await asyncio.to_thread(self._deliveries.save, operation, "", known)
        blocks = with_picture(post.blocks, known.file_id if known.file_id != _IN_THREAD else "")
        try:
            return await self._put(operation, replace(known, shown=shown), post.text, blocks, known.file_id)
        except SlackApiError as error:
            await self._park(operation, "", error)
            return Delivery()

    async def _put(self, operation: str, delivery: Delivery, text: str, blocks: tuple[Block, ...], file_id: str = "") -> Delivery:
        """Update the message where it is, or post it; return where it stands then."""
        content: dict[str, Any] = {"text": text, "blocks": list(blocks)}
        if not delivery.ts and delivery.tried_at:
            delivery = replace(delivery, ts=await self._find(operation, "", delivery))
        try:
            if delivery.ts:
                await self._patiently("chat.update", channel=delivery.channel, ts=delivery.ts, **content)
                await asyncio.to_thread(self._deliveries.save, operation, "", delivery)
                return delivery
            return await self._post(operation, "", delivery, content)
        except SlackApiError as error:
            code = _code(error)
            if delivery.ts and code in _GONE | _NO_CHANNEL:
                return await self._put(operation, Delivery(shown=delivery.shown, file_id=file_id), text, blocks, file_id)
            if _is_content(code) and any(block["type"] == "image" for block in blocks):
                log.error("Slack does not show the picture of “%s” (%s); it goes to the thread", text, code)  # noqa: TRY400 - no bug's trace
                without = tuple(block for block in blocks if block["type"] != "image")
                return await self._put(operation, replace(delivery, file_id=_IN_THREAD), text, without, _IN_THREAD)
            if _is_content(code) and blocks:
                log.error("Slack refused the blocks of “%s” (%s); it is shown as text", text, code)  # noqa: TRY400 - no bug's trace
                return await self._put(operation, delivery, text, ())
            raise

    async def _post(self, operation: str, part: str, delivery: Delivery, content: dict[str, Any], thread: str = "") -> Delivery:
        """Post a message in the channel, or in the fallback channel if the channel cannot be used."""
        channel = delivery.channel or self._channel
        delivery = replace(delivery, channel=channel, tried_at=delivery.tried_at or time.time())
        await asyncio.to_thread(self._deliveries.save, operation, part, delivery)
        metadata = {"event_type": _EVENT, "event_payload": {"operation": operation, "part": part}}
        place = {"channel": channel, "metadata": metadata, **({"thread_ts": thread} if thread else {})}
        try:
            posted = await self._patiently("chat.postMessage", **place, **content)
        except SlackApiError as error:
            if thread or not self._fallback or channel == self._fallback or _code(error) not in _NO_CHANNEL:
                raise
            log.error("the channel %s cannot be used (%s); the message goes to %s", channel, _code(error), self._fallback)  # noqa: TRY400 - no bug's trace
            elsewhere = Delivery(channel=self._fallback, shown=delivery.shown, file_id=delivery.file_id)
            return await self._post(operation, part, elsewhere, content)
        delivery = replace(delivery, ts=str(posted["ts"]))
        await asyncio.to_thread(self._deliveries.save, operation, part, delivery)
        return delivery

    async def _show_reply(self, operation: str, reply: Reply, at: Delivery) -> None:
        """Add one reply to the thread, once."""
        known = await asyncio.to_thread(self._deliveries.of, operation, reply.key)
        if known.ts:
            return
        delivery = replace(known, channel=at.channel)
        if delivery.tried_at and (found := await self._find(operation, reply.key, delivery, thread=at.ts)):
            await asyncio.to_thread(self._deliveries.save, operation, reply.key, replace(delivery, ts=found))
            return
        content = {"text": reply.text, "blocks": list(reply.blocks)}
        try:
            if reply.attachment is not None and not delivery.file_id:
                data = await asyncio.to_thread(reply.attachment.data)
                named = reply.attachment
                share = {"channel": at.channel, "thread_ts": at.ts}
                delivery = replace(delivery, file_id=await self._calls.upload(named.name, named.title, data, **share))
                await asyncio.to_thread(self._deliveries.save, operation, reply.key, delivery)
            await self._post(operation, reply.key, delivery, content, thread=at.ts)
        except SlackApiError as error:
            await self._park(operation, reply.key, error)

    async def _upload(self, picture: Attachment) -> str:
        """Upload a picture that a message will show; return its id, or "" where it cannot be: the message comes without it."""
        try:
            return await self._calls.upload(picture.name, picture.title, await asyncio.to_thread(picture.data))
        except SlackApiError as error:
            if _code(error) in _TRANSIENT - {"missing_scope"}:
                raise
            log.error("the picture of “%s” could not be uploaded (%s)", picture.title, _code(error))  # noqa: TRY400 - no bug's trace
            return ""

    async def _patiently(self, method: str, **arguments: Any) -> Any:
        """Call a method, and again while Slack is still processing a picture in it."""
        if not any(block["type"] == "image" for block in arguments.get("blocks", ())):
            return await self._calls(method, **arguments)
        trying = stamina.AsyncRetryingCaller(
            attempts=_PROCESSING_TRIES,
            timeout=None,
            wait_initial=_FIRST_PAUSE_SECONDS,
            wait_max=_LONGEST_PAUSE_SECONDS,
            wait_jitter=0.0,
        )
        return await trying(_may_be_processing, self._calls, method, **arguments)

    async def _park(self, operation: str, part: str, error: SlackApiError) -> None:
        """Put a message aside that Slack will never take; anything else is raised, to be tried again.

        Raises:
            SlackApiError: it is not the message that is wrong.
        """
        if not _is_content(_code(error)):
            raise error
        log.error(
            "Slack refuses a message of story %s for good (%s); it is parked, `anr doctor` shows it", operation, _code(error)
        )
        parked = Parked(operation, part, _code(error), time.time())
        await asyncio.to_thread(self._deliveries.park, parked)

    async def _find(self, operation: str, part: str, delivery: Delivery, thread: str = "") -> str:
        """Return the ts of a message whose posting was tried but never confirmed, or "" if it is not in the channel."""
        method = "conversations.replies" if thread else "conversations.history"
        place = {"channel": delivery.channel, **({"ts": thread} if thread else {})}
        payload, cursor = {"operation": operation, "part": part}, ""
        while True:
            oldest = f"{delivery.tried_at - _SKEW_SECONDS:.6f}"
            page = {"oldest": oldest, "include_all_metadata": True, "limit": 200, "cursor": cursor or None}
            try:
                found = await self._calls(method, **place, **page)
            except SlackApiError as error:
                if error.response.status_code != HTTPStatus.OK or _code(error) in {"ratelimited", "internal_error"}:
                    raise
                log.error("the channel's history cannot be read (%s); a message may come twice", _code(error))  # noqa: TRY400 - no bug's trace
                return ""
            for message in found.get("messages") or ():
                metadata = message.get("metadata") or {}
                if metadata.get("event_type") == _EVENT and metadata.get("event_payload") == payload:
                    return str(message["ts"])
            cursor = (found.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return ""


def _code(error: SlackApiError) -> str:
    return str(error.response.get("error", ""))


def _is_content(code: str) -> bool:
    """Whether Slack refuses the message for what it is, so that the same again would be refused again."""
    return bool(code) and code not in _TRANSIENT | _NO_CHANNEL | _GONE


def _may_be_processing(error: Exception) -> bool:
    return isinstance(error, SlackApiError) and _code(error) == "invalid_blocks"
