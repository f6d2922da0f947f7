"""The window of a ledger on disk -> metrics. Reads from where the window can begin, and of that only what no index has.

With and without an index, alone or with other processes, the figures are the same: which segments are read depends on the
ledger's bytes and the window alone. Excluded: the meaning of a line (core/ledger/entry.py).
"""

import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, nullcontext
from functools import cache
from hashlib import sha256
from pathlib import Path

from core.errors import LedgerUnreadable
from core.ledger.columns import Columns
from core.ledger.decode import decode
from core.ledger.entry import Entry, read_line
from core.ledger.figures import LedgerSpan, WindowMetrics
from core.ledger.seek import Place, seek
from core.ledger.totals import Totals
from core.ledger.window import MINUTE_US, Window
from core.scan.family import LedgerFamily, LedgerMoved, siblings_of
from core.scan.index import IndexPlace, IndexView, LedgerIndex
from core.scan.segments import LedgerFile
from core.scan.workers import Decoded, all_decoded
from core.settings.target import LedgerOptions
from core.system.arrays import np
from core.system.progress import OnProgress

_PROBE_BYTES = 16 << 10
_KEPT_AT_ONCE = 16
"""Segments between two commits of the index: what a kill at the worst moment makes the next report read again."""


def scan(
    path: Path,
    window: Window,
    fast_cap: float,
    *,
    options: LedgerOptions | None = None,
    index: IndexPlace | None = None,
    on_entry: Callable[[Entry], None] | None = None,
    on_progress: OnProgress | None = None,
) -> WindowMetrics:
    """Measure a window.

    Args:
        path: the ledger, with its rotated siblings beside it (core/scan/family.py); it may grow while it is read, and is taken
            at the size that it had at first. If it is rotated meanwhile it is read again.
        window: the span of time.
        fast_cap: highest probability of R3 while an anomaly is engaged.
        options: how far out of order lines may be, and when other processes help.
        index: where to keep what was read for the next time.
        on_entry: is given each entry inside the window, in the order of the file, once all is read; the index is of no help.
        on_progress: is given bytes read and bytes in all now and then; may raise to stop the reading.

    Raises:
        LedgerUnreadable: the ledger is missing, no regular file, or cannot be read.
    """
    options = options or LedgerOptions()
    for wait_s in (*_WAITS_S, None):
        try:
            with LedgerFamily(path, window.start_us, others=options.other_ledgers, rotated=options.rotated) as ledger:
                taken: list[Entry] = []
                found = _scanned(ledger, window, fast_cap, options, index, taken.append if on_entry else None, on_progress)
                settled = ledger.is_settled()
        except LedgerUnreadable as error:
            if wait_s is None or not _may_be_moving(error, path, options):
                raise
        else:
            if settled:
                if on_entry is not None:
                    for entry in taken:
                        on_entry(entry)
                return found
        if wait_s is not None:
            time.sleep(wait_s)
    raise LedgerUnreadable(
        f"The ledger {path} was rotated each time that it was read. Nothing was measured; ask again when that is over."
    )


_WAITS_S = (0.05, 0.1, 0.2, 0.4)
"""How long to wait before a ledger is read again that was being rotated: a rename and the router's next line take less.

Not stamina's retries: what is tried again is also a reading that raised nothing (`is_settled`), and stamina brings tenacity and
asyncio with it, for every report, whose time is mostly imports.
"""


def _may_be_moving(error: LedgerUnreadable, path: Path, options: LedgerOptions) -> bool:
    """Whether the ledger may only be missing for the moment in which it is rotated, or was rotated just now."""
    if isinstance(error, LedgerMoved):
        return True
    return options.rotated and not path.exists() and bool(siblings_of(path, options.other_ledgers))


def _scanned(
    ledger: LedgerFamily,
    window: Window,
    fast_cap: float,
    options: LedgerOptions,
    index: IndexPlace | None,
    on_entry: Callable[[Entry], None] | None,
    on_progress: OnProgress | None,
) -> WindowMetrics:
    with _index_at(index.path).opened(ledger) if index is not None else nullcontext() as view:
        probes = _Probes(ledger, view)
        place = probes.seek(window, options)
        reading = _Reading(ledger, view, place.first, options, on_progress)
        totals, digest, end = Totals(window, fast_cap), sha256(), place.first * ledger.segment_bytes
        if place.first:
            totals.begin_after_the_old()
        with closing(reading.with_entries(window, on_entry) if on_entry else reading.segments()) as segments:
            for segment in segments:
                totals.add(segment.columns)
                if segment.end > segment.number * ledger.segment_bytes:
                    digest.update(segment.sha256)
                end = max(end, segment.end)
                if not segment.whole and segment.end <= (segment.number + 1) * ledger.segment_bytes:
                    break  # the ledger's last line is in it
        if view is not None and index is not None:
            kept = place if window.minutes >= index.minutes else probes.seek(Window(window.end_us, index.minutes), options)
            view.keep((), probes.new, drop_before=min(place.first, kept.first))
        size = end - place.first * ledger.segment_bytes
        return totals.result(LedgerSpan(size, digest.hexdigest(), place.first * ledger.segment_bytes, place.in_order))


