"""One thread that takes all that waits for it at once: what comes while it works shares its next turn.

Excluded: what is done (bot/http/lane.py).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from threading import current_thread
from typing import Generic, TypeVar

from core.system.logs import logger
from core.system.threads import running

log = logger(__name__)

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

_MOST_TOGETHER = 64
"""Pieces of work of one turn: the first of them must not wait for the last of too many."""


class Together(Generic[Asked, Answer]):
    """A thread, and what waits for it."""

    def __init__(self, work: Callable[[Sequence[Asked]], Sequence[Answer]], name: str) -> None:
        """Start the thread: once an alert comes there may be none to be had.

        Args:
            work: answers all that it is given, in order.
            name: of the thread.
        """
        self._work = work
        self._waiting: deque[tuple[Asked, asyncio.Future[Answer]]] = deque()
        self._later: asyncio.TimerHandle | None = None
        self._name = name
        self._closed = False
        self._start()

    def _start(self) -> None:
        self.thread = running(1, self._name)
        self._runs = self.thread.submit(current_thread).result()

    def ask(self, asked: Asked, within_s: float = 0.0) -> asyncio.Future[Answer]:
        """Let something be done, in the order in which it is asked for; from the event loop only.

        Args:
            asked: what.
            within_s: nobody waits for it: its turn begins so many seconds from now at the latest, with all that comes till then.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((asked, future))
        if not within_s:
            self._begin(loop)
        elif self._later is None:
            self._later = loop.call_later(within_s, self._begin, loop)
        return future

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        # no pool replaces a thread that met an end of memory between two turns
        if not self._runs.is_alive() and not self._closed:
            log.error("the thread of %s had died; another one takes what waits", self._name)
            self._start()
        self.thread.submit(self._take_turns, loop)

    def close(self) -> None:
        """Wait for what was begun, and end the thread."""
        self._closed = True
        self.thread.shutdown()

    def _take_turns(self, loop: asyncio.AbstractEventLoop) -> None:
        while turn := [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST_TOGETHER))]:
            self._answer(loop, turn)

    def _answer(self, loop: asyncio.AbstractEventLoop, turn: Sequence[tuple[Asked, asyncio.Future[Answer]]]) -> None:
        try:
            answers = self._work([asked for asked, _ in turn])
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for; a panic of a library in Rust is no Exception
            if len(turn) == 1:
                loop.call_soon_threadsafe(_fail, turn[0][1], _raisable(error))
                return
            for waiting in turn:  # what one of them broke is not the others' fault
                self._answer(loop, [waiting])
        else:
            loop.call_soon_threadsafe(_succeed, [future for _, future in turn], answers)


def _succeed(futures: Sequence[asyncio.Future[Answer]], answers: Sequence[Answer]) -> None:
    for future, answer in zip(futures, answers, strict=True):
        if not future.done():  # nobody waits for it any more
            future.set_result(answer)


def _raisable(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else RuntimeError(f"{type(error).__name__}: {error}")


def _fail(future: asyncio.Future[Answer], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
