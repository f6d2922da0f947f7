"""One delivery to the app, whichever way it goes, and the two ways: Socket Mode and signed HTTP requests.

Excluded: what a payload says (`payloads`) and what the workspace does with the app's answer (`people`).
"""

import asyncio
import hashlib
import hmac
import itertools
import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from bot.playground.workspace.workspace import APP_ID, Json, Workspace

Kind = Literal["slash_commands", "interactive", "events_api"]

CONNECTIONS_MAX: Final = 10
HEARTBEAT_SECONDS: Final = 20.0


@dataclass(slots=True, eq=False)
class Delivery:
    """One thing the app was told.

    Attributes:
        kind: Slack's envelope type.
        payload: what the app got.
        accepts_response_payload: whether the acknowledgement may carry an answer.
        id: the envelope id.
        acked: whether the app acknowledged, in time or late.
        answers: how many acknowledgements came; more than one after a redelivery.
        status: HTTP status of the app's answer, None over Socket Mode.
        response: what the first acknowledgement carried: a JSON object, a text, or None.
        error: what the person sees: `operation_timeout`, `dispatch_failed`, or None.
        errors: texts by block id, when a submitted view was sent back.
        attempts: how often it was sent.
    """

    kind: Kind
    payload: Json
    accepts_response_payload: bool
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    acked: bool = False
    answers: int = 0
    status: int | None = None
    response: Any = None
    error: str | None = None
    errors: dict[str, str] = field(default_factory=dict)
    attempts: int = 0
    _answered: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def answer(self, response: Any) -> None:
        """Note an acknowledgement; only the first one's answer counts."""
        self.answers += 1
        if not self.acked:
            self.acked = True
            self.response = response
        self._answered.set()

    async def answered(self, seconds: float) -> bool:
        """Wait for the next acknowledgement, or the first."""
        try:
            async with asyncio.timeout(seconds):
                await self._answered.wait()
        except TimeoutError:
            return False
        return True

    def expect_another(self) -> None:
        """Before sending again: wait for a new acknowledgement, not the old one."""
        self._answered.clear()


class SocketMode:
    """The WebSocket side of Slack: tickets, connections, envelopes and acknowledgements."""

    def __init__(self, workspace: Workspace) -> None:
        self.connections: list[web.WebSocketResponse] = []
        self.unacknowledged: dict[str, Delivery] = {}
        self._workspace = workspace
        self._tickets: set[str] = set()
        self._known: dict[str, Delivery] = {}
        self._carriers: dict[str, web.WebSocketResponse] = {}
        self._turn = itertools.count()

    def issue_ticket(self) -> str:
        """Allow one connection."""
        ticket = secrets.token_hex(16)
        self._tickets.add(ticket)
        return ticket

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection: `hello`, what earlier connections left unacknowledged, then deliveries."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=403, text="invalid_ticket")
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS)
        await socket.prepare(request)
        if len(self.connections) >= CONNECTIONS_MAX:
            await self._send(socket, _disconnect("too_many_websockets"))
            await socket.close()
            return socket
        self.connections.append(socket)
        try:
            await self._send(socket, self._hello())
            self._workspace.changed()
            for delivery in list(self.unacknowledged.values()):
                if self._carriers.get(delivery.id) not in self.connections:
                    await self._carry(socket, delivery, reason="timeout")
            async for received in socket:
                if received.type is aiohttp.WSMsgType.TEXT:
                    self._acknowledge(received.data)
        except ConnectionError:
            # The app went away while we wrote: what it did not acknowledge goes to the next connection.
            pass
        finally:
            self.connections.remove(socket)
            self._workspace.changed()
        return socket

    async def send(self, delivery: Delivery) -> bool:
        """Send to the next connection in turn.

        Returns:
            False when the app is not connected. An event then waits for it; a command or an interaction does not.
        """
        self._known[delivery.id] = delivery
        open_sockets = [socket for socket in self.connections if not socket.closed]
        if not open_sockets:
            if delivery.kind == "events_api":
                self.unacknowledged[delivery.id] = delivery
            return False
        socket = open_sockets[next(self._turn) % len(open_sockets)]
        try:
            await self._carry(socket, delivery, reason="")
        except ConnectionError:
            return False
        return True

    async def disconnect(self, reason: str) -> None:
        """Announce to every connection that it ends: `warning`, `refresh_requested` or `link_disabled`."""
        for socket in list(self.connections):
            await self._send(socket, _disconnect(reason))

    async def close(self) -> None:
        """Close every connection, without a word."""
        for socket in list(self.connections):
            await socket.close()

    async def _carry(self, socket: web.WebSocketResponse, delivery: Delivery, *, reason: str) -> None:
        delivery.attempts += 1
        if not delivery.acked:
            self.unacknowledged[delivery.id] = delivery
        self._carriers[delivery.id] = socket
        envelope: Json = {
            "envelope_id": delivery.id,
            "type": delivery.kind,
            "accepts_response_payload": delivery.accepts_response_payload,
            "payload": delivery.payload,
        }
        if delivery.kind == "events_api" or delivery.attempts > 1:
            # Slack counts retries of the Events API only; an envelope that it merely repeats says 0 again.
            envelope |= {"retry_attempt": 0, "retry_reason": reason}
        await self._send(socket, envelope)

    def _acknowledge(self, text: str) -> None:
        try:
            answer = json.loads(text)
        except ValueError:
            return
        delivery = self._known.get(answer.get("envelope_id", "")) if isinstance(answer, dict) else None
        if delivery is None:
            return
        self.unacknowledged.pop(delivery.id, None)
        delivery.answer(answer.get("payload"))
        self._workspace.changed()

    async def _send(self, socket: web.WebSocketResponse, message: Json) -> None:
        await socket.send_str(json.dumps(message))

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self.connections),
            "debug_info": {"host": "applink-playground", "build_number": 1, "approximate_connection_time": 18_060},
            "connection_info": {"app_id": APP_ID},
        }


