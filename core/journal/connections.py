"""Connections to the journal's database: SQLite with a write-ahead log, synced at every commit.

A connection is closed with the operation that opened it, or stays open for the next one until nobody has asked for a while;
either way what rests on the disk is one whole file. Excluded: tables and queries (core/journal/tables.py).
"""

import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import NullPool, QueuePool, StaticPool


def connecting(path: Path, busy_seconds: float, idle_seconds: float) -> Engine:
    """Return what connects to the database of a journal.

    Args:
        path: the file; it is made with the first connection.
        busy_seconds: how long a write waits for another process's transaction.
        idle_seconds: how long connections stay open that nobody uses; 0 closes each with its operation.
    """
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        # operations run in several threads; a pool never makes one of them wait for another
        **({"poolclass": QueuePool, "max_overflow": -1} if idle_seconds else {"poolclass": NullPool}),
        connect_args={"timeout": busy_seconds, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # sqlite3 must not begin transactions of its own: `_begin` does
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()
        record.info["file"] = identity(path)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("anr_write", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    if idle_seconds:
        idle = _Idle(engine, idle_seconds)

        @event.listens_for(engine, "checkout")
        def _is_still_there(_connection: Any, record: Any, _proxy: Any) -> None:
            if record.info["file"] != identity(path):  # removed, or another stands in its place: this one is nobody's any more
                raise DisconnectionError

        @event.listens_for(engine, "checkin")
        def _rests(_connection: Any, _record: Any) -> None:
            idle.begins()

    return engine


@contextmanager
def looking_at(path: Path, busy_seconds: float) -> Iterator[Engine]:
    """Yield what only reads a database that this account cannot write: on a read-only medium, of another account, a seized copy.

    SQLite reads one with a write-ahead log there only if both of the log's files are there, or can be made, or if it is told
    that nobody writes (https://sqlite.org/wal.html#readonly). Where a log was left without its index, a copy is read: to say
    that nobody writes would read past the log, and the newest receipts would seem to be gone.

    Args:
        path: the file; it has to exist.
        busy_seconds: how long another process's lock is waited for.

    Raises:
        OSError: a file that belongs to it cannot be read.
    """
    log, index = (path.with_name(f"{path.name}-{part}") for part in ("wal", "shm"))
    with ExitStack() as parts:
        has_log = log.exists() and log.stat().st_size > 0
        if has_log and not index.exists():
            folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="anr-journal-")))
            for file in (path, log):
                shutil.copyfile(file, folder / file.name)
            path = folder / path.name
        how = "mode=ro" if has_log else "mode=ro&immutable=1"
        address = f"{path.resolve().as_uri()}?{how}"
        engine = create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(
                address, uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False
            ),
            poolclass=NullPool,
        )

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN")  # what is read is one state, whoever writes meanwhile

        yield engine


@contextmanager
def copied(engine: Engine) -> Iterator[Engine]:
    """Yield a copy in memory of a database that can only be read, as one moment shows it."""
    copy = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    try:
        with engine.connect() as opened, copy.connect() as into:
            opened.connection.driver_connection.backup(into.connection.driver_connection)  # type: ignore[union-attr]  # sqlite3's
        yield copy
    finally:
        copy.dispose()


def is_ours_to_write(path: Path) -> bool:
    """Whether this account may write a database and beside it, where SQLite keeps its log."""
    return _may_write(path) and _may_write(path.parent)


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def is_only_missing(path: Path) -> bool:
    """Whether there is no database, and nothing stands in the way of making one: then there are no receipts."""
    try:
        path.lstat()
    except FileNotFoundError:
        above = next((folder for folder in path.parents if folder.exists()), path.parent)
        return above.is_dir() and _may_write(above)
    except OSError:
        return False
    return False


class _Idle:
    """Closes what rests in the pool of an engine once nobody has used it for a while."""

    def __init__(self, engine: Engine, seconds: float) -> None:
        self._engine = engine
        self._seconds = seconds
        self._lock = threading.Lock()
        self._since = 0.0
        self._watched = False

    def begins(self) -> None:
        """Take note that a connection was used until now."""
        with self._lock:
            self._since = time.monotonic()
            if not self._watched:
                self._watched = True
                self._look_in(self._seconds)

    def _look_in(self, seconds: float) -> None:
        timer = threading.Timer(seconds, self._look)
        timer.daemon = True
        timer.start()

    def _look(self) -> None:
        with self._lock:
            left = self._since + self._seconds - time.monotonic()
            if left > 0:
                self._look_in(left)
                return
            self._watched = False
        self._engine.pool.dispose()  # not the engine's: what is in use at this moment comes back to the same pool


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another that is put in its place; None if it cannot be seen."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
