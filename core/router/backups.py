"""Backups of the bandit's state: made, listed, checked and put back under the router's own lock.

The router has two writers. One replaces the file while it holds the lock on `<state>.lock` (`flock`; `msvcrt.locking` on
Windows); whoever copies or replaces the state holds that lock, too. It is taken here with the plain calls: a lock library may
remove or mark the lock's file, which is the router's. The other opens the file and dumps into it, with neither lock nor
rename: what is read has to be the same twice in a row, and whole.

Each backup has its SHA-256 beside it, in the form that `sha256sum -c` reads. It is written last, so that a backup without
it was never completed, and is not valid.

Excluded: when backups are made and who may restore one (core/upkeep/backup.py), which are deleted (core/settings/target.py), and
what a state says (core/receipts/state_content.py).
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from core.errors import StateFileError, StateFileMissing
from core.receipts.state_content import problem_in, routes_in
from core.router.backup_names import MAX_COLLISIONS, backup_made_at, backup_name, backups_to_delete, newest_first
from core.system.files import create_durably, make_folder, read_bounded, sync_directory, write_durably
from core.system.logs import logger

if sys.platform != "win32":
    pass
from core.router.state_lock import router_lock

log = logger(__name__)

MAX_STATE_BYTES = 64 << 20
"""A state that is longer is not read: a bandit over five routes has a few kilobytes."""
TORN_SECONDS = 1.0
"""How long a state that is not whole is read again: a writer without a lock may be in the middle of it."""
_TORN_POLL_SECONDS = 0.003
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
        without_checksum: it was never completed, or somebody else made it: it is neither counted nor deleted.
    """

    name: str
    made_at: datetime
    size: int
    digest: str
    problem: str | None
    without_checksum: bool = False

    @property
    def valid(self) -> bool:
        """Whether it can be restored."""
        return self.problem is None


@dataclass(frozen=True, slots=True)
class Replaced:
    """What came of putting a backup back, or of removing the state: what it was before, as a backup; None if there was none."""

    kept: Backup | None