def _disconnect(reason: str) -> Json:
    return {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-playground"}}


class SignedHttp:
    """The other way: signed requests to the app's request URL.

    Attributes:
        url: where the app listens, None when it uses Socket Mode.
        wrong_signature: sign with another secret.
        age_seconds: how old the signed time stamp is; more than 300 is a replay.
    """

    def __init__(self, workspace: Workspace, signing_secret: str) -> None:
        self.url: str | None = None
        self.wrong_signature = False
        self.age_seconds = 0.0
        self._workspace = workspace
        self._secret = signing_secret
        self._session: aiohttp.ClientSession | None = None

    async def send(self, delivery: Delivery, *, seconds: float, retry_num: int = 0, retry_reason: str = "") -> bool:
        """Post to the request URL; the answer is the acknowledgement when its status is 200.

        Returns:
            False when the app could not be reached or did not answer with 200. A time-out leaves it unacknowledged.
        """
        if self.url is None:
            return False
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False)
        delivery.attempts += 1
        content_type, body = _encode(delivery)
        headers = {"Content-Type": content_type, "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)"}
        headers |= self._signature(body)
        if retry_num:
            headers |= {"X-Slack-Retry-Num": str(retry_num), "X-Slack-Retry-Reason": retry_reason}
        try:
            async with self._session.post(
                self.url, data=body, headers=headers, timeout=aiohttp.ClientTimeout(total=seconds)
            ) as answer:
                delivery.status = answer.status
                text = await answer.text()
                parsed = _parsed(text, answer.content_type)
        except TimeoutError:
            return True
        except aiohttp.ClientError:
            return False
        if delivery.status != 200:
            return False
        delivery.answer(parsed)
        self._workspace.changed()
        return True

    async def close(self) -> None:
        """Let go of the connections to the app."""
        if self._session is not None:
            await self._session.close()

    def _signature(self, body: bytes) -> dict[str, str]:
        stamp = str(int(self._workspace.clock() - self.age_seconds))
        secret = secrets.token_hex(16) if self.wrong_signature else self._secret
        digest = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}


def _encode(delivery: Delivery) -> tuple[str, bytes]:
    form = "application/x-www-form-urlencoded"
    match delivery.kind:
        case "slash_commands":
            return form, urlencode(delivery.payload).encode()
        case "interactive":
            return form, urlencode({"payload": json.dumps(delivery.payload)}).encode()
        case "events_api":
            return "application/json", json.dumps(delivery.payload).encode()


def _parsed(text: str, content_type: str) -> Any:
    if not text:
        return None
    if content_type == "application/json":
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text
