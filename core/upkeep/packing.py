"""What was the ledger, compressed: only what nobody writes to any more, and the plain file goes last of all.

The packed file is written beside the plain one, synced, decompressed and held against what was read, and has its name before
the plain one is removed. Between the two both are there, and the family reads each line once (core/scan/family.py). Killed at any
moment, the next archive does it again.

Who writes where cannot be proven everywhere. Three things have to be so: nobody has written to it for as long as is wanted;
somebody has written to a later file since, so that the router has let go; and on Linux no process that this account can look
into has it open for writing.

Excluded: giving it its name (core/upkeep/rotation.py), and which files, and when (core/upkeep/archive.py).
"""

import contextlib
import gzip
import os
import shutil
import sys
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import IO, cast

from core.errors import ArchiveError
from core.receipts.evidence import LedgerArchive
from core.system.files import open_regular, replace_patiently, sync_directory
from core.system.progress import OnProgress
from core.upkeep.archive_names import PACKED

_CHUNK_BYTES = 1 << 20
_PROCESSES = Path("/proc")


@dataclass(frozen=True, slots=True)
class Packed:
    """A plain file and what it was packed into.

    Attributes:
        plain: the file that was packed.
        found: what it was while it was read.
        archive: what it was packed into.
    """

    plain: Path
    found: os.stat_result
    archive: LedgerArchive

    def remove_plain(self) -> bool:
        """Remove the plain file, unless somebody wrote to it since or has it open; return whether it is gone.

        Raises:
            ArchiveError: it cannot be removed.
        """
        try:
            if _facts(self.plain.lstat()) != _facts(self.found) or is_open_for_writing(self.plain):
                return False
            self.plain.unlink()
            sync_directory(self.plain.parent)
        except OSError as error:
            raise _failed(self.plain, error) from error
        return True


def is_let_go(plain: Path, later: Iterable[Path], now: datetime, quiet: timedelta) -> bool:
    """Whether nobody writes any more to what was the ledger.

    Args:
        plain: what was the ledger.
        later: what was the ledger after it, and what is.
        now: the present.
        quiet: how long nobody has to have written to it.
    """
    try:
        found = plain.lstat()
        is_quiet = found.st_mtime <= (now - quiet).timestamp()
        went_on = any(own.st_size > 0 and own.st_mtime_ns > found.st_mtime_ns for own in map(os.stat, later))
    except OSError:
        return False
    return is_quiet and went_on and not is_open_for_writing(plain)


def is_open_for_writing(path: Path) -> bool:
    """Whether a process that this account can look into has a file open for writing; Linux alone can tell."""
    try:
        wanted = path.stat()
        processes = [entry for entry in os.scandir(_PROCESSES) if entry.name.isdigit()]
    except OSError:
        return False
    return any(_has_open(Path(process.path), wanted) for process in processes)


def _has_open(process: Path, wanted: os.stat_result) -> bool:
    reading_or_writing = os.O_RDONLY | os.O_WRONLY | os.O_RDWR
    with contextlib.suppress(OSError), os.scandir(process / "fd") as descriptors:
        for descriptor in descriptors:
            with contextlib.suppress(OSError, ValueError, IndexError):
                if os.path.samestat(descriptor.stat(), wanted):
                    told = (process / "fdinfo" / descriptor.name).read_text(encoding="ascii", errors="replace")
                    if int(told.partition("flags:")[2].split()[0], 8) & reading_or_writing != os.O_RDONLY:
                        return True
    return False


def pack(plain: Path, watch: OnProgress | None = None) -> Packed:
    """Compress what was the ledger into a file beside it; the plain one stays.

    Raises:
        ArchiveError: it cannot be read or written, or something else has the name; the plain file is as it was.
    """
    target = plain.with_name(plain.name + PACKED)
    half = target.with_name(f".{target.name}.tmp")
    try:
        half.unlink(missing_ok=True)
        with open(half, "xb", opener=_for_us_alone) as raw:
            compressed = cast("IO[bytes]", gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0))
            with compressed:
                found, archive = _read(plain, compressed, watch)
            raw.flush()
            os.fsync(raw.fileno())
        _ensure_whole(half, archive)
        _ensure_ours(target, plain)
        _dress(half, found, plain)
        replace_patiently(half, target)
        sync_directory(target.parent)
    except OSError as error:
        raise _failed(plain, error) from error
    finally:
        with contextlib.suppress(OSError):
            half.unlink(missing_ok=True)
    return Packed(plain, found, archive)


def described(plain: Path, watch: OnProgress | None = None) -> LedgerArchive:
    """Say what packing a file would leave; nothing is written.

    Raises:
        ArchiveError: it cannot be read.
    """
    try:
        return _read(plain, None, watch)[1]
    except OSError as error:
        raise _failed(plain, error) from error


def _read(plain: Path, into: IO[bytes] | None, watch: OnProgress | None) -> tuple[os.stat_result, LedgerArchive]:
    size, lines, last, digest = 0, 0, b"", sha256()
    with open_regular(plain, follow=False) as stream:
        found = os.fstat(stream.fileno())
        while chunk := stream.read(_CHUNK_BYTES):
            size, lines, last = size + len(chunk), lines + chunk.count(b"\n"), chunk[-1:]
            digest.update(chunk)
            if into is not None:
                into.write(chunk)
            if watch is not None:
                watch(min(size, found.st_size), found.st_size)
    lines += last not in (b"", b"\n")
    return found, LedgerArchive(name=plain.name + PACKED, lines=lines, size=size, digest=digest.hexdigest())


def _ensure_whole(half: Path, archive: LedgerArchive) -> None:
    if _unpacked(half) != (archive.size, archive.digest):
        raise OSError(f"{half.name} does not decompress to what was written")


def _ensure_ours(target: Path, plain: Path) -> None:
    """Refuse to replace anything but what a packing that died left: the beginning of the plain file, packed."""
    try:
        size, digest = _unpacked(target)
    except FileNotFoundError:
        return
    with open_regular(plain, follow=False) as stream:
        begins, left = sha256(), size
        while left > 0 and (chunk := stream.read(min(_CHUNK_BYTES, left))):
            begins.update(chunk)
            left -= len(chunk)
    if left or begins.hexdigest() != digest:
        raise FileExistsError(f"there is a {target.name} already that is something else; move it away")


def _dress(half: Path, found: os.stat_result, plain: Path) -> None:
    """Give the packed file the times and rights of the plain one, and its owner as far as this account may."""
    if sys.platform != "win32":
        for owner, group in (-1, found.st_gid), (found.st_uid, -1):
            with contextlib.suppress(PermissionError):
                os.chown(half, owner, group)
    shutil.copystat(plain, half)
    os.utime(half, ns=(found.st_atime_ns, found.st_mtime_ns))


def _unpacked(path: Path) -> tuple[int, str]:
    """Return length and digest of what a file decompresses to; (-1, "") if it is damaged."""
    size, digest = 0, sha256()
    try:
        with open_regular(path, follow=False) as raw, gzip.open(raw, "rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                size += len(chunk)
                digest.update(chunk)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return -1, ""
    return size, digest.hexdigest()


def _facts(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _for_us_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _failed(plain: Path, error: OSError) -> ArchiveError:
    return ArchiveError(
        f"{plain} was the ledger and could not be compressed ({error.strerror or error}). It is as it was and is read as part of "
        "the ledger; free the disk or repair the permissions, then try again.",
    )
