"""The figures of a report that somebody kept as JSON, ours or the old script's, back into figures that gates can judge.

The old script's has `window_minutes`, `decisions`, `live_rate`, `rsi`, `rollbacks`, `tri_median` and `generated_at`; what it does
not say stays unsaid. Pure. Excluded: reading the file (core/cli/commands/rollout.py) and the verdicts (core/gates/reported.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.canonical import Moment
from core.ledger.figures import Counts, LedgerSpan, WindowMetrics, figures_of
from core.ledger.window import Window

_FUTURE = timedelta(minutes=5)
_Count = Annotated[int, Field(ge=0, strict=True)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Known(_Told):
    rollbacks: _Count
    tri: _Count
    anomalies: _Count
    engaged: _Count
    r3: _Count


class _Report(_Told):
    window_minutes: Annotated[int, Field(ge=1, strict=True)]
    decisions: _Count | None = None
    live: _Count | None = None
    live_rate: _Share | None = None
    rsi: _Share | None = None
    rollbacks: _Count | None = None
    tri_median: Annotated[float, Field(allow_inf_nan=False)] | None = None
    fast_cap_breaches: _Count | None = None
    known: _Known | None = None
    oldest: Moment | None = None
    newest: Moment | None = None
    skipped: Mapping[str, _Count] | None = None


@dataclass(frozen=True, slots=True)
class Reported:
    """Figures as a report tells them.

    Attributes:
        unsaid: the names of what it does not tell, and that a gate needs.
    """

    metrics: WindowMetrics
    unsaid: frozenset[str]


def reported(told: Mapping[str, Any], now: datetime) -> Reported:
    """Read a report's JSON.

    Args:
        told: the JSON object.
        now: the moment at which it is judged: how old the newest entry is counts from here.

    Raises:
        ValueError: something in it is not what a report says.
    """
    try:
        report = _Report.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error
    decisions, live = report.decisions or 0, report.live
    if live is None and report.live_rate is not None and report.decisions is not None:
        live = round(report.live_rate * decisions)
    dated = report.newest is not None and report.newest <= now + _FUTURE
    said = {
        "decisions": report.decisions,
        "live": live,
        "rsi": report.rsi if live else 0,  # of no live decision there is none to be said
        "rollbacks": report.rollbacks,
        "fast_cap_breaches": report.fast_cap_breaches,
        "known": report.known,
        "oldest": report.oldest,
        "newest": report.newest if dated else None,
        "skipped": report.skipped,
    }
    return Reported(_metrics(report, live or 0, now), frozenset(name for name, value in said.items() if value is None))


def _metrics(report: _Report, live: int, now: datetime) -> WindowMetrics:
    known = report.known or _Known(rollbacks=0, tri=0, anomalies=0, engaged=0, r3=0)
    counts = Counts(
        decisions=report.decisions or 0,
        live=live,
        matching=min(live, round((report.rsi or 0) * live)),
        rollbacks=report.rollbacks or 0,
        breaches=report.fast_cap_breaches or 0,
        rollbacks_known=min(known.rollbacks, live),
        tri_known=known.tri,
        anomalies_known=known.anomalies,
        engaged=known.engaged,
        r3_known=known.r3,
    )
    figures = replace(figures_of(counts, report.tri_median), rsi=report.rsi if live else None)
    window = Window.ending(now, report.window_minutes)
    return WindowMetrics(
        window,
        figures,
        None if report.oldest is None else _micros(report.oldest),
        None if report.newest is None else _micros(report.newest),
        dict(report.skipped or {}),
        (),
        LedgerSpan(0, ""),
    )


def _micros(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
