import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.canonical import canonical_bytes
from core.gates.evaluate import evaluate
from core.gates.policy import GateName, GatePolicy
from core.gates.report import SlotsHealth, Verdict
from core.ledger.figures import LedgerSpan
from core.ledger.tally import Tally
from core.ledger.window import Window
from core.operations import propose
from core.operations.results import Refused
from core.router.health import ask_slots, slots_in
from core.settings.target import TargetSettings
from core.target.lock import holder_of
from core.target.order import Order
from tests.support.rig import NOW, Rig

CRITICAL = GatePolicy().critical_slots
HEALTHY = json.dumps({"slots": {name: {"status": "healthy"} for name in CRITICAL}}).encode()
NOTHING_MEASURED = Tally(Window.ending(NOW, 1440), 0.15).result(LedgerSpan(0, ""))


def verdict(health: SlotsHealth) -> Verdict:
    """What the gate makes of it."""
    return next(gate.verdict for gate in evaluate(NOTHING_MEASURED, health, GatePolicy()).gates if gate.name is GateName.SLOTS)


def reply(body: bytes = HEALTHY, status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", "Connection: close", *headers]
    return "".join(f"{line}\r\n" for line in head).encode() + b"\r\n" + body


@contextmanager
def answering(raw: bytes) -> Iterator[str]:
    """A server that answers every request with these bytes and holds the connection until the other side lets go."""

    class Answer(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            try:
                while self.rfile.readline() not in {b"\r\n", b""}:
                    pass
                self.wfile.write(raw)
                self.rfile.read()
            except OSError:
                return  # the other side has heard enough

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/health/slots"
        finally:
            server.shutdown()
            thread.join()


def asked(*urls: str, **options: Any) -> SlotsHealth:
    where = {"health_url": urls[0]} if len(urls) == 1 else {"health": {"urls": urls}}
    return ask_slots(TargetSettings.model_validate({**where, **options}))


def test_healthy_slots_are_healthy(slots: tuple[str, dict[str, str]]) -> None:
    """What the endpoint says of each slot is told as it is."""
    url, statuses = slots
    found = asked(url)
    assert found == SlotsHealth(statuses=statuses, error=None)
    assert verdict(found) is Verdict.PASS


@pytest.mark.parametrize("status", ["degraded", "Healthy", "healthy ", "", "healthy\u200b"], ids=ascii)
@pytest.mark.parametrize("name", CRITICAL)
def test_one_slot_that_is_not_healthy_is_enough(name: str, status: str) -> None:
    """Only the word itself counts, and every slot is asked."""
    body = json.dumps({"slots": {critical: {"status": status if critical == name else "healthy"} for critical in CRITICAL}})
    with answering(reply(body.encode())) as url:
        found = asked(url)
    assert found == SlotsHealth(statuses={**dict.fromkeys(CRITICAL, "healthy"), name: status})
    assert verdict(found) is Verdict.FAIL


def test_a_missing_slot_is_not_healthy(slots: tuple[str, dict[str, str]]) -> None:
    """A slot of which nothing is said is as bad as an ill one."""
    url, statuses = slots
    del statuses["slot09"]
    found = asked(url)
    assert set(found.statuses) == set(CRITICAL) - {"slot09"}
    assert verdict(found) is Verdict.FAIL


@pytest.mark.parametrize(
    "slot",
    ["healthy", ["healthy"], {"status": ["healthy"]}, {"status": None}, {"status": True}, {"state": "healthy"}, {}, None],
    ids=repr,
)
def test_a_slot_in_another_shape_is_not_healthy(slot: object) -> None:
    """Nothing is guessed from an answer in a shape that was not agreed on."""
    body = json.dumps({"slots": {**{name: {"status": "healthy"} for name in CRITICAL}, "slot04": slot}}).encode()
    with answering(reply(body)) as url:
        found = asked(url)
    assert found.error is None
    assert verdict(found) is Verdict.FAIL


UNEXPECTED = "is not the JSON that was expected"
NOT_ASKED = "could not be asked"


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        pytest.param(reply(status="500 Internal Server Error"), "answered 500", id="http-500"),
        pytest.param(reply(status="404 Not Found"), "answered 404", id="http-404"),
        pytest.param(reply(status="206 Partial Content"), "answered 206", id="http-206"),
        pytest.param(reply(b"<html>all is well</html>"), UNEXPECTED, id="not-json"),
        pytest.param(reply(b""), UNEXPECTED, id="empty"),
        pytest.param(reply(HEALTHY[:-1]), UNEXPECTED, id="json-cut-off"),
        pytest.param(reply(b"\xff\xfe" + HEALTHY), UNEXPECTED, id="not-utf-8"),
        pytest.param(reply(b"[" * 50_000), UNEXPECTED, id="json-nested-without-end"),
        pytest.param(reply(b"[" + HEALTHY + b"]"), UNEXPECTED, id="json-list"),
        pytest.param(reply(b"null"), UNEXPECTED, id="json-null"),
        pytest.param(reply(b'{"slots": ["slot04", "slot08_lock", "slot09", "slot10"]}'), UNEXPECTED, id="slots-are-a-list"),
        pytest.param(reply(b'{"status": "healthy"}'), UNEXPECTED, id="no-slots"),
        pytest.param(reply(HEALTHY + b" " * (1 << 20)), "the answer is too long", id="huge"),
        pytest.param(reply(HEALTHY, length=len(HEALTHY) + 9), NOT_ASKED, id="body-that-stops-half-way"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", NOT_ASKED, id="head-that-stops-half-way"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", NOT_ASKED, id="not-http"),
    ],
)
def test_an_answer_that_is_none_is_never_healthy(raw: bytes, error: str) -> None:
    """Whatever comes instead of the agreed answer, it says what went wrong and no slot counts as healthy."""
    with answering(raw) as url:
        found = asked(url, health_timeout_s=1.0)
    assert found.statuses == {}
    assert error in (found.error or "")
    assert verdict(found) is Verdict.NO_DATA


