"""`POST /alertmanager/webhook`: who may, what is in it, freeze, answer.

The answer is 200 only if every alert of the payload could be judged, every one that freezes is durably held, and the router is
in its safe settings; anything else is 5xx, which makes Alertmanager come again, after what could be judged was done. Only who
has no token, or sends no JSON object, is answered 4xx. Slack is told afterwards, through the journal and its stories.

A payload is read and judged on a thread, so that nobody waits for it however large it is.

Excluded: what a payload says (core/alerts/reading.py), what alerts ask for (core/alerts/payload.py) and what is done about them
(core/brake/respond.py).
"""

import asyncio
import base64
import binascii
import hmac
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus

from aiohttp import web

from bot.http.lane import Lane
from bot.http.metrics import Counters
from bot.http.refusals import RefusalKeeper
from core.alerts.payload import Judged, judge, unread
from core.alerts.reading import MAX_BODY_BYTES, NoJsonObject, digest_of, read_notification
from core.settings.surfaces import AlertSettings
from core.system.logs import logger
from core.system.threads import running
from core.text import clean_text

log = logger(__name__)

BODY_SECONDS = 5.0
"""How long a client may take to send a payload."""
JUDGE_SECONDS = 10.0
"""How long a payload may take to be read and judged; what takes longer counts as if it froze."""
_MAX_TEXT = 1000
_LARGE_BYTES = 1 << 20
_MOST_LARGE = 4
"""Larger payloads than that at once; more are told to come again, so that memory stays bounded."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a request is answered.

    Attributes:
        result: the kind of answer, by which requests are counted.
    """

    status: HTTPStatus
    result: str
    text: str
    safe_after_s: float | None = None

    def response(self) -> web.Response:
        """Return the answer."""
        said = {"result": self.result, "text": self.text, "safe_after_s": self.safe_after_s}
        answer = web.json_response(said, status=self.status)
        if self.status is HTTPStatus.UNAUTHORIZED:
            answer.headers["WWW-Authenticate"] = 'Bearer realm="anr", Basic realm="anr"'
        if self.result in {"unauthorised", "too_large", "timeout", "busy"}:
            answer.force_close()  # the rest of the body is not waited for
        return answer


class _NotRead(Exception):
    """A body was not read to its end.

    Attributes:
        outcome: what the request is answered.
        head: what was read, if the payload is too large to be read at all.
    """

    def __init__(self, outcome: Outcome, head: bytes = b"") -> None:
        super().__init__(outcome.text)
        self.outcome = outcome
        self.head = head


