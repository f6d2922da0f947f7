"""The figures of a window, counted one entry after the other: the plain reading that core/ledger/totals.py is tested against.

Pure. Excluded: speed.
"""

import statistics
from array import array
from dataclasses import dataclass, field

from core.ledger.entry import Entry, Skip
from core.ledger.figures import COUNTED, Counts, Figures, HourMetrics, LedgerSpan, WindowMetrics, figures_of, middle
from core.ledger.window import FUTURE_US, HOUR_US, Window


@dataclass(slots=True)
class _Tallied:
    decisions: int = 0
    live: int = 0
    matching: int = 0
    rollbacks: int = 0
    breaches: int = 0
    rollbacks_known: int = 0
    anomalies_known: int = 0
    engaged: int = 0
    r3_known: int = 0
    tri: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, entry: Entry, fast_cap: float) -> None:
        self.decisions += 1
        if entry.live_route is not None:
            self.live += 1
            self.matching += entry.live_route == entry.argmax
            self.rollbacks_known += entry.rollback is not None
        self.rollbacks += entry.rollback is True
        self.anomalies_known += entry.engaged is not None
        if entry.engaged:
            self.engaged += 1
            self.r3_known += entry.r3 is not None
            self.breaches += entry.r3 is not None and entry.r3 > fast_cap
        if entry.tri is not None:
            self.tri.append(entry.tri)

    def counts(self) -> Counts:
        counted = {name: getattr(self, name) for name in COUNTED if name != "tri_known"}
        return Counts(**counted, tri_known=len(self.tri))

    def figures(self) -> Figures:
        return figures_of(self.counts(), _median(self.tri))


class Tally:
    """Adds entries up one by one, in any order."""

    def __init__(self, window: Window, fast_cap: float) -> None:
        self.window = window
        self._fast_cap = fast_cap
        first = window.start_us // HOUR_US
        self._hours = {hour: _Tallied() for hour in range(first, window.end_us // HOUR_US + 1)}
        self._oldest: int | None = None
        self._newest: int | None = None
        self._within_reach: bool | None = None
        self._is_after = self._begins_after = False
        self._before_any_date: list[Skip] = []
        self._skipped = {"malformed": 0, "undated": 0, "future": 0}
        self._later = dict(self._skipped)

    def add(self, read: Entry | Skip | None) -> bool:
        """Count one line as `read_line` understood it; return whether it is an entry inside the window."""
        if read is None:
            return False
        if isinstance(read, Skip):
            if self._within_reach is None:
                self._before_any_date.append(read)
            else:
                self._skipped[read] += self._within_reach
                self._later[read] += self._is_after
            return False
        if self._within_reach is None:
            self._begins_after = read.t_us > self.window.end_us
            if read.t_us < self.window.start_us:
                self._before_any_date.clear()
        self._within_reach, self._is_after = read.t_us >= self.window.start_us, read.t_us > self.window.end_us
        if self._is_after:
            future = read.t_us > self.window.end_us + FUTURE_US
            self._skipped["future"] += future
            self._later["future"] += future
            return False
        if read.t_us < self.window.start_us:
            return False
        self._hours[read.t_us // HOUR_US].add(read, self._fast_cap)
        self._oldest = read.t_us if self._oldest is None else min(self._oldest, read.t_us)
        self._newest = read.t_us if self._newest is None else max(self._newest, read.t_us)
        return True

    def result(self, span: LedgerSpan) -> WindowMetrics:
        """Return the figures of everything that was added."""
        skipped, later = dict(self._skipped), dict(self._later)
        for kind in self._before_any_date:
            skipped[kind] += 1
            later[kind] += self._begins_after
        counts = sum((hour.counts() for hour in self._hours.values()), Counts())
        values = array("d")
        for hour in self._hours.values():
            values.extend(hour.tri)
        return WindowMetrics(
            window=self.window,
            figures=figures_of(counts, _median(values)),
            oldest_us=self._oldest,
            newest_us=self._newest,
            skipped=skipped,
            hours=tuple(HourMetrics(hour * HOUR_US, tallied.figures()) for hour, tallied in sorted(self._hours.items())),
            span=span,
            later=later,
        )


def _median(values: "array[float]") -> float | None:
    if not values:
        return None
    return middle(statistics.median_low(values), statistics.median_high(values))
