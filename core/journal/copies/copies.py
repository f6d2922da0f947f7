"""Copies of a journal's database, whole while others write: by SQLite's online backup (https://sqlite.org/backup.html).

A copy gets its name only once it was read back and synced: whatever has the name of a copy was good when it was made. It is one
file; it may be opened, moved and put in the journal's place as it is.

Excluded: whether the journal deserves a copy (core/upkeep/journal_copy.py).
"""

import contextlib
import os
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from core.errors import JournalUnavailable
from core.journal.connections import identity
from core.receipts.chain import flaws_in_chain
from core.system.files import make_folder, sync_directory
from core.system.logs import logger

log = logger(__name__)

_BUSY_SECONDS = 10.0
_STAMP = re.compile(r"_(\d{8}_\d{6})(?:_([2-9]|[1-9]\d))?", re.ASCII)
_MAX_OF_A_SECOND = 99
_UNFINISHED_SECONDS = 24 * 3600.0
"""How old a copy without a name is that nobody finishes any more."""
_Heads = dict[str, list[tuple[int, str]]]
"""By target, number and digest of each receipt in order."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of a journal.

    Attributes:
        made_at: when, by its name.
        size: in bytes.
    """

    path: Path
    made_at: datetime
    size: int


class Copies:
    """The copies of one journal in one folder."""

    def __init__(self, journal: Path, folder: Path, keep: int) -> None:
        self._journal = journal
        self._folder = folder
        self._keep = keep

    def found(self) -> tuple[Copy, ...]:
        """Return all copies, the newest first.

        Raises:
            JournalUnavailable: the folder cannot be read.
        """
        try:
            return tuple(
                sorted(self._named(), key=lambda copy: (copy.made_at, len(copy.path.name), copy.path.name), reverse=True)
            )
        except OSError as error:
            raise JournalUnavailable(
                f"The copies of the journal in {self._folder} cannot be listed ({error.strerror or error})."
            ) from error

    def _named(self) -> Iterator[Copy]:
        with contextlib.suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                stem, journal = path.stem, self._journal.stem
                stamp = _STAMP.fullmatch(stem.removeprefix(journal)) if stem.startswith(journal) else None
                if stamp is None or path.suffix != ".sqlite" or path.is_symlink() or not path.is_file():
                    continue
                with contextlib.suppress(ValueError):
                    made_at = datetime.strptime(stamp[1], "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
                    yield Copy(path, made_at, path.stat().st_size)

    def take(self, now: datetime) -> Copy:
        """Copy the journal, read the copy back, and delete the copies that are one too many.

        Raises:
            JournalUnavailable: no copy was made; those that there are stay.
        """
        unfinished: Path | None = None
        try:
            make_folder(self._folder)
            self._clear_unfinished(now)
            descriptor, name = tempfile.mkstemp(prefix=f".{self._journal.stem}.", suffix=".tmp", dir=self._folder)
            os.close(descriptor)
            unfinished = Path(name)
            before = identity(self._journal)
            heads = _backed_up(self._journal, unfinished)
            if before is None or identity(self._journal) != before:
                raise self._not_made("another file was put in the journal's place meanwhile")
            if problem := wrong_with(unfinished, heads):
                raise self._not_made(f"what was read back of it is not what the journal says: {problem}")
            path = self._named_durably(unfinished, now)
        except (OSError, sqlite3.Error) as error:
            raise self._not_made(getattr(error, "strerror", None) or str(error)) from error
        finally:
            if unfinished is not None:
                for part in (unfinished, *unfinished.parent.glob(f"{unfinished.name}-*")):
                    with contextlib.suppress(OSError):
                        part.unlink()
        self._delete_surplus()
        return Copy(path, now.astimezone(UTC).replace(microsecond=0), path.stat().st_size)

    def _not_made(self, why: str) -> JournalUnavailable:
        return JournalUnavailable(
            f"The journal {self._journal} was not copied to {self._folder} ({why}). The copies that there are were kept; see "
            "whether that disk is full or may not be written."
        )

    def _named_durably(self, unfinished: Path, now: datetime) -> Path:
        with unfinished.open("rb") as written:
            os.fsync(written.fileno())
        if os.name == "posix":
            with contextlib.suppress(OSError):  # else it stays closed to all but this account
                unfinished.chmod(0o640)
        stamp = f"{self._journal.stem}_{now.astimezone(UTC):%Y%m%d_%H%M%S}"
        for number in range(1, _MAX_OF_A_SECOND + 1):
            path = self._folder / f"{stamp}{'' if number == 1 else f'_{number}'}.sqlite"
            try:
                os.link(unfinished, path)  # unlike a rename it fails if the name is taken
            except FileExistsError:
                continue
            sync_directory(self._folder)
            return path
        raise FileExistsError(f"{stamp}: there are {_MAX_OF_A_SECOND} copies of this second")

    def _clear_unfinished(self, now: datetime) -> None:
        for path in self._folder.glob(f".{self._journal.stem}.*.tmp*"):
            with contextlib.suppress(OSError):
                if now.timestamp() - path.stat().st_mtime > _UNFINISHED_SECONDS:
                    path.unlink()

    def _delete_surplus(self) -> None:
        try:
            for copy in self.found()[self._keep :]:
                copy.path.unlink()
        except (JournalUnavailable, OSError) as error:
            log.warning("old copies of the journal stay: %s", error)


def _opened(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True, timeout=_BUSY_SECONDS, isolation_level=None)


def _backed_up(journal: Path, copy: Path) -> _Heads:
    """Copy a database as one moment shows it; return what it holds at that moment."""
    with closing(_opened(journal, "mode=ro")) as source, closing(_opened(copy, "mode=rw")) as into:
        source.execute("BEGIN")  # what is read here and what is copied are one state, whoever writes meanwhile
        heads = _heads_in(source)
        source.backup(into)
        into.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
    return heads


def _heads_in(database: sqlite3.Connection) -> _Heads:
    heads: _Heads = {}
    for target, seq, digest in database.execute("SELECT target, seq, digest FROM receipts ORDER BY target, seq"):
        heads.setdefault(str(target), []).append((seq, str(digest)))
    return heads


def wrong_with(copy: Path, expected: _Heads | None = None) -> str | None:
    """Say what is wrong with a copy, read from its bytes alone; None if it is whole and its chains hold.

    Args:
        copy: the file; nothing is written beside it.
        expected: what it has to hold; whatever it holds, if this is left out.
    """
    try:
        with closing(_opened(copy, "mode=ro&immutable=1")) as database:
            if (found := database.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
                return f"the database is damaged: {found}"
            heads = _heads_in(database)
            if expected is not None and heads != expected:
                return "it holds other receipts"
            if not heads:
                return "it holds no receipts"
            for target in heads:
                rows = database.execute("SELECT seq, data, digest FROM receipts WHERE target = ? ORDER BY seq", (target,))
                if flaws := flaws_in_chain([(seq, _bytes(data), str(digest)) for seq, data, digest in rows], target=target):
                    return flaws[0].problem
    except (sqlite3.Error, OSError, TypeError, ValueError) as error:
        return f"it cannot be read ({error})"
    return None


def _bytes(data: object) -> bytes:
    """Return the bytes of a receipt; where somebody put text in their place, that of the text."""
    return data if isinstance(data, bytes) else str(data).encode("utf-8", "surrogatepass")


def digests_in(copy: Path, target: str) -> dict[int, str]:
    """Return the digest of each receipt of a target in a copy, by its number; of what cannot be read, none."""
    with contextlib.suppress(sqlite3.Error, OSError, TypeError), closing(_opened(copy, "mode=ro&immutable=1")) as database:
        rows = database.execute("SELECT seq, data FROM receipts WHERE target = ?", (target,))
        return {seq: sha256(_bytes(data)).hexdigest() for seq, data in rows}
    return {}
