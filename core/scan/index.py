"""What was read of a ledger, kept on disk so that the next report reads only what is new.

A cache and nothing more: it may be deleted at any time, is never trusted over the ledger, and whatever is wrong with it is
answered by reading the ledger. It holds whole segments of the present window as columns, with their digests.

- Killed at any moment: SQLite commits whole transactions; each row carries a checksum of its own.
- Several processes: each writes only while the index still belongs to the file that it has open.
- Rotation, truncation, replacement: the file's identity, its head, and its newest kept segment are compared each time.
- No place to write: it is kept in memory.

Excluded: what segments mean (core/scan/workers.py), and which of them a window needs (core/ledger/seek.py).
"""

import secrets
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from core.ledger.columns import Columns
from core.scan.segments import LedgerFile
from core.scan.workers import Decoded
from core.system.files import close_to_strangers, make_folder
from core.system.logs import logger

log = logger(__name__)

_FORMAT = 2
"""Raised whenever the meaning of what is kept changes; an index of another format is thrown away."""
_HEAD_BYTES = 4096
_BATCH = 16
_MAX_TIMES = 20_000
_BUSY_SECONDS = 1.0
_PRIMARY_CODE = 0xFF
"""The bits of SQLite's result code that say what kind of error it is; those above say more (sqlite.org/rescode.html)."""
_TABLES = {
    "ledger": "generation TEXT, identity TEXT, head_bytes INTEGER, head BLOB",
    "segments": "number INTEGER PRIMARY KEY, end INTEGER, sha256 BLOB, beyond BLOB, columns BLOB, checksum INTEGER",
    "times": "number INTEGER PRIMARY KEY, t_us INTEGER, checksum INTEGER",
}
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class IndexPlace:
    """Where an index is, and for windows of how many minutes it keeps what it has.

    Attributes:
        path: its SQLite database.
        minutes: it keeps what a window of this length needs, in minutes.
    """

    path: Path
    minutes: int


