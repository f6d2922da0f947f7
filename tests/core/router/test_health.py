import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.canonical import canonical_bytes
from core.gates.evaluate import evaluate
from core.gates.policy import GateName, GatePolicy
from core.gates.report import SlotsHealth, Verdict
from core.ledger.figures import LedgerSpan
from core.ledger.tally import Tally
from core.ledger.window import Window
from tests.core.router.test_control import place
from tests.support.rig import NOW

# --- the health of the slots ------------------------------------------------------------------------------------------


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


def asked(folder: Path, url: str, **options: Any) -> SlotsHealth:
    return place(folder, health_url=url, **options).router.slots()


def test_healthy_slots_are_healthy(tmp_path: Path, slots: tuple[str, dict[str, str]]) -> None:
    """What the endpoint says of each slot is told as it is."""
    url, statuses = slots
    found = asked(tmp_path, url)
    assert found == SlotsHealth(statuses=statuses, error=None)
    assert verdict(found) is Verdict.PASS


@pytest.mark.parametrize("status", ["degraded", "Healthy", "healthy ", "", "healthy\u200b"], ids=ascii)
@pytest.mark.parametrize("name", CRITICAL)
def test_one_slot_that_is_not_healthy_is_enough(tmp_path: Path, name: str, status: str) -> None:
    """Only the word itself counts, and every slot is asked."""
    body = json.dumps({"slots": {one: {"status": status if one == name else "healthy"} for one in CRITICAL}})
    with answering(reply(body.encode())) as url:
        found = asked(tmp_path, url)
    assert found == SlotsHealth(statuses={**dict.fromkeys(CRITICAL, "healthy"), name: status})
    assert verdict(found) is Verdict.FAIL


def test_a_missing_slot_is_not_healthy(tmp_path: Path, slots: tuple[str, dict[str, str]]) -> None:
    """A slot of which nothing is said is as bad as an ill one."""
    url, statuses = slots
    del statuses["slot09"]
    found = asked(tmp_path, url)
    assert set(found.statuses) == set(CRITICAL) - {"slot09"}
    assert verdict(found) is Verdict.FAIL


@pytest.mark.parametrize(
    "slot",
    ["healthy", ["healthy"], {"status": ["healthy"]}, {"status": None}, {"status": True}, {"state": "healthy"}, {}, None],
    ids=repr,
)
def test_a_slot_in_another_shape_is_not_healthy(tmp_path: Path, slot: object) -> None:
    """Nothing is guessed from an answer in a shape that was not agreed on."""
    body = json.dumps({"slots": {**{name: {"status": "healthy"} for name in CRITICAL}, "slot04": slot}}).encode()
    with answering(reply(body)) as url:
        found = asked(tmp_path, url)
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
        pytest.param(reply(HEALTHY + b" " * (1 << 20)), "is too long or took too long", id="huge"),
        pytest.param(reply(HEALTHY, length=len(HEALTHY) + 9), NOT_ASKED, id="body-that-stops-half-way"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", NOT_ASKED, id="head-that-stops-half-way"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", NOT_ASKED, id="not-http"),
    ],
)
def test_an_answer_that_is_none_is_never_healthy(tmp_path: Path, raw: bytes, error: str) -> None:
    """Whatever comes instead of the agreed answer, it says what went wrong and no slot counts as healthy."""
    with answering(raw) as url:
        found = asked(tmp_path, url, health_timeout_s=0.3)
    assert found.statuses == {}
    assert error in (found.error or "")
    assert verdict(found) is Verdict.NO_DATA


def test_health_is_not_looked_for_elsewhere(tmp_path: Path, slots: tuple[str, dict[str, str]]) -> None:
    """A redirection to an endpoint that says that all is well is not followed."""
    url, _ = slots
    with answering(reply(b"", "302 Found", f"Location: {url}")) as moved:
        found = asked(tmp_path, moved)
    assert found == SlotsHealth(error="the router's health endpoint answered 302")


def test_a_refused_connection_is_never_healthy(tmp_path: Path) -> None:
    """Where nobody listens nobody is healthy."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, so that nobody else can listen there, but not listening
        found = asked(tmp_path, f"http://127.0.0.1:{closed.getsockname()[1]}/")
    assert found == SlotsHealth(error="the router's health could not be asked (NewConnectionError)")
    assert verdict(found) is Verdict.NO_DATA


def test_a_server_that_never_answers_is_never_healthy(tmp_path: Path) -> None:
    """A connection that is taken and then left alone ends with the time limit."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = asked(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}/", health_timeout_s=0.2)
    assert found == SlotsHealth(error="the router's health could not be asked (ReadTimeoutError)")
    assert verdict(found) is Verdict.NO_DATA


def test_whatever_the_router_says_can_be_recorded(tmp_path: Path) -> None:
    """Statuses from outside are texts that a receipt can hold."""
    with answering(reply(b'{"slots": {"slot04": {"status": "\\ud800"}}}')) as url:
        found = asked(tmp_path, url)
    assert canonical_bytes(found.model_dump(mode="json"))


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_health_is_asked_of_the_router_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """A proxy in the environment, which might answer with anything, is left aside."""
    with answering(reply(status="502 Bad Gateway")) as proxy, answering(reply()) as url:
        monkeypatch.setenv(variable, proxy)
        assert verdict(asked(tmp_path, url)) is Verdict.PASS
