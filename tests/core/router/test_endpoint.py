import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from core.errors import EndpointUnreadable
from core.receipts.observation import Status
from core.router.endpoint import ask
from core.settings.target import ObserveOptions
from tests.support.rig import NOW

EXPRESSIONS = {
    "enabled": "anr.enabled",
    "pilot": "anr.settings.pilot",
    "kill": "anr.kill",
    "version": "build.sha",
    "uptime": "uptime",
}
OFF_AND_KILLED = b'{"anr":{"enabled":false,"kill":true,"settings":{"pilot":0}},"uptime":9}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def answering(speak: Callable[[Any], None]) -> Iterator[str]:
    """A server that says to each connection what a test wants."""

    class Speaker(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            try:
                speak(self.wfile)
            except OSError:
                return  # nobody listens any more

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Speaker) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/status"
        server.shutdown()
        thread.join()


def body(text: bytes) -> Callable[[Any], None]:
    return lambda out: out.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(text) + text)


def options(url: str, **change: Any) -> ObserveOptions:
    return ObserveOptions.model_validate({"url": url, **EXPRESSIONS, "timeout_s": 5, **change})


def test_what_the_endpoint_says_is_found_by_its_expressions() -> None:
    """Switches come as words, numbers or booleans; a version is bounded; what is not asked for stays unknown."""
    text = b'{"anr":{"enabled":"1","kill":0,"settings":{"pilot":"0.10"}},"build":{"sha":"' + b"a" * 200 + b'"},"uptime":12.5}'
    with answering(body(text)) as url:
        assert ask(options(url), NOW) == Status(NOW, enabled=True, pilot=0.1, kill=False, version="a" * 59 + "…", uptime_s=12.5)
        assert ask(options(url, pilot="", kill="", version="", uptime=""), NOW) == Status(NOW, enabled=True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(b"OK", "does not answer with JSON", id="no-json"),
        pytest.param(b"[" * 100_000, "too long", id="too-much"),
        pytest.param(b"[" * 60_000, "does not answer with JSON", id="too-deep"),
        pytest.param(b"{}", "does not say enabled and pilot and kill and uptime", id="nothing"),
        pytest.param(b"null", "does not say enabled and pilot and kill and uptime", id="null"),
        pytest.param(b"<html><body>Log in</body></html>", "does not answer with JSON", id="a-page-to-log-in"),
        pytest.param(OFF_AND_KILLED.replace(b'"uptime":9', b'"uptime":"3 days"'), "does not say uptime", id="an-age-in-words"),
        pytest.param(OFF_AND_KILLED.replace(b',"uptime":9', b""), "does not say uptime", id="no-age"),
        pytest.param(OFF_AND_KILLED.replace(b"false", b"null"), "does not say enabled", id="a-switch-that-is-null"),
        pytest.param(OFF_AND_KILLED.replace(b"false", b'"no"'), "does not say enabled", id="a-switch-in-another-word"),
        pytest.param(OFF_AND_KILLED.replace(b"false", b"[]"), "does not say enabled", id="a-switch-that-is-a-list"),
        pytest.param(b'{"anr":{"enabled":false,"kill":"perhaps","settings":{"pilot":0}}}', "does not say kill", id="a-word"),
        pytest.param(b'{"anr":{"enabled":false,"kill":true,"settings":{"pilot":7}}}', "does not say pilot", id="no-share"),
        pytest.param(b'{"anr":{"enabled":false,"kill":true,"settings":{"pilot":NaN}}}', "does not say pilot", id="nan"),
    ],
)
def test_an_answer_that_is_not_understood_says_nothing(text: bytes, problem: str) -> None:
    """Nothing is guessed from it, and least of all that the router is safe."""
    with answering(body(text)) as url, pytest.raises(EndpointUnreadable, match=problem):
        ask(options(url), NOW)


def test_a_router_that_serves_is_believed_whatever_else_is_unclear() -> None:
    """What counts against safety needs no other word."""
    with answering(body(b'{"anr":{"enabled":true}}')) as url:
        assert ask(options(url), NOW).serves is True


