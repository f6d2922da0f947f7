"""Backups of the bandit's state: made, listed, checked and put back under the router's own lock.

The router writes its state atomically while it holds `flock` on `<state>.lock`; whoever copies or replaces the state has to
hold that lock. It is taken here with the plain call: a lock library may remove or mark the lock's file, which is the router's.

Each backup has its SHA-256 beside it, in the form that `sha256sum -c` reads. It is written last, so that a backup without
it was never completed, and is not valid.

Excluded: when backups are made and who may restore one (core/upkeep/backup.py), and which are deleted (core/settings/target.py).
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import msgspec

from core.errors import StateFileError, StateFileMissing
from core.router.backup_names import MAX_COLLISIONS, backup_made_at, backup_name, backups_to_delete, newest_first
from core.system.files import create_durably, read_bounded, sync_directory, write_durably
from core.system.logs import logger

if sys.platform != "win32":
    pass
from core.router.state_lock import router_lock

log = logger(__name__)

MAX_STATE_BYTES = 64 << 20
"""A state that is longer is not read: a bandit over five routes has a few kilobytes."""
_MAX_SIDE_BYTES = 512


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup as it is found on disk.

    Attributes:
        name: its file name, by which it is restored.
        made_at: when it was made, by its name.
        size: in bytes.
        digest: SHA-256 of its bytes, in hex; empty if they cannot be read.
        problem: why it cannot be restored, a sentence; None if it can.
    """

    name: str
    made_at: datetime
    size: int
    digest: str
    problem: str | None

    @property
    def valid(self) -> bool:
        """Whether it can be restored."""
        return self.problem is None


@dataclass(frozen=True, slots=True)
class Replaced:
    """What came of putting a backup back: the state before it, kept as a backup; None if there was none."""

    kept: Backup | None


