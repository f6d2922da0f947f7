"""What the running router showed last, and since when: the tail of its ledger.

Excluded: the window's figures (core/scan/scan.py), and what the lines say about a router (core/receipts/observation.py).
"""

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from core.errors import LedgerUnreadable
from core.ledger.entry import Entry, entries_in, read_line
from core.receipts.observation import Line, Tail
from core.scan.family import PACKED, LedgerFamily, siblings_of
from core.scan.segments import LedgerFile, tail_of
from core.settings.target import LedgerOptions

_TAIL_BYTES = 256 << 10
"""Some 600 decisions: half a minute of a busy router, half a day of a quiet one."""
_DISORDER = timedelta(minutes=15)
"""How much older than a line before it a line may be."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KILLED_RUN = 30
"""So many decisions in a row for R4 are not chance: KILL forces it."""


@dataclass(frozen=True, slots=True)
class PilotSeen:
    """The pilot that the running router last showed: a share, and when, in microseconds since 1970.

    Attributes:
        pilot: the share of live traffic, 0 to 1.
        t_us: when the entry that shows it was written, in microseconds since 1970.
    """

    pilot: float
    t_us: int


def newest_lines(path: Path, options: LedgerOptions | None = None) -> Tail:
    """Return the entries among the ledger's newest lines; what is no entry, or torn, is left out.

    Just after a rotation the newest lines are those of two files: what the router did a moment before is in the newest sibling.
    One that was packed at once is not unpacked for this: it is looked every second.

    Raises:
        LedgerUnreadable: the ledger is missing, no regular file, or cannot be read.
    """
    tail, whole = _tail(path, options or LedgerOptions())
    return Tail(tuple(line for text in tail.split(b"\n") if (line := _read(text)) is not None), whole=whole)


def _tail(path: Path, options: LedgerOptions) -> tuple[bytes, bool]:
    """Return the ledger's last whole lines, and whether they are all that there is.

    The newest sibling's stand before those of a file that is too young to fill a look.
    """
    tail, start = tail_of(path, _TAIL_BYTES)
    if start:
        return tail[tail.find(b"\n") + 1 :], False
    siblings = siblings_of(path, options.other_ledgers) if options.rotated else ()
    plain = sorted(filter(None, map(_written, siblings)))
    if not plain:
        return tail, not siblings
    try:
        with LedgerFile(plain[-1][1]) as sibling:
            is_copy = bool(tail) and sibling.bytes_at(0, len(tail)) == tail  # copy and truncate, not truncated yet
            start = max(0, sibling.size - (_TAIL_BYTES - len(tail)))
            older = sibling.bytes_at(start, _TAIL_BYTES)
    except LedgerUnreadable:
        return tail, False
    if is_copy:
        return tail, False
    if start:
        older = older[older.find(b"\n") + 1 :]
    closed = b"" if older.endswith(b"\n") or not older else b"\n"
    return older + closed + tail, not start and len(siblings) == 1


def _written(sibling: Path) -> tuple[int, Path] | None:
    """Return when a sibling was written last, if it can be read as it is."""
    try:
        found = sibling.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, sibling) if stat.S_ISREG(found.st_mode) and sibling.suffix not in PACKED else None


def newest_pilot_in(tail: Tail) -> PilotSeen | None:
    """Return the pilot of the newest entry that names one, or None if none does."""
    seen = [PilotSeen(line.pilot, line.t_us) for line in tail.lines if line.pilot is not None]
    return max(seen, key=lambda pilot: (pilot.t_us, pilot.pilot), default=None)


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


def is_pilot_untold(path: Path, since: datetime, options: LedgerOptions | None = None) -> bool:
    """Return whether live decisions since a moment stand in the ledger's tail, and no live one there says the pilot.

    Raises:
        LedgerUnreadable: the ledger is missing, no regular file, or cannot be read.
    """
    tail, _ = _tail(path, options or LedgerOptions())
    live = [entry for entry in entries_in(tail) if entry.live_route is not None]
    return any(entry.t_us >= _micros(since) for entry in live) and all(entry.live_pilot is None for entry in live)


def served_since(
    path: Path, stage: int, now: datetime, reach: timedelta, options: LedgerOptions | None = None
) -> datetime | None:
    """Return since when the ledger, with its siblings, shows that a stage is served, and no other; None if it does not.

    At stage 0 a live decision contradicts it, and so does a row of decisions for R4 alone, as under KILL. Above, another pilot
    does; what was served before the newest contradiction does not count, whatever it was.

    Args:
        path: the ledger.
        stage: percent of live traffic.
        now: the newest moment that counts.
        reach: how far back to look.
        options: whose siblings are the ledger's own.

    Raises:
        LedgerUnreadable: the ledger is missing, no regular file, or cannot be read.
    """
    options, since = options or LedgerOptions(), _micros(now - reach)
    with LedgerFamily(path, since, others=options.other_ledgers, rotated=options.rotated) as ledger:
        entries = sorted(_reaching_back(ledger, since, _micros(now)), key=lambda entry: entry.t_us)
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
