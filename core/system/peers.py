"""Unix sockets in a folder: making one for the folder's group, reaching it, and who is at its other end, as the kernel says.

Excluded: what the socket is for (core/cli/client.py, bot/terminal), and what the accounts may do (core/settings/account.py).
"""

import contextlib
import os
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_LONGEST = 100
"""Bytes of a path that every kernel takes: `sun_path` has 108 on Linux (unix(7)), 104 on macOS and the BSDs."""
_MODE = 0o660
_SO_PEERGROUPS = 59
"""The groups of whoever connected (`asm-generic/socket.h`, since Linux 4.13)."""
_MOST_BYTES = 1024
"""The most that `getsockopt` returns in Python: 256 groups."""
_SOL_LOCAL, _LOCAL_PEERCRED, _LOCAL_PEERPID = 0, 1, 2
"""Of macOS's `sys/un.h`."""
_XUCRED = struct.Struct("=IIh2x16I")
"""`struct xucred` of macOS's `sys/ucred.h`: version, user, how many groups, groups; the first one is the account's own."""
_LINUX = struct.Struct("=iII")
"""`struct ucred` of unix(7)."""


class Peer(NamedTuple):
    """A process at the other end of a socket, as it was when it connected, or began to listen.

    Attributes:
        pid: its number; 0 if the kernel does not say.
        uid: its account's number; for a process of another user namespace the number outside of that.
        groups: the numbers of the groups that it is in.
    """

    pid: int
    uid: int
    groups: frozenset[int]


def peer_of(connection: socket.socket) -> Peer | None:
    """Return who is at the other end of a Unix socket; None where the kernel does not say.

    Raises:
        OSError: the kernel refused to say.
    """
    if sys.platform == "darwin":
        return _of_macos(connection)
    if sys.platform == "linux":
        pid, uid, gid = _LINUX.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _LINUX.size))
        return Peer(pid, uid, frozenset((gid, *_further_groups(connection))))
    elif sys.platform == "darwin":  # noqa: RET505 - mypy reads the platform's branches
        return _of_macos(connection)
    else:
        return None


def _further_groups(connection: socket.socket) -> Iterator[int]:
    try:
        told = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_BYTES)
    except OSError:  # an old kernel, or more groups than that
        return
    for (group,) in struct.iter_unpack("=I", told):
        yield group


def _of_macos(connection: socket.socket) -> Peer | None:
    version, uid, count, *groups = _XUCRED.unpack(connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size))
    if version != 0:
        return None
    try:
        pid = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID)
    except OSError:
        pid = 0
    return Peer(pid, uid, frozenset(groups[: max(0, count)]))


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """Yield the address of a socket while the block lasts: its path, or a shorter one if the kernel takes none so long.

    Raises:
        OSError: its folder cannot be opened, or the path is too long and there is no shorter one.
    """
    if len(os.fsencode(path)) <= _LONGEST:
        yield str(path)
        return
    if sys.platform != "linux":
        raise OSError(f"the path {path} is longer than the {_LONGEST} bytes that a socket may have")
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def listening_at(path: Path) -> tuple[socket.socket, tuple[int, int]]:
    """Return a socket that listens at a path, and what `removed` knows it by.

    It is for its folder's owner and group, and is there with these rights at once or not at all. One that is there is replaced:
    whoever calls this knows that nobody listens there any more.

    Raises:
        OSError: it cannot be made.
    """
    if sys.platform == "win32":
        raise OSError("Windows tells nobody who is at the other end of such a socket")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.unlink(missing_ok=True)
        with reachable(fresh) as address:
            listener.bind(address)
        try:
            folder = path.parent.stat()
            with contextlib.suppress(OSError):  # a group that this account is not in
                os.chown(fresh, folder.st_uid if os.geteuid() == 0 else -1, folder.st_gid)
            fresh.chmod(_MODE)
            listener.listen()
            fresh.replace(path)
            found = path.lstat()
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)  # noqa: FBT003 - the standard library's
    return listener, (found.st_dev, found.st_ino)


def removed(path: Path, made: tuple[int, int]) -> None:
    """Remove a socket that this process made, unless another stands in its place by now.

    Args:
        path: where it is.
        made: what `listening_at` returned.

    Raises:
        OSError: it cannot be removed.
    """
    found = path.lstat()
    if (found.st_dev, found.st_ino) == made:
        path.unlink()
