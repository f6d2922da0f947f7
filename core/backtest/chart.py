"""A backtest as a picture: RSI, rollbacks and TRI by day with their bounds, and what each day would have been.

Excluded: the figures (core/backtest/judge.py). Verdicts differ by sign and not by colour alone.
"""

import io
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from core.backtest.judge import JudgedDay
from core.gates.policy import GatePolicy

_DATES = 10
_GO, _NO_GO, _BOUND, _FROZEN = "#1a7f37", "#cf222e", "#57606a", "#8250df"


def draw(days: Sequence[JudgedDay], policy: GatePolicy) -> bytes:
    """Return the picture as PNG."""
    figure = Figure(figsize=(10, 7), layout="constrained")
    panels = figure.subplots(3, 1, sharex=True)
    figures = [day.metrics.figures for day in days]
    rows = (
        ("RSI", [of_day.rsi for of_day in figures], policy.rsi_min, "at least"),
        ("rollbacks per 1,000", [of_day.rollbacks_per_1k for of_day in figures], policy.rollbacks_per_1k_max, "at most"),
        ("median TRI Δ", [of_day.tri_median for of_day in figures], policy.tri_median_min, "at least"),
    )
    for panel, (label, values, bound, which) in zip(panels, rows, strict=True):
        _panel(panel, days, values, bound)
        panel.set_ylabel(label)
        panel.set_title(f"{which} {bound:g}", loc="right", fontsize=8, color=_BOUND)
    go, frozen = sum(day.go for day in days), sum(day.trip is not None for day in days)
    figure.suptitle(f"{len(days)} days: ● {go} GO, ✕ {len(days) - go} NO-GO, dashed: {frozen} would have been frozen")
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()


def _panel(panel: Axes, days: Sequence[JudgedDay], values: Sequence[float | None], bound: float) -> None:
    known = [(place, value) for place, value in enumerate(values) if value is not None]
    panel.plot([place for place, _ in known], [value for _, value in known], color=_BOUND, linewidth=0.8, zorder=1)
    for marker, colour, verdict in (("o", _GO, True), ("x", _NO_GO, False)):
        chosen = [(place, value) for place, value in known if days[place].go is verdict]
        panel.scatter([place for place, _ in chosen], [value for _, value in chosen], marker=marker, color=colour, zorder=2)
    for place, day in enumerate(days):
        if day.trip is not None:
            panel.axvline(place, color=_FROZEN, linestyle="--", linewidth=0.9, zorder=0)
    panel.axhline(bound, color=_BOUND, linestyle=":", linewidth=1)
    panel.set_xlim(-0.5, len(days) - 0.5)
    shown = range(0, len(days), max(1, len(days) // _DATES))
    panel.set_xticks(list(shown), [f"{days[place].date:%m-%d}" for place in shown])
    panel.grid(visible=True, alpha=0.2)