def parts(path: Path, window: Window, options: LedgerOptions, on_progress: OnProgress, *, rotated: bool) -> Iterator[Columns]:
    """Yield the columns of a ledger's part that a window can need, in the order of the ledger; with its siblings, if asked for.

    Args:
        path: the ledger.
        window: the span that is wanted.
        options: how the ledger is read.
        on_progress: told how many bytes of how many were read.
        rotated: whether its rotated siblings are read with it.

    Raises:
        LedgerUnreadable: the ledger is missing, no regular file, or cannot be read.
    """
    with LedgerFamily(path, window.start_us, others=options.other_ledgers, rotated=rotated and options.rotated) as ledger:
        place = _Probes(ledger, None).seek(window, options)
        with closing(_Reading(ledger, None, place.first, options, on_progress).segments()) as segments:
            for segment in segments:
                yield segment.columns
        if not ledger.is_settled():
            raise LedgerMoved(f"The ledger {path} was rotated while it was read. Nothing was measured; ask again in a moment.")


@cache
def _index_at(path: Path) -> LedgerIndex:
    return LedgerIndex(path)


class _Probes:
    """Times of segments, each asked of the ledger once."""

    def __init__(self, ledger: LedgerFile, view: IndexView | None) -> None:
        self._ledger = ledger
        self._known = view.times() if view is not None else {}
        self.new: dict[int, int | None] = {}

    def seek(self, window: Window, options: LedgerOptions) -> Place:
        return seek(self._ledger.segments, window, options.slack_minutes * MINUTE_US, self._time_of)

    def _time_of(self, number: int) -> int | None:
        if number not in self._known:
            times = decode(self._ledger.first_lines(number, _PROBE_BYTES)).t_us
            if not len(times):
                times = decode(self._ledger.segment(number).lines).t_us
            self._known[number] = int(np.partition(times, len(times) // 2)[len(times) // 2]) if len(times) else None
            self.new[number] = self._known[number]
        return self._known[number]


class _Reading:
    """Segments from one number on, in order, from the index where it has them."""

    def __init__(
        self, ledger: LedgerFile, view: IndexView | None, first: int, options: LedgerOptions, on_progress: OnProgress | None
    ) -> None:
        self._ledger = ledger
        self._view = view
        self._numbers = range(first, ledger.segments)
        self._options = options
        self._on_progress = on_progress
        self._done = 0

    def segments(self) -> Generator[Decoded]:
        kept = self._view.numbers(self._numbers.start) & set(self._numbers) if self._view is not None else set()
        new = [number for number in self._numbers if number not in kept]
        from_index = self._view.segments(sorted(kept)) if self._view is not None else iter(())
        ahead = next(from_index, None)
        with closing(self._read(new, self._helpers(len(new)))) as from_ledger:
            for number in self._numbers:
                while ahead is not None and ahead.number < number:
                    ahead = next(from_index, None)
                if number not in kept:
                    yield self._counted(next(from_ledger))
                elif ahead is not None and ahead.number == number:
                    yield self._counted(ahead)
                else:  # its row is damaged
                    yield self._counted(next(self._read([number], 0)))

    def with_entries(self, window: Window, on_entry: Callable[[Entry], None]) -> Generator[Decoded]:
        for number in self._numbers:
            segment = self._ledger.segment(number, self._watch)
            for line in segment.lines.split(b"\n"):
                entry = read_line(line)
                if isinstance(entry, Entry) and window.start_us <= entry.t_us <= window.end_us:
                    on_entry(entry)
            columns = decode(segment.lines)
            yield self._counted(Decoded(number, segment.end, segment.whole, segment.sha256, segment.beyond, columns))

    def _helpers(self, unread: int) -> int:
        if not self._ledger.alone or unread * self._ledger.segment_bytes <= self._options.parallel_mb << 20:
            return 0
        return (self._options.processes or os.cpu_count() or 1) - 1

    def _read(self, numbers: list[int], helpers: int) -> Generator[Decoded]:
        """Read segments from the ledger, and let the index keep them."""
        batch: list[Decoded] = []
        try:
            with closing(all_decoded(self._ledger, numbers, helpers, self._watch)) as segments:
                for segment in segments:
                    batch.append(segment)
                    yield segment
                    if len(batch) >= _KEPT_AT_ONCE:
                        self._keep(batch)
                        batch = []
        finally:
            self._keep(batch)

    def _keep(self, segments: list[Decoded]) -> None:
        if self._view is not None and segments:
            self._view.keep(segments, {})

    def _counted(self, segment: Decoded) -> Decoded:
        self._done += 1
        self._watch()
        return segment

    def _watch(self) -> None:
        if self._on_progress is not None:
            read, size = (
                self._done * self._ledger.segment_bytes,
                self._ledger.size - self._numbers.start * self._ledger.segment_bytes,
            )
            self._on_progress(min(read, size), size)
