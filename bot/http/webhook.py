"""`POST /alertmanager/webhook`: who may, what is in it, freeze, answer.

The answer is 200 only if every alert of the payload that freezes is durably held and the router is in its safe settings;
anything else makes Alertmanager come again. Slack is told afterwards, through the journal and its stories.

Excluded: what alerts ask for (core/alerts/payload.py) and what is done about them (core/brake/respond.py).
"""

import asyncio
import base64
import binascii
import hmac
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from http import HTTPStatus

from aiohttp import web
from pydantic import ValidationError

from bot.http.lane import Lane
from bot.http.metrics import Counters
from core.alerts.payload import MAX_BODY_BYTES, AlertFacts, Notification, facts_of
from core.settings.surfaces import AlertSettings
from core.system.logs import logger

log = logger(__name__)

BODY_SECONDS = 5.0
"""How long a client may take to send a payload."""
_SMALL_BYTES = 16 << 10
"""A payload up to this size is understood in less time than a thread takes to be woken."""


class AlertWebhook:
    """Takes Alertmanager's payloads."""

    def __init__(self, settings: AlertSettings, lanes: Sequence[Lane], counters: Counters) -> None:
        self._settings = settings
        self._policy = settings.policy
        self._lanes = tuple(lanes)
        self._counters = counters
        self._parsing = ThreadPoolExecutor(2, thread_name_prefix="anr-parse")

    async def receive(self, request: web.Request) -> web.Response:
        """Answer one request."""
        received = time.monotonic()
        try:
            answer = await self._receive(request, received)
        except Exception:  # the top of a route: Alertmanager comes again, the trace is kept
            log.exception("a payload could not be handled")
            answer = _answer(
                HTTPStatus.INTERNAL_SERVER_ERROR, "failed", "Something went wrong inside anr; its log has the details."
            )
        self._counters.webhooks.labels(answer.headers["X-Anr-Result"]).inc()
        return answer

    async def drain(self) -> None:
        """Wait for what was begun."""
        for lane in self._lanes:
            await lane.drain()
        self._parsing.shutdown()

    async def _receive(self, request: web.Request, received: float) -> web.Response:
        if not self._settings.enabled:
            text = "The webhook is switched off. Nothing was done; set alerts.token, or alerts.username and alerts.password."
            return _answer(HTTPStatus.NOT_FOUND, "off", text)
        if not self._authorised(request.headers.get("Authorization", "")):
            answer = _answer(HTTPStatus.UNAUTHORIZED, "unauthorised", "The credentials are missing or wrong. Nothing was done.")
            answer.headers["WWW-Authenticate"] = 'Bearer realm="anr", Basic realm="anr"'
            return answer
        body = await _body(request)
        if isinstance(body, web.Response):
            return body
        loop = asyncio.get_running_loop()
        try:
            if len(body) <= _SMALL_BYTES:
                facts = self._understand(body)
            else:
                facts = await loop.run_in_executor(self._parsing, self._understand, body)
        except ValidationError as error:
            return _answer(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "malformed",
                f"This is no payload of version 4. Nothing was done: {_wrong(error)}.",
            )
        names = [lane.name for lane in self._lanes]
        taken = await asyncio.gather(
            *(
                lane.take(mine, received)
                for lane in self._lanes
                if (mine := tuple(one for one in facts if one.is_for(lane.name, names)))
            )
        )
        problems = tuple(dict.fromkeys(problem for one in taken for problem in one.problems))
        safe_after = max((one.safe_after_s for one in taken if one.safe_after_s is not None), default=None)
        if all(one.done for one in taken):
            text = " ".join(problems) or "Every alert that freezes is held, and the router is safe."
            return _answer(HTTPStatus.OK, "accepted", text, safe_after)
        text = f"Not everything is done, come again: {' '.join(problems)}"
        return _answer(HTTPStatus.SERVICE_UNAVAILABLE, "unfinished", text)

    def _understand(self, body: bytes) -> tuple[AlertFacts, ...]:
        return facts_of(Notification.model_validate_json(body), self._policy)

    def _authorised(self, header: str) -> bool:
        scheme, _, credentials = header.partition(" ")
        token, password = (one.get_secret_value() for one in (self._settings.token, self._settings.password))
        bearer = scheme.lower() == "bearer" and bool(token) and _same(credentials.strip(), token)
        given = _decoded(credentials) if scheme.lower() == "basic" else ""
        return bearer or (bool(password) and _same(given, f"{self._settings.username}:{password}"))


async def _body(request: web.Request) -> bytes | web.Response:
    """Return the body, or why it is not read to its end."""
    too_large = _answer(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"A payload has at most {MAX_BODY_BYTES:,} bytes. Nothing was done."
    )
    if (request.content_length or 0) > MAX_BODY_BYTES:
        return too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    return too_large
    except TimeoutError:
        text = f"The payload did not come within {BODY_SECONDS:g} s. Nothing was done."
        return _answer(HTTPStatus.REQUEST_TIMEOUT, "timeout", text)
    return bytes(body)


def _answer(status: HTTPStatus, result: str, text: str, safe_after_s: float | None = None) -> web.Response:
    said = {"result": result, "text": text, "safe_after_s": safe_after_s}
    answer = web.json_response(said, status=status, headers={"X-Anr-Result": result})
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT}:
        answer.force_close()  # the rest of the body is not waited for
    return answer


def _same(given: str, secret: str) -> bool:
    """Compare in constant time, also in the length."""
    left, right = (sha256(text.encode("utf-8", "surrogateescape")).digest() for text in (given, secret))
    return hmac.compare_digest(left, right)


def _decoded(credentials: str) -> str:
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return ""


def _wrong(error: ValidationError) -> str:
    """Say where it is wrong, and never what was sent."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(
        f"{'.'.join(str(part)[:60] for part in one['loc'][:6]) or 'the body'}: {one['msg'][:200]}" for one in found[:5]
    )
