"""Calls of Slack's Web API at the pace that Slack asks for.

About one message a second and channel, with short bursts; updates 50 a minute (Tier 3), views 100 a minute (Tier 4). A 429
is waited out for as long as Slack says, for that method and channel alone, so that one slow channel holds up no other.
"""

import asyncio
import time
from http import HTTPStatus
from typing import Any

from aiolimiter import AsyncLimiter
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from core.system.logs import logger

log = logger(__name__)

_PACES = {
    "chat.postMessage": (5, 5.0),
    "chat.update": (10, 12.0),
    "views.publish": (10, 6.0),
}
"""How many calls of a method in how many seconds; the first as a burst. Of chat.postMessage for each channel."""
_DEFAULT_PACE = (20, 24.0)
_MOST_SECONDS = 120.0
"""What a Retry-After may say; more is treated as a failure, so that a proxy's mistake does not stop everything."""


class SlackCalls:
    """One workspace, called at its pace. One object for the whole process."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._limits: dict[tuple[str, str], AsyncLimiter] = {}
        self._not_before: dict[tuple[str, str], float] = {}

    async def __call__(self, method: str, **arguments: Any) -> Any:
        """Call a method when its turn has come, and again after a 429; return Slack's answer.

        Raises:
            SLACK_FAILED: Slack refused, or cannot be reached.
        """
        lane = (method, str(arguments.get("channel", "")) if method == "chat.postMessage" else "")
        if lane not in self._limits:
            self._limits[lane] = AsyncLimiter(*_PACES.get(method, _DEFAULT_PACE))
        while True:  # not stamina's retries: a 429 holds up every call of the lane, and Slack says for how long
            await asyncio.sleep(max(0.0, self._not_before.get(lane, 0.0) - time.monotonic()))
            async with self._limits[lane]:
                pass
            try:
                return await getattr(self._client, method.replace(".", "_"))(**arguments)
            except SlackApiError as error:
                pause = _retry_after(error)
                if pause is None or pause > _MOST_SECONDS:
                    raise
                log.warning("Slack asks to wait %.0f s before the next %s", pause, method)
                self._not_before[lane] = time.monotonic() + pause

    async def upload(self, name: str, title: str, data: bytes, **share: Any) -> str:
        """Upload a file, and share it if a channel is named; return its id.

        Raises:
            SLACK_FAILED: Slack refused, or cannot be reached.
        """
        answer = await self._client.files_upload_v2(filename=name, title=title, content=data, **share)
        return str(answer["files"][0]["id"])


def _retry_after(error: SlackApiError) -> float | None:
    """Return how many seconds Slack asks to wait, or None if it is not that."""
    if getattr(error.response, "status_code", None) != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    headers = getattr(error.response, "headers", None) or {}
    value = str(headers.get("Retry-After") or headers.get("retry-after") or "1")
    return float(value) if value.isdigit() else 1.0
