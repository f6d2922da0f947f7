"""What the running router showed last, and since when: the tail of its ledger.

Excluded: the window's figures (core/scan/scan.py), and what the lines say about a router (core/receipts/observation.py).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from core.ledger.entry import Entry, entries_in, read_line
from core.receipts.observation import Line, Tail
from core.scan.segments import LedgerFile, tail_of

_TAIL_BYTES = 256 << 10
"""Some 600 decisions: half a minute of a busy router, half a day of a quiet one."""
_DISORDER = timedelta(minutes=15)
"""How much older than a line before it a line may be."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KILLED_RUN = 30
"""So many decisions in a row for R4 are not chance: KILL forces it."""


@dataclass(frozen=True, slots=True)
class PilotSeen:
    """The pilot that the running router last showed: a share, and when, in microseconds since 1970."""

    pilot: float
    t_us: int


def newest_lines(path: Path) -> Tail:
    """Return the entries among the ledger's newest lines; what is no entry, or torn, is left out.

    Raises:
        LedgerUnreadable: the ledger is missing, no regular file, or cannot be read.
    """
    with LedgerFile(path) as ledger:
        start = max(0, ledger.size - _TAIL_BYTES)
        tail = ledger.bytes_at(start, _TAIL_BYTES)
    if start:
        tail = tail[tail.find(b"\n") + 1 :]
    return Tail(tuple(line for text in tail.split(b"\n") if (line := _read(text)) is not None), whole=not start)


def newest_pilot_in(tail: Tail) -> PilotSeen | None:
    """Return the pilot of the newest entry that names one, or None if none does."""
    seen = [PilotSeen(line.pilot, line.t_us) for line in tail.lines if line.pilot is not None]
    return max(seen, key=lambda one: (one.t_us, one.pilot), default=None)


def newest_pilot(path: Path) -> PilotSeen | None:
    """Return the pilot of the newest live entry in the ledger's tail, or None if none is there.

    Raises:
        LedgerUnreadable: the ledger is missing, no regular file, or cannot be read.
    """
    return newest_pilot_in(newest_lines(path))


@lru_cache(maxsize=4096)  # from look to look the tail moves by a few lines
def _read(line: bytes) -> Line | None:
    entry = read_line(line)
    if not isinstance(entry, Entry):
        return None
    return Line(entry.t_us, entry.live_route is not None, entry.live_pilot, entry.argmax)


def is_pilot_untold(path: Path, since: datetime) -> bool:
    """Return whether live decisions since a moment stand in the ledger's tail, and no live one there says the pilot.

    Raises:
        LedgerUnreadable: the ledger is missing, no regular file, or cannot be read.
    """
    live = [entry for entry in entries_in(tail_of(path, _TAIL_BYTES)) if entry.live_route is not None]
    return any(entry.t_us >= _micros(since) for entry in live) and all(entry.live_pilot is None for entry in live)


def served_since(path: Path, stage: int, now: datetime, reach: timedelta) -> datetime | None:
    """Return since when the ledger shows that a stage is served, and no other; None if it does not show it.

    At stage 0 a live decision contradicts it, and so does a row of decisions for R4 alone, as under KILL. Above, another pilot
    does; what was served before the newest contradiction does not count, whatever it was.

    Args:
        path: the ledger.
        stage: percent of live traffic.
        now: the newest moment that counts.
        reach: how far back to look.

    Raises:
        LedgerUnreadable: the ledger is missing, no regular file, or cannot be read.
    """
    with LedgerFile(path) as ledger:
        entries = sorted(_reaching_back(ledger, _micros(now - reach), _micros(now)), key=lambda entry: entry.t_us)
    shown = [entry for entry in entries if (entry.live_route is None if stage == 0 else _serves(entry, stage))]
    against = [entry.t_us for entry in entries if (entry.live_route is not None if stage == 0 else _serves_another(entry, stage))]
    if stage == 0:
        against.extend(_killed(entries))
    after = max(against, default=None)
    begun = next((entry.t_us for entry in shown if after is None or entry.t_us > after), None)
    return None if begun is None else _EPOCH + timedelta(microseconds=begun)


def _serves(entry: Entry, stage: int) -> bool:
    return entry.live_route is not None and entry.live_pilot is not None and abs(entry.live_pilot - stage / 100) < 1e-6


def _serves_another(entry: Entry, stage: int) -> bool:
    return entry.live_route is not None and entry.live_pilot is not None and not _serves(entry, stage)


def _killed(entries: Iterable[Entry]) -> Iterator[int]:
    """Yield the time of the last decision of each row that only KILL explains."""
    for is_r4, row in groupby(entries, key=lambda entry: entry.argmax == "R4"):
        killed = list(row)
        if is_r4 and len(killed) >= _KILLED_RUN:
            yield killed[-1].t_us


def _reaching_back(ledger: LedgerFile, start_us: int, end_us: int) -> Iterator[Entry]:
    """Yield the entries of a span, read from the ledger's end backwards."""
    for number in range(ledger.segments - 1, -1, -1):
        entries = list(entries_in(ledger.segment(number).lines))
        yield from (entry for entry in entries if start_us <= entry.t_us <= end_us)
        if entries and max(entry.t_us for entry in entries) < start_us - _DISORDER // timedelta(microseconds=1):
            return


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
