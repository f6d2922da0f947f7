"""The state file of the simulated router, written in either of the two ways that real ones use.

Excluded: what the numbers mean; they have a bandit's shape.
"""

import contextlib
import os
import sys
import tempfile
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


def write_locked(path: Path, data: bytes) -> bool:
    """Replace the state in one step under the advisory lock on `<state>.lock`, unless somebody holds that.

    Returns:
        Whether it was written.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{path}.lock").open("a+b") as lock:
        if not _try_lock(lock.fileno()):
            return False
        try:
            replace(path, data)
        finally:
            _unlock(lock.fileno())
    return True


def dump_in_place(path: Path, data: bytes) -> None:
    """Open the file and write into it, with neither lock nor rename: who reads meanwhile sees a part of it.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb", buffering=0) as stream:
        for begin in range(0, len(data), 64):
            stream.write(data[begin : begin + 64])


def replace(path: Path, data: bytes) -> None:
    """Put a new file in the place of an old one in one step.

    Raises:
        OSError: it cannot be written; the old one stands.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


if sys.platform == "win32":

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
