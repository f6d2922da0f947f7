"""Segments of a ledger as columns, read by this process and, where there is much to read, by others beside it.

The others are plain processes that are started for one reading (`python -m core.scan.workers …`), so that it works from any
thread on any system. One that dies or cannot be started costs speed and nothing else: this process reads what is missing.
"""

import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import IO, Self

from core.errors import LedgerUnreadable
from core.ledger.columns import Columns
from core.ledger.decode import decode
from core.scan.segments import LedgerFile, Tick
from core.system.logs import logger

log = logger(__name__)

_HEAD = struct.Struct("<qq?32s32sI")
_AHEAD = 2
"""Segments that another process is given before its first answer is taken, so that it never waits for us."""
_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A segment, as core/segments.Segment, with columns in the place of its lines."""

    number: int
    end: int
    whole: bool
    sha256: bytes
    beyond: bytes
    columns: Columns

    def packed(self) -> bytes:
        """Return the segment as bytes."""
        columns = self.columns.packed()
        return _HEAD.pack(self.number, self.end, self.whole, self.sha256, self.beyond, len(columns)) + columns


def decoded(ledger: LedgerFile, number: int, watch: Tick) -> Decoded:
    """Read and decode one segment.

    Raises:
        LedgerUnreadable: reading failed.
    """
    segment = ledger.segment(number, watch)
    return Decoded(number, segment.end, segment.whole, segment.sha256, segment.beyond, decode(segment.lines))


def all_decoded(ledger: LedgerFile, numbers: Sequence[int], helpers: int, watch: Tick) -> Generator[Decoded]:
    """Yield segments in the order of `numbers`, read by this process and by `helpers` others.

    Raises:
        LedgerUnreadable: reading failed.
    """
    todo, done = deque(numbers), SimpleQueue[Decoded | int]()
    ready: dict[int, Decoded] = {}
    with ExitStack() as running:
        for _ in range(helpers):
            with suppress(OSError):
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
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, str(ledger.path.absolute()), str(ledger.size), str(ledger.segment_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._thread = threading.Thread(target=self._run, name="anr-ledger", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what could not be written to a process that is gone
                    pipe.close()

    def _run(self) -> None:
        orders, answers = self._process.stdin, self._process.stdout
        if orders is None or answers is None:
            return
        given: deque[int] = deque()
        try:
            if answers.readline().decode().strip() != self._ledger.identity:
                log.warning("another process found another file in the ledger's place; this one reads alone")
                return
            while True:
                while len(given) < _AHEAD and self._todo:
                    with suppress(IndexError):
                        given.append(self._todo.popleft())
                        orders.write(b"%d\n" % given[-1])
                        orders.flush()
                if not given:
                    return
                self._done.put(_unpacked(answers))
                given.popleft()
        except (OSError, ValueError):
            log.info("a process that helped to read the ledger is gone; this one reads on")
        finally:
            for number in given:
                self._done.put(number)


def _unpacked(stream: IO[bytes]) -> Decoded:
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise ValueError("the answer ends early")
    number, end, whole, digest, beyond, length = _HEAD.unpack(head)
    return Decoded(number, end, whole, digest, beyond, Columns.unpacked(stream.read(length)))


def main(path: str, size: str, segment_bytes: str) -> None:
    """Answer with the segments whose numbers come in, until no more come."""
    with LedgerFile(Path(path), size=int(size), segment_bytes=int(segment_bytes)) as ledger:
        sys.stdout.buffer.write(ledger.identity.encode() + b"\n")
        sys.stdout.buffer.flush()
        for line in sys.stdin.buffer:
            sys.stdout.buffer.write(decoded(ledger, int(line), lambda: None).packed())
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    with suppress(LedgerUnreadable, BrokenPipeError, KeyboardInterrupt):  # whoever asked reads it alone and meets the same
        main(*sys.argv[1:])
