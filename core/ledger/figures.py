"""Entries in a window -> the figures that the gates look at.

Pure. `Tally` is the plain reading of the runbook's definitions, one entry at a time; core/ledger/totals.py does the same over
columns and is tested against it. Excluded: reading the ledger (core/scan/scan.py) and judging the figures
(core/gates/evaluate.py).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from core.ledger.intervals import Interval, none_of, wilson
from core.ledger.window import MINUTE_US, Window, moment_of


def written(t_us: int) -> str:
    """Return a number of microseconds since 1970 as the report's JSON has it: `2025-10-01T09:05:00Z`."""
    return moment_of(t_us).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class LedgerSpan:
    """What figures were computed from.

    Attributes:
        size: bytes that were looked at, from `start` to the end of the last whole line; of a table its rows.
        sha256: digest of the digests of these bytes in pieces of 2 MiB (core/scan/segments.py); of a table, of what it answered.
        start: first byte that could matter to the window, a multiple of 2 MiB.
        in_order: False if times were seen further out of order than the slack allows, so that everything was read.
    """

    size: int
    sha256: str
    start: int = 0
    in_order: bool = True


@dataclass(frozen=True, slots=True)
class Coverage:
    """For each gate that needs more of an entry than its route, the share of the entries it judges that tell it anything.

    Attributes:
        rollbacks_per_1k: live decisions with a numeric `rollback`, among live decisions.
        tri_median: decisions with a finite TRI, among decisions.
        fast_cap: decisions with a numeric `engaged`, among decisions; or engaged ones whose R3 is known, among engaged ones, if
            that is less.
    """

    rollbacks_per_1k: float | None
    tri_median: float | None
    fast_cap: float | None


@dataclass(frozen=True, slots=True)
class Known:
    """How many entries tell: the counts that coverage is made of.

    Attributes:
        rollbacks: live decisions with a numeric `rollback`.
        tri: decisions with a finite TRI.
        anomalies: decisions with a numeric `engaged`.
        engaged: decisions during an anomaly.
        r3: decisions during an anomaly whose R3 is known.
    """

    rollbacks: int
    tri: int
    anomalies: int
    engaged: int
    r3: int


