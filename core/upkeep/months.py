"""A ledger's lines, sorted: whole past months into compressed archives, the rest into a file that may take the ledger's place.

What has no time follows the line before it. Everything that is written is read back, the archives by decompressing them, before
anybody relies on it; the same lines are never archived twice. Nothing here changes the ledger.

Excluded: letting that file take the ledger's place (core/upkeep/cut.py).
"""

import contextlib
import gzip
import itertools
import os
import shutil
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from core.errors import ArchiveError
from core.ledger.entry import BOM, MAX_LINE_BYTES, Entry, microseconds_of, read_line
from core.receipts.evidence import LedgerArchive
from core.router.backup_names import MAX_COLLISIONS
from core.system.files import open_regular, sync_directory
from core.system.progress import OnProgress
from core.upkeep.archive_names import Month, archive_name, archived_month

BLANK_LINE = b" " * ((64 << 10) - 1) + b"\n"
MIN_ROOM_BYTES, MAX_ROOM_BYTES = 16 * len(BLANK_LINE), 1024 * len(BLANK_LINE)
"""Room for late lines at the end of the new file, in blank lines, which readers ignore."""
_CATCHING_UP = 4
"""How often the new file is brought up to what the router wrote meanwhile; each time takes a fraction of the time before."""
_LINES_PER_LOOK = 20_000
_HEAD_LINES = 10_000
_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Sorted:
    """The lines of a ledger, sorted into months that go and a rest that stays.

    Attributes:
        archives: one for each month that goes, in order.
        copied: how many bytes of the ledger were sorted, up to the end of its last whole line.
        stays: how many of them stay.
        room: how many bytes of room for late lines follow them.
    """

    archives: tuple[LedgerArchive, ...]
    copied: int
    stays: int
    room: int


@dataclass(slots=True)
class _Heap:
    """One month's lines while they are counted."""

    stream: IO[bytes] | None
    lines: int = 0
    size: int = 0
    digest: Any = field(default_factory=sha256)

    def take(self, line: bytes, *, begins: bool) -> None:
        self.lines += begins
        self.size += len(line)
        self.digest.update(line)
        if self.stream is not None:
            self.stream.write(line)


class _Dated(msgspec.Struct):
    t: str


_decode = msgspec.json.Decoder(_Dated).decode


