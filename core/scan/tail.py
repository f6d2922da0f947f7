"""What the running router showed last: the tail of its ledger.

Excluded: the window's figures (core/scan/scan.py).
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from core.ledger.entry import Entry, read_line
from core.scan.segments import LedgerFile

_TAIL_BYTES = 64 << 10


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
    with LedgerFile(path) as ledger:
        tail = ledger.bytes_at(max(0, ledger.size - _TAIL_BYTES), _TAIL_BYTES)
    seen = [found for line in tail.split(b"\n") if (found := _pilot_in(line)) is not None]
    return max(seen, key=lambda one: (one.t_us, one.pilot), default=None)


@lru_cache(maxsize=512)  # from look to look the tail moves by a few lines
def _pilot_in(line: bytes) -> PilotSeen | None:
    entry = read_line(line)
    if not isinstance(entry, Entry) or entry.live_pilot is None:
        return None
    return PilotSeen(entry.live_pilot, entry.t_us)