def test_health_is_not_looked_for_elsewhere(slots: tuple[str, dict[str, str]]) -> None:
    """A redirection to an endpoint that says that all is well is not followed."""
    url, _ = slots
    with answering(reply(b"", "302 Found", f"Location: {url}")) as moved:
        found = asked(moved)
    assert found == SlotsHealth(error="the router's health endpoint answered 302")


def test_a_refused_connection_is_never_healthy() -> None:
    """Where nobody listens nobody is healthy."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, so that nobody else can listen there, but not listening
        found = asked(f"http://127.0.0.1:{closed.getsockname()[1]}/")
    assert found == SlotsHealth(error="the router's health could not be asked (nobody listens there)")
    assert verdict(found) is Verdict.NO_DATA


def test_a_server_that_never_answers_is_never_healthy() -> None:
    """A connection that is taken and then left alone ends with the time limit."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = asked(f"http://127.0.0.1:{silent.getsockname()[1]}/", health_timeout_s=0.2)
    assert found == SlotsHealth(error="the router's health could not be asked (the answer took too long)")
    assert verdict(found) is Verdict.NO_DATA


def test_whatever_the_router_says_can_be_recorded() -> None:
    """Statuses from outside are texts that a receipt can hold."""
    with answering(reply(b'{"slots": {"slot04": {"status": "\\ud800"}}}')) as url:
        found = asked(url)
    assert canonical_bytes(found.model_dump(mode="json"))


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_health_is_asked_of_the_router_itself(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """A proxy in the environment, which might answer with anything, is left aside."""
    with answering(reply(status="502 Bad Gateway")) as proxy, answering(reply()) as url:
        monkeypatch.setenv(variable, proxy)
        assert verdict(asked(url)) is Verdict.PASS


# --- an endpoint that drips --------------------------------------------------------------------------------------------


@contextmanager
def dripping(begin: bytes, drop: bytes) -> Iterator[tuple[str, list[int]]]:
    """A server that begins an answer and then sends one drop after the other until the other side lets go; counts them."""
    drops: list[int] = []

    class Drip(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            drops.append(0)
            self.request.recv(65536)
            try:
                self.request.sendall(begin)
                while True:
                    self.request.sendall(drop)
                    drops[-1] += 1
                    threading.Event().wait(0.005)
            except OSError:
                return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = False  # so that closing waits until every connection was let go

    with Server(("127.0.0.1", 0), Drip) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/health/slots", drops
        finally:
            server.shutdown()
            thread.join()


DRIPS = [
    pytest.param(b"HTTP/1.1 200 OK\r\nX: ", b"x", id="a head that never ends"),
    pytest.param(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", id="headers without end"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", b" ", id="a body byte by byte"),
    pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", id="chunks of one byte"),
    pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="only ever: continue"),
]


@pytest.mark.parametrize(("begin", "drop"), DRIPS)
def test_an_endpoint_that_drips_is_let_go_at_the_time_limit(begin: bytes, drop: bytes) -> None:
    """The limit is one for the whole answer: bytes that still come do not prolong it, and no connection is left behind."""
    with dripping(begin, drop) as (url, drops):
        found = asked(url, health_timeout_s=0.3)
    assert found.statuses == {}
    assert verdict(found) is Verdict.NO_DATA
    assert len(drops) == 1
    assert drops[0] < 2_000


def test_several_addresses_have_one_time_limit_together() -> None:
    """An address that drips uses the limit up: the next one is not asked, and its good word does not count."""
    with answering(reply()) as url, dripping(b"HTTP/1.1 200 OK\r\nX: ", b"x") as (slow, _):
        assert asked(slow, url, health_timeout_s=0.3).error == "the router's health could not be asked (the answer took too long)"


def test_an_endpoint_that_drips_holds_no_operation_up(begun: Rig) -> None:
    """Attack: a promotion asks under the operation's lock; it is refused for want of an answer, and the lock is free."""
    with dripping(b"HTTP/1.1 200 OK\r\nX: ", b"x") as (url, _):
        target = begun.settings.model_copy(update={"health_url": url, "health_timeout_s": 0.3})
        done = propose.propose(replace(begun.target, settings=target), Order(begun.people["olivia"], "yesterday was good"))
    assert isinstance(done, Refused)
    assert any("the answer took too long" in blocker for blocker in done.refusal.blockers)
    assert holder_of(begun.settings.run_dir) is None


# --- builds that tell it otherwise --------------------------------------------------------------------------------------

SELF_CHECKS = {
    "slots": {
        slot: f"slot_self_checks.{name}.self_check"
        for slot, name in zip(
            CRITICAL,
            ("slot04_tri", "slot08_memory_lock", "slot09_distortion_protection", "slot10_civilizational_deploy"),
            strict=True,
        )
    },
    "healthy": ["ok"],
}


def self_checks(**changed: Any) -> bytes:
    checks = {path.split(".")[1]: {"self_check": "ok", "version": "1"} for path in SELF_CHECKS["slots"].values()}  # type: ignore[attr-defined]
    return json.dumps({"status": "ok", "slot_self_checks": {**checks, **changed}}).encode()


def told(body: bytes, **health: Any) -> SlotsHealth:
    return slots_in(body, TargetSettings.model_validate({"health": {**SELF_CHECKS, **health}}))


def test_a_build_with_self_checks_is_healthy_by_its_own_words() -> None:
    """Other names and another word, as the options say: the gate sees four healthy slots under the names it knows."""
    found = told(self_checks())
    assert found == SlotsHealth(statuses=dict.fromkeys(CRITICAL, "healthy"))
    assert verdict(found) is Verdict.PASS


@pytest.mark.parametrize(
    "check",
    [
        pytest.param({"self_check": "error"}, id="another word"),
        pytest.param({"self_check": "healthy"}, id="a word that is healthy elsewhere"),
        pytest.param({"self_check": "OK"}, id="in capitals"),
        pytest.param({"self_check": True}, id="true"),
        pytest.param({"self_check": ["ok"]}, id="a list"),
        pytest.param({"self_check": None}, id="null"),
        pytest.param({"status": "ok"}, id="another key"),
        pytest.param({}, id="nothing"),
        pytest.param("ok", id="no object"),
    ],
)
def test_only_the_agreed_word_at_the_agreed_place_is_healthy(check: object) -> None:
    """One slot that says anything else, or nothing, is enough for the gate."""
    assert verdict(told(self_checks(slot09_distortion_protection=check))) is Verdict.FAIL


def test_the_examples_of_the_documentation_are_accepted_and_read_the_routers_answers() -> None:
    """What an operator copies from docs/configuration.md reads both shapes that routers are known to have."""
    import re  # noqa: PLC0415 - beside its only use
    import tomllib  # noqa: PLC0415 - as re

    text = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text(encoding="utf-8")
    examples = [
        tomllib.loads(block)["target"] for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "health" in block
    ]
    read = [
        slots_in(body, TargetSettings.model_validate(example))
        for example, body in zip(examples, (HEALTHY, self_checks()), strict=True)
    ]
    assert read == [SlotsHealth(statuses=dict.fromkeys(CRITICAL, "healthy"))] * 2


def test_the_next_address_is_asked_where_nobody_listens_or_no_such_page_is() -> None:
    """Routers are seen on two ports; the one that is there speaks."""
    with socket.socket() as closed, answering(reply(status="404 Not Found")) as other, answering(reply()) as url:
        closed.bind(("127.0.0.1", 0))
        assert verdict(asked(f"http://127.0.0.1:{closed.getsockname()[1]}/", other, url)) is Verdict.PASS


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(reply(status="503 Service Unavailable"), id="unavailable"),
        pytest.param(reply(b"{}"), id="another shape"),
        pytest.param(b"", id="it hangs up"),
        pytest.param(reply(HEALTHY.replace(b"healthy", b"dead", 1)), id="an ill slot"),
    ],
)
def test_a_second_address_cannot_speak_well_of_an_ill_router(raw: bytes) -> None:
    """Who answers first decides, also by an answer that is none."""
    with answering(raw) as ill, answering(reply()) as url:
        assert verdict(asked(ill, url)) is not Verdict.PASS


