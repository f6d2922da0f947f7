"""The router's own lock on the bandit's state, as a `flock` that is held for the length of a block.

The router writes its state atomically while it holds `flock` on `<state>.lock`; whoever copies or replaces the state has to
hold that lock. Its file is the router's: where the router made it 0666, or its state is, strangers can hold it, and a backup or a
restore gives up after a while. It is taken here with the plain call: a lock library may remove or mark the lock's file.

Excluded: the state (core/router/backups.py).
"""

import contextlib
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import StateFileError
from core.system.logs import logger

if sys.platform != "win32":
    import fcntl

log = logger(__name__)
LOCK_WAIT_SECONDS = 5.0
"""How long the router's lock is waited for; the router holds it for milliseconds."""
_POLL_SECONDS = 0.002
_NO_LOCK = -2
"""In place of a descriptor: the router has no lock, or none that could be made as the router would make it."""


@contextmanager
def router_lock(state_file: Path, *, wait_s: float = LOCK_WAIT_SECONDS, create: bool = True) -> Iterator[None]:
    """Hold the lock under which the router writes its state, for the length of the block.

    Args:
        state_file: the router's state.
        wait_s: how long the lock is waited for, in seconds.
        create: make the lock's file if there is none; whoever only looks does not, and then holds nothing, as no writer does.
            It is made only as the router would make it, with the owner and the mode of the state: the router opens it for
            appending.

    Raises:
        StateFileError: it is held for too long, or cannot be taken at all; nothing was read or changed.
    """
    path = Path(f"{state_file}.lock")
    ends = time.monotonic() + wait_s
    descriptor = -1
    try:
        while descriptor == -1:
            descriptor = _try_lock(path, state_file, create=create)
            if descriptor == -1:
                if time.monotonic() >= ends:
                    raise StateFileError(
                        f"The router's lock {path} was held for more than {wait_s:g} s. Nothing was read or changed; see "
                        "whether the router hangs (`lsof` names the holder), then try again.",
                    )
                time.sleep(_POLL_SECONDS)
    except OSError as error:
        raise StateFileError(
            f"The router's lock {path} cannot be taken ({error.strerror or error}). Nothing was read or changed; run anr as "
            "an account that may write there.",
        ) from error
    try:
        yield
    finally:
        if descriptor != _NO_LOCK:
            _let_go(descriptor)


def _try_lock(path: Path, state_file: Path, *, create: bool) -> int:
    """Return a descriptor that holds the lock, -1 if it is held by somebody else or its file was just replaced, or `_NO_LOCK`."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return -1 if create and _made_lock(path, state_file) else _NO_LOCK
    except PermissionError:
        descriptor = os.open(path, os.O_RDONLY)  # a lock needs no right to write
    try:
        if _takes(descriptor) and (sys.platform == "win32" or os.path.samestat(os.fstat(descriptor), path.stat())):
            return descriptor
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return -1


def _takes(descriptor: int) -> bool:
    """Take the lock, unless somebody else holds it: on Windows on the first byte, which is where the router takes it."""
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - there is none elsewhere

        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
    else:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _let_go(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - there is none elsewhere

        with contextlib.suppress(OSError):  # closing lets go as well, only at some later time
            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
    os.close(descriptor)


def _made_lock(path: Path, state_file: Path) -> bool:
    """Make the router's lock, at once with the owner, the group and the mode of its state; say whether there is one now.

    Where that cannot be, none is made: a lock that the router cannot open would stop its learning. A state is read whole
    without it, too.
    """
    try:
        like = state_file.stat() if state_file.exists() else path.parent.stat()
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            _give_as(descriptor, temporary, like)
            with contextlib.suppress(FileExistsError):  # the router was faster
                os.link(temporary, path)
        finally:
            os.close(descriptor)
            Path(temporary).unlink()
    except OSError as error:
        log.info("the router's lock %s is not there and was not made: %s", path, error)
        return False
    return True


def _give_as(descriptor: int, path: str, like: os.stat_result) -> None:
    if sys.platform == "win32":
        return
    mine = os.fstat(descriptor)
    if mine.st_uid != like.st_uid:
        os.fchown(descriptor, like.st_uid, -1)
    if mine.st_gid != like.st_gid:
        with contextlib.suppress(PermissionError):  # its owner can open it all the same
            os.fchown(descriptor, -1, like.st_gid)
    Path(path).chmod(stat.S_IMODE(like.st_mode) & 0o666 | 0o200)
