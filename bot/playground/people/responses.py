"""The app's answers outside the Web API: to a `response_url`, and in the acknowledgement of a slash command.

Excluded: the acknowledgement of a submitted modal (`people`). A `response_url` takes 5 answers within 30 minutes.
"""

import json
import secrets
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from bot.playground.api.chat import check_texts
from bot.playground.workspace.limits import POST_TEXT_MAX
from bot.playground.workspace.workspace import (
    BOT_USER,
    RESPONSE_URL_SECONDS,
    RESPONSE_URL_USES,
    TEAM_ID,
    Channel,
    Json,
    ResponseUrl,
    SlackRefusal,
    Workspace,
)


def issue(
    workspace: Workspace, base_url: str, user: str, channel: str, *, message_ts: str | None = None, ephemeral: bool = False
) -> str:
    """Issue a `response_url` for what a person just did, at a message if there is one."""
    key = secrets.token_urlsafe(24)
    workspace.response_urls[key] = ResponseUrl(user, channel, workspace.clock(), message_ts, ephemeral)
    return f"{base_url}/actions/{TEAM_ID}/{key}"


def respond(workspace: Workspace, origin: ResponseUrl, body: Json) -> None:
    """Do what one answer asks.

    Raises:
        SlackRefusal: the answer's text or blocks are not acceptable.
    """
    channel = workspace.channels[origin.channel]
    source = _source(workspace, channel, origin)
    if body.get("delete_original"):
        if source is not None:
            _remove(workspace, channel, source)
        return
    text, blocks = str(body.get("text") or ""), body.get("blocks")
    check_texts(workspace, text, blocks, body.get("attachments"), longest=POST_TEXT_MAX)
    message = workspace.bot_message(
        text,
        blocks or None,
        attachments=body.get("attachments") or None,
        thread_ts=body.get("thread_ts"),
        metadata=body.get("metadata"),
    )
    # An answer to a click replaces its message unless it says `false`, whatever its response_type: a refusal meant for
    # one person wipes everybody's card when the app forgets this, so the playground takes Slack at its worst.
    if source is not None and body.get("replace_original", True) in (True, "true"):
        for name in ("blocks", "attachments"):
            source.pop(name, None)
        source.update(message)
        if not origin.ephemeral:
            source["edited"] = {"user": BOT_USER, "ts": workspace.next_ts()}
        workspace.changed()
    elif body.get("response_type") == "in_channel":
        workspace.post(channel, message)
    else:
        workspace.add_ephemeral(channel, origin.user, message)


def _source(workspace: Workspace, channel: Channel, origin: ResponseUrl) -> Json | None:
    if origin.message_ts is None:
        return None
    if origin.ephemeral:
        return next((m for m in workspace.ephemerals if m["ts"] == origin.message_ts), None)
    return channel.messages.get(origin.message_ts)


def _remove(workspace: Workspace, channel: Channel, source: Json) -> None:
    if source.get("is_ephemeral"):
        workspace.ephemerals.remove(source)
    else:
        del channel.messages[source["ts"]]
    workspace.changed()


ANSWERS_KEPT: Final = 1_000


class ResponseRoute:
    """The address behind every `response_url`; `is_down` says whether Slack answers nobody.

    Attributes:
        answers: the bodies that came, the newest last.
        refusals: codes with which the next answers are refused.
    """

    def __init__(self, workspace: Workspace, is_down: Callable[[], bool]) -> None:
        self.answers: deque[Json] = deque(maxlen=ANSWERS_KEPT)
        self.refusals: deque[str] = deque()
        self._workspace = workspace
        self._is_down = is_down

    async def handle(self, request: web.Request) -> web.Response:
        """Take one answer; the URL is its own permission."""
        if self._is_down():
            return web.Response(status=503, text="Slack is not available")
        origin = self._workspace.response_urls.get(request.match_info["key"])
        if origin is None:
            return _refused("no_service")
        if self._workspace.clock() - origin.issued > RESPONSE_URL_SECONDS:
            return _refused("expired_url")
        if origin.uses >= RESPONSE_URL_USES:
            return _refused("used_url")
        body = parsed(await request.text())
        if body is None:
            return _refused("invalid_payload")
        self.answers.append(body)
        if self.refusals:
            return _refused(self.refusals.popleft())
        origin.uses += 1
        try:
            respond(self._workspace, origin, body)
        except SlackRefusal as refusal:
            return _refused(refusal.code)
        return web.Response(text="ok")


def _refused(code: str) -> web.Response:
    """Answer as Slack does when it does not take a message: 404, with its code as JSON."""
    return web.json_response({"ok": False, "error": code}, status=404)


def parsed(text: str) -> Json | None:
    """Read an answer's JSON object; None when it is not one."""
    try:
        body: Any = json.loads(text)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
