"""Where each message stands: which channel and ts it has, what it shows, what could not be delivered. Survives a restart.

Kept in a small database beside the journal. Losing it loses no story: a message that is not known is looked for in the
channel before it is posted (bot/slack/outbox.py).
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from core.settings.target import TargetSettings
from core.system.files import close_to_strangers

_SCHEMA = """
PRAGMA journal_mode=WAL;
CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
    operation TEXT NOT NULL, part TEXT NOT NULL, channel TEXT NOT NULL, ts TEXT NOT NULL, shown TEXT NOT NULL,
    tried_at REAL NOT NULL, file_id TEXT NOT NULL, PRIMARY KEY (operation, part)
);
CREATE TABLE IF NOT EXISTS parked (
    operation TEXT NOT NULL, part TEXT NOT NULL, error TEXT NOT NULL, since REAL NOT NULL, PRIMARY KEY (operation, part)
);
CREATE TABLE IF NOT EXISTS without_charts (workspace TEXT PRIMARY KEY, since REAL NOT NULL);
CREATE TABLE IF NOT EXISTS queue (
    place INTEGER PRIMARY KEY AUTOINCREMENT, operation TEXT NOT NULL UNIQUE, error TEXT NOT NULL DEFAULT '',
    since REAL NOT NULL DEFAULT 0
);
"""

_ASKED_ANEW_SECONDS = 7 * 86400.0
"""For how long a workspace that refused Slack's own charts is sent pictures: Slack rolls them out to one after another."""
_LEFT = "left:"
"""Begins the part of a message that its story has left behind; its ts follows."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where a message stands.

    Attributes:
        channel: where it was posted, which is the fallback channel if the story's own could not be used.
        ts: Slack's id of the message; empty if none is known.
        shown: digest of what it shows; empty if nobody knows.
        tried_at: when its posting was first tried, in seconds since 1970; 0 if it was never.
        file_id: of its picture, once uploaded.
    """

    channel: str = ""
    ts: str = ""
    shown: str = ""
    tried_at: float = 0.0
    file_id: str = ""


@dataclass(frozen=True, slots=True)
class Parked:
    """A message that Slack refuses for what it is; it waits for somebody to look, and holds up no other."""

    operation: str
    part: str
    error: str
    since: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """A story that is to be shown and could not be yet.

    Attributes:
        error: what stood in the way at the last try.
        since: when it first did, in seconds since 1970.
    """

    operation: str
    error: str
    since: float


class Deliveries:
    """The messages of one router."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    @classmethod
    def at(cls, target: TargetSettings) -> "Deliveries":
        """Return those of a router, which lie beside its journal."""
        return cls(target.journal.with_suffix(f".{target.name}.stories.sqlite"))

    def cursor(self) -> int:
        """Return the number of the newest receipt whose story was shown or is queued."""
        with self._connection() as connection:
            row = connection.execute("SELECT seq FROM cursor").fetchone()
        return row[0] if row else 0

    def queue(self, operations: Iterable[str], upto: int | None = None) -> None:
        """Queue stories to be shown, each once, and with them every receipt up to a number; all of it or nothing."""
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.executemany(
                    "INSERT OR IGNORE INTO queue (operation) VALUES (?)", [(operation,) for operation in operations]
                )
                if upto is not None:
                    connection.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?)", (upto,))
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    def queued(self) -> tuple[str, ...]:
        """Return the stories that are to be shown, in the order in which they were queued."""
        with self._connection() as connection:
            return tuple(row[0] for row in connection.execute("SELECT operation FROM queue ORDER BY place").fetchall())

    def done(self, operation: str) -> None:
        """Take a story off the queue: it is shown, or parked."""
        with self._connection() as connection:
            connection.execute("DELETE FROM queue WHERE operation = ?", (operation,))

    def failed(self, operation: str, error: str, at: float) -> None:
        """Note what stands in the way of a queued story; since when is kept from the first time."""
        query = "UPDATE queue SET error = ?, since = CASE since WHEN 0 THEN ? ELSE since END WHERE operation = ?"
        with self._connection() as connection:
            connection.execute(query, (error, at, operation))

    def waiting(self) -> tuple[Waiting, ...]:
        """Return the queued stories that something stands in the way of, the oldest first."""
        query = "SELECT operation, error, since FROM queue WHERE since > 0 ORDER BY since"
        with self._connection() as connection:
            return tuple(Waiting(*row) for row in connection.execute(query).fetchall())

    def of(self, operation: str, part: str = "") -> Delivery:
        """Return where a message stands: a story's own, or the reply in its thread that `part` names."""
        query = "SELECT channel, ts, shown, tried_at, file_id FROM messages WHERE operation = ? AND part = ?"
        with self._connection() as connection:
            row = connection.execute(query, (operation, part)).fetchone()
        return Delivery(*row) if row else Delivery()

    def save(self, operation: str, part: str, delivery: Delivery) -> None:
        """Remember where a message stands; if it was parked, it no longer is."""
        with self._connection() as connection:
            row = (operation, part, *astuple(delivery))
            connection.execute("INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            connection.execute("DELETE FROM parked WHERE operation = ? AND part = ?", (operation, part))

    def leave(self, operation: str, old: Delivery) -> None:
        """Remember an old message that is to be deleted: the story goes on in another one."""
        self.save(operation, f"{_LEFT}{old.ts}", old)

    def left(self, operation: str) -> tuple[Delivery, ...]:
        """Return the old messages of a story that are still to be deleted."""
        query = "SELECT channel, ts, shown, tried_at, file_id FROM messages WHERE operation = ? AND part LIKE ? || '%'"
        with self._connection() as connection:
            return tuple(Delivery(*row) for row in connection.execute(query, (operation, _LEFT)).fetchall())

    def gone(self, operation: str, old: Delivery) -> None:
        """Forget an old message that is not there any more."""
        with self._connection() as connection:
            connection.execute("DELETE FROM messages WHERE operation = ? AND part = ?", (operation, f"{_LEFT}{old.ts}"))

    def park(self, parked: Parked) -> None:
        """Put a message aside."""
        with self._connection() as connection:
            connection.execute("INSERT OR REPLACE INTO parked VALUES (?, ?, ?, ?)", astuple(parked))

    def parked(self) -> tuple[Parked, ...]:
        """Return what was put aside, the oldest first."""
        query = "SELECT operation, part, error, since FROM parked ORDER BY since"
        with self._connection() as connection:
            return tuple(Parked(*row) for row in connection.execute(query).fetchall())

    def takes_charts(self, workspace: str, now: float) -> bool:
        """Whether a workspace takes charts and tables of Slack's own, as far as anybody knows: it is asked anew after a while."""
        with self._connection() as connection:
            row = connection.execute("SELECT since FROM without_charts WHERE workspace = ?", (workspace,)).fetchone()
        return row is None or now - row[0] > _ASKED_ANEW_SECONDS

    def refused_charts(self, workspace: str, now: float) -> None:
        """Remember that a workspace does not take charts and tables of Slack's own yet."""
        with self._connection() as connection:
            connection.execute("INSERT OR REPLACE INTO without_charts VALUES (?, ?)", (workspace, now))

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Yield the one connection to the database; a file that was removed or replaced is opened anew."""
        with self._lock:
            if self._opened is not None and self._identity != _identity(self._file):
                self._opened.close()
                self._opened = None
            if self._opened is None:
                with suppress(OSError):  # SQLite says it in its own words
                    close_to_strangers(self._file)
                # whatever thread comes next: the lock lets one in at a time
                self._opened = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False)
                self._opened.executescript(_SCHEMA)
                self._identity = _identity(self._file)
            yield self._opened


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
