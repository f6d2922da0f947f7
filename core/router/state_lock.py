"""The router's own lock on the bandit's state, as a `flock` that is held for the length of a block.

The router writes its state atomically while it holds `flock` on `<state>.lock`; whoever copies or replaces the state has to
hold that lock. It is taken here with the plain call: a lock library may remove or mark the lock's file, which is the router's.

Excluded: the state (core/router/backups.py).
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import StateFileError

if sys.platform != "win32":
    import fcntl

LOCK_WAIT_SECONDS = 5.0
"""How long the router's lock is waited for; the router holds it for milliseconds."""
_POLL_SECONDS = 0.02


@contextmanager
def router_lock(state_file: Path, *, wait_s: float = LOCK_WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock under which the router writes its state, for the length of the block.

    Raises:
        StateFileError: it is held for too long, or cannot be taken at all; nothing was read or changed.
    """
    path = Path(f"{state_file}.lock")
    if sys.platform == "win32":
        raise StateFileError(
            f"The router's lock {path} is a `flock`, which Windows does not have, and without it a copy could be torn. "
            "Nothing was read or changed; run backup and restore where the router runs, on Linux or macOS.",
        )
    ends = time.monotonic() + wait_s
    descriptor = -1
    try:
        while descriptor == -1:
            descriptor = _try_lock(path)
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
        os.close(descriptor)  # which lets go of the lock


def _try_lock(path: Path) -> int:
    """Return a descriptor that holds the lock, or -1 if it is held by somebody else, or its file was just replaced."""
    if sys.platform == "win32":
        raise AssertionError("router_lock refuses Windows")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # a lock needs no right to write
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return -1