def read_state(path: Path) -> bytes:
    """Return the bytes of the router's state as they were at one moment, whole if they are whole within a second.

    They have to be the same in two reads in a row: then they stood in the file between the two. A file that is not JSON is
    read again while it may be in the middle of being written. Callers judge what they get.

    Raises:
        OSError: it cannot be read, or is longer than a state may be.
    """
    ends = time.monotonic() + TORN_SECONDS
    before = None
    while True:
        data = read_bounded(path, MAX_STATE_BYTES)
        whole = problem_in(data) is None
        if whole and data == before:
            return data
        if time.monotonic() >= ends:
            if whole:
                raise OSError("it is rewritten so fast that it cannot be read as it is at any moment")
            return data
        if not whole:
            time.sleep(_TORN_POLL_SECONDS)
        before = data


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
        if problem := problem_in(data):
            raise StateFileError(
                f"The state {self._state_file} is not valid ({problem}), so no backup was made; the earlier ones are as they "
                "were. Look at the router; `anr backups` lists what can be restored.",
            )
        kept = self._keep_bytes(data, now)
        if kept.problem is not None:
            raise StateFileError(f"The backup {kept.name} was written but is not valid: {kept.problem}")
        return kept

    def keep_present(self, now: datetime) -> Backup | None:
        """Keep the state as it is as a backup, even if it is not valid; None if there is none.

        Raises:
            StateFileError: it cannot be read, or the copy cannot be written.
        """
        with self._locked(may_be_missing=True):
            present = self._present()
        return None if present is None else self._keep_bytes(present, now)

    def put_back(self, backup: Backup, now: datetime, already: Backup | None = None) -> Replaced:
        """Replace the state by a backup under the router's lock, after keeping the present one as a backup of its own.

        The present state is kept even if it is not valid: a state that is beyond repair must not stand in the way of the
        one that repairs it.

        Args:
            backup: what is put back; its bytes have to be those that it had when it was found.
            now: when.
            already: a copy of the present state that was kept just before, by `keep_present`.

        Raises:
            StateFileError: the backup is not what it was, or something cannot be read or written; the state is as it was,
                unless the message says otherwise.
        """
        with self._locked(may_be_missing=True):
            data = self.bytes_of(backup)
            kept = self._kept(now, already)
            self._replace(data)
        return Replaced(kept)

    def remove(self, now: datetime, already: Backup | None = None) -> Replaced:
        """Remove the state under the router's lock, after keeping it as a backup: a router that is started begins anew.

        Raises:
            StateFileError: it cannot be kept, or cannot be removed; it is as it was.
        """
        with self._locked(may_be_missing=True):
            kept = self._kept(now, already)
            path = Path(os.path.realpath(self._state_file))
            try:
                path.unlink(missing_ok=True)
                sync_directory(path.parent)
            except OSError as error:
                if path.exists():
                    raise StateFileError(
                        f"The state {self._state_file} cannot be removed ({error.strerror or error}). It is as it was; repair "
                        "the permissions or the disk, then try again.",
                    ) from error
                log.exception("the state %s was removed, but it may be back after a power failure", path)
        return Replaced(kept)

    def bytes_of(self, backup: Backup) -> bytes:
        """Return the bytes of a backup.

        Raises:
            StateFileError: they are not those that it had when it was found, or it is not valid.
        """
        again = self._look(backup.name)
        data = _bytes_of(self._directory / backup.name)
        if again.problem is not None or data is None or sha256(data).hexdigest() != backup.digest:
            reason = again.problem or "its bytes have changed"
            raise StateFileError(f"The backup {backup.name} cannot be used: {reason}. The state is as it was.")
        return data

    def routes_of(self, backup: Backup) -> frozenset[str] | None:
        """Return the routes that a backup has learned about; None if they cannot be told."""
        data = _bytes_of(self._directory / backup.name)
        return None if data is None else routes_in(data)

    def newest_valid(self) -> Backup | None:
        """Return the newest backup that can be restored, or None.

        Raises:
            StateFileError: the directory cannot be read.
        """
        return next((backup for backup in map(self._look, self._names()) if backup.valid), None)

    def adopt(self, backup: Backup) -> Backup:
        """Give a backup that has no checksum the one of its bytes, and return it as it is found then.

        Raises:
            StateFileError: it is no state, has changed since it was found, or cannot be written beside; nothing was changed.
        """
        data = _bytes_of(self._directory / backup.name)
        problem = "it cannot be read" if data is None else problem_in(data)
        if problem is None and sha256(data or b"").hexdigest() != backup.digest:
            problem = "its bytes have changed"
        if problem is not None:
            raise StateFileError(f"The backup {backup.name} cannot be adopted: {problem}. It is as it was.")
        try:
            create_durably(self._side(backup.name), self._checksum(backup.name, backup.digest), shared=True)
        except OSError as error:
            raise StateFileError(
                f"No checksum could be written beside {backup.name} ({error.strerror or error}). It is as it was."
            ) from error
        return self._look(backup.name)

    def present(self) -> bytes | None:
        """Return the state's bytes, or None if there is none. Looking makes no lock.

        Raises:
            StateFileError: it cannot be read.
        """
        with self._locked(may_be_missing=True, create=False):
            return self._present()

    def surplus(self) -> tuple[str, ...]:
        """Return the names of the backups that are more than are kept, the newest first.

        Raises:
            StateFileError: the directory cannot be read.
        """
        ours = [(backup.name, backup.valid) for backup in self.found() if not backup.without_checksum]
        return tuple(backups_to_delete(ours, self._keep))

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
    def _locked(self, *, may_be_missing: bool = False, create: bool = True) -> Iterator[None]:
        if not may_be_missing and not self._state_file.exists():
            raise self._missing()
        with router_lock(self._state_file, create=create):
            yield

    def _present(self) -> bytes | None:
        try:
            return self._state()
        except StateFileMissing:
            return None

    def _kept(self, now: datetime, already: Backup | None) -> Backup | None:
        """Keep the present state, unless `already` is it; of a router that was stopped in the middle of a write, `already`."""
        present = self._present()
        if present is None or (already is not None and sha256(present).hexdigest() == already.digest):
            return already
        if already is not None and already.valid and problem_in(present) is not None:
            log.warning("the state was cut off when the router was stopped; %s is what it was just before", already.name)
            return already
        kept = self._keep_bytes(present, now)
        if already is not None:
            with contextlib.suppress(StateFileError):  # the newer copy takes its place
                self.delete((already.name,))
        return kept

    def _state(self) -> bytes:
        try:
            return read_state(self._state_file)
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
            make_folder(self._directory)
            name = self._store(data, now)
            write_durably(self._side(name), self._checksum(name, sha256(data).hexdigest()), shared=True)
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
                create_durably(self._directory / name, data, shared=True)
                return name
        raise OSError(f"there are {MAX_COLLISIONS:,} backups of this second already")

    def _replace(self, data: bytes) -> None:
        path = Path(os.path.realpath(self._state_file))
        try:
            _refuse_to_change_owner(path)
            was_there = path.exists()
            write_durably(path, data, mode=0o640)
            if not was_there:
                _give_to_folders_owner(path)
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

    @staticmethod
    def _checksum(name: str, digest: str) -> bytes:
        return f"{digest}  {name}\n".encode()

    def _look(self, name: str) -> Backup:
        made_at = backup_made_at(name)
        if made_at is None:
            raise ValueError(f"{name!r} is not the name of a backup")
        size, digest, problem, without = 0, "", None, False
        try:
            without = not self._side(name).exists()
            size = (self._directory / name).stat().st_size
            data = read_bounded(self._directory / name, MAX_STATE_BYTES)
            size, digest = len(data), sha256(data).hexdigest()
            problem = self._wrong_checksum(name, digest) or problem_in(data)
        except OSError as error:
            problem = f"it cannot be read ({error.strerror or error})"
        return Backup(name, made_at, size, digest, problem, without)

    def _wrong_checksum(self, name: str, digest: str) -> str | None:
        try:
            side = read_bounded(self._side(name), _MAX_SIDE_BYTES)
        except FileNotFoundError:
            return "it has no checksum: it was never completed, or not made by anr (`anr backups adopt` takes it on)"
        return None if side == self._checksum(name, digest) else "its bytes do not have the checksum that was recorded"


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


def _give_to_folders_owner(path: Path) -> None:
    """Give a state that was not there to the owner of its folder, as far as we may: the router could not read ours."""
    if sys.platform == "win32":
        return
    of_folder = path.parent.stat()
    with contextlib.suppress(PermissionError):
        os.chown(path, of_folder.st_uid, of_folder.st_gid)
