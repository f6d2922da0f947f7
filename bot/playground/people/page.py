"""The HTTP side of the page: the state it shows, news of changes, and what the visitor does as one of the people.

Excluded: the page itself (`static/`), and what actions mean (`people`). These addresses act as people without a password,
so the server answers only its own loopback name and its own origin (`server`), and bodies must be JSON.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, Final

from aiohttp import web

from bot.playground.api.web_api import WebApi
from bot.playground.people.delivery import Delivery
from bot.playground.people.modal_answers import ClientRefusal
from bot.playground.people.people import People
from bot.playground.workspace.workspace import TEAM_DOMAIN, TEAM_ID, TEAM_NAME, Json

KEEP_ALIVE_SECONDS: Final = 15.0


class Page:
    """The addresses under /playground/."""

    def __init__(self, people: People, api: WebApi) -> None:
        self._people = people
        self._workspace = people.workspace
        self._api = api
        self._closing = False

    def routes(self) -> list[web.RouteDef]:
        """List what the page talks to."""
        return [
            web.get("/playground/state", self._state),
            web.get("/playground/events", self._events),
            web.post("/playground/command", self._answering(self._command)),
            web.post("/playground/action", self._answering(self._action)),
            web.post("/playground/attachment", self._answering(self._attachment)),
            web.post("/playground/view", self._answering(self._view)),
            web.post("/playground/message", self._answering(self._message)),
            web.post("/playground/home", self._answering(self._home)),
            web.post("/playground/shortcut", self._answering(self._shortcut)),
            web.post("/playground/fault", self._answering(self._fault)),
        ]

    def close(self) -> None:
        """End the streams of events, so that the server can stop."""
        self._closing = True
        self._workspace.changed()

    async def _state(self, _request: web.Request) -> web.Response:
        workspace, manifest = self._workspace, self._people.app_manifest
        return web.json_response(
            {
                "team": {"id": TEAM_ID, "name": TEAM_NAME, "domain": TEAM_DOMAIN},
                "users": [asdict(user) for user in workspace.users.values()],
                "channels": [
                    {"id": c.id, "name": c.name, "topic": c.topic, "is_archived": c.is_archived, "is_im": c.is_im}
                    for c in workspace.channels.values()
                ],
                "messages": {c.id: list(c.messages.values()) for c in workspace.channels.values()},
                # To the page an ephemeral message belongs to the person who sees it.
                "ephemerals": [{**m, "user": m["to"]} for m in workspace.ephemerals],
                "views": {user: stack[-1] for user, stack in workspace.modals.items()},
                "homes": workspace.homes,
                "notifications": workspace.notifications,
                "home_tab": manifest.home_tab,
                "commands": [
                    {"command": c.command, "description": c.description, "usage_hint": c.usage_hint} for c in manifest.commands
                ],
                "shortcuts": [{"name": s.name, "type": s.kind, "callback_id": s.callback_id} for s in manifest.shortcuts],
                "files": [
                    {"id": f.id, "name": f.name, "mimetype": f.mimetype, "url": f"/files/{f.id}"}
                    for f in workspace.files.values()
                    if f.complete
                ],
                "connected": bool(self._people.socket_mode.connections) or self._people.signed_http.url is not None,
                "slack_down": self._api.down,
            }
        )

    async def _events(self, request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await stream.prepare(request)
        event = b"data: " + json.dumps({"type": "changed"}).encode() + b"\n\n"
        try:
            while not self._closing:
                news = self._workspace.news
                await stream.write(event)
                while not news.is_set():
                    try:
                        async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                            await news.wait()
                    except TimeoutError:
                        await stream.write(b": still here\n\n")
        except ConnectionError:
            pass  # The page was closed; there is nobody to tell.
        return stream

    def _answering(self, act: Callable[[Json], Awaitable[Delivery | None]]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            if request.content_type != "application/json":
                return web.json_response({"ok": False, "error": "The body must be JSON."}, status=415)
            try:
                body = await request.json()
            except ValueError:
                body = None
            if not isinstance(body, dict):
                return web.json_response({"ok": False, "error": "The body must be a JSON object."}, status=400)
            try:
                delivery = await act(body)
            except ClientRefusal as refusal:
                return web.json_response(_refused(str(refusal), refusal.errors))
            if delivery is not None and (delivery.error or delivery.errors):
                return web.json_response(_refused(delivery.error or "", delivery.errors))
            return web.json_response({"ok": True})

        return handle

    async def _command(self, body: Json) -> Delivery:
        return await self._people.slash(
            _text(body, "user"), _text(body, "channel"), _text(body, "command"), str(body.get("text") or "")
        )

    async def _action(self, body: Json) -> Delivery:
        user, action_id = _text(body, "user"), _text(body, "action_id")
        block_id, value, selected = body.get("block_id"), body.get("value"), body.get("selected")
        if body.get("view_id"):
            return await self._people.click_view(
                user, _text(body, "view_id"), action_id, block_id=block_id, value=value, selected=selected
            )
        ts = _text(body, "ephemeral_ts" if body.get("ephemeral_ts") else "ts")
        return await self._people.click(
            user, _text(body, "channel"), ts, action_id, block_id=block_id, value=value, selected=selected
        )

    async def _attachment(self, body: Json) -> Delivery:
        number = body.get("number")
        if not isinstance(number, int):
            raise ClientRefusal("The field number is missing. Nothing was sent.")
        return await self._people.click_attachment(
            _text(body, "user"), _text(body, "channel"), _text(body, "ts"), number, _text(body, "value")
        )

    async def _view(self, body: Json) -> Delivery | None:
        user, view_id = _text(body, "user"), _text(body, "view_id")
        if body.get("kind") == "close":
            return await self._people.close_view(user, view_id)
        values = body.get("values") or {}
        if not isinstance(values, dict) or not all(isinstance(block, dict) for block in values.values()):
            raise ClientRefusal("The field values must be in the shape of state.values. Nothing was sent.")
        return await self._people.submit_view(user, view_id, values)

    async def _message(self, body: Json) -> None:
        thread_ts = body.get("thread_ts")
        await self._people.post(
            _text(body, "user"), _text(body, "channel"), _text(body, "text"), thread_ts=str(thread_ts) if thread_ts else None
        )

    async def _home(self, body: Json) -> Delivery | None:
        return await self._people.open_home(_text(body, "user"))

    async def _shortcut(self, body: Json) -> Delivery:
        user, callback_id = _text(body, "user"), _text(body, "callback_id")
        if body.get("ts"):
            return await self._people.message_shortcut(user, _text(body, "channel"), _text(body, "ts"), callback_id)
        return await self._people.shortcut(user, callback_id)

    async def _fault(self, body: Json) -> None:
        self._api.down = body.get("slack_down") is True
        self._workspace.changed()


def _text(body: Json, name: str) -> str:
    value: Any = body.get(name)
    if not isinstance(value, str) or not value:
        raise ClientRefusal(f"The field {name} is missing. Nothing was sent.")
    return value


def _refused(error: str, errors: dict[str, str]) -> Json:
    return {"ok": False, "error": error, **({"errors": errors} if errors else {})}
