"""Calls of Slack's Web API at the pace that Slack asks for.

About one message a second and channel, with short bursts; updates 50 a minute (Tier 3), views 100 a minute (Tier 4). A 429
is waited out for as long as Slack says, for that method and channel alone, so that one slow channel holds up no other; who
cannot wait that long in the call is told so (`AskedToWait`) and comes back.
"""

import asyncio
import time
from http import HTTPStatus
from typing import Any

from aiolimiter import AsyncLimiter
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.errors import AskedToWait, status_of
from core.system.logs import logger

log = logger(__name__)

_PACES = {
    "chat.postMessage": (5, 5.0),
    "chat.update": (10, 12.0),
    "usergroups.users.list": (5, 15.0),
    "views.publish": (10, 6.0),
}
"""How many calls of a method in how many seconds; the first as a burst. Of chat.postMessage for each channel."""
_DEFAULT_PACE = (20, 24.0)
MOST_SECONDS = 120.0
"""What a Retry-After may say; more is treated as a failure, so that a proxy's mistake does not stop everything."""
_IN_CALL_SECONDS = 3.0
"""How long a call waits by itself before it gives way to others."""
_UPLOAD_SECONDS = 10.0
"""How long an upload may take in all: a message waits for it, and would rather come without its picture."""


class SlackCalls:
    """One workspace, called at its pace. One object for the whole process.

    Attributes:
        workspace_url: where the workspace's pages are, as auth.test says it; empty until it has.
    """

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self.workspace_url = ""
        self._limits: dict[tuple[str, str], AsyncLimiter] = {}
        self._not_before: dict[tuple[str, str], float] = {}

    async def __call__(self, method: str, *, waits: float = _IN_CALL_SECONDS, **arguments: Any) -> Any:
        """Call a method when its turn has come, and again after a 429; return Slack's answer.

        Args:
            method: Slack's name of it.
            waits: for how many seconds of a Retry-After the call waits by itself.
            arguments: the method's own.

        Raises:
            AskedToWait: Slack asks to wait longer than that.
            SLACK_FAILED: Slack refused, or cannot be reached.
        """
        lane = (method, str(arguments.get("channel", "")) if method == "chat.postMessage" else "")
        if lane not in self._limits:
            self._limits[lane] = AsyncLimiter(*_PACES.get(method, _DEFAULT_PACE))
        while True:  # not stamina's retries: a 429 holds up every call of the lane, and Slack says for how long
            ahead = self._not_before.get(lane, 0.0) - time.monotonic()
            if ahead > waits:
                raise AskedToWait(method, ahead)
            await asyncio.sleep(max(0.0, ahead))
            async with self._limits[lane]:
                pass
            try:
                return await getattr(self._client, method.replace(".", "_"))(**arguments)
            except SlackApiError as error:
                pause = _retry_after(error)
                if pause is None or pause > MOST_SECONDS:
                    raise
                log.warning("Slack asks to wait %.0f s before the next %s", pause, method)
                self._not_before[lane] = time.monotonic() + pause

    async def upload(self, name: str, title: str, data: bytes, **share: Any) -> str:
        """Upload a file, and share it if a channel is named; return its id.

        Raises:
            SLACK_FAILED: Slack refused or cannot be reached, or its upload host cannot be, or takes too long.
        """
        async with asyncio.timeout(_UPLOAD_SECONDS):
            answer = await self._client.files_upload_v2(filename=name, title=title, content=data, **share)
        return str(answer["files"][0]["id"])


def permalink(workspace_url: str, channel: str, ts: str) -> str:
    """Return the link to a message, in the form of chat.getPermalink's answers; "" if nobody knows where it is."""
    if not workspace_url.startswith(("https://", "http://")) or not channel or not ts:
        return ""
    return f"{workspace_url.rstrip('/')}/archives/{channel}/p{ts.replace('.', '')}"


def _retry_after(error: SlackApiError) -> float | None:
    """Return how many seconds Slack asks to wait, or None if it is not that."""
    if status_of(error) != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    headers = getattr(error.response, "headers", None) or {}
    value = str(headers.get("Retry-After") or headers.get("retry-after") or "1")
    return float(value) if value.isdigit() else 1.0
