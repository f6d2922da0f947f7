"""The window of a ledger on disk -> metrics. Reads every byte of the file as it stood when it was opened.

Excluded: the meaning of a line (core/ledger.py).
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from core.errors import LedgerUnreadable
from core.files import open_regular
from core.ledger import MAX_LINE_BYTES, Entry, is_json_object, read_line
from core.metrics import LedgerSpan, Tally, Window, WindowMetrics

_BOM = b"\xef\xbb\xbf"
_LINES_PER_CHECK = 5_000
_TAIL_BYTES = 64 << 10


def scan(
    path: Path,
    *,
    now: datetime,
    minutes: int,
    fast_cap: float,
    on_entry: Callable[[Entry], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    chunk_bytes: int = 1 << 20,
) -> WindowMetrics:
    """Measure the window of `minutes` that ends at `now`.

    Args:
        path: the ledger; it may grow while it is read.
        now: the reference time.
        minutes: length of the window.
        fast_cap: highest probability of R3 while an anomaly is engaged.
        on_entry: is given each entry inside the window, in the order of the file.
        on_progress: is given bytes read and bytes in all every few thousand lines; may raise to stop the reading.
        chunk_bytes: how much is read at a time.

    Raises:
        LedgerUnreadable: the ledger is missing, no regular file, or cannot be read.
    """
    tally, digest, read = Tally(Window.ending(now, minutes), fast_cap), sha256(), 0
    try:
        with open_regular(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            for number, (line, whole) in enumerate(_lines(stream, size, chunk_bytes)):
                if not whole and not is_json_object(line.removeprefix(_BOM) if read == 0 else line):
                    break  # torn: the router is in the middle of writing it
                body = line.removeprefix(_BOM) if read == 0 else line
                digest.update(line)
                read += len(line)
                entry = read_line(body)
                if tally.add(entry) and on_entry is not None and isinstance(entry, Entry):
                    on_entry(entry)
                if on_progress is not None and number % _LINES_PER_CHECK == 0:
                    on_progress(read, size)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    return tally.result(LedgerSpan(read, digest.hexdigest()))


@dataclass(frozen=True, slots=True)
class PilotSeen:
    """The pilot that the running router last showed: a share, and when, in microseconds since 1970."""

    pilot: float
    t_us: int


def newest_pilot(path: Path) -> PilotSeen | None:
    """Return the pilot of the newest live entry in the ledger's tail, or None if none is there.

    Raises:
        LedgerUnreadable: the ledger is missing, no regular file, or cannot be read.
    """
    try:
        with open_regular(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            stream.seek(max(0, size - _TAIL_BYTES))
            tail = stream.read(_TAIL_BYTES)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    entries = [entry for line in tail.split(b"\n") if isinstance(entry := read_line(line), Entry)]
    seen = [(entry.t_us, entry.live_pilot) for entry in entries if entry.live_pilot is not None]
    if not seen:
        return None
    t_us, pilot = max(seen)
    return PilotSeen(pilot, t_us)


def _lines(stream: BinaryIO, size: int, chunk_bytes: int) -> Iterator[tuple[bytes, bool]]:
    """Yield lines with their ends and whether they have one; of an overlong line the pieces count as one malformed line."""
    left, rest, overlong = size, b"", False
    while left > 0:
        chunk = stream.read(min(chunk_bytes, left))
        if not chunk:
            break  # truncated while it was read
        left -= len(chunk)
        pieces = (rest + chunk).split(b"\n")
        rest = pieces.pop()
        for piece in pieces:
            yield (piece if not overlong else b"\x00" * (MAX_LINE_BYTES + 1)) + b"\n", True
            overlong = False
        if len(rest) > MAX_LINE_BYTES:
            rest, overlong = b"", True
    if overlong:
        return
    if rest:
        yield rest, False


def _unreadable(path: Path, reason: str) -> LedgerUnreadable:
    return LedgerUnreadable(
        f"The ledger {path} cannot be read ({reason}). Nothing was measured; "
        "check `ledger` in the settings, and that the router runs.",
    )
