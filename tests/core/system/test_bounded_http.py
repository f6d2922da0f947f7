"""One GET, bounded in seconds and in bytes, against servers that do what they like."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from core.errors import NoAnswer
from core.system.bounded_http import get


@contextmanager
def answering(*pieces: bytes, ends: bool = True) -> Iterator[str]:
    """An endpoint that sends these bytes whatever it is asked, and then ends, or holds the connection until the block is left."""
    over = threading.Event()

    class Endpoint(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            for piece in pieces:
                self.wfile.write(piece)
            if not ends:
                over.wait(60)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Endpoint) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/health"
        finally:
            over.set()
            server.shutdown()


def test_an_answer_comes_with_its_status_and_its_bytes() -> None:
    """Whatever the status: what an answer means is for who asked."""
    with answering(b"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\n", b"later") as url:
        answer = get(url, 30, 5)
    assert (answer.status, answer.body) == (503, b"later")


def test_an_answer_that_is_a_byte_too_long_is_none() -> None:
    """The bound is exact: five bytes were allowed above, and four are not enough for them."""
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"later") as url, pytest.raises(NoAnswer, match="too long"):
        get(url, 30, 4)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param([], id="nothing"),
        pytest.param([b"HTTP/1.1 200 OK\r\n"], id="half-a-head"),
        pytest.param([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"lat"], id="half-a-body"),
    ],
)
def test_an_endpoint_that_stops_half_way_is_given_up(sent: list[bytes]) -> None:
    """It keeps its connection open for a minute; who asks waits for as long as was allowed."""
    with answering(*sent, ends=False) as url, pytest.raises(NoAnswer, match="took too long"):
        get(url, 0.3, 1000)


def test_a_redirection_is_an_answer_and_is_not_followed() -> None:
    """Whoever asks wants to hear this endpoint, and no other that it names."""
    with answering(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n") as url:
        assert get(url, 30, 100).status == 302


@pytest.mark.parametrize(
    ("url", "reached"),
    [
        pytest.param("http://127.0.0.1:1/", False, id="nobody-listens"),
        pytest.param("http://[::1/", False, id="no-address"),
    ],
)
def test_whether_an_endpoint_was_reached_is_told(url: str, *, reached: bool) -> None:
    """A router that is down is not one that answers nonsense."""
    with pytest.raises(NoAnswer) as none:
        get(url, 30, 100)
    assert none.value.reached is reached


def test_what_is_no_http_was_reached_and_is_no_answer() -> None:
    """Another service listens there."""
    with answering(b"SSH-2.0-OpenSSH_9.6\r\n") as url, pytest.raises(NoAnswer) as none:
        get(url, 30, 100)
    assert none.value.reached


def test_no_time_left_is_no_answer() -> None:
    """Of several endpoints within one limit, those before used it up."""
    with pytest.raises(NoAnswer, match="no time was left"):
        get("http://127.0.0.1:1/", 0, 100)
