"""Who has a file open: Linux grants a lease only on a file that no process has open in a way that conflicts with it.

A read lease is granted while nobody has the file open for writing, a write lease while nobody else has it open at all (fcntl(2),
F_SETLEASE). While one is held, whoever wants to open the file in such a way has to wait, and is seen; after
/proc/sys/fs/lease-break-time (45 s) the kernel takes the lease away, so nothing here holds one for longer than moments.

Excluded: other systems, which know no leases, and network file systems, which cannot grant them.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl

POLL_SECONDS = 0.005


def leases_work(probe: Path) -> bool:
    """Whether the file system grants a lease exactly while nobody writes; tried with a file `probe`, which is gone afterwards.

    Raises:
        OSError: no file can be made there, or leases are not known.
    """
    if sys.platform != "linux":
        return False
    try:
        with probe.open("wb"):
            seen_open = not without_writer(probe)
        return seen_open and without_writer(probe)
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()


@contextmanager
def lease_without_writers(path: Path) -> Iterator[Callable[[], bool]]:
    """Hold a read lease: nobody has the file open for writing. Yields what tells whether somebody now wants to open it so.

    Raises:
        BlockingIOError: somebody has it open for writing.
        OSError: it cannot be leased: another's file, or a file system without leases.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # whoever wants to open it is announced by a signal, SIGIO, which would end this process; SIGURG does nothing
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        yield lambda: fcntl.fcntl(descriptor, fcntl.F_GETLEASE) != fcntl.F_RDLCK
    finally:
        os.close(descriptor)  # which gives the lease back


@contextmanager
def lease_alone(path: Path) -> Iterator[int]:
    """Hold a write lease: nobody else has the file open at all. Yields a descriptor that can write.

    Raises:
        BlockingIOError: somebody has it open.
        OSError: it cannot be leased.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        yield descriptor
    finally:
        os.close(descriptor)


def without_writer(path: Path) -> bool:
    """Whether nobody has a file open for writing at this moment."""
    try:
        with lease_without_writers(path):
            return True
    except BlockingIOError:
        return False


def becomes(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is so; return whether it became so in time."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= ends:
            return False
        time.sleep(POLL_SECONDS)
    return True