class Archives:
    """The archives of one ledger in one directory."""

    def __init__(self, ledger: Path, directory: Path) -> None:
        self._ledger = ledger
        self._directory = directory

    def names(self) -> tuple[str, ...]:
        """Return the names of the archives.

        Raises:
            ArchiveError: the directory cannot be read.
        """
        try:
            return tuple(sorted(path.name for path in self._directory.iterdir() if archived_month(path.name) is not None))
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise ArchiveError(f"The archives in {self._directory} cannot be listed ({error.strerror or error}).") from error

    def delete(self, names: tuple[str, ...]) -> None:
        """Delete archives that are too old.

        Raises:
            ArchiveError: one cannot be deleted.
        """
        try:
            for name in names:
                (self._directory / name).unlink(missing_ok=True)
            if names:
                sync_directory(self._directory)
        except OSError as error:
            raise ArchiveError(f"Old archives in {self._directory} cannot be deleted ({error.strerror or error}).") from error

    def count(self, until: datetime, watch: OnProgress | None = None) -> Sorted:
        """Count the lines of the months that end at `until` or earlier; nothing is written, so nothing gets room.

        Raises:
            ArchiveError: the ledger cannot be read.
        """
        try:
            heaps, copied, rest = self._sorted(until, None, watch)
        except OSError as error:
            raise self._unwritable(error) from error
        return Sorted(tuple(_described(month, heap) for month, heap in sorted(heaps.items())), copied, rest.size, 0)

    def begins_before(self, until: datetime) -> bool:
        """Whether the ledger's beginning has lines of months that end at `until` or earlier; its lines are nearly in order.

        Raises:
            ArchiveError: the ledger cannot be read.
        """
        limit = int(until.timestamp()) * 1_000_000
        try:
            with open_regular(self._ledger) as stream:
                head = (stream.readline(MAX_LINE_BYTES) for _ in range(_HEAD_LINES))
                times = (_time_of(line.removeprefix(BOM)) for line in itertools.takewhile(bool, head))
                return any(t_us is not None and t_us < limit for t_us in times)
        except OSError as error:
            raise self._unwritable(error) from error

    def write(self, until: datetime, fresh: Path, *, late_seconds: float, watch: OnProgress | None = None) -> Sorted:
        """Write the months that end at `until` or earlier as archives, and what stays to `fresh`; read all of it back.

        Args:
            until: the beginning of the first month that stays.
            fresh: where the new file is written; nothing may be there.
            late_seconds: how long the router may go on writing to the old file, for which the new one gets room.
            watch: told how much was read.

        Raises:
            ArchiveError: something cannot be read or written; half-written files are gone.
        """
        written: dict[Month, Path] = {}
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            for left_over in self._directory.glob(".anr_ledger_*.tmp"):
                left_over.unlink()
            with contextlib.ExitStack() as files:

                def open_month(month: Month) -> IO[bytes]:
                    written[month] = self._directory / f".anr_ledger_{month}.tmp"
                    raw = files.enter_context(written[month].open("wb"))
                    compressed = gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0)
                    files.enter_context(contextlib.closing(compressed))
                    return cast("IO[bytes]", compressed)

                begun = time.monotonic()
                heaps, copied, rest = self._sorted(until, _Target(fresh, open_month), watch)
            kept = tuple(self._keep(month, _described(month, heap), written[month]) for month, heap in sorted(heaps.items()))
            sync_directory(self._directory)
            _read_back(fresh, rest)
            return self._caught_up(Sorted(kept, copied, rest.size, 0), fresh, late_seconds, begun)
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            for path in written.values():
                with contextlib.suppress(OSError):
                    path.unlink()

    def _caught_up(self, found: Sorted, fresh: Path, late_seconds: float, begun: float) -> Sorted:
        """Add to the new file what the router has written since, then the room; give it the ledger's owner and rights."""
        copied, stays = found.copied, found.stays
        with open_regular(self._ledger) as ledger, fresh.open("ab") as stream:
            for _ in range(_CATCHING_UP):
                end = _end_of_last_line(ledger)
                ledger.seek(copied)
                while copied < end and (chunk := ledger.read(min(1 << 20, end - copied))):
                    stream.write(chunk)
                    copied, stays = copied + len(chunk), stays + len(chunk)
                stream.flush()
                os.fsync(stream.fileno())
            rate = (copied - found.copied) / max(time.monotonic() - begun, 0.1)
            room = min(max(rate * late_seconds, MIN_ROOM_BYTES), MAX_ROOM_BYTES)
            blank_lines = int(room) // len(BLANK_LINE)
            stream.write(BLANK_LINE * blank_lines)
            stream.flush()
            os.fsync(stream.fileno())
            before = os.fstat(ledger.fileno())
        if os.name == "posix" and (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(fresh, before.st_uid, before.st_gid)
        shutil.copystat(self._ledger, fresh)
        return Sorted(found.archives, copied, stays, blank_lines * len(BLANK_LINE))

    def _sorted(
        self, until: datetime, target: "_Target | None", watch: OnProgress | None
    ) -> tuple[dict[Month, _Heap], int, _Heap]:
        """Read every whole line; give those of past months to their heaps, and write the others to the new file."""
        heaps: dict[Month, _Heap] = {}
        months: dict[int, Month] = {}
        limit = int(until.timestamp()) * 1_000_000
        with open_regular(self._ledger) as stream, contextlib.ExitStack() as files:
            copied = _end_of_last_line(stream)
            rest = _Heap(files.enter_context(target.fresh.open("xb")) if target else None)
            read, heap, begins = 0, rest, True
            while read < copied:
                line = stream.readline(min(MAX_LINE_BYTES, copied - read))
                # the rest of a line that is too long follows its beginning, a line without a time the one before it
                t_us = _time_of(line.removeprefix(BOM) if read == 0 else line) if begins else None
                if t_us is not None and t_us >= limit:
                    heap = rest
                elif t_us is not None:
                    month = months.get(t_us // _DAY_US) or months.setdefault(t_us // _DAY_US, _month(t_us))
                    heap = heaps.get(month) or heaps.setdefault(month, _Heap(target.open_month(month) if target else None))
                heap.take(line, begins=begins)
                begins = line.endswith(b"\n")
                read = read + len(line) if line else copied + 1
                if watch is not None and heap.lines % _LINES_PER_LOOK == 0:
                    watch(read, copied)
            if read != copied:
                raise OSError("it became shorter while it was read")
            if rest.stream is not None:
                rest.stream.flush()
                os.fsync(rest.stream.fileno())
        return heaps, copied, rest

    def _keep(self, month: Month, archive: LedgerArchive, written: Path) -> LedgerArchive:
        """Check a month's file by decompressing it, and give it its name; the same lines are never archived twice."""
        _sync(written)
        if _decompressed(written) != (archive.size, archive.digest):
            raise OSError(f"the archive of {month} does not decompress to what was written")
        for attempt in range(1, MAX_COLLISIONS + 1):
            path = self._directory / archive_name(month, attempt)
            if not path.exists():
                os.link(written, path)
            elif _decompressed(written, _decompressed(path)[0]) == _decompressed(path):
                written.replace(path)  # left by an archive that died before the ledger was cut: the same lines, or fewer
            else:
                continue
            return archive.model_copy(update={"name": path.name})
        raise OSError(f"there are {MAX_COLLISIONS:,} archives of {month} already")

    def _unwritable(self, error: OSError) -> ArchiveError:
        return ArchiveError(
            f"The ledger {self._ledger} cannot be read, or its archives in {self._directory} not be written "
            f"({error.strerror or error}). The ledger is as it was; free the disk or repair the permissions, then try again.",
        )


@dataclass(frozen=True, slots=True)
class _Target:
    """Where sorted lines are written."""

    fresh: Path
    open_month: Callable[[Month], IO[bytes]]


def _read_back(fresh: Path, rest: _Heap) -> None:
    digest, left = sha256(), rest.size
    with open_regular(fresh) as stream:
        while chunk := stream.read(min(1 << 20, left)):
            digest.update(chunk)
            left -= len(chunk)
    if left or digest.digest() != rest.digest.digest():
        raise OSError("the new file does not read back as it was written")


def _month(t_us: int) -> Month:
    at = datetime.fromtimestamp(t_us // 1_000_000, UTC)
    return Month(at.year, at.month)


def _time_of(line: bytes) -> int | None:
    """Return the time of a line, in microseconds since 1970; None if it has none."""
    try:
        return microseconds_of(_decode(line).t)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        entry = read_line(line)
        return entry.t_us if isinstance(entry, Entry) else None


def _described(month: Month, heap: _Heap) -> LedgerArchive:
    return LedgerArchive(name=archive_name(month), lines=heap.lines, size=heap.size, digest=heap.digest.hexdigest())


def _end_of_last_line(stream: IO[bytes]) -> int:
    end = os.fstat(stream.fileno()).st_size
    while end > 0:
        start = max(0, end - (64 << 10))
        stream.seek(start)
        found = stream.read(end - start).rfind(b"\n")
        if found != -1:
            end = start + found + 1
            break
        end = start
    stream.seek(0)
    return end


def _decompressed(path: Path, limit: int | None = None) -> tuple[int, str]:
    """Return length and digest of what an archive decompresses to, or of its first `limit` bytes; (-1, "") if it is damaged."""
    size, digest = 0, sha256()
    try:
        with gzip.open(path, "rb") as stream:
            while limit is None or size < limit:
                chunk = stream.read(1 << 20 if limit is None else min(1 << 20, limit - size))
                if not chunk:
                    break
                size += len(chunk)
                digest.update(chunk)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return -1, ""
    return size, digest.hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