class AlertWebhook:
    """Takes Alertmanager's payloads."""

    def __init__(self, settings: AlertSettings, lanes: Sequence[Lane], counters: Counters, refusals: RefusalKeeper) -> None:
        self._settings = settings
        self._policy = settings.policy
        self._lanes = tuple(lanes)
        self._counters = counters
        self._refusals = refusals
        self._parsing = running(2, "anr-parse")
        self._parsing_large = running(1, "anr-parse-large")
        self._large = 0

    async def receive(self, request: web.Request) -> web.Response:
        """Answer one request. Whoever is not answered with success is counted, logged, and told of."""
        received = time.monotonic()
        try:
            outcome = await self._receive(request, received)
        except Exception:  # the top of a route: Alertmanager comes again, the trace is kept
            log.exception("a payload could not be handled")
            text = "Something went wrong inside anr; its log has the details."
            outcome = Outcome(HTTPStatus.INTERNAL_SERVER_ERROR, "failed", text)
        self._counters.webhooks.labels(outcome.result).inc()
        if outcome.status is not HTTPStatus.OK:
            self._refusals.refused(outcome.status, outcome.result, outcome.text)
        return outcome.response()

    async def drain(self) -> None:
        """Wait for what was begun."""
        for lane in self._lanes:
            await lane.drain()
        await self._refusals.drain()
        for pool in (self._parsing, self._parsing_large):
            pool.shutdown()

    async def _receive(self, request: web.Request, received: float) -> Outcome:
        if not self._settings.enabled:
            text = "The webhook is switched off. Nothing was done; set alerts.token, or alerts.username and alerts.password."
            return Outcome(HTTPStatus.NOT_FOUND, "off", text)
        if not self._authorised(request.headers.get("Authorization", "")):
            return Outcome(HTTPStatus.UNAUTHORIZED, "unauthorised", "The credentials are missing or wrong. Nothing was done.")
        with ExitStack() as held:
            try:
                body = await self._body(request, held)
                return await self._act_on(await self._judge(body), received)
            except NoJsonObject as error:
                return Outcome(HTTPStatus.BAD_REQUEST, "malformed", f"{error} Nothing was done.")
            except _NotRead as error:
                if not error.head:
                    return error.outcome
                await self._act_on(self._unread(error.head, error.outcome.text), received)
                return error.outcome

    async def _act_on(self, judged: Judged, received: float) -> Outcome:
        names = [lane.name for lane in self._lanes]
        taken = await asyncio.gather(
            *(
                lane.take(mine, received)
                for lane in self._lanes
                if (mine := tuple(alert for alert in judged.facts if alert.is_for(lane.name, names)))
            )
        )
        self._refusals.unmatched(judged.unmatched)
        problems = tuple(dict.fromkeys(problem for answer in taken for problem in answer.problems))
        safe_after = max((answer.safe_after_s for answer in taken if answer.safe_after_s is not None), default=None)
        if not all(answer.done for answer in taken):
            text = f"Not everything is done, come again: {' '.join((*problems, *judged.unjudged))}"
            return Outcome(HTTPStatus.SERVICE_UNAVAILABLE, "unfinished", clean_text(text, _MAX_TEXT))
        if judged.unjudged:
            text = f"What could be judged is done. What could not, come again: {'; '.join(judged.unjudged)}."
            return Outcome(HTTPStatus.SERVICE_UNAVAILABLE, "unread", clean_text(text, _MAX_TEXT), safe_after)
        held = any(answer.held for answer in taken)
        done = "What freezes is held, and the router is in its safe settings." if held else "Nothing in it holds the router."
        return Outcome(HTTPStatus.OK, "accepted", " ".join((done, *problems)), safe_after)

    async def _judge(self, body: bytes) -> Judged:
        """Say what a payload asks for; what cannot be said in time counts as if it froze.

        Raises:
            NoJsonObject: nothing of it can be an alert.
        """
        pool = self._parsing if len(body) <= _LARGE_BYTES else self._parsing_large
        work = asyncio.get_running_loop().run_in_executor(pool, self._understand, body)
        done, _ = await asyncio.wait({work}, timeout=JUDGE_SECONDS)
        if done:
            return work.result()
        work.cancel()
        return self._unread(body, f"It could not be judged within {JUDGE_SECONDS:g} s.")

    def _understand(self, body: bytes) -> Judged:
        return judge(read_notification(body), self._policy)

    def _unread(self, body: bytes, why: str) -> Judged:
        return Judged((unread(digest_of(body), why, self._policy),), (why,))

    @contextmanager
    def _large_body(self) -> Iterator[None]:
        if self._large >= _MOST_LARGE:
            text = f"{_MOST_LARGE} large payloads are being read. Nothing was done; come again."
            raise _NotRead(Outcome(HTTPStatus.SERVICE_UNAVAILABLE, "busy", text))
        self._large += 1
        try:
            yield
        finally:
            self._large -= 1

    async def _body(self, request: web.Request, held: ExitStack) -> bytes:
        """Return the body; one that is large counts as such until `held` is left.

        Raises:
            _NotRead: it is not read to its end.
        """
        body = bytearray()
        is_large = False
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while chunk := await request.content.readany():
                    body += chunk
                    if len(body) > _LARGE_BYTES and not is_large:
                        is_large = True
                        held.enter_context(self._large_body())
                    if len(body) > MAX_BODY_BYTES:
                        text = f"The payload is longer than {MAX_BODY_BYTES:,} bytes: it was not read, and counts as if it froze."
                        raise _NotRead(Outcome(HTTPStatus.SERVICE_UNAVAILABLE, "too_large", text), bytes(body))
        except TimeoutError:
            text = f"The payload did not come within {BODY_SECONDS:g} s. Nothing was done; come again."
            raise _NotRead(Outcome(HTTPStatus.SERVICE_UNAVAILABLE, "timeout", text)) from None
        return bytes(body)

    def _authorised(self, header: str) -> bool:
        scheme, _, credentials = header.partition(" ")
        token, password = (secret.get_secret_value().strip() for secret in (self._settings.token, self._settings.password))
        bearer = scheme.lower() == "bearer" and bool(token) and _same(credentials.strip(), token)
        given = _decoded(credentials).strip() if scheme.lower() == "basic" else ""
        return bearer or (bool(password) and _same(given, f"{self._settings.username.strip()}:{password}"))


def _same(given: str, secret: str) -> bool:
    """Compare in constant time, also in the length."""
    left, right = (sha256(text.encode("utf-8", "surrogateescape")).digest() for text in (given, secret))
    return hmac.compare_digest(left, right)


def _decoded(credentials: str) -> str:
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return ""
