"""Columns -> the figures of a window.

Pure. The same figures as core/metrics.Tally gives, which the tests hold it against. Holds of each decision in the window at most
its TRI value: 80 MB for ten million. Excluded: reading the ledger (core/scan/scan.py).
"""

from array import array

from core.ledger.columns import TIMELESS, Bytes, Columns, Flag, Floats, Kind
from core.ledger.figures import Counts, HourMetrics, LedgerSpan, WindowMetrics, figures_of, middle
from core.ledger.window import FUTURE_US, HOUR_US, Window
from core.system.arrays import np

_LIVE, _MATCHES_SHADOW = int(Flag.LIVE), int(Flag.MATCHES_SHADOW)
_ROLLED_BACK, _ENGAGED = int(Flag.ROLLED_BACK), int(Flag.ENGAGED)
_ROLLBACK_KNOWN, _ANOMALY_KNOWN = int(Flag.ROLLBACK_KNOWN), int(Flag.ANOMALY_KNOWN)
_R3_KNOWN, _BREACHING = 64, 128
"""Bits that only count here: they depend on the cap, so that no column keeps them."""
_COMBINATIONS = 256
_BITS_OF = {
    "live": _LIVE,
    "matching": _MATCHES_SHADOW,
    "rollbacks": _ROLLED_BACK,
    "breaches": _BREACHING,
    "rollbacks_known": _LIVE | _ROLLBACK_KNOWN,
    "anomalies_known": _ANOMALY_KNOWN,
    "engaged": _ENGAGED,
    "r3_known": _R3_KNOWN,
}
"""Which bits an entry has to have for each count."""
_HAS = np.array([[flags & bits == bits for flags in range(_COMBINATIONS)] for bits in _BITS_OF.values()], np.int64)
_NOTHING = Counts()
_GROWTH = 1 << 16


