"""Past days through the gates: which would have been GO, and on which the guard would have frozen.

Pure. Each day is judged at the time of its daily run, on the window before it; the guard looks through the 24 hours before
that time, as often and with the rules that its settings name. The health of slots is not kept anywhere, so that its gate is left
out: a GO here means that it would have been one with healthy slots.

Excluded: reading the ledgers (core/backtest/ledgers.py), drawing (core/backtest/chart.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from core.backtest.history import PastDecisions
from core.gates import guard as guard_rules
from core.gates.evaluate import evaluate
from core.gates.guard import GuardMode, GuardPolicy, Series, Trip
from core.gates.policy import GateName, GatePolicy
from core.gates.report import NOT_ASKED, Gate, GateReport
from core.ledger.figures import LedgerSpan, WindowMetrics
from core.ledger.window import Window
from core.rollout.schedule import Schedule, begin_of

_NOT_KEPT = frozenset({GateName.SLOTS, GateName.ALERT_PATH})
_BOUNDS = {
    "rsi": "rsi_min",
    "rollbacks_per_1k": "rollbacks_per_1k_max",
    "rollbacks": "rollbacks_per_1k_max",
    "tri_median": "tri_median_min",
    "tri": "tri_median_min",
    "fast_cap": "fast_cap",
    "decisions": "decisions_min",
    "live": "live_min",
    "reading": "skipped_max",
    "span": "span_min",
    "freshness": "fresh_minutes",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """By what past days are judged.

    Attributes:
        gates: bounds of the gates.
        guard: how the gates are watched between daily runs.
        schedule: at which local time of which zone a day is judged.
        window_minutes: length of the window that the gates look at, in minutes.
    """

    gates: GatePolicy
    guard: GuardPolicy
    schedule: Schedule
    window_minutes: int


@dataclass(frozen=True, slots=True)
class JudgedDay:
    """One past day.

    Attributes:
        at: when its daily run began, in UTC.
        gates: without those that cannot be known any more.
        trip: the first time that the guard would have frozen in the 24 hours before, or None.
    """

    date: date
    at: datetime
    metrics: WindowMetrics
    gates: tuple[Gate, ...]
    trip: Trip | None

    @property
    def go(self) -> bool:
        """Whether every gate that is known would have let a promotion through."""
        return all(gate.passes for gate in self.gates)

    @property
    def blocking(self) -> tuple[Gate, ...]:
        """The gates that would have stood in the way."""
        return tuple(gate for gate in self.gates if not gate.passes)

    def as_json(self) -> dict[str, Any]:
        """Return the day's JSON."""
        trip = None if self.trip is None else {"at": self.trip.looks[-1].at.isoformat(), "reason": self.trip.text}
        gates = [gate.model_dump(mode="json") for gate in self.gates]
        return {"date": self.date.isoformat(), "go": self.go, **self.metrics.summary(), "gates": gates, "would_have_frozen": trip}


def with_bound(policy: GatePolicy, text: str) -> GatePolicy:
    """Return the policy with one bound changed, as `rsi=0.9` says it.

    Raises:
        ValueError: no such gate, or no such bound.
    """
    name, _, value = text.partition("=")
    field = _BOUNDS.get(name.strip())
    if field is None:
        raise ValueError(f"{text!r} is not a gate and its bound, as rsi=0.9; gates are {', '.join(_BOUNDS)}")
    return GatePolicy.model_validate({**policy.model_dump(), field: value.strip()})


def span_of(first: date, last: date, rules: Rules) -> Window:
    """Return the window that holds everything that judging these days needs."""
    longest = timedelta(minutes=max(rules.window_minutes, 24 * 60 + rules.guard.window_minutes))
    begins, ends = begin_of(first, rules.schedule) - longest, begin_of(last, rules.schedule)
    return Window.ending(ends, int((ends - begins).total_seconds()) // 60)


def judge_days(past: PastDecisions, first: date, last: date, rules: Rules) -> Iterator[JudgedDay]:
    """Judge each day from `first` to `last`, both inside.

    Args:
        past: what was decided in those days, and in the window before the first.
        first: the first local date that is judged.
        last: the last one.
        rules: by what they are judged.
    """
    series = Series()
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        at = begin_of(day, rules.schedule)
        metrics = _metrics(past, Window.ending(at, rules.window_minutes))
        report = evaluate(metrics, NOT_ASKED, rules.gates)
        series, trip = _guarded(past, series, at, rules)
        yield JudgedDay(day, at, metrics, tuple(gate for gate in report.gates if gate.name not in _NOT_KEPT), trip)


def _guarded(past: PastDecisions, series: Series, until: datetime, rules: Rules) -> tuple[Series, Trip | None]:
    policy = rules.guard.model_copy(update={"mode": GuardMode.OBSERVE})
    bounds = rules.gates.model_copy(update={"decisions_min": policy.decisions_min})
    begin = until - timedelta(hours=24)
    first: Trip | None = None
    for number in range(1, 24 * 60 // policy.every_minutes + 1):
        at = begin + timedelta(minutes=number * policy.every_minutes)
        gates = evaluate(_metrics(past, Window.ending(at, policy.window_minutes)), NOT_ASKED, bounds).gates
        known = GateReport(gates=tuple(gate for gate in gates if gate.name not in _NOT_KEPT))
        series, trip = guard_rules.after(
            series, guard_rules.judge(known, at), begin if series.stage_since is None else series.stage_since, policy
        )
        first = first or trip
    return series, first


def _metrics(past: PastDecisions, window: Window) -> WindowMetrics:
    return WindowMetrics(
        window=window,
        figures=past.figures(window),
        oldest_us=past.oldest_us(window),
        newest_us=past.newest_us(window),
        skipped=past.skipped(window),
        hours=(),
        span=LedgerSpan(0, ""),
    )


def verdict_counts(days: list[JudgedDay]) -> dict[str, int]:
    """Return how many days would have been GO, NO-GO, and frozen."""
    go = sum(day.go for day in days)
    return {"go": go, "no_go": len(days) - go, "frozen": sum(day.trip is not None for day in days)}