@dataclass(frozen=True, slots=True)
class Intervals:
    """Between which rates the true one is, at 95% (core/ledger/intervals.py); None where nothing tells.

    Attributes:
        rsi: Wilson's interval.
        rollbacks_per_1k: of the live decisions that tell; Wilson's interval, or after no rollback at all the rule of three.
    """

    rsi: Interval | None
    rollbacks_per_1k: Interval | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts and shares over some entries. None is N/A: a ratio with a zero denominator, or a median of nothing.

    Attributes:
        decisions: entries that are decisions.
        live: those that steered live traffic.
        live_rate: their share of the decisions, 0 to 1.
        rsi: route selection index: the share of live decisions whose route is the one that shadow chose, 0 to 1.
        rollbacks: live decisions that were rolled back.
        rollbacks_per_1k: the same for each thousand live decisions.
        tri_median: median TRI Δ of the decisions with a finite one.
        fast_cap_breaches: decisions during an anomaly that gave R3 more than its cap.
        coverage: which share of the entries tells what it takes, 0 to 1.
        intervals: between which bounds the true rates are.
        known: how many entries tell.
    """

    decisions: int
    live: int
    live_rate: float | None
    rsi: float | None
    rollbacks: int
    rollbacks_per_1k: float | None
    tri_median: float | None
    fast_cap_breaches: int
    coverage: Coverage
    intervals: Intervals
    known: Known


@dataclass(frozen=True, slots=True)
class HourMetrics:
    """The figures of one hour by the UTC clock; the first and last of a window may be partial.

    Attributes:
        start_us: when the hour begins, in microseconds since 1970.
        figures: its figures.
    """

    start_us: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class WindowMetrics:
    """The figures of a whole window.

    Attributes:
        oldest_us, newest_us: times of the oldest and the newest entry inside the window.
        skipped: lines that were not counted, by kind. A line without a time stands where the last dated line before it stands
            (at the ledger's beginning, the first one after it) and is left out if that is older than the window, so that a
            report which reads only the window's part of a ledger says the same.
        later: those of `skipped` that stand after the window's end, by kind.
    """

    window: Window
    figures: Figures
    oldest_us: int | None
    newest_us: int | None
    skipped: dict[str, int]
    hours: tuple[HourMetrics, ...]
    span: LedgerSpan
    later: Mapping[str, int] = field(default_factory=dict)

    @property
    def lost(self) -> dict[str, int]:
        """The window's lines that could not be counted, by kind.

        Lines after a window that ends now may belong to it: the router's clock is ahead of ours, or they are broken. Those after
        a window in the past were appended since, and say nothing of it.
        """
        later = self.later if self.window.past else {}
        return {kind: count - later.get(kind, 0) for kind, count in self.skipped.items()}

    @property
    def skipped_share(self) -> float | None:
        """The share of the window's lines that could not be counted; None if there is no line."""
        skipped = sum(self.lost.values())
        lines = self.figures.decisions + skipped
        return skipped / lines if lines else None

    @property
    def span_share(self) -> float | None:
        """The share of the window that lies between its oldest and its newest entry; None if there is no entry."""
        if self.oldest_us is None or self.newest_us is None:
            return None
        return (self.newest_us - self.oldest_us) / (self.window.minutes * MINUTE_US)

    def summary(self) -> dict[str, Any]:
        """Return the figures as the report's JSON has them, without the hours; numbers are not rounded."""
        return {
            "window_minutes": self.window.minutes,
            "generated_at": written(self.window.end_us),
            **asdict(self.figures),
            "oldest": None if self.oldest_us is None else written(self.oldest_us),
            "newest": None if self.newest_us is None else written(self.newest_us),
            "skipped": dict(self.skipped),
            "ledger": asdict(self.span),
        }

    def as_json(self) -> dict[str, Any]:
        """Return the figures as the report's JSON has them, with one object per hour."""
        hours = [{"start": written(hour.start_us), **asdict(hour.figures)} for hour in self.hours]
        return {**self.summary(), "hours": hours}


@dataclass(frozen=True, slots=True)
class Counts:
    """What is counted over some entries.

    Attributes:
        matching: live decisions that took shadow's route.
        breaches: decisions during an anomaly with R3 above the cap.
        rollbacks_known: live decisions of which a number tells whether they were rolled back.
        tri_known: decisions with a finite TRI.
        anomalies_known: decisions of which a number tells whether there was an anomaly.
        engaged: decisions during an anomaly.
        r3_known: decisions during an anomaly whose R3 is known.
    """

    decisions: int = 0
    live: int = 0
    matching: int = 0
    rollbacks: int = 0
    breaches: int = 0
    rollbacks_known: int = 0
    tri_known: int = 0
    anomalies_known: int = 0
    engaged: int = 0
    r3_known: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        """Return the counts over both."""
        return Counts(*(getattr(self, name) + getattr(other, name) for name in COUNTED))


COUNTED = tuple(count.name for count in fields(Counts))
"""The names of what is counted, in their order."""


def figures_of(counts: Counts, tri_median: float | None) -> Figures:
    """Return the runbook's figures for what was counted."""
    return Figures(
        decisions=counts.decisions,
        live=counts.live,
        live_rate=_share(counts.live, counts.decisions),
        rsi=_share(counts.matching, counts.live),
        rollbacks=counts.rollbacks,
        rollbacks_per_1k=1000 * counts.rollbacks / counts.live if counts.live else None,
        tri_median=tri_median,
        fast_cap_breaches=counts.breaches,
        coverage=Coverage(
            rollbacks_per_1k=_share(counts.rollbacks_known, counts.live),
            tri_median=_share(counts.tri_known, counts.decisions),
            fast_cap=_fast_cap_coverage(counts),
        ),
        intervals=Intervals(
            rsi=wilson(counts.matching, counts.live) if counts.live else None,
            rollbacks_per_1k=_rollbacks_interval(counts),
        ),
        known=Known(
            rollbacks=counts.rollbacks_known,
            tri=counts.tri_known,
            anomalies=counts.anomalies_known,
            engaged=counts.engaged,
            r3=counts.r3_known,
        ),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _fast_cap_coverage(counts: Counts) -> float | None:
    if not counts.decisions:
        return None
    told = counts.anomalies_known / counts.decisions
    return min(told, counts.r3_known / counts.engaged) if counts.engaged else told


def _rollbacks_interval(counts: Counts) -> Interval | None:
    if not counts.rollbacks_known:
        return None
    rolled_back = min(counts.rollbacks, counts.rollbacks_known)  # more, if some were not live
    low, high = wilson(rolled_back, counts.rollbacks_known) if rolled_back else none_of(counts.rollbacks_known)
    return 1000 * low, 1000 * high


def middle(low: float, high: float) -> float:
    """Return the median, given the two middle values; of an odd number they are the same."""
    return low if low == high else low / 2 + high / 2
