"""Durable files: written whole or not at all, read with a bound.

Excluded: what the files mean.
"""

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import IO


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
            Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


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
            Path(temporary).chmod(mode)
        os.link(temporary, path)  # unlike a rename it fails if the name is taken
    finally:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
    sync_directory(path.parent)


def _give(path: str, before: os.stat_result) -> None:
    """Give a file the owner and the group of the one that it replaces: its reader may be another account."""
    for owner, group in (-1, before.st_gid), (before.st_uid, -1):
        with contextlib.suppress(PermissionError):
            os.chown(path, owner, group)


def sync_directory(directory: Path) -> None:
    """Make renames and removals in `directory` durable; Windows has no such call and needs none."""
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_regular(path: Path, *, buffering: int = -1) -> IO[bytes]:
    """Open a regular file for reading, and nothing else: a FIFO that stands in its place must not hang the reader.

    `buffering` is that of `open`: 0 for none.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("it is not a regular file")
    return os.fdopen(descriptor, "rb", buffering)


def read_bounded(path: Path, limit: int) -> bytes:
    """Return the bytes of a regular file.

    Raises:
        OSError: it cannot be read, or is longer than `limit` bytes.
    """
    with open_regular(path) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise OSError(f"{path} is longer than the {limit} bytes that it may have")
    return data
