"""Entries in a window -> the figures that the gates look at.

Pure. `Tally` is the plain reading of the runbook's definitions, one entry at a time; core/ledger/totals.py does the same over
columns and is tested against it. Excluded: reading the ledger (core/scan/scan.py) and judging the figures
(core/gates/evaluate.py).
"""

from dataclasses import asdict, dataclass
from typing import Any

from core.ledger.window import Window, moment_of


def _written(t_us: int) -> str:
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
