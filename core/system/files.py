"""Durable files: written whole or not at all, read with a bound.

Excluded: what the files mean.
"""

import contextlib
import errno
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from core.system.logs import logger

log = logger(__name__)

PATIENCE_SECONDS = 2.0
"""How long a file that somebody has open is waited for, on Windows: a brake's settings file, too."""
_POLL_SECONDS = 0.005
_OPEN_FILES_STAY: bool = sys.platform == "win32"
"""Whether this system refuses to replace and rename a file that somebody has open."""
_FOLDER_MODE, _FILE_MODE = 0o750, 0o640
_ROOT = 0
_left_to_others: set[Path] = set()
"""What this process does not make."""


class WrittenUnsynced(OSError):
    """A file was replaced, but its directory could not be synced."""


def write_durably(path: Path, data: bytes, *, mode: int = 0o600, shared: bool = False) -> None:
    """Replace `path` by `data` so that a crash at any moment leaves the old bytes or the new, never a mixture.

    The bytes are synced before the rename and the directory after it: a rename without the first can leave a file of
    NUL bytes, without the second an old name (ext4's documentation of delayed allocation). An existing file keeps its
    permission bits, and its owner and group as far as this account may give them; a new one gets `mode`.

    Args:
        path: the file.
        data: what it says then.
        mode: permission bits of a new one.
        shared: it is for every account that its folder is for, whoever writes it: `fit_to_folder` says its rights.

    Raises:
        OSError: the directory or the file cannot be written; the old file is intact.
        WrittenUnsynced: the new bytes are in place, but a crash of the machine may bring the old ones back.
    """
    _replace(path, data, mode, sync=True, shared=shared)
    try:
        sync_directory(path.parent)
    except OSError as error:
        raise WrittenUnsynced(error.errno, error.strerror, str(path)) from error


def replace_unsynced(path: Path, data: bytes) -> None:
    """Replace `path`, which is shared, by `data` at once for every process; after a crash of the machine it may hold anything.

    Raises:
        OSError: the directory or the file cannot be written; the old file is intact.
    """
    _replace(path, data, 0o600, sync=False, shared=True)


def create_together(paths: Sequence[Path], data: bytes) -> None:
    """Make one shared file that goes by several new names in one folder, whole for every process at once, and sync it as all.

    One sync of the file and one of the folder serve all names; and the names come first, so that a file system which keeps a
    journal (ext4, XFS) writes both with the first sync. A crash of the machine before this returns may leave the names with any
    bytes: for files of which a reader takes what it cannot understand for the worst.

    Raises:
        FileExistsError: one of the names is taken.
        OSError: the file cannot be written, or the file system knows no hard links; none of the names is left.
        WrittenUnsynced: the file is in place, but a crash of the machine may take it.
    """
    folder = paths[0].parent
    descriptor, temporary = _temporary(paths[0])
    named: list[Path] = []
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            fit_to_folder(Path(temporary))
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


def _temporary(path: Path) -> tuple[int, str]:

    import tempfile  # noqa: PLC0415 - slow to import, and who only reads needs none of it

    return tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)


def _replace(path: Path, data: bytes, mode: int, *, sync: bool, shared: bool) -> None:
    before = None
    with contextlib.suppress(FileNotFoundError):
        before = path.stat()
        mode = before.st_mode & 0o777
    descriptor, temporary = _temporary(path)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            if sync:
                os.fsync(stream.fileno())
        if shared:
            fit_to_folder(Path(temporary))
        elif os.name == "posix":
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


def create_durably(path: Path, data: bytes, *, mode: int = 0o600, shared: bool = False) -> None:
    """Write a file that does not exist yet, whole or not at all; no existing file is ever replaced.

    Args:
        path: the file.
        data: what it says.
        mode: its permission bits.
        shared: as for `write_durably`.

    Raises:
        FileExistsError: there is something of that name.
        OSError: the file cannot be written, or the file system knows no hard links; there is no such file.
    """
    descriptor, temporary = _temporary(path)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if shared:
            fit_to_folder(Path(temporary))
        elif os.name == "posix":
            _permit(temporary, mode)
        os.link(temporary, path)  # unlike a rename it fails if the name is taken
    finally:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
    sync_directory(path.parent)


