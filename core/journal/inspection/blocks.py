"""Blocks of receipts, each proven to be whole by itself, by several processes beside each other.

A block is good if each of its receipts has the digest that was recorded, follows on the one before it, is filed in the columns
that it says, and has its file with the same bytes. Nothing is said of a block that is not: whoever put it together looks at
its receipts one by one, and names what is wrong (core/journal/inspection/inspect.py).
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Self

import msgspec

from core.receipts.plain import PlainReceipt, name_of, plain
from core.rollout.state import adds
from core.system.logs import logger
from core.system.worker import Worker, WorkerLost

if TYPE_CHECKING:
    from core.journal.tables import ReceiptRow

log = logger(__name__)


_AT_ONCE = 2000
"""Receipts of a block."""
_ALONE = 4
"""Up to so many blocks this process looks alone: another one takes as long to start."""
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
"""A pipe in a file's place keeps nobody waiting."""


@dataclass(frozen=True, slots=True)
class Good:
    """A block that is good by itself.

    Attributes:
        first: number of its first receipt.
        prev: the digest on which that follows.
        digests: those of its receipts, 32 bytes each, in order.
        telling: the bytes of those that add something to the state, state what others add up to, seal what was pruned, or are
            about a request.
        newest: the bytes of its last receipt.
    """

    first: int
    prev: str
    digests: bytes
    telling: tuple[bytes, ...]
    newest: bytes

    @property
    def last(self) -> int:
        """The number of its last receipt."""
        return self.first + len(self.digests) // 32 - 1

    @property
    def digest(self) -> str:
        """The digest of its last receipt."""
        return self.digests[-32:].hex()


def looked_at(rows: Iterable[tuple[object, ...]], target: str, receipts_dir: str) -> Good | None:
    """Return what a block proves by itself; None if something about it is not as it has to be.

    Args:
        rows: receipts, in order of number.
        target: whose they have to be.
        receipts_dir: where their files are.
    """
    digests, telling = bytearray(), []
    first: PlainReceipt | None = None
    digest, newest = "", b""
    for seq, receipt_id, cause, operation, data, recorded in rows:
        if not isinstance(data, bytes):
            return None
        found = sha256(data)
        try:
            receipt = plain(data)
        except ValueError:
            return None
        said = (receipt.seq, receipt.id, receipt.operation, receipt.target)
        if said != (seq, receipt_id, operation, target) or receipt.cause not in {
            cause,
            msgspec.UNSET if cause is None else cause,
        }:
            return None
        if first is None:
            first = receipt
        elif receipt.prev != digest or receipt.seq != first.seq + len(digests) // 32:
            return None
        digest, newest = found.hexdigest(), data
        if digest != recorded or not _has_file(receipts_dir, name_of(receipt), data):
            return None
        digests += found.digest()
        if receipt.approval_id or receipt.adds_up or receipt.checkpoint or adds(receipt):
            telling.append(data)
    return Good(first.seq, first.prev, bytes(digests), tuple(telling), newest) if first is not None else None


def _has_file(folder: str, name: str, data: bytes) -> bool:
    try:
        file = os.open(f"{folder}{os.sep}{name}", _READ)
    except OSError:
        return False
    try:
        return os.read(file, len(data) + 1) == data
    except OSError:
        return False
    finally:
        os.close(file)


def all_looked_at(
    rows: "Iterable[ReceiptRow]", target: str, receipts_dir: Path, helpers: int
) -> "Iterator[tuple[list[ReceiptRow], Good | None]]":
    """Yield blocks in order, each with what it proves; `helpers` processes look at them beside each other.

    Args:
        rows: receipts, in order of number; they are read as they are needed.
        target: whose they have to be.
        receipts_dir: where their files are.
        helpers: how many; with 0, and for few receipts, this process looks.
    """
    blocks, folder = _blocks(rows), str(receipts_dir)
    few = list(islice(blocks, _ALONE))
    if len(few) < _ALONE or not helpers:
        for block in (*few, *blocks):
            yield block, looked_at(block, target, folder)
        return
    with ExitStack() as running:
        threads = running.enter_context(ThreadPoolExecutor(helpers, "anr-verify"))
        helping = running.enter_context(_Helpers(target, folder))
        waiting = deque[tuple["list[ReceiptRow]", Future[Good | None]]]()
        for block in (*few, *blocks):
            waiting.append((block, threads.submit(helping.look, block)))
            if len(waiting) > 2 * helpers:
                yield waiting[0][0], waiting[0][1].result()
                waiting.popleft()
        while waiting:
            yield waiting[0][0], waiting[0][1].result()
            waiting.popleft()


def _blocks(rows: "Iterable[ReceiptRow]") -> "Iterator[list[ReceiptRow]]":
    left = iter(rows)
    while block := list(islice(left, _AT_ONCE)):
        yield block


class _Helpers:
    """The processes that look, each for one thread at a time; what one cannot do this process does."""

    def __init__(self, target: str, folder: str) -> None:
        self._target, self._folder = target, folder
        self._idle, self._all = SimpleQueue[Worker](), list[Worker]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._all:
            worker.end()

    def look(self, block: "list[ReceiptRow]") -> Good | None:
        """Let another process look at a block."""
        try:
            worker = self._free()
            worker.send(msgspec.msgpack.encode(block))
            found: Good | None = worker.receive()
        except (OSError, WorkerLost, ValueError, OverflowError):  # or somebody made of a row what cannot be sent
            log.info("a process that helped to verify is gone; this one goes on")
            return looked_at(block, self._target, self._folder)
        self._idle.put(worker)
        return found

    def _free(self) -> Worker:
        try:
            return self._idle.get_nowait()
        except Empty:
            worker = Worker(f"{__name__}:serve", quiet=True)
            self._all.append(worker)
            worker.send((self._target, self._folder))
            return worker


def serve(connection: Connection) -> None:
    """Answer with what the blocks that come in prove, until no more come."""
    target, folder = connection.recv()
    while True:
        connection.send(looked_at(msgspec.msgpack.decode(connection.recv()), target, folder))
