"""Who may read a file, and rewriting it so that they still may.

A file that is replaced by a rename belongs to whoever made the new one. Here the new one gets owner, group, permission bits,
access control list and extended attributes of the old one first; where it cannot, or the rename cannot be done (a file that is
mounted by itself, a folder that may not be written), the old one is written in place. Windows has none of these and renames.

Excluded: files that do not exist yet (core/system/files.py), and what the files mean.
"""

import contextlib
import errno
import os
import re
import stat
import struct
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from core.system.files import WrittenUnsynced, open_regular, replace_patiently, sync_directory
from core.system.logs import logger

if sys.platform != "win32":
    import pwd

log = logger(__name__)

_MAX_BYTES = 16 << 20
_ACL = "system.posix_acl_access"
_OF_THE_BYTES = frozenset({"security.ima", "security.evm"})
"""Attributes that sign what a file says: they cannot outlive it."""
_NO_RENAME = frozenset({errno.EACCES, errno.EPERM, errno.EBUSY, errno.EXDEV, errno.EROFS, errno.ENOTSUP})
"""Why a file cannot be replaced although it may well be written: rights, a mount, a folder that is read-only."""
_NOT_SUPPORTED = frozenset({errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 1, 2, 4, 8, 16, 32
"""Tags of entries in an access control list (`linux/posix_acl_xattr.h`)."""
_READ, _SEARCH = 4, 1


@dataclass(frozen=True, slots=True)
class Access:
    """What decides who may read a file.

    Attributes:
        owner: user id; 0 on Windows, as the group.
        mode: permission bits.
        attributes: extended attributes, the access control list among them.
    """

    owner: int
    group: int
    mode: int
    attributes: Mapping[str, bytes]

    @classmethod
    def of(cls, path: Path) -> Self:
        """Look at a file.

        Raises:
            OSError: it cannot be looked at.
        """
        found = path.stat()
        return cls(found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode), MappingProxyType(dict(_attributes(path))))

    def give_to(self, path: Path) -> None:
        """Make a file as accessible as this, as far as this account may."""
        if sys.platform == "win32":
            return
        # a user namespace refuses an owner that it does not know as an invalid argument, a network file system as it likes
        for owner, group in (-1, self.group), (self.owner, -1):  # the group first: whoever gave a file away may do no more
            with contextlib.suppress(OSError):
                os.chown(path, owner, group)
        with contextlib.suppress(OSError):
            path.chmod(self.mode)
        if sys.platform == "linux":
            inherited = dict(_attributes(path))  # from the folder's default list, or a security label
            with contextlib.suppress(OSError):
                for name in inherited.keys() - self.attributes.keys():
                    os.removexattr(path, name)
            for name, value in self.attributes.items():
                if inherited.get(name) != value:
                    with contextlib.suppress(OSError):
                        os.setxattr(path, name, value)

    def is_as_open_as(self, before: "Access") -> bool:
        """Whether whoever may have read a file before may read it with this access, told without knowing who is in a group."""
        if self == before:
            return True
        if self.attributes != before.attributes:
            return False
        if self.mode & stat.S_IROTH:
            return True
        owner_reads = before.owner in {self.owner, 0} or not before.mode & stat.S_IRUSR
        group_reads = not before.mode & stat.S_IRGRP or (self.group == before.group and bool(self.mode & stat.S_IRGRP))
        return owner_reads and group_reads and not before.mode & stat.S_IROTH

    def allows(self, user: int, groups: frozenset[int], wanted: int) -> bool:
        """Whether an account may do what is `wanted`, in bits of read 4 and search 1 (acl(5), "access check algorithm")."""
        if user == 0:
            return wanted == _READ or bool(self.mode & 0o111)
        if user == self.owner:
            return bool(self.mode >> 6 & wanted)
        entries = list(_entries(self.attributes.get(_ACL, b"")))
        mask = next((bits for tag, bits, _ in entries if tag == _MASK), 7)
        for tag, bits, whose in entries:
            if tag == _USER and whose == user:
                return bool(bits & mask & wanted)
        of_groups = [bits & mask for tag, bits, whose in entries if tag == _GROUP and whose in groups]
        if self.group in groups:
            own = next((bits & mask for tag, bits, _ in entries if tag == _GROUP_OBJ), self.mode >> 3)
            of_groups.append(own)
        if of_groups:
            return any(bits & wanted for bits in of_groups)
        return bool(self.mode & wanted)


def _attributes(path: Path) -> Iterator[tuple[str, bytes]]:
    if sys.platform != "linux":
        return
    try:
        names = os.listxattr(path)
    except OSError as error:
        if error.errno in _NOT_SUPPORTED:
            return
        raise
    for name in names:
        if name not in _OF_THE_BYTES:
            with contextlib.suppress(OSError):  # a name that may be seen and not read cannot be copied either
                yield name, os.getxattr(path, name)


def _entries(acl: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield tag, bits and user or group id of each entry of an access control list, as the kernel keeps them."""
    with contextlib.suppress(struct.error):
        yield from struct.iter_unpack("<HHI", acl[4:])


# --- rewriting --------------------------------------------------------------------------------------------------------


def rewrite(path: Path, data: bytes, *, whatever_fails: bool = False) -> None:
    """Give a file that exists other bytes, durably, so that whoever could read it still can.

    It is replaced by a rename, so that a crash leaves the old bytes or the new. Where that would lock a reader out or cannot be
    done it is written in place, synced and read back; then a crash of the machine in between may leave a mixture.

    Args:
        path: the file.
        data: what it says then.
        whatever_fails: try every way, whatever the error of the one before, and go on where nothing can be synced: what has to be
            there now is not left out because a crash of the machine might bring the old bytes back.

    Raises:
        FileNotFoundError: there is no such file; none was made.
        OSError: it cannot be written, or only so that somebody could no longer read it; it is as it was.
        WrittenUnsynced: the new bytes are in place, but a crash of the machine may bring the old ones back.
    """
    try:
        before, links = Access.of(path), path.stat().st_nlink
    except FileNotFoundError:
        raise
    except OSError as error:
        if not whatever_fails:
            raise
        log.warning("%s is written in place: who may read it cannot be told (%s)", path, error.strerror or error)
        _write_in_place(path, data, whatever_fails=True)  # whoever may read it stays as it is, whoever that is
        return
    refused: OSError | None = None
    with contextlib.ExitStack() as stack:
        fresh: _Fresh | None = None
        try:
            fresh = stack.enter_context(_beside(path, data, before, whatever_fails=whatever_fails))
            now = Access.of(fresh.path)
            if links == 1 and now == before:  # under its other names a file would keep the old bytes
                _put(fresh, path)
                return
        except OSError as error:
            if isinstance(error, WrittenUnsynced) or not (whatever_fails or error.errno in _NO_RENAME):
                raise
            refused = error
            log.warning("%s is written in place: a file beside it cannot be put there (%s)", path, error.strerror or error)
        try:
            _write_in_place(path, data, whatever_fails=whatever_fails)
        except WrittenUnsynced:
            raise
        except OSError as error:
            if fresh is None or refused is not None or links > 1 or not now.is_as_open_as(before):
                raise refused or error from error
            _put(fresh, path)  # another owner, and everybody who could read it still can


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A new file, and why it could not be synced; None if it was."""

    path: Path
    unsynced: OSError | None = None


@contextlib.contextmanager
def _beside(path: Path, data: bytes, access: Access, *, whatever_fails: bool = False) -> Iterator[_Fresh]:
    """Yield a new file in the same folder, synced and as accessible; it goes with the block unless it was renamed."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            unsynced = _sync(stream.fileno(), whatever_fails=whatever_fails)
        access.give_to(Path(name))
        yield _Fresh(Path(name), unsynced)
    finally:
        with contextlib.suppress(OSError):
            Path(name).unlink()


def _sync(descriptor: int, *, whatever_fails: bool) -> OSError | None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not whatever_fails:
            raise
        return error
    return None


def _put(fresh: _Fresh, path: Path) -> None:
    replace_patiently(fresh.path, path)
    unsynced = fresh.unsynced
    try:
        sync_directory(path.parent)
    except OSError as error:
        unsynced = unsynced or error
    if unsynced is not None:
        raise WrittenUnsynced(unsynced.errno, unsynced.strerror, str(path)) from unsynced


def _write_in_place(path: Path, data: bytes, *, whatever_fails: bool = False) -> None:
    with open_regular(path, writable=True, buffering=0) as stream:
        old = stream.read(_MAX_BYTES + 1)
        if len(old) > _MAX_BYTES:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
        try:
            unsynced = _fill(stream.fileno(), data, whatever_fails=whatever_fails)
        except OSError:
            with contextlib.suppress(OSError):  # what stood there had room
                _fill(stream.fileno(), old, whatever_fails=True)
            raise
        stream.seek(0)
        if stream.read(len(data) + 1) != data:
            raise OSError(errno.EIO, "it does not say what was just written to it", str(path))
    if unsynced is not None:
        raise WrittenUnsynced(unsynced.errno, unsynced.strerror, str(path)) from unsynced


def _fill(descriptor: int, data: bytes, *, whatever_fails: bool) -> OSError | None:
    os.lseek(descriptor, 0, os.SEEK_SET)
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
    os.ftruncate(descriptor, len(data))
    return _sync(descriptor, whatever_fails=whatever_fails)


# --- knowing beforehand -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Whether a file can be rewritten, tried on a file beside it.

    Attributes:
        problem: why it cannot, or not without locking a reader out; None if it can.
        in_place: why it would be written in place and not replaced; empty if it would be replaced.
    """

    problem: str | None
    in_place: str = ""


def rehearse(path: Path) -> Rehearsal:
    """Try on a file beside it whether a file can be rewritten; the file itself is opened, and not changed.

    Raises:
        OSError: it cannot be looked at.
    """
    before = Access.of(path)
    why = _not_replaceable(path, before)
    if not why:
        return Rehearsal(None)
    try:
        open_regular(path, writable=True).close()
    except OSError as error:
        return Rehearsal(f"{why}, and it cannot be written in place ({error.strerror or error})")
    return Rehearsal(None, why)


def _not_replaceable(path: Path, before: Access) -> str:
    if path.stat().st_nlink > 1:
        return "it has a second name (a hard link), which would keep the old settings"
    if _is_mounted(path):
        return "it is mounted by itself, so that it cannot be replaced"
    try:
        with _beside(path, b"# anr tries whether it can write here\n", before) as first, _beside(path, b"", before) as second:
            kept = Access.of(first.path)
            replace_patiently(first.path, second.path)
    except OSError as error:
        return f"its folder {path.parent} cannot be written ({error.strerror or error})"
    return "" if kept == before else f"a new file would not have its {_lost(before, kept)}"


def _lost(before: Access, kept: Access) -> str:
    parts = {
        "owner": before.owner != kept.owner,
        "group": before.group != kept.group,
        "permission bits": before.mode != kept.mode,
        "access control list or extended attributes": before.attributes != kept.attributes,
    }
    return ", ".join(name for name, lost in parts.items() if lost)


def _is_mounted(path: Path) -> bool:
    """Whether something is mounted on the file itself, as a container does with a single file (proc_pid_mountinfo(5))."""
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    real = os.path.realpath(path)
    points = (line.split(" ")[4] for line in lines if line.count(" ") > 4)
    return any(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point) == real for point in points)


def may_read(path: Path, account: str) -> bool | None:
    """Whether an account, by its name or number, may read a file: every folder above it and the file; None if nobody can tell."""
    if sys.platform == "win32":
        return None
    else:  # noqa: RET505 - only so do the types of each system leave the other's calls aside
        try:
            found = pwd.getpwuid(int(account)) if account.isdecimal() else pwd.getpwnam(account)
            user, groups = found.pw_uid, frozenset(os.getgrouplist(found.pw_name, found.pw_gid))
        except KeyError:
            if not account.isdecimal():
                return None
            user, groups = int(account), frozenset()  # a container's account that this machine has no name for
        real = Path(os.path.realpath(path))
        try:
            folders = [Access.of(folder).allows(user, groups, _SEARCH) for folder in real.parents]
            return all(folders) and Access.of(real).allows(user, groups, _READ)
        except OSError:
            return None


def owner_of(path: Path) -> str:
    """Return the name of the account that a file belongs to, or its number; empty if nobody can tell."""
    if sys.platform == "win32":
        return ""
    else:  # noqa: RET505 - as above
        try:
            owner = path.stat().st_uid
        except OSError:
            return ""
        try:
            return pwd.getpwuid(owner).pw_name
        except KeyError:
            return str(owner)
