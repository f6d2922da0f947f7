"""Durable files: written whole or not at all, read with a bound.

Excluded: what the files mean.
"""

import contextlib
import errno
import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from core.system.logs import logger

log = logger(__name__)

PATIENCE_SECONDS = 2.0
"""How long a file that somebody has open is waited for, on Windows: a brake's settings file, too."""
_POLL_SECONDS = 0.005
_OPEN_FILES_STAY: bool = sys.platform == "win32"
"""Whether this system refuses to replace and rename a file that somebody has open."""
_FOLDER_MODE = 0o750


class WrittenUnsynced(OSError):
    """A file was replaced, but its directory could not be synced."""


def write_durably(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace `path` by `data` so that a crash at any moment leaves the old bytes or the new, never a mixture.

    The bytes are synced before the rename and the directory after it: a rename without the first can leave a file of
    NUL bytes, without the second an old name (ext4's documentation of delayed allocation). An existing file keeps its
    permission bits, and its owner and group as far as this account may give them; a new one gets `mode`.

    Raises:
        OSError: the directory or the file cannot be written; the old file is intact.
        WrittenUnsynced: the new bytes are in place, but a crash of the machine may bring the old ones back.
    """
    _replace(path, data, mode, sync=True)
    try:
        sync_directory(path.parent)
    except OSError as error:
        raise WrittenUnsynced(error.errno, error.strerror, str(path)) from error


def replace_unsynced(path: Path, data: bytes) -> None:
    """Replace `path` by `data` at once for every process; after a crash of the machine it may hold anything.

    Raises:
        OSError: the directory or the file cannot be written; the old file is intact.
    """
    _replace(path, data, 0o600, sync=False)


def create_together(paths: Sequence[Path], data: bytes) -> None:
    """Make one file that goes by several new names in one folder, whole for every process at once, and sync it under all of them.

    One sync of the file and one of the folder serve all names; and the names come first, so that a file system which keeps a
    journal (ext4, XFS) writes both with the first sync. A crash of the machine before this returns may leave the names with any
    bytes: for files of which a reader takes what it cannot understand for the worst.

    Raises:
        FileExistsError: one of the names is taken.
        OSError: the file cannot be written, or the file system knows no hard links; none of the names is left.
        WrittenUnsynced: the file is in place, but a crash of the machine may take it.
    """
    folder = paths[0].parent
    descriptor, temporary = tempfile.mkstemp(prefix=f".{paths[0].name}.", suffix=".tmp", dir=folder)
    named: list[Path] = []
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            for path in paths:
                os.link(temporary, path)
                named.append(path)
            os.fsync(stream.fileno())
    except BaseException:
        for path in named:
            with contextlib.suppress(OSError):
                path.unlink()
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
    try:
        sync_directory(folder)
    except OSError as error:
        raise WrittenUnsynced(error.errno, error.strerror, str(folder)) from error
    finally:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()  # after the sync, which would have to write this, too


def _replace(path: Path, data: bytes, mode: int, *, sync: bool) -> None:
    before = None
    with contextlib.suppress(FileNotFoundError):
        before = path.stat()
        mode = before.st_mode & 0o777
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            if sync:
                os.fsync(stream.fileno())
        if os.name == "posix":
            if before is not None:
                _give(temporary, before)
            _permit(temporary, mode)
        replace_patiently(Path(temporary), path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def replace_patiently(new: Path, path: Path) -> None:
    """Give a file the name of another one, as `Path.replace`; where somebody has that one open, wait for them for a while.

    Windows refuses it as long as an editor, a scanner for viruses or a backup has the file open (ERROR_SHARING_VIOLATION,
    ERROR_ACCESS_DENIED), which is mostly over within a second.

    Raises:
        OSError: it could not be done; both files are as they were.
    """
    _patiently(lambda: new.replace(path))


def rename_patiently(path: Path, name: Path) -> None:
    """Give a file a name that nothing has, as `Path.rename`, with the same patience.

    Raises:
        OSError: it could not be done; the file has its old name.
    """
    _patiently(lambda: path.rename(name))


def _patiently(move: Callable[[], object]) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            move()
        except PermissionError:
            if not _OPEN_FILES_STAY or time.monotonic() >= ends:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return


def create_durably(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file that does not exist yet, whole or not at all; no existing file is ever replaced.

    Raises:
        FileExistsError: there is something of that name.
        OSError: the file cannot be written, or the file system knows no hard links; there is no such file.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if os.name == "posix":
            _permit(temporary, mode)
        os.link(temporary, path)  # unlike a rename it fails if the name is taken
    finally:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
    sync_directory(path.parent)


def _give(path: str, before: os.stat_result) -> None:
    """Give a file the owner and the group of the one that it replaces: its reader may be another account."""
    if sys.platform == "win32":
        return
    for owner, group in (-1, before.st_gid), (before.st_uid, -1):
        with contextlib.suppress(OSError):  # a user namespace, or a network file system, refuses it in ways of its own
            os.chown(path, owner, group)


def _permit(path: str, mode: int) -> None:
    """Set the permission bits. Where that is refused the file stays as closed as it was made: to all but this account."""
    try:
        Path(path).chmod(mode)
    except OSError as error:
        log.warning("the permissions of %s cannot be set (%s); it can be read by this account alone", path, error.strerror)


def sync_directory(directory: Path) -> None:
    """Make renames and removals in `directory` durable; Windows has no such call and needs none."""
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_regular(path: Path, *, buffering: int = -1, writable: bool = False, follow: bool = True) -> IO[bytes]:
    """Open a regular file, and nothing else, without waiting: what stands in its place must not hang whoever looks at it.

    A FIFO would wait for its writer, a terminal for its user; some devices act when they are opened, so that they are not.

    Args:
        path: the file; it must exist.
        buffering: that of `open`; 0 for none.
        writable: open it for writing, too, as it is.
        follow: whether a link is followed to the file that it points to; Windows always follows.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    if not stat.S_ISREG(path.stat(follow_symlinks=follow).st_mode):
        raise _not_regular(path)
    kind = os.O_RDWR if writable else os.O_RDONLY
    flags = ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY", *(() if follow else ("O_NOFOLLOW",)))
    for name in flags:
        kind |= getattr(os, name, 0)
    descriptor = os.open(path, kind)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # it was put there in between
        os.close(descriptor)
        raise _not_regular(path)
    return os.fdopen(descriptor, "r+b" if writable else "rb", buffering)


def _not_regular(path: Path) -> OSError:
    return OSError(errno.EINVAL, "it is not a regular file", str(path))


def read_bounded(path: Path, limit: int, *, follow: bool = True) -> bytes:
    """Return the bytes of a regular file.

    Raises:
        OSError: it cannot be read, is no regular file (or a link, unless those are followed), or is longer than `limit` bytes.
    """
    with open_regular(path, follow=follow) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise OSError(f"{path} is longer than the {limit} bytes that it may have")
    return data


def close_to_strangers(path: Path) -> None:
    """Make an empty file for this account and its group if there is none, and take others' rights from one that is ours.

    For files that a library opens with whatever the umask says: a database takes an empty file for a new one.

    Raises:
        OSError: it cannot be made.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):  # somebody else was quicker, and closed it
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640))
        return
    if os.name == "posix" and stat.S_ISREG(found.st_mode) and found.st_mode & 0o007:
        with contextlib.suppress(OSError):  # somebody else's is theirs to close
            path.chmod(stat.S_IMODE(found.st_mode) & ~0o007)


def make_folder(path: Path) -> None:
    """Make a folder and those above it where they are missing: closed to strangers, whatever the umask says.

    Raises:
        OSError: it cannot be made, or something else has its name.
    """
    try:
        path.mkdir(_FOLDER_MODE)
    except FileExistsError:
        if not path.is_dir():
            raise
    except FileNotFoundError:
        if path.parent == path:
            raise
        make_folder(path.parent)
        path.mkdir(_FOLDER_MODE, exist_ok=True)