class Backups:
    """The backups of one state file in one directory."""

    def __init__(self, state_file: Path, directory: Path, keep: int) -> None:
        self._state_file = state_file
        self._directory = directory
        self._keep = keep

    def found(self) -> tuple[Backup, ...]:
        """Return all backups, the newest first, each checked.

        Raises:
            StateFileError: the directory cannot be read.
        """
        return tuple(self._look(name) for name in self._names())

    def find(self, name: str) -> Backup | None:
        """Return the backup of this name if it is in the list: a name is compared, never made into a path.

        Raises:
            StateFileError: the directory cannot be read.
        """
        return next((self._look(listed) for listed in self._names() if listed == name), None)

    def take(self, now: datetime) -> Backup:
        """Copy the state under the router's lock, and read the copy back.

        Raises:
            StateFileMissing: there is no state file.
            StateFileError: the state cannot be read or is not valid, or the copy cannot be written; no backup was made.
        """
        with self._locked():
            data = self._state()
        if problem := _problem_in(data):
            raise StateFileError(
                f"The state {self._state_file} is not valid ({problem}), so no backup was made; the earlier ones are as they "
                "were. Look at the router; `anr backups` lists what can be restored.",
            )
        kept = self._keep_bytes(data, now)
        if kept.problem is not None:
            raise StateFileError(f"The backup {kept.name} was written but is not valid: {kept.problem}")
        return kept

    def put_back(self, backup: Backup, now: datetime) -> Replaced:
        """Replace the state by a backup under the router's lock, after keeping the present one as a backup of its own.

        The present state is kept even if it is not valid: a state that is beyond repair must not stand in the way of the
        one that repairs it.

        Raises:
            StateFileError: the backup is not what it was, or something cannot be read or written; the state is as it was,
                unless the message says otherwise.
        """
        with self._locked(may_be_missing=True):
            again = self._look(backup.name)
            if again.problem is not None or again.digest != backup.digest:
                reason = again.problem or "its bytes have changed"
                raise StateFileError(f"The backup {backup.name} cannot be used: {reason}. The state is as it was.")
            data = read_bounded(self._directory / backup.name, MAX_STATE_BYTES)
            try:
                present: bytes | None = self._state()
            except StateFileMissing:
                present = None
            kept = None if present is None else self._keep_bytes(present, now)
            self._replace(data)
        return Replaced(kept)

    def state_digest(self) -> str | None:
        """Return the SHA-256 of the present state, in hex, or None if there is none.

        Raises:
            StateFileError: the state cannot be read.
        """
        try:
            with self._locked():
                return sha256(self._state()).hexdigest()
        except StateFileMissing:
            return None

    def surplus(self) -> tuple[str, ...]:
        """Return the names of the backups that are more than are kept, the newest first.

        Raises:
            StateFileError: the directory cannot be read.
        """
        return tuple(backups_to_delete([(one.name, one.valid) for one in self.found()], self._keep))

    def delete(self, names: tuple[str, ...]) -> None:
        """Delete backups. The checksum goes first: what is left half-way is a backup that is not valid.

        Raises:
            StateFileError: one cannot be deleted.
        """
        try:
            for name in names:
                self._side(name).unlink(missing_ok=True)
                (self._directory / name).unlink(missing_ok=True)
            if names:
                sync_directory(self._directory)
        except OSError as error:
            raise StateFileError(
                f"Old backups in {self._directory} cannot be deleted ({error.strerror or error}). Free them by hand."
            ) from error

    @contextmanager
    def _locked(self, *, may_be_missing: bool = False) -> Iterator[None]:
        if not may_be_missing and not self._state_file.exists():
            raise self._missing()
        with router_lock(self._state_file):
            yield

    def _state(self) -> bytes:
        try:
            return read_bounded(self._state_file, MAX_STATE_BYTES)
        except FileNotFoundError:
            raise self._missing() from None
        except OSError as error:
            raise StateFileError(
                f"The state {self._state_file} cannot be read ({error.strerror or error}). No backup was made, and the state "
                "is as it was; repair its permissions or the disk.",
            ) from error

    def _missing(self) -> StateFileMissing:
        return StateFileMissing(
            f"There is no state file {self._state_file}: the router never wrote one, or `state_file` in the settings names "
            "the wrong place. No backup was made.",
        )

    def _keep_bytes(self, data: bytes, now: datetime) -> Backup:
        """Store bytes under a name of their own with their checksum, and return what is read back."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            name = self._store(data, now)
            side = f"{sha256(data).hexdigest()}  {name}\n".encode()
            write_durably(self._side(name), side, mode=0o640)
        except OSError as error:
            raise StateFileError(
                f"No backup could be written to {self._directory} ({error.strerror or error}). The state is as it was; free "
                "the disk or repair the permissions, then try again.",
            ) from error
        kept = self._look(name)
        if kept.digest != sha256(data).hexdigest():
            raise StateFileError(f"The backup {name} does not read back as it was written. The state is as it was.")
        return kept

    def _store(self, data: bytes, now: datetime) -> str:
        for attempt in range(1, MAX_COLLISIONS + 1):
            name = backup_name(now, attempt)
            with contextlib.suppress(FileExistsError):
                create_durably(self._directory / name, data, mode=0o640)
                return name
        raise OSError(f"there are {MAX_COLLISIONS:,} backups of this second already")

    def _replace(self, data: bytes) -> None:
        path = Path(os.path.realpath(self._state_file))
        try:
            _refuse_to_change_owner(path)
            write_durably(path, data, mode=0o640)
        except OSError as error:
            if _bytes_of(path) == data:  # the name changed hands, only the disk has not confirmed it
                log.exception("the state %s was replaced, but it may not survive a power failure", path)
                return
            raise StateFileError(
                f"The state {self._state_file} cannot be replaced ({error.strerror or error}). "
                "It is as it was; free the disk or repair the permissions, then restore again.",
            ) from error
        if _bytes_of(path) != data:
            raise StateFileError(f"The state {self._state_file} does not say what was written to it. Something else writes it.")

    def _names(self) -> list[str]:
        try:
            with os.scandir(self._directory) as entries:
                return newest_first(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StateFileError(f"The backups in {self._directory} cannot be listed ({error.strerror or error}).") from error

    def _side(self, name: str) -> Path:
        return self._directory / f"{name}.sha256"

    def _look(self, name: str) -> Backup:
        made_at = backup_made_at(name)
        if made_at is None:
            raise ValueError(f"{name!r} is not the name of a backup")
        size, digest, problem = 0, "", None
        try:
            size = (self._directory / name).stat().st_size
            data = read_bounded(self._directory / name, MAX_STATE_BYTES)
            size, digest = len(data), sha256(data).hexdigest()
            problem = self._wrong_checksum(name, digest) or _problem_in(data)
        except OSError as error:
            problem = f"it cannot be read ({error.strerror or error})"
        return Backup(name, made_at, size, digest, problem)

    def _wrong_checksum(self, name: str, digest: str) -> str | None:
        try:
            side = read_bounded(self._side(name), _MAX_SIDE_BYTES)
        except FileNotFoundError:
            return "it has no checksum, so it was never completed"
        return None if side == f"{digest}  {name}\n".encode() else "its bytes do not have the checksum that was recorded"


def _bytes_of(path: Path) -> bytes | None:
    try:
        return read_bounded(path, MAX_STATE_BYTES)
    except OSError:
        return None


def _refuse_to_change_owner(path: Path) -> None:
    """Raise if the file that takes the place of `path` would belong to us and not to the router, which could not read it."""
    if sys.platform == "win32" or os.geteuid() == 0:
        return
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_uid != os.geteuid():
            raise PermissionError("it belongs to another account than the one that runs anr")


def _problem_in(data: bytes) -> str | None:
    """Say why bytes cannot be a bandit's state, or None: they have to be one JSON object, without NaN or infinities."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "it is not JSON"
    return None if isinstance(value, dict) else "it is not a JSON object"
