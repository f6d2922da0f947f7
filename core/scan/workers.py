"""Segments of a ledger as columns, read by this process and, where there is much to read, by others beside it.

The others are processes that are started for one reading (core/system/worker.py). One that dies or cannot be started costs speed
and nothing else: this process reads what is missing.
"""

import threading
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from core.errors import LedgerUnreadable
from core.ledger.columns import Columns
from core.ledger.decode import decode
from core.scan.segments import LedgerFile, Tick
from core.system.logs import logger
from core.system.worker import Worker, WorkerLost

log = logger(__name__)

_AHEAD = 2
"""Segments that another process is given before its first answer is taken, so that it never waits for us."""
_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A segment, as core/segments.Segment, with columns in the place of its lines.

    Attributes:
        number: the segment's, from 0 on.
        end: where its last line ends, in bytes from the ledger's beginning.
        whole: whether appending to the ledger can no longer change it.
        sha256: digest of its bytes on disk.
        beyond: digest of the first bytes that its last line has in the segments after it.
        columns: its entries.
    """

    number: int
    end: int
    whole: bool
    sha256: bytes
    beyond: bytes
    columns: Columns


def decoded(ledger: LedgerFile, number: int, watch: Tick) -> Decoded:
    """Read and decode one segment.

    Raises:
        LedgerUnreadable: reading failed.
    """
    segment = ledger.segment(number, watch)
    return Decoded(number, segment.end, segment.whole, segment.sha256, segment.beyond, decode(segment.lines))


def all_decoded(ledger: LedgerFile, numbers: Sequence[int], helpers: int, watch: Tick) -> Generator[Decoded]:
    """Yield segments in the order of `numbers`, read by this process and by `helpers` others.

    Args:
        ledger: open, at the size that it had then.
        numbers: which segments, from 0 on.
        helpers: how many processes help; 0 for none.
        watch: called now and then; may raise to stop the reading.

    Raises:
        LedgerUnreadable: reading failed.
    """
    todo, done = deque(numbers), SimpleQueue[Decoded | int]()
    ready: dict[int, Decoded] = {}
    with ExitStack() as running:
        for _ in range(helpers):
            running.enter_context(_Helper(ledger, todo, done))
        for number in numbers:
            while number not in ready:
                watch()
                answer = _next_answer(done, wait=not todo)
                if answer is None and todo:
                    with suppress(IndexError):  # a helper took the last one just now
                        answer = todo.popleft()
                if isinstance(answer, int):
                    answer = decoded(ledger, answer, watch)
                if answer is not None:
                    ready[answer.number] = answer
            yield ready.pop(number)


def _next_answer(done: "SimpleQueue[Decoded | int]", *, wait: bool) -> Decoded | int | None:
    try:
        return done.get(wait, _PATIENCE_SECONDS)
    except Empty:
        return None


class _Helper:
    """Another process that reads segments, and the thread that gives them to it.

    Puts on `done` each segment that it read, or the number of one that it was given and could not read.
    """

    def __init__(self, ledger: LedgerFile, todo: deque[int], done: "SimpleQueue[Decoded | int]") -> None:
        self._ledger, self._todo, self._done = ledger, todo, done
        self._worker: Worker | None = None
        self._over = False
        self._thread = threading.Thread(target=self._run, name="anr-ledger", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over = True
        if self._worker is not None:
            self._worker.kill()
        self._thread.join()
        if self._worker is not None:
            self._worker.end()

    def _run(self) -> None:
        given: deque[int] = deque()
        try:
            worker = self._worker = Worker(f"{__name__}:serve", quiet=True)
            worker.send((self._ledger.path.absolute(), self._ledger.size, self._ledger.segment_bytes))
            if worker.receive() != self._ledger.identity:
                log.warning("another process found another file in the ledger's place; this one reads alone")
                return
            while not self._over:
                while len(given) < _AHEAD and self._todo:
                    with suppress(IndexError):
                        given.append(self._todo.popleft())
                        worker.send(given[-1])
                if not given:
                    return
                self._done.put(worker.receive())
                given.popleft()
        except (OSError, WorkerLost):
            log.info("a process that helped to read the ledger is gone; this one reads on")
        finally:
            for number in given:
                self._done.put(number)


def serve(connection: Connection) -> None:
    """Answer with the segments whose numbers come in, until no more come."""
    path, size, segment_bytes = connection.recv()
    with suppress(LedgerUnreadable), LedgerFile(path, size=size, segment_bytes=segment_bytes) as ledger:
        connection.send(ledger.identity)
        while True:
            connection.send(decoded(ledger, connection.recv(), lambda: None))
