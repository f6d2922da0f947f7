"""What the running router showed last: the tail of its ledger.

Excluded: the window's figures (core/ledger_scan.py).
"""

from dataclasses import dataclass
from pathlib import Path

from core.ledger import Entry, read_line
from core.segments import LedgerFile

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
    entries = [entry for line in tail.split(b"\n") if isinstance(entry := read_line(line), Entry)]
    seen = [(entry.t_us, entry.live_pilot) for entry in entries if entry.live_pilot is not None]
    if not seen:
        return None
    t_us, pilot = max(seen)
    return PilotSeen(pilot, t_us)