@pytest.mark.parametrize(
    ("options", "text"),
    [
        pytest.param({"health": {"slots": {"slot04": "a..b"}}}, "no JMESPath expression", id="no JMESPath"),
        pytest.param({"health": {"slots": {"slot04": "a" * 301}}}, "at most 300 characters", id="too long"),
        pytest.param({"health": {"slots": {"slot4": "a"}}}, "none of gates.critical_slots", id="a slot that is not critical"),
        pytest.param({"health": {"slots": {"slot04": "'healthy'"}}}, "any answer would do", id="a constant"),
        pytest.param({"health": {"slots": {"slot04": "a || 'healthy'"}}}, "any answer would do", id="healthy where it is silent"),
        pytest.param({"health": {"healthy": []}}, "healthy", id="no healthy word"),
        pytest.param({"health": {"healthy": [""]}}, "healthy", id="an empty word"),
        pytest.param({"health": {"urls": ["file:///etc/passwd"]}}, "urls", id="a file"),
        pytest.param({"health": {"url": "http://127.0.0.1/"}}, "url", id="a typo"),
        pytest.param({"health_timeout_s": 11}, "health_timeout_s", id="longer than others wait for the operation's lock"),
    ],
)
def test_options_that_could_not_be_meant_are_refused(options: dict[str, Any], text: str) -> None:
    """A typo in where health is looked for must not become a router that is never ill, or never healthy."""
    with pytest.raises(ValidationError, match=text):
        TargetSettings.model_validate(options)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["ok", "healthy", "x", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["slots", "slot_self_checks", "self_check", "status", *CRITICAL]), inner)
    ),
    max_leaves=12,
)


