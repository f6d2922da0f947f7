"""A ledger with its rotated siblings, open as one: what operators' scripts left beside it, each line once.

The ledger `run/anr_ledger.ndjson` has as siblings what is called `run/anr_ledger*.ndjson`, also with a number or a date behind it
(as logrotate names them), also compressed with gzip, bzip2, xz or as a zip. They are put one after the other in the order of
time, so that everything behind this file reads one ledger: the same report as if nobody had rotated.

- A file whose content is the beginning of another one's is a copy (copy and truncate, a compression under way) and left out.
- What was renamed, truncated or replaced meanwhile shows in `is_settled`; whoever reads then reads again.
- What was written last before the window began is not opened, unless file times and ledger times are of different clocks.
- What is no regular file is no ledger. What is one and cannot be read as one is an error: never fewer decisions.

Excluded: segments (core/scan/segments.py), what lines mean, and which part of it a window needs (core/ledger/seek.py).
"""

import bz2
import gzip
import lzma
import os
import re
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

from core.errors import LedgerUnreadable
from core.ledger.entry import BOM, MAX_LINE_BYTES, is_json_object
from core.scan.segments import LedgerFile, unreadable
from core.system.files import open_regular

MAX_UNPACKED_BYTES = 16 << 30
"""A sibling that is larger unpacked is refused: operators rotate at 100 MB or by the month."""
_SAMPLE_BYTES = 64 << 10
_HEAD_BYTES = 4096
_CHUNK_BYTES = 1 << 20
_IN_MEMORY_BYTES = 64 << 20
_ENOUGH_LINES = 3
"""Fewer may be what a crash or a rotation left of a ledger; more without a single JSON object are something else."""
_OLDER_US = 3_600_000_000
_OPENERS: dict[str, Callable[[IO[bytes]], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
PACKED = (*_OPENERS, ".zip")
_SET_ASIDE = r"\.backup"
"""How logrotate, with `create`, calls a ledger that the router made itself meanwhile: `ledger.ndjson-2026112813.backup`."""
_DAMAGE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError, NotImplementedError)

Read = Callable[[int, int], bytes]
"""Up to so many bytes from a place."""


class LedgerMoved(LedgerUnreadable):
    """The ledger or a sibling was rotated between two looks; the next one finds it where it is then."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file beside the ledger: what tells it from one that takes its name, and when it was written last."""

    path: Path
    device: int
    inode: int
    size: int
    changed_ns: int

    @property
    def is_packed(self) -> bool:
        return self.path.suffix in PACKED

    def is_same(self, later: "_Seen") -> bool:
        """Whether this is the same file, which may have grown if it is not packed."""
        if (self.path, self.device, self.inode) != (later.path, later.device, later.inode):
            return False
        return self == later if self.is_packed else self.size <= later.size


@dataclass(slots=True)
class _Piece:
    """The part of the whole that one file has: `size` bytes from `start`, and then `end`.

    Attributes:
        error: why a packed file could not be unpacked to its end.
        order: when its lines were written, as a time in microseconds.
    """

    path: Path
    read: Read
    size: int
    key: str
    order: int = 0
    start: int = 0
    end: bytes = b""
    error: Exception | None = None

    @property
    def length(self) -> int:
        return self.size - self.start + len(self.end)

    def bytes_at(self, at: int, count: int) -> bytes:
        """Return the bytes of its part from `at` on."""
        inside = max(0, min(count, self.size - self.start - at))
        data = self.read(self.start + at, inside) if inside else b""
        return data + self.end if self.end and at + count > self.size - self.start else data


def siblings_of(path: Path, others: Sequence[Path] = ()) -> tuple[Path, ...]:
    """Return what rotation may have left beside a ledger, by its name, without the ledger itself.

    Where the ledger is a link, that is also what stands beside the file behind it and is called after that.

    Args:
        path: the ledger.
        others: ledgers of other routers; neither they nor what is called after them belong to this one.
    """
    real = Path(os.path.realpath(path))
    beside = _beside(path, others)
    return (
        beside
        if real.name == path.name and real.parent == path.parent
        else tuple(dict.fromkeys((*beside, *_beside(real, others))))
    )


def _beside(path: Path, others: Sequence[Path]) -> tuple[Path, ...]:
    foreign = [_named_after(other) for other in others if other.parent == path.parent and len(other.stem) > len(path.stem)]
    taken, own = {path.name, *(other.name for other in others)}, _named_after(path)
    try:
        with os.scandir(path.parent) as entries:
            names = sorted(entry.name for entry in entries if own.fullmatch(entry.name) and entry.name not in taken)
    except OSError:
        return ()
    return tuple(path.with_name(name) for name in names if not any(pattern.fullmatch(name) for pattern in foreign))


def _named_after(path: Path) -> re.Pattern[str]:
    stem, suffix = re.escape(path.stem), re.escape(path.suffix)
    packed = "|".join(map(re.escape, PACKED))
    return re.compile(rf"{stem}.*{suffix}(?:[.-]\d[\d._-]*)?(?:{_SET_ASIDE})?(?:{packed})?", re.DOTALL)


class LedgerFamily(LedgerFile):
    """A ledger and its rotated siblings as one file, of the sizes that they had when they were opened.

    Attributes:
        alone: whether it is the ledger's own file and nothing else.
    """

    def __init__(self, path: Path, start_us: int, *, others: Sequence[Path] = (), rotated: bool = True) -> None:
        """Open what a window can reach into that begins at `start_us`, in microseconds since 1970.

        Raises:
            LedgerUnreadable: the ledger is missing, no regular file, no ledger, or cannot be read; or a sibling is or does.
            LedgerMoved: it was rotated just now.
        """
        self.path, self._others, self._rotated = path, tuple(others), rotated
        with ExitStack() as opened:
            self._own = opened.enter_context(LedgerFile(path))
            own = _Piece(path, self._own.bytes_at, self._own.size, self._own.identity)
            _ensure_ledger(own)
            self._seen, now = self._look(), _status(path)
            if now is None or f"{now.st_dev}:{now.st_ino}" != self._own.identity.rpartition(":")[0]:
                raise LedgerMoved(f"The ledger {path} was rotated just now. Nothing was measured; ask again in a moment.")
            wanted = [seen for seen in self._seen if not _is_older(seen, now, start_us)]
            siblings = [_opened(seen, opened) for seen in wanted]
            kept = _without_copies([*siblings, own])
            for piece in kept:
                if piece.error is not None:
                    raise _damaged(piece.path, piece.error) from piece.error
                if piece is not own:
                    _ensure_ledger(piece)
            self._pieces = _joined(kept)
            self._head = own.read(0, _HEAD_BYTES)
            self._opened = opened.pop_all()
        self.segment_bytes = self._own.segment_bytes
        self.alone = all(piece is own for piece in self._pieces)
        self.size = self._own.size if self.alone else sum(piece.length for piece in self._pieces)
        self.segments = -(-self.size // self.segment_bytes)
        self.identity = self._pieces[0].key if self._pieces else self._own.identity

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def bytes_at(self, start: int, count: int) -> bytes:
        """Return up to `count` bytes, fewer at the end.

        Raises:
            LedgerUnreadable: reading failed.
        """
        if self.alone:
            return self._own.bytes_at(start, count)
        parts, count = [], max(0, min(count, self.size - start))
        for piece in self._pieces:
            if start < piece.length and count:
                parts.append(piece.bytes_at(start, min(count, piece.length - start)))
                count -= min(count, piece.length - start)
                start = 0
            else:
                start -= min(start, piece.length)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def is_settled(self) -> bool:
        """Whether everything still is where it was when it was opened, so that no line was missed and none read twice."""
        now, head = _status(self.path), self._own.bytes_at(0, len(self._head))
        if now is None or f"{now.st_dev}:{now.st_ino}" != self._own.identity.rpartition(":")[0]:
            return False
        later = self._look()
        same = len(later) == len(self._seen) and all(map(_Seen.is_same, self._seen, later))
        return same and now.st_size >= self._own.size and head == self._head

    def _look(self) -> tuple[_Seen, ...]:
        """Return the regular files that are called as siblings are, each file once, whatever names link to it."""
        own = _status(self.path)
        known = {(own.st_dev, own.st_ino)} if own else set()
        found = []
        for path in siblings_of(self.path, self._others) if self._rotated else ():
            status = _status(path)
            if status is None or not stat.S_ISREG(status.st_mode) or (status.st_dev, status.st_ino) in known:
                continue
            if status.st_ino:  # some file systems have no numbers
                known.add((status.st_dev, status.st_ino))
            found.append(_Seen(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))
        return tuple(found)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _is_older(seen: _Seen, own: os.stat_result, start_us: int) -> bool:
    """Whether a file was written last so long before the window that none of its lines can stand in it.

    Only where the ledger's own file was written since: otherwise the files' times are not those of its lines.
    """
    return own.st_mtime_ns // 1000 >= start_us and seen.changed_ns // 1000 < start_us - _OLDER_US


def _opened(seen: _Seen, opened: ExitStack) -> _Piece:
    try:
        piece = _packed(seen, opened) if seen.is_packed else _plain(seen, opened)
    except LedgerUnreadable as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise _moved(seen.path) from error
        raise
    piece.order = _written_at(piece, seen)
    return piece


def _plain(seen: _Seen, opened: ExitStack) -> _Piece:
    plain = opened.enter_context(LedgerFile(seen.path))
    if plain.identity.rpartition(":")[0] != f"{seen.device}:{seen.inode}":
        raise _moved(seen.path)
    return _Piece(seen.path, plain.bytes_at, plain.size, plain.identity)


def _packed(seen: _Seen, opened: ExitStack) -> _Piece:
    try:
        packed = opened.enter_context(open_regular(seen.path))
    except OSError as error:
        raise unreadable(seen.path, error) from error
    unpacked = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - it stays open as long as the family
    opened.callback(unpacked.close)
    problem: Exception | None = None
    try:
        for data in _unpacked(packed, seen.path.suffix):
            unpacked.write(data)
            if unpacked.tell() > MAX_UNPACKED_BYTES:
                problem = OSError(f"it has more than {MAX_UNPACKED_BYTES:,} bytes unpacked")
                break
    except _DAMAGE as error:
        problem = error
    size = unpacked.tell()

    def read(start: int, count: int) -> bytes:
        unpacked.seek(start)
        return unpacked.read(max(0, min(count, size - start)))

    return _Piece(seen.path, read, size, f"{seen.device}:{seen.inode}:packed", error=problem)


def _unpacked(packed: IO[bytes], suffix: str) -> Iterator[bytes]:
    """Yield what is in a packed file; a zip may hold several, which are taken in the order of their names."""
    if suffix in _OPENERS:
        with _OPENERS[suffix](packed) as stream:
            yield from iter(lambda: stream.read(_CHUNK_BYTES), b"")
        return
    with zipfile.ZipFile(packed) as archive:
        for name in sorted(archive.namelist()):
            with archive.open(name) as stream:
                yield from iter(lambda: stream.read(_CHUNK_BYTES), b"")


def _moved(path: Path) -> LedgerMoved:
    return LedgerMoved(f"{path} was rotated just now. Nothing was measured; ask again in a moment.")


def _damaged(path: Path, error: Exception) -> LedgerUnreadable:
    text = f"{path} belongs to the ledger and cannot be read to its end ({error}). Nothing was measured; "
    return LedgerUnreadable(text + "restore it, or move it away.")


def _written_at(piece: _Piece, seen: _Seen) -> int:
    """Say when its lines were written: halfway between its first lines and its last, or when the file was, if none tells."""
    from core.ledger.decode import decode  # noqa: PLC0415 - numpy is slow to import, and who looks at the newest lines needs none
    from core.system.arrays import np  # noqa: PLC0415 - as above

    is_all = piece.size <= _SAMPLE_BYTES
    head, tail = piece.read(0, _SAMPLE_BYTES), piece.read(max(0, piece.size - _SAMPLE_BYTES), _SAMPLE_BYTES)
    first = head.removeprefix(BOM) if is_all else head.removeprefix(BOM)[: head.rfind(b"\n") + 1]
    last = first if is_all else tail[tail.find(b"\n") + 1 :]
    known = [int(np.median(times)) for data in (first, last) if len(times := decode(data).t_us)]
    return sum(known) // len(known) if known else seen.changed_ns // 1000


def _ensure_ledger(piece: _Piece) -> None:
    """Refuse a file of several lines of which none, at its beginning and at its end, is a JSON object.

    Raises:
        LedgerUnreadable: it is something else than a ledger.
    """
    lines = 0
    for at in (0, max(0, piece.size - _SAMPLE_BYTES)):
        data = piece.read(at, _SAMPLE_BYTES)
        for line in data.removeprefix(BOM).split(b"\n")[:-1]:
            if line.strip():
                if is_json_object(line):
                    return
                lines += 1
    if lines >= _ENOUGH_LINES:
        text = f"{piece.path} is no ledger: none of its first and last lines is a JSON object. Nothing was measured; "
        raise LedgerUnreadable(text + "see what wrote it, and in which encoding, or move it away.")


def _without_copies(pieces: list[_Piece]) -> list[_Piece]:
    """Leave out each piece that is the beginning of another one, or the same: the ledger's own, which is the last, stays."""
    kept = list(pieces)
    for piece in pieces[:-1]:
        if (piece.size or piece.error is None) and any(other is not piece and _begins(other, piece) for other in kept):
            kept.remove(piece)
        elif piece.error is not None and piece.path.with_suffix("") in {other.path for other in kept}:
            kept.remove(piece)  # it is being packed: what it is packed from is there
    return kept


def _begins(whole: _Piece, piece: _Piece) -> bool:
    if piece.size > whole.size:
        return False
    head = min(_HEAD_BYTES, piece.size)
    if whole.read(0, head) != piece.read(0, head):
        return False
    return all(
        whole.read(at, count) == piece.read(at, count)
        for at in range(0, piece.size, _CHUNK_BYTES)
        for count in (min(_CHUNK_BYTES, piece.size - at),)
    )


def _joined(pieces: list[_Piece]) -> list[_Piece]:
    """Put pieces in the order of time, the ledger's own last, so that each line is whole where one file follows the other."""
    *siblings, own = pieces
    ordered = [piece for piece in (*sorted(siblings, key=lambda piece: piece.order), own) if piece.size]
    for piece, after in pairwise(ordered):
        if after.read(0, len(BOM)) == BOM:
            after.start = len(BOM)
        if piece.read(piece.size - 1, 1) == b"\n":
            continue
        at = max(0, piece.size - MAX_LINE_BYTES - 1)
        tail = piece.read(at, piece.size - at)
        rest = tail[tail.rfind(b"\n") + 1 :]
        following = after.read(after.start, MAX_LINE_BYTES).partition(b"\n")[0]
        if is_json_object(rest + following):
            continue  # it was cut in the middle of a line
        if is_json_object(rest):
            piece.end = b"\n"
        else:  # torn: a router that has not let go of it is in the middle of writing it
            piece.size -= len(rest)
    return [piece for piece in ordered if piece.length]