@pytest.mark.parametrize("drips", ["headers", "body"])
def test_an_endpoint_that_drips_is_left_alone_when_its_time_is_over(drips: str) -> None:
    """One byte at a time, each in time, for ever: the whole answer has its limit, and the next question does not pile up."""
    over = threading.Event()

    def drip(out: Any) -> None:
        if drips == "body":
            out.write(HEAD + b"Content-Length: 1000\r\n\r\n")
        while not over.wait(0.02):
            out.write(b" " if drips == "body" else b"X")
            out.flush()

    with answering(drip) as url:
        with pytest.raises(EndpointUnreadable, match=r"took too long"):
            ask(options(url, timeout_s=0.3), NOW)
        over.set()


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        pytest.param(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "answered 500", id="an-error"),
        pytest.param(
            b"HTTP/1.1 302 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "answered 302", id="elsewhere"
        ),
        pytest.param(b"no http\r\n\r\n", "could not be asked", id="no-http"),
    ],
)
def test_an_endpoint_that_does_not_answer_says_nothing(head: bytes, problem: str) -> None:
    """No error, redirection or other protocol is an answer."""
    with answering(lambda out: out.write(head)) as url, pytest.raises(EndpointUnreadable, match=problem):
        ask(options(url), NOW)


def test_words_for_switches_and_shares_are_what_they_say() -> None:
    """A text that says false is off, and not a text that is there and so is true."""
    for said in (b"false", b'"false"', b'"0"', b"0", b'"OFF"'):
        with answering(body(OFF_AND_KILLED.replace(b"false", said))) as url:
            assert ask(options(url), NOW) == Status(NOW, enabled=False, pilot=0.0, kill=True, uptime_s=9.0)


@pytest.mark.parametrize("expression", ["to_number(anr.enabled) > `0`", "sum(anr.enabled)", "abs('x')", "join(anr, `[1]`)"])
def test_an_expression_that_fails_on_an_answer_says_nothing(expression: str) -> None:
    """JMESPath's functions refuse what they are given; that is one more answer that is not understood."""
    with answering(body(b'{"anr":{"enabled":"x"}}')) as url, pytest.raises(EndpointUnreadable, match="does not say"):
        ask(ObserveOptions.model_validate({"url": url, "enabled": expression, "timeout_s": 5}), NOW)


@pytest.mark.parametrize(
    "constant",
    [
        {"enabled": "`0`"},
        {"enabled": "'false'"},
        {"enabled": "mode == 'live'"},
        {"pilot": "anr.pilot || `0`"},
        {"kill": "!serving"},
        {"kill": "not_null(anr.kill, `true`)"},
    ],
    ids=str,
)
def test_an_expression_that_says_safe_of_any_answer_is_refused_with_the_settings(constant: dict[str, Any]) -> None:
    """A page of another shape, with 200, would be a router that is off: an answer has to say it itself."""
    with pytest.raises(ValueError, match=r"says .* of an answer that has nothing in it"):
        ObserveOptions.model_validate({"url": "http://127.0.0.1:1/", **EXPRESSIONS, **constant})
    ObserveOptions.model_validate({"url": "http://127.0.0.1:1/", "enabled": "mode && mode == 'live'"})


def test_where_nobody_listens_nothing_is_said() -> None:
    """The router is down, or the address is wrong."""
    with pytest.raises(EndpointUnreadable, match="could not be asked"):
        ask(options("http://127.0.0.1:1/"), NOW)


@pytest.mark.parametrize(
    "wrong", [{"enabled": "a["}, {"enabled": "", "pilot": ""}, {"url": "ftp://x"}, {"timeout_s": 0}], ids=str
)
def test_expressions_that_cannot_be_understood_are_refused_with_the_settings(wrong: dict[str, Any]) -> None:
    """Not when a brake looks at 3 a.m."""
    with pytest.raises(ValueError, match=r"observe|url|timeout_s"):
        ObserveOptions.model_validate({"url": "http://127.0.0.1:1/", **EXPRESSIONS, **wrong})
