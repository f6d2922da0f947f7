"""Answers to one person: beside what they typed or clicked, as plain text if Slack refuses that, or else in a direct message.

A `response_url` takes five answers within half an hour, and answers 404 with JSON when it does not take one (Slack's
documentation of interaction responses). Excluded: what is answered (bot/views).
"""

import asyncio
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.blockkit.post import Block
from bot.slack.errors import SLACK_FAILED, is_content, said
from core.system.logs import logger
from core.system.retries import async_caller

log = logger(__name__)

_DIRECT_SECONDS = 5.0
"""How long a direct message may take: whoever acted waits for nothing any more, but the process waits for its tasks."""
_DIRECT_TRIES, _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 3, 0.3, 1.0
"""How often a direct message is tried; pauses double."""


async def answer_person(
    respond: Callable[..., Coroutine[Any, Any, Any]], client: AsyncWebClient, user: str, text: str, blocks: list[Block]
) -> bool:
    """Answer somebody, and nobody else, in whichever way Slack takes; return whether it took one.

    Args:
        respond: answers beside what they did.
        client: writes to them directly.
        user: Slack's id of them; empty if it is not known.
        text: the fallback and the notification.
        blocks: the answer.
    """
    how = {"response_type": "ephemeral", "replace_original": False}
    for content in ({"text": text, "blocks": blocks}, {"text": _as_text(text, blocks), "blocks": []}):
        try:
            answer = await respond(**content, **how)
        except SLACK_FAILED as error:
            log.warning("the answer did not arrive where it was asked for: %s", error)
            break  # Slack or this address is away: the same with other words would be, too
        if answer is None or answer.status_code == HTTPStatus.OK:
            return True
        log.warning("Slack did not take the answer (%s %s)", answer.status_code, str(answer.body)[:200])
    return bool(user) and await _directly(client, user, text, blocks)


async def _directly(client: AsyncWebClient, user: str, text: str, blocks: list[Block]) -> bool:
    """Write to somebody, again where what stands in the way may pass, and in plain words where Slack refuses the blocks."""
    try:
        async with asyncio.timeout(_DIRECT_SECONDS):
            for content in ({"text": text, "blocks": blocks}, {"text": _as_text(text, blocks)}):
                try:
                    await _patiently(client, user, content)
                except SlackApiError as error:
                    log.warning("Slack did not take the direct message (%s)", said(error))
                    if not is_content(error):
                        break
                else:
                    return True
    except SLACK_FAILED as error:
        log.warning("the direct message did not arrive: %s", error)
    log.error("the answer could not be delivered; the channel's message follows when Slack is back")
    return False


async def _patiently(client: AsyncWebClient, user: str, content: dict[str, Any]) -> None:
    def passes(error: Exception) -> bool:
        return isinstance(error, SLACK_FAILED) and not (isinstance(error, SlackApiError) and is_content(error))

    trying = async_caller(_DIRECT_TRIES, _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
    await trying(passes, client.chat_postMessage, channel=user, **content)


def _as_text(text: str, blocks: list[Block]) -> str:
    """Return everything that the blocks say, at most as long as Slack advises for a text (4,000 characters)."""
    words = [str(block["text"]["text"]) for block in blocks if isinstance(block.get("text"), dict)]
    return "\n".join(words)[:3900] or text