@given(
    JSON,
    st.sampled_from([{}, SELF_CHECKS, {"slots": dict.fromkeys(CRITICAL, "@")}, {"slots": dict.fromkeys(CRITICAL, "slots.*")}]),
)
def test_healthy_is_only_what_a_straight_reader_finds_at_the_place(answer: object, health: dict[str, Any]) -> None:
    """Law: four healthy slots are told only if plain look-ups find an agreed word at every place."""
    found = slots_in(json.dumps(answer).encode(), TargetSettings.model_validate({"health": health}))
    words, look = health.get("healthy", ["healthy"]), PLACES[str(health.get("slots", {}).get("slot04"))]
    straight = all(any(look(answer, slot) == word for word in words) for slot in CRITICAL)
    assert (verdict(found) is Verdict.PASS) == straight
    assert canonical_bytes(found.model_dump(mode="json"))


def _at(answer: object, *keys: str) -> object:
    for key in keys:
        answer = answer.get(key) if isinstance(answer, dict) else None
    return answer


PLACES: dict[str, Callable[[object, str], object]] = {
    "None": lambda answer, slot: _at(answer, "slots", slot, "status"),
    SELF_CHECKS["slots"]["slot04"]: lambda answer, slot: _at(answer, *SELF_CHECKS["slots"][slot].split(".")),  # type: ignore[index]
    "@": lambda _answer, _slot: None,
    "slots.*": lambda _answer, _slot: None,
}
"""The same look-ups, by the expression of slot04, without JMESPath."""
