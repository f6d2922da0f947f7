"""A ledger on disk in segments of 2 MiB: the lines that begin in each, and the digest of its bytes.

Where a segment's lines begin and end depends on the ledger's bytes alone, so that processes can share the reading, an index can
keep what was read, and every way to read gives the same. A segment is whole once the LF of its last line is there; from then
on an appended ledger never changes it.

Excluded: what the lines mean (core/ledger/decode.py).
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from core.errors import LedgerUnreadable
from core.ledger.entry import BOM, MAX_LINE_BYTES, is_json_object
from core.system.files import open_regular

SEGMENT_BYTES = 2 << 20
_OVERLONG = b"\x00" * (MAX_LINE_BYTES + 1)
_STEP_BYTES = 1 << 16
_AHEAD_BYTES = 4 << 10
"""How much is read beyond a segment, where its last line most often ends."""

Tick = Callable[[], None]
"""Called now and then while reading; may raise to stop it."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The lines that begin in one segment.

    Attributes:
        lines: whole lines; at the ledger's end the last may lack its LF. A line that is too long is replaced by a malformed one.
        end: where its last line ends, which is where the segment ends if no line begins in it.
        whole: whether appending to the ledger can no longer change it.
        sha256: digest of its bytes on disk, up to `end` if the ledger ends in it.
        beyond: digest of the first bytes that its last line has in the segments after it.
    """

    number: int
    lines: bytes
    end: int
    whole: bool
    sha256: bytes
    beyond: bytes


class LedgerFile:
    """A ledger that is open for reading, at the size that it had when it was opened. Not for several threads at once.

    Attributes:
        alone: whether another process that opens `path` finds the same bytes.
    """

    alone = True

    def __init__(self, path: Path, *, size: int | None = None, segment_bytes: int | None = None) -> None:
        """Open the ledger; `size` takes fewer bytes than there are.

        Raises:
            LedgerUnreadable: it is missing, no regular file, or cannot be opened.
        """
        self.path = path
        try:
            self._stream = open_regular(path, buffering=0)
        except OSError as error:
            raise unreadable(path, error) from error
        status = os.fstat(self._stream.fileno())
        self.size = status.st_size if size is None else min(size, status.st_size)
        self.segment_bytes = segment_bytes or SEGMENT_BYTES
        self.segments = -(-self.size // self.segment_bytes)
        self.identity = f"{status.st_dev}:{status.st_ino}:{self.segment_bytes}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stream.close()

    def bytes_at(self, start: int, count: int) -> bytes:
        """Return up to `count` bytes, fewer at the end.

        Raises:
            LedgerUnreadable: reading failed.
        """
        count = max(0, min(count, self.size - start))
        parts, left = [], count
        try:
            self._stream.seek(start)
            while left and (part := self._stream.read(left)):
                parts.append(part)
                left -= len(part)
        except OSError as error:
            raise unreadable(self.path, error) from error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def digests_of(self, number: int, end: int) -> tuple[bytes, bytes]:
        """Return `sha256` and `beyond` of a whole segment whose last line ends at `end`."""
        stop = (number + 1) * self.segment_bytes
        own, beyond = self.bytes_at(stop - self.segment_bytes, self.segment_bytes), min(max(0, end - stop), _AHEAD_BYTES)
        return sha256(own).digest(), sha256(self.bytes_at(stop, beyond)).digest()

    def first_lines(self, number: int, count: int) -> bytes:
        """Return the whole lines among the first bytes of a segment, without the end of a line that began before it."""
        start = number * self.segment_bytes
        data = self.bytes_at(max(0, start - 1), min(count, self.segment_bytes))
        begin = data.find(b"\n") + 1 if start else len(BOM) * data.startswith(BOM)
        return data[begin : data.rfind(b"\n") + 1] if begin or not start else b""

    def segment(self, number: int, watch: Tick = lambda: None) -> Segment:
        """Read one segment.

        Raises:
            LedgerUnreadable: reading failed.
        """
        start, stop = number * self.segment_bytes, min((number + 1) * self.segment_bytes, self.size)
        before = 1 if start else 0  # a line begins after a LF, which may be the last byte of the segment before
        data = self.bytes_at(start - before, self.segment_bytes + before + _AHEAD_BYTES)
        limit = min(len(data), before + stop - start)  # where the segment ends in the data
        full = limit - before == self.segment_bytes
        begin = data.find(b"\n", 0, limit) + 1 if start else len(BOM) * data.startswith(BOM)
        if (start and not begin) or begin >= limit:
            return Segment(number, b"", stop, full, _digest(data, before, limit), _digest(b"", 0, 0))
        close = data.find(b"\n", limit - 1) + 1
        if close:
            lines, end, closed = data[begin:close], start - before + close, True
        else:
            rest, end, closed = self._rest_of_line(start - before + len(data), watch)
            lines = data[begin:] + rest
        last = lines.rfind(b"\n", 0, -1) + 1
        if not closed and (len(lines) - last > MAX_LINE_BYTES or not is_json_object(lines[last:])):
            # torn: the router is in the middle of writing it
            lines, end = lines[:last], start - before + begin + last
        elif len(lines) - last > MAX_LINE_BYTES + 1:
            lines = lines[:last] + _OVERLONG + b"\n"
        upto = min(limit, before + end - start)
        beyond = _digest(data, limit, min(before + end - start, limit + _AHEAD_BYTES))
        return Segment(number, lines, end, full and closed, _digest(data, before, upto), beyond)

    def _rest_of_line(self, start: int, watch: Tick) -> tuple[bytes, int, bool]:
        """Return the bytes from `start` to the next LF, where they end, and whether there is one; no more than can matter."""
        parts, kept, at = [], 0, start
        while part := self.bytes_at(at, _STEP_BYTES):
            watch()
            line_end = part.find(b"\n")
            piece = part if line_end < 0 else part[: line_end + 1]
            at += len(piece)
            if kept <= MAX_LINE_BYTES + 1:
                parts.append(piece)
                kept += len(piece)
            if line_end >= 0:
                return b"".join(parts), at, True
        return b"".join(parts), at, False


def _digest(data: bytes, start: int, end: int) -> bytes:
    return sha256(memoryview(data)[start : max(start, end)]).digest()


def tail_of(path: Path, count: int) -> tuple[bytes, int]:
    """Return a ledger's last bytes, at most `count`, and where they begin.

    Raises:
        LedgerUnreadable: it is missing, no regular file, or cannot be read.
    """
    with LedgerFile(path) as ledger:
        start = max(0, ledger.size - count)
        return ledger.bytes_at(start, count), start


def unreadable(path: Path, error: OSError) -> LedgerUnreadable:
    """Return the error that says that nothing was measured."""
    return LedgerUnreadable(
        f"The ledger {path} cannot be read ({error.strerror or error}). Nothing was measured; "
        "check `ledger` in the settings, and that the router runs.",
    )
