"""One GET whose whole answer is bounded, in seconds and in bytes, whatever the other side does.

A time limit for each read alone lets an endpoint that drips one byte after the other hold its caller for as long as it likes.
Here the request runs on a thread of its own and is given up at the deadline: looking the name up, connecting, the TLS
handshake, head and body all count.

Excluded: what an answer means; redirections, proxies and retries, because whoever asks wants to hear this endpoint.
"""

import contextlib
import queue
import socket
import threading
from dataclasses import dataclass
from http.client import HTTPException

from core.errors import NoAnswer

_CHUNK_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered: its HTTP status, and its body.

    Attributes:
        status: HTTP status code.
        body: as it was sent, not decompressed.
    """

    status: int
    body: bytes


def get(url: str, limit_s: float, bytes_max: int) -> Answer:
    """Ask an endpoint.

    Args:
        url: `http://…` or `https://…`; TLS is verified against the system's authorities.
        limit_s: seconds until it is given up, all in all.
        bytes_max: the longest body that is read.

    Raises:
        NoAnswer: it was not reached, took too long, was too long, or is no HTTP.
    """
    if limit_s <= 0:
        raise NoAnswer("no time was left")
    import urllib3.connection  # noqa: F401, PLC0415 - slow to import, which is not the endpoint's fault and does not count

    asking = _Asking(url, limit_s, bytes_max)
    threading.Thread(target=asking.run, name="http get", daemon=True).start()
    try:
        found = asking.found.get(timeout=limit_s)
    except queue.Empty:
        asking.give_up()
        raise NoAnswer("the answer took too long") from None
    if isinstance(found, NoAnswer):
        raise found
    return found


def in_words(error: BaseException) -> str:
    """Return why an endpoint could not be asked, as people say it: from the system's own words where there are any."""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        found = getattr(following, "reason", None)  # urllib's and urllib3's wrappers keep what happened there
        following = following.__cause__ or (found if isinstance(found, BaseException) else None) or following.__context__
    for one in reversed(chain):
        if isinstance(one, socket.gaierror):
            return "its name cannot be looked up"
        if isinstance(one, ConnectionRefusedError):
            return "nobody listens there"
        if isinstance(one, TimeoutError):
            return "it did not answer in time"
        if isinstance(one, OSError) and one.strerror:
            return f"{one.strerror[0].lower()}{one.strerror[1:]}"
    return "it broke off, or what it speaks is no HTTP"


class _Asking:
    def __init__(self, url: str, limit_s: float, bytes_max: int) -> None:
        self.found: queue.SimpleQueue[Answer | NoAnswer] = queue.SimpleQueue()
        self._url, self._limit_s, self._bytes_max = url, limit_s, bytes_max
        self._given_up = False
        self._socket: socket.socket | None = None

    def run(self) -> None:
        try:
            self.found.put(self._ask())
        except NoAnswer as error:
            self.found.put(error)

    def give_up(self) -> None:
        """End the thread's reading, so that it does not go on for as long as the other side drips."""
        self._given_up = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _ask(self) -> Answer:
        import urllib3  # noqa: PLC0415 - slow to import, and the brake needs no HTTP
        from urllib3.connection import HTTPConnection, HTTPSConnection  # noqa: PLC0415 - as urllib3

        try:
            where = urllib3.util.parse_url(self._url)
            kind = HTTPSConnection if where.scheme == "https" else HTTPConnection
            connection = kind((where.host or "").strip("[]"), where.port, timeout=self._limit_s)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise NoAnswer("its address cannot be used", reached=False) from error
        try:
            connection.connect()
            self._socket = connection.sock
            if self._given_up:
                raise NoAnswer("the answer took too long")
            connection.request("GET", where.request_uri, preload_content=False, decode_content=False)
            with contextlib.closing(connection.getresponse()) as response:
                body = bytearray()
                for chunk in response.stream(_CHUNK_BYTES, decode_content=False):
                    body += chunk
                    if len(body) > self._bytes_max:
                        raise NoAnswer("the answer is too long")
                return Answer(response.status, bytes(body))
        except (TimeoutError, urllib3.exceptions.ReadTimeoutError) as error:  # one read alone used the limit up
            raise NoAnswer("the answer took too long") from error
        except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError) as error:
            raise NoAnswer(in_words(error), reached=self._socket is not None) from error
        finally:
            connection.close()