class LedgerIndex:
    """The index at a path; for any number of threads and processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._in_memory: sqlite3.Connection | None = None
        self._memory_lock = threading.Lock()

    @contextmanager
    def opened(self, ledger: LedgerFile) -> "Iterator[IndexView]":
        """Yield what is known of a ledger. Never fails: an index that cannot be used is empty."""
        connection = self._connect()
        if connection is None:
            with self._memory_lock:
                if self._in_memory is None:
                    self._in_memory = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
                    _create(self._in_memory)
            yield IndexView(self._in_memory, self._memory_lock, ledger)
            return
        with closing(connection):
            view = IndexView(connection, threading.Lock(), ledger)
            yield view
        if view.damaged:
            self._remove()

    def _connect(self) -> sqlite3.Connection | None:
        for _ in range(2):
            connection = None
            try:
                make_folder(self._path.parent)
                close_to_strangers(self._path)
                connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
                connection.execute("PRAGMA synchronous=OFF")  # what a power failure spoils has a wrong checksum
                form = connection.execute("PRAGMA user_version").fetchone()[0]
                if form == 0:
                    _create(connection)
                elif form != _FORMAT:
                    raise sqlite3.DatabaseError("another format")
                for table in _TABLES:
                    connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()  # noqa: S608 - a constant name
            except (sqlite3.Error, OSError, ValueError) as error:
                if connection is not None:
                    connection.close()
                if not _is_damage(error):
                    log.info("the ledger's index cannot be used, it is kept in memory: %s", error)
                    return None
                log.warning("the ledger's index %s is damaged and made anew: %s", self._path, error)
                self._remove()
            else:
                return connection
        return None

    def _remove(self) -> None:
        for suffix in ("", "-journal", "-wal", "-shm"):
            with suppress(OSError):
                self._path.with_name(self._path.name + suffix).unlink()


class IndexView:
    """What is known of one open ledger.

    Attributes:
        damaged: whether the database turned out not to hold together.
    """

    def __init__(self, connection: sqlite3.Connection, lock: threading.Lock, ledger: LedgerFile) -> None:
        self._connection = connection
        self._lock = lock
        self._ledger = ledger
        self.damaged = False
        self._generation = self._try(self._belonging_generation, default="")

    def times(self) -> dict[int, int | None]:
        """Return the times of segments that were asked for before."""
        if not self._generation:
            return {}
        query = "SELECT number, t_us, checksum FROM times"
        rows = self._rows(query)
        return {number: t_us for number, t_us, checksum in rows if _checksum((number, t_us)) == checksum}

    def numbers(self, first: int) -> set[int]:
        """Return which segments from `first` are kept."""
        if not self._generation:
            return set()
        query = "SELECT number FROM segments WHERE number >= ?"
        return {row[0] for row in self._rows(query, first)}

    def segments(self, numbers: list[int]) -> Iterator[Decoded]:
        """Yield those of the segments that are kept and whole."""
        query = "SELECT number, end, sha256, beyond, columns, checksum FROM segments WHERE number BETWEEN ? AND ? ORDER BY number"
        for at in range(0, len(numbers), _BATCH):
            batch = numbers[at : at + _BATCH]
            for number, end, digest, beyond, packed, checksum in self._rows(query, batch[0], batch[-1]):
                with suppress(ValueError, TypeError):  # a damaged row is a segment that is not kept
                    if _checksum((number, end, digest, beyond), packed) == checksum:
                        yield Decoded(number, end, whole=True, sha256=digest, beyond=beyond, columns=Columns.unpacked(packed))

    def keep(self, segments: Iterable[Decoded], times: Mapping[int, int | None], *, drop_before: int = 0) -> None:
        """Keep whole segments and times, and drop segments that no window needs any more."""
        if self._generation:
            self._try(lambda: self._write(segments, times, drop_before), default=None)

    def _write(self, segments: Iterable[Decoded], times: Mapping[int, int | None], drop_before: int) -> None:
        packed = (
            (segment.number, segment.end, segment.sha256, segment.beyond, segment.columns.packed())
            for segment in segments
            if segment.whole
        )
        rows = [(*row, _checksum(row[:-1], row[-1])) for row in packed]
        new_times = [(*row, _checksum(row)) for row in times.items()]
        with _transaction(self._connection):
            owner = self._connection.execute("SELECT generation FROM ledger").fetchone()
            if owner is None or owner[0] != self._generation:
                return  # another process has seen another file in the ledger's place
            self._connection.executemany("INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?, ?, ?)", rows)
            self._connection.executemany("INSERT OR REPLACE INTO times VALUES (?, ?, ?)", new_times)
            self._connection.execute("DELETE FROM segments WHERE number < ?", (drop_before,))
            beyond = "SELECT number FROM times ORDER BY number DESC LIMIT -1 OFFSET ?"
            self._connection.execute(f"DELETE FROM times WHERE number IN ({beyond})", (_MAX_TIMES,))  # noqa: S608 - constant

    def _belonging_generation(self) -> str:
        """Return the generation of what is kept, after throwing away what belongs to another file."""
        found = self._generation_if_same()
        if found is not None:
            return found
        with _transaction(self._connection):
            found = self._generation_if_same()
            if found is not None:
                return found
            generation = secrets.token_hex(8)
            for table in _TABLES:
                self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - a constant name
            head = self._ledger.bytes_at(0, _HEAD_BYTES)
            row = (generation, self._ledger.identity, len(head), sha256(head).digest())
            self._connection.execute("INSERT INTO ledger VALUES (?, ?, ?, ?)", row)
        return generation

    def _generation_if_same(self) -> str | None:
        owner = self._connection.execute("SELECT generation, identity, head_bytes, head FROM ledger").fetchone()
        query = "SELECT number, end, sha256, beyond FROM segments ORDER BY number DESC LIMIT 1"
        newest = self._connection.execute(query).fetchone()
        if owner is None or newest is None or owner[1] != self._ledger.identity:
            return None
        generation, _, head_bytes, head = owner
        number, end, *digests = newest
        if end > self._ledger.size or sha256(self._ledger.bytes_at(0, head_bytes)).digest() != head:
            return None
        return str(generation) if list(self._ledger.digests_of(number, end)) == digests else None

    def _rows(self, query: str, *values: int) -> list[tuple[Any, ...]]:
        nothing: list[tuple[Any, ...]] = []
        return self._try(lambda: self._connection.execute(query, values).fetchall(), default=nothing)

    def _try(self, work: Callable[[], _T], *, default: _T) -> _T:
        try:
            with self._lock:
                return work()
        except (sqlite3.Error, OverflowError, TypeError, ValueError) as error:  # bytes that spoil a text are no sqlite3.Error
            log.info("the ledger's index could not be used: %s", error)
            self.damaged = self.damaged or _is_damage(error)
            return default


def _checksum(facts: tuple[object, ...], data: bytes = b"") -> int:
    return zlib.crc32(data, zlib.crc32(repr(facts).encode()))


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA auto_vacuum=FULL")
    with _transaction(connection):
        if connection.execute("PRAGMA user_version").fetchone()[0] == _FORMAT:
            return  # another process was faster
        for table, columns in _TABLES.items():
            connection.execute(f"CREATE TABLE {table} ({columns})")
        connection.execute(f"PRAGMA user_version={_FORMAT}")


def _is_damage(error: Exception) -> bool:
    """Whether the file is no index of ours, rather than locked, unwritable or on a full disk."""
    if isinstance(error, sqlite3.OperationalError):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_INTERNAL)
        return bool(code & _PRIMARY_CODE == sqlite3.SQLITE_ERROR)  # a table or a column is missing, or there already
    return not isinstance(error, OSError)