class _Values:
    """TRI values, as they come, in one piece of memory that grows in place, and where the values of an hour begin in it."""

    def __init__(self) -> None:
        self._values = np.empty(0, np.float64)
        self._used = 0
        self._starts = array("q")
        self._hours = array("H")

    def add(self, values: Floats, hour: int) -> None:
        end = self._used + len(values)
        if end > len(self._values):
            self._values.resize(end + max(_GROWTH, end // 32), refcheck=False)
        if not self._hours or self._hours[-1] != hour:
            self._starts.append(self._used)
            self._hours.append(hour)
        self._values[self._used : end] = values
        self._used = end

    def medians(self, hours: int) -> tuple[float | None, list[float | None]]:
        """Return the median of all and of each hour. Leaves the values in another order."""
        values, tags = self._values[: self._used], np.array(self._hours, np.uint16)
        bounds = [*self._starts, self._used]
        by_hour = []
        for hour in range(hours):
            runs = [values[bounds[number] : bounds[number + 1]] for number in np.flatnonzero(tags == hour).tolist()]
            # lines come in order, so that an hour's values stand together or in a few pieces
            by_hour.append(median_in_place(runs[0] if len(runs) == 1 else np.concatenate([values[:0], *runs])))
        return median_in_place(values), by_hour


class Totals:
    """Adds up the columns of a ledger's parts, given in the order of the ledger."""

    def __init__(self, window: Window, fast_cap: float) -> None:
        self.window = window
        self._fast_cap = fast_cap
        self._first_hour = window.start_us // HOUR_US
        self._counts = [_NOTHING] * (window.end_us // HOUR_US - self._first_hour + 1)
        self._values = _Values()
        self._oldest: int | None = None
        self._newest: int | None = None
        self._within_reach: bool | None = None
        self._is_after = self._begins_after = False
        self._before_any_date: list[Bytes] = []
        self._skipped = {"malformed": 0, "undated": 0, "future": 0}
        self._later = dict(self._skipped)

    def begin_after_the_old(self) -> None:
        """Say that the first columns do not begin the ledger: what stands before them is older than the window."""
        self._within_reach = False

    def add(self, columns: Columns) -> None:
        """Add the next part."""
        start, end = self.window.start_us, self.window.end_us
        times, tri = columns.t_us, columns.tri
        if len(columns.skipped_kind):
            self._add_skipped(columns)
        if not len(times):
            return
        if self._within_reach is None:
            self._begins_after = bool(times[0] > end)
            if times[0] < start:
                self._before_any_date.clear()
        self._within_reach, self._is_after = bool(times[-1] >= start), bool(times[-1] > end)
        future = int(np.count_nonzero(times > end + FUTURE_US))
        self._skipped["future"] += future
        self._later["future"] += future
        flags = with_r3(columns, self._fast_cap)
        if times.min() < start or times.max() > end:
            inside = (times >= start) & (times <= end)
            times, flags, tri = times[inside], flags[inside], tri[inside]
        if not len(times):
            return
        oldest, newest = int(times.min()), int(times.max())
        self._oldest = oldest if self._oldest is None else min(self._oldest, oldest)
        self._newest = newest if self._newest is None else max(self._newest, newest)
        hours = times // HOUR_US - self._first_hour
        first, last = int(hours.min()), int(hours.max())
        if first == last:
            self._add_hour(first, flags, tri)
            return
        for hour in range(first, last + 1):
            here = hours == hour
            self._add_hour(hour, flags[here], tri[here])

    def _add_hour(self, hour: int, flags: Bytes, tri: Floats) -> None:
        values = tri[~np.isnan(tri)]
        self._counts[hour] += counts_of(flags, len(values))
        self._values.add(values, hour)

    def result(self, span: LedgerSpan) -> WindowMetrics:
        """Return the figures of everything that was added. Uses the totals up."""
        while self._before_any_date:
            self._count_skipped(self._before_any_date.pop(), after=self._begins_after)
        median, by_hour = self._values.medians(len(self._counts))
        hours = zip(self._counts, by_hour, strict=True)
        return WindowMetrics(
            window=self.window,
            figures=figures_of(sum(self._counts, _NOTHING), median),
            oldest_us=self._oldest,
            newest_us=self._newest,
            skipped=dict(self._skipped),
            hours=tuple(
                HourMetrics((self._first_hour + number) * HOUR_US, figures_of(counts, of_hour))
                for number, (counts, of_hour) in enumerate(hours)
            ),
            span=span,
            later=dict(self._later),
        )

    def _add_skipped(self, columns: Columns) -> None:
        times, kinds = columns.skipped_t_us, columns.skipped_kind
        first = times == TIMELESS  # stand where the last entry of the parts before stands
        self._count_skipped(kinds[(times >= self.window.start_us) & (times <= self.window.end_us)])
        self._count_skipped(kinds[times > self.window.end_us], after=True)
        if self._within_reach is None:
            self._before_any_date.append(kinds[first])
        elif self._within_reach:
            self._count_skipped(kinds[first], after=self._is_after)

    def _count_skipped(self, kinds: Bytes, *, after: bool = False) -> None:
        for kind, number in (("malformed", Kind.MALFORMED), ("undated", Kind.UNDATED)):
            count = int(np.count_nonzero(kinds == number))
            self._skipped[kind] += count
            self._later[kind] += count if after else 0


def with_r3(columns: Columns, fast_cap: float) -> Bytes:
    """Return the flags of each entry, and for one with an anomaly also what its R3 says against the cap."""
    if not len(columns.r3):
        return columns.flags
    flags = columns.flags.copy()
    says = np.where(np.isnan(columns.r3), 0, _R3_KNOWN) | np.where(columns.r3 > fast_cap, _BREACHING, 0)
    flags[np.flatnonzero(flags & _ENGAGED)] |= says.astype(np.uint8)
    return flags


def counts_of(flags: Bytes, tri_known: int) -> Counts:
    """Return what is counted over entries with these flags, as `with_r3` gives them, of which so many carry a TRI."""
    counted = _HAS @ np.bincount(flags, minlength=_COMBINATIONS)
    return Counts(decisions=len(flags), tri_known=tri_known, **dict(zip(_BITS_OF, counted.tolist(), strict=True)))


def median_in_place(values: Floats) -> float | None:
    """Return the exact median, or None of nothing; leaves the values in another order."""
    if not len(values):
        return None
    low, high = (len(values) - 1) // 2, len(values) // 2
    values.partition((low, high))
    return middle(float(values[low]), float(values[high]))
