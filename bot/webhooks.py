"""`POST /alertmanager/webhook`: who may, what is in it, freeze, answer.

The answer is 200 only if every alert of the payload that freezes is durably held and the router is in its safe settings;
anything else makes Alertmanager come again. Slack is told afterwards, through the journal and its stories.

Excluded: what alerts ask for (core/alerts.py) and what is done about them (core/alerting.py).
"""

import asyncio
import base64
import binascii
import hmac
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from bot.desk import Station
from bot.metrics import Counters
from core import braking
from core.alerting import Acted, AlertResponder, NotedDown
from core.alerts import MAX_BODY_BYTES, AlertFacts, AlertStatus, Effect, Notification, facts_of
from core.logs import logger
from core.settings import AlertSettings
from core.site import Site
from core.watchdog import WatchdogUnwritable, heard

log = logger(__name__)

BODY_SECONDS = 5.0
"""How long a client may take to send a payload."""
_NOTE_SECONDS = 10.0
"""How long an answer waits for the journal, if the payload holds what only the journal keeps."""
_LOOK_AFTER_SECONDS = 0.2
_TELL_AFTER_SECONDS = 0.2
_SMALL_BYTES = 16 << 10
"""A payload up to this size is understood in less time than a thread takes to be woken."""
_MOST_AT_ONCE = 64
"""Payloads that wait for one router; more are told to come again."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a payload at one router.

    Attributes:
        done: all that it asks for is done and kept.
        problems: what went wrong, each a sentence.
        safe_after_s: seconds from the request to the router's safe settings on disk; None if nothing new froze.
    """

    done: bool
    problems: tuple[str, ...] = ()
    safe_after_s: float | None = None


class Lane:
    """The way of alerts to one router, with threads of its own, so that no report and no other router can delay them."""

    def __init__(self, station: Station, counters: Counters) -> None:
        self.name = station.site.target.name
        self._site: Site = station.site
        self._wake: Callable[[], None] = station.stories.wake
        self._counters = counters
        self._responder = AlertResponder(station.site)
        self._acting = ThreadPoolExecutor(1, thread_name_prefix="anr-alert")
        self._recording = ThreadPoolExecutor(1, thread_name_prefix="anr-note")  # one: in the order in which they came
        self._kept: set[asyncio.Future[Any]] = set()
        self._waiting = 0
        self._look: asyncio.TimerHandle | None = None
        self._telling: asyncio.TimerHandle | None = None

    async def take(self, facts: tuple[AlertFacts, ...], received: float) -> Taken:
        """Do what a payload's alerts ask for; return what came of it.

        Args:
            facts: the alerts that mean this router.
            received: when the request came, by the monotonic clock.
        """
        if self._waiting >= _MOST_AT_ONCE:
            return Taken(done=False, problems=(f"{self.name}: too many payloads wait. Nothing was done; come again.",))
        self._waiting += 1
        try:
            return await self._take(facts, received)
        finally:
            self._waiting -= 1

    async def _take(self, facts: tuple[AlertFacts, ...], received: float) -> Taken:
        loop = asyncio.get_running_loop()
        acted, problems, seconds = await loop.run_in_executor(self._acting, self._act, facts, received)
        noting = loop.run_in_executor(self._recording, self._responder.note_down, acted)
        self._keep(noting)
        noting.add_done_callback(lambda _: self._tell_soon())
        if acted.notes and self._look is None:
            self._look = loop.call_later(_LOOK_AFTER_SECONDS, self._look_again)
        if acted.held and acted.safe and not acted.shown:
            return Taken(not problems, problems, seconds)
        try:
            noted: NotedDown = await asyncio.wait_for(asyncio.shield(noting), _NOTE_SECONDS)
        except TimeoutError:
            noted = NotedDown(kept=False, problems=("The journal does not answer.",))
        done = acted.safe and noted.kept and not problems
        return Taken(done, (*problems, *acted.problems, *noted.problems), seconds)

    async def drain(self) -> None:
        """Wait for what was begun, then let the threads go."""
        if self._look is not None:
            self._look.cancel()
            self._look_again()
        while self._kept:
            await asyncio.gather(*self._kept, return_exceptions=True)
        for pool in (self._acting, self._recording):
            pool.shutdown()
        self._responder.close()

    def _act(self, facts: tuple[AlertFacts, ...], received: float) -> tuple[Acted, tuple[str, ...], float | None]:
        acted = self._responder.act(facts)
        seconds = time.monotonic() - received if acted.notes and acted.safe else None
        if seconds is not None:
            self._counters.freeze_seconds.labels(self.name).observe(seconds)
        self._counters.freezes.labels(self.name).inc(len(acted.notes))
        for one in facts:
            self._counters.alerts.labels(self.name, one.effect.value, one.status.value).inc()
        problems: tuple[str, ...] = ()
        if any(one.effect is Effect.WATCHDOG and one.status is AlertStatus.FIRING for one in facts):
            try:
                heard(self._site.target.run_dir, acted.at)
            except WatchdogUnwritable as error:
                problems = (str(error),)
        return acted, problems, seconds

    def _tell_soon(self) -> None:
        """Tell the channel of several alerts in a row at once."""
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(_TELL_AFTER_SECONDS, self._tell)

    def _tell(self) -> None:
        self._telling = None
        self._wake()

    def _look_again(self) -> None:
        """One look after several brakes in a row: none of them waits for it."""
        self._look = None
        self._keep(asyncio.get_running_loop().run_in_executor(self._recording, braking.stay_safe, self._site, self._site.clock()))

    def _keep(self, work: "asyncio.Future[Any]") -> None:
        self._kept.add(work)
        work.add_done_callback(self._done)

    def _done(self, work: "asyncio.Future[Any]") -> None:
        self._kept.discard(work)
        if not work.cancelled() and (error := work.exception()) is not None:
            log.error("alerts could not be noted down", target=self.name, exc_info=error)


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