def fit_to_folder(path: Path) -> None:
    """Make a new file, or folder, as accessible as the folder that it lies in: whoever made it, and whatever the umask says.

    Its group is the folder's, and may write it where it may write the folder; strangers may nothing. What root makes gets the
    folder's owner, too: a brake by root leaves nothing that only root can read. What is refused is said, and stops nobody.
    """
    if sys.platform == "win32":
        return
    try:
        found, folder = path.stat(), path.parent.stat()
        owner = folder.st_uid if os.geteuid() == _ROOT else found.st_uid
        if (owner, folder.st_gid) != (found.st_uid, found.st_gid):
            _hand_to(path, owner, folder.st_gid)
            found = path.stat()
        is_folder = stat.S_ISDIR(found.st_mode)
        mode = _FOLDER_MODE if is_folder else _FILE_MODE
        if found.st_gid == folder.st_gid and folder.st_mode & (stat.S_IWGRP | stat.S_ISGID):
            mode |= folder.st_mode & stat.S_IWGRP | (stat.S_ISGID if is_folder else 0)  # also what a library makes in it
        if stat.S_IMODE(found.st_mode) != mode:
            path.chmod(mode)
    except OSError as error:
        log.warning("the rights of %s cannot be set (%s); it can be read by this account alone", path, error.strerror)


def _hand_to(path: Path, owner: int, group: int) -> None:
    if sys.platform == "win32":
        return
    try:
        os.chown(path, owner, group)
    except OSError as error:
        if os.geteuid() == _ROOT:  # anybody else is often in another group than the folder
            log.error("%s stays root's (%s): `chown %d %s`", path, error.strerror, owner, path)  # noqa: TRY400 - foreseen


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


@contextlib.contextmanager
def left_to_others(*paths: Path) -> Iterator[None]:
    """Make none of these files and folders while the block lasts, where there are none: another account is to own them."""
    before = frozenset(_left_to_others)
    _left_to_others.update(path.absolute() for path in paths)
    try:
        yield
    finally:
        _left_to_others.clear()
        _left_to_others.update(before)


def _refuse_what_is_left(path: Path) -> None:
    if path.absolute() in _left_to_others:
        raise PermissionError(errno.EACCES, "only the account that runs anr makes it", str(path))


def close_to_strangers(path: Path) -> None:
    """Make an empty file for this account and its group if there is none, and take others' rights from one that is ours.

    For files that a library opens with whatever the umask says: a database takes an empty file for a new one.

    Raises:
        OSError: it cannot be made.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        _refuse_what_is_left(path)
        with contextlib.suppress(FileExistsError):  # somebody else was quicker, and closed it
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            fit_to_folder(path)
        return
    if os.name == "posix" and stat.S_ISREG(found.st_mode) and found.st_mode & 0o007:
        with contextlib.suppress(OSError):  # somebody else's is theirs to close
            path.chmod(stat.S_IMODE(found.st_mode) & ~0o007)


def make_folder(path: Path) -> None:
    """Make a folder and those above it where they are missing: for whom the one above is, and closed to strangers.

    Raises:
        OSError: it cannot be made, or something else has its name.
    """
    if not path.exists():
        _refuse_what_is_left(path)
    try:
        _make_one(path)
    except FileExistsError:
        if not path.is_dir():
            raise
    except FileNotFoundError:
        if path.parent == path:
            raise
        make_folder(path.parent)
        with contextlib.suppress(FileExistsError):
            _make_one(path)


def _make_one(path: Path) -> None:
    path.mkdir(0o700)
    fit_to_folder(path)
