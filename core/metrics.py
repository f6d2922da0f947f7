"""Entries in a window -> the figures that the gates look at.

Pure. `Tally` is the plain reading of the runbook's definitions, one entry at a time; core/totals.py does the same over columns
and is tested against it. Excluded: reading the ledger (core/ledger_scan.py) and judging the figures (core/gates.py).
"""

import statistics
from array import array
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from core.ledger import Entry, Skip

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
FUTURE_US = 5 * MINUTE_US
"""An entry dated further after now than this is in the future and not counted."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment_of(t_us: int) -> datetime:
    """Return the moment of a number of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=t_us)


def _written(t_us: int) -> str:
    return moment_of(t_us).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, closed at both ends, in microseconds since 1970."""

    end_us: int
    minutes: int

    @classmethod
    def ending(cls, now: datetime, minutes: int) -> "Window":
        """Return the window of that many minutes that ends at `now`."""
        return cls((now.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1), minutes)

    @property
    def start_us(self) -> int:
        """The first microsecond inside."""
        return self.end_us - self.minutes * MINUTE_US


@dataclass(frozen=True, slots=True)
class LedgerSpan:
    """What figures were computed from.

    Attributes:
        size: bytes that were looked at, from `start` to the end of the last whole line; of a table its rows.
        sha256: digest of the digests of these bytes in pieces of 2 MiB (core/segments.py); of a table, of what it answered.
        start: first byte that could matter to the window, a multiple of 2 MiB.
        in_order: False if times were seen further out of order than the slack allows, so that everything was read.
    """

    size: int
    sha256: str
    start: int = 0
    in_order: bool = True


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts and shares over some entries. None is N/A: a ratio with a zero denominator, or a median of nothing."""

    decisions: int
    live: int
    live_rate: float | None
    rsi: float | None
    rollbacks: int
    rollbacks_per_1k: float | None
    tri_median: float | None
    fast_cap_breaches: int


@dataclass(frozen=True, slots=True)
class HourMetrics:
    """The figures of one hour by the UTC clock; the first and last of a window may be partial."""

    start_us: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class WindowMetrics:
    """The figures of a whole window.

    Attributes:
        newest_us: time of the newest entry inside the window.
        skipped: lines that were not counted, by kind. A line without a time stands where the last dated line before it stands
            (at the ledger's beginning, the first one after it) and is left out if that is older than the window, so that a
            report which reads only the window's part of a ledger says the same.
    """

    window: Window
    figures: Figures
    newest_us: int | None
    skipped: dict[str, int]
    hours: tuple[HourMetrics, ...]
    span: LedgerSpan

    def summary(self) -> dict[str, Any]:
        """Return the figures as the report's JSON has them, without the hours; numbers are not rounded."""
        return {
            "window_minutes": self.window.minutes,
            "generated_at": _written(self.window.end_us),
            **asdict(self.figures),
            "newest": None if self.newest_us is None else _written(self.newest_us),
            "skipped": dict(self.skipped),
            "ledger": asdict(self.span),
        }

    def as_json(self) -> dict[str, Any]:
        """Return the figures as the report's JSON has them, with one object per hour."""
        hours = [{"start": _written(hour.start_us), **asdict(hour.figures)} for hour in self.hours]
        return {**self.summary(), "hours": hours}


@dataclass(frozen=True, slots=True)
class Counts:
    """What is counted over some entries.

    Attributes:
        matching: live decisions that took shadow's route.
        breaches: decisions during an anomaly with R3 above the cap.
    """

    decisions: int
    live: int
    matching: int
    rollbacks: int
    breaches: int

    def __add__(self, other: "Counts") -> "Counts":
        """Return the counts over both."""
        return Counts(
            self.decisions + other.decisions,
            self.live + other.live,
            self.matching + other.matching,
            self.rollbacks + other.rollbacks,
            self.breaches + other.breaches,
        )


def figures_of(counts: Counts, tri_median: float | None) -> Figures:
    """Return the runbook's figures for what was counted."""
    return Figures(
        decisions=counts.decisions,
        live=counts.live,
        live_rate=counts.live / counts.decisions if counts.decisions else None,
        rsi=counts.matching / counts.live if counts.live else None,
        rollbacks=counts.rollbacks,
        rollbacks_per_1k=1000 * counts.rollbacks / counts.live if counts.live else None,
        tri_median=tri_median,
        fast_cap_breaches=counts.breaches,
    )


def middle(low: float, high: float) -> float:
    """Return the median, given the two middle values; of an odd number they are the same."""
    return low if low == high else low / 2 + high / 2


@dataclass(slots=True)
class _Tallied:
    decisions: int = 0
    live: int = 0
    matching: int = 0
    rollbacks: int = 0
    breaches: int = 0
    tri: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, entry: Entry, fast_cap: float) -> None:
        self.decisions += 1
        if entry.live_route is not None:
            self.live += 1
            self.matching += entry.live_route == entry.argmax
        self.rollbacks += entry.rollback
        self.breaches += entry.engaged and entry.r3 is not None and entry.r3 > fast_cap
        if entry.tri is not None:
            self.tri.append(entry.tri)

    def figures(self) -> Figures:
        return figures_of(Counts(self.decisions, self.live, self.matching, self.rollbacks, self.breaches), _median(self.tri))


class Tally:
    """Adds entries up one by one, in any order."""

    def __init__(self, window: Window, fast_cap: float) -> None:
        self.window = window
        self._fast_cap = fast_cap
        first = window.start_us // HOUR_US
        self._hours = {hour: _Tallied() for hour in range(first, window.end_us // HOUR_US + 1)}
        self._newest: int | None = None
        self._within_reach: bool | None = None
        self._before_any_date: list[Skip] = []
        self._skipped = {"malformed": 0, "undated": 0, "future": 0}

    def add(self, read: Entry | Skip | None) -> bool:
        """Count one line as `read_line` understood it; return whether it is an entry inside the window."""
        if read is None:
            return False
        if isinstance(read, Skip):
            if self._within_reach is None:
                self._before_any_date.append(read)
            else:
                self._skipped[read] += self._within_reach
            return False
        if self._within_reach is None and read.t_us < self.window.start_us:
            self._before_any_date.clear()
        self._within_reach = read.t_us >= self.window.start_us
        if read.t_us > self.window.end_us:
            self._skipped["future"] += read.t_us > self.window.end_us + FUTURE_US
            return False
        if read.t_us < self.window.start_us:
            return False
        self._hours[read.t_us // HOUR_US].add(read, self._fast_cap)
        self._newest = read.t_us if self._newest is None else max(self._newest, read.t_us)
        return True

    def result(self, span: LedgerSpan) -> WindowMetrics:
        """Return the figures of everything that was added."""
        skipped = dict(self._skipped)
        for kind in self._before_any_date:
            skipped[kind] += 1
        whole = _Tallied()
        for hour in self._hours.values():
            whole.decisions += hour.decisions
            whole.live += hour.live
            whole.matching += hour.matching
            whole.rollbacks += hour.rollbacks
            whole.breaches += hour.breaches
            whole.tri.extend(hour.tri)
        return WindowMetrics(
            window=self.window,
            figures=whole.figures(),
            newest_us=self._newest,
            skipped=skipped,
            hours=tuple(HourMetrics(hour * HOUR_US, counts.figures()) for hour, counts in sorted(self._hours.items())),
            span=span,
        )


def _median(values: "array[float]") -> float | None:
    if not values:
        return None
    return middle(statistics.median_low(values), statistics.median_high(values))
