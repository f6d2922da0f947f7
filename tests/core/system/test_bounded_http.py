import gzip
import socket
import threading
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
import urllib3

from core.errors import NoAnswer
from core.system.bounded_http import Answer, get, in_words
from tests.core.router.test_endpoint import HEAD, answering, body


def test_an_answer_is_its_status_and_its_body() -> None:
    """Whatever the status is, and whether or not a length was said."""
    with answering(body(b"hello")) as url:
        assert get(url, 30, 100) == Answer(200, b"hello")
    with answering(lambda out: out.write(b"HTTP/1.0 503 Busy\r\n\r\nlater")) as url:
        assert get(url, 30, 100) == Answer(503, b"later")


def test_a_redirection_is_an_answer_and_not_followed() -> None:
    """Whoever asks wants to hear this endpoint, not another."""
    with answering(
        lambda out: out.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
    ) as url:
        assert get(url, 30, 100).status == 302


@pytest.mark.parametrize("size", [100, 101])
def test_the_bound_of_the_body_is_exact(size: int) -> None:
    """As many bytes as are allowed are read, and not one more."""
    with answering(body(b"x" * size)) as url:
        if size == 100:
            assert len(get(url, 30, 100).body) == size
        else:
            with pytest.raises(NoAnswer, match="too long"):
                get(url, 30, 100)


def test_a_compressed_body_is_not_unpacked() -> None:
    """A few bytes that unpack to gigabytes stay the few bytes that they are."""
    packed = gzip.compress(b"x" * 100_000)
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with answering(lambda out: out.write(head + packed)) as url:
        assert get(url, 30, 1000).body == packed


def drips(piece: bytes, hung_up: threading.Event, head: bytes = b"") -> Callable[[Any], None]:
    """Say one piece again and again, until the other side hangs up."""

    def speak(out: Any) -> None:
        try:
            out.write(head)
            while True:
                out.write(piece)
                hung_up.wait(0.01)
        except OSError:
            hung_up.set()
            raise

    return speak


@pytest.mark.parametrize(
    ("piece", "head"),
    [(b"x", HEAD + b"\r\n"), (b"X-More: 1\r\n", HEAD), (b"H", b"")],
    ids=["its-body", "its-headers", "its-first-line"],
)
def test_whatever_drips_is_given_up_and_hung_up_on(piece: bytes, head: bytes) -> None:
    """The time limit is that of the whole answer, and the thread that reads does not go on for as long as the other side."""
    hung_up = threading.Event()
    with answering(drips(piece, hung_up, head)) as url:
        with pytest.raises(NoAnswer):
            get(url, 0.3, 1 << 30)
        assert hung_up.wait(60)


def test_nobody_there_is_told_apart_from_somebody_who_says_nothing() -> None:
    """Only where nobody was reached may another address be tried."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(NoAnswer) as silent:
            get(f"http://127.0.0.1:{port}/", 0.2, 100)
    with pytest.raises(NoAnswer) as refused:
        get(f"http://127.0.0.1:{port}/", 30, 100)
    assert (silent.value.reached, refused.value.reached) == (True, False)


@pytest.mark.parametrize(
    "said", [b"", b"\0\xff\n", b"HTTP/1.1 abc\r\n\r\n", b"<html>"], ids=["nothing", "bytes", "no-status", "html"]
)
def test_what_is_no_http_is_no_answer(said: bytes) -> None:
    """Nothing that another kind of server says gets further than this."""
    with answering(lambda out: out.write(said)) as url, pytest.raises(NoAnswer):
        get(url, 30, 100)


@pytest.mark.parametrize("url", ["http://", "http://[", "http://127.0.0.1:99999/", "http://a b/"], ids=repr)
def test_an_address_that_is_none_reaches_nobody(url: str) -> None:
    """It is an answer like any other, and nothing that whoever asks has to catch beside it."""
    with pytest.raises(NoAnswer) as refused:
        get(url, 30, 100)
    assert not refused.value.reached


def test_without_time_left_nobody_is_asked() -> None:
    """A deadline that is over is over."""
    asked = threading.Event()
    with answering(lambda _: asked.set()) as url, pytest.raises(NoAnswer, match="no time"):
        get(url, 0, 100)
    assert not asked.is_set()


def refused() -> str:
    """A port on which nobody listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{closed.getsockname()[1]}/"


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        pytest.param(lambda: get(refused(), 30, 100), "nobody listens there", id="refused"),
        pytest.param(lambda: get("http://no-such-host.invalid/", 30, 100), "its name cannot be looked up", id="no-name"),
        pytest.param(
            lambda: urllib.request.urlopen(refused()),  # noqa: S310 - of the test's own
            "nobody listens there",
            id="the-standard-library",
        ),
        pytest.param(
            lambda: urllib3.PoolManager(retries=False).request("POST", refused()), "nobody listens there", id="through-a-pool"
        ),
    ],
)
def test_people_read_what_happened_and_no_name_of_a_class(ask: Callable[[], object], words: str) -> None:
    """Whoever asked, and however deep the library has wrapped it."""
    with pytest.raises((NoAnswer, OSError, urllib3.exceptions.HTTPError)) as failed:
        ask()
    assert words in {str(failed.value), in_words(failed.value)}


def test_an_endpoint_that_speaks_something_else_is_named_so() -> None:
    """No error of the system is behind it, so that what it spoke is all there is to say."""
    with answering(lambda out: out.write(b"SSH-2.0-OpenSSH_9\r\n\r\n")) as url, pytest.raises(NoAnswer) as failed:
        get(url, 30, 100)
    assert str(failed.value) == "it broke off, or what it speaks is no HTTP"
