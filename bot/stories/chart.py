"""The daily report's figures, hour by hour, as a PNG.

Pure: the same chart has the same bytes. matplotlib is imported where it draws, because it takes a second to load. The panel
has its own opaque ground, so that the chart reads the same in Slack's light and dark themes; what colour says is said by
shape and words too. Excluded: what the figures are (core/ledger/figures.py) and how the picture reaches Slack
(bot/slack/outbox.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from core.ledger.figures import HourMetrics
from core.ledger.window import moment_of
from core.rollout.timeline import Stretch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GROUND, INK, FAINT = "#fbfbfc", "#1d1c1d", "#d7d8dc"
GOOD, BAD, COLD, BOUND = "#1264a3", "#b3123a", "#5b7fa6", "#6b4a00"
_HOUR = timedelta(hours=1)
_ONE_AT_A_TIME = Lock()
"""matplotlib keeps its defaults for the whole process: two charts drawn at once would mix them up."""
STAGE_TINTS = ("#e8eef5", "#d3e1ef")
"""Neighbouring stages differ in tint; which stage it is, the words on it say."""


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour's figures; None is N/A and leaves a gap.

    Attributes:
        begins: when the hour begins, in UTC.
        decisions: how many decisions it has.
        rsi: route selection index, 0 to 1.
        rollbacks: live decisions that were rolled back.
        tri_median: median TRI Δ.
    """

    begins: datetime
    decisions: int
    rsi: float | None
    rollbacks: int
    tri_median: float | None

    @classmethod
    def of(cls, hour: HourMetrics) -> "Hour":
        """Return what the picture shows of an hour."""
        figures = hour.figures
        return cls(moment_of(hour.start_us), figures.decisions, figures.rsi, figures.rollbacks, figures.tri_median)


@dataclass(frozen=True, slots=True)
class Chart:
    """What the picture shows.

    Attributes:
        hours: in order of time; the first and last may be partial.
        spells: which stage was served, and when the rollout was frozen.
        rsi_min: lowest route selection index that the gate lets through, a share.
        tri_min: lowest median TRI change that it lets through.
        zone: IANA name of the zone in which hours are written.
    """

    hours: tuple[Hour, ...]
    spells: tuple[Stretch, ...]
    rsi_min: float
    tri_min: float
    zone: str


def png(chart: Chart) -> bytes:
    """Draw the chart: stage and freezes, RSI with its bound, rollbacks, median TRI change, decisions; 1,600 pixels wide."""
    from matplotlib import rc_context  # noqa: PLC0415 - slow to load
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - as above
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    with _ONE_AT_A_TIME, rc_context({"font.family": "DejaVu Sans", "font.size": 10, "text.color": INK, "axes.edgecolor": FAINT}):
        figure = Figure(figsize=(10, 7), dpi=160, facecolor=GROUND, edgecolor=FAINT, linewidth=2)
        FigureCanvasAgg(figure)
        _draw(figure, chart)
        written = BytesIO()
        figure.savefig(written, format="png", edgecolor=FAINT, metadata={"Software": None})
    return written.getvalue()


def _draw(figure: "Figure", chart: Chart) -> None:
    stage, rsi, rollbacks, tri, decisions = figure.subplots(
        5, 1, sharex=True, gridspec_kw={"height_ratios": [0.55, 2.2, 1, 1.6, 1.2], "hspace": 0.42}
    )
    figure.subplots_adjust(left=0.085, right=0.985, top=0.955, bottom=0.075)
    for axes, title in (
        (stage, "Stage, percent of live traffic"),
        (rsi, "Route selection index (RSI), share of live decisions"),
        (rollbacks, "Rollbacks"),
        (tri, "Median TRI change, normalised"),
        (decisions, "Decisions"),
    ):
        _dress(axes, title)
    _spells(stage, chart.spells)
    _line(rsi, chart.hours, [hour.rsi for hour in chart.hours], chart.rsi_min, f"gate: at least {chart.rsi_min:.0%}")
    rsi.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    _line(tri, chart.hours, [hour.tri_median for hour in chart.hours], chart.tri_min, f"gate: at least {chart.tri_min:g}")
    _bars(rollbacks, chart.hours, [hour.rollbacks for hour in chart.hours], BAD)
    _bars(decisions, chart.hours, [hour.decisions for hour in chart.hours], COLD)
    _time_axis(decisions, chart)


def _dress(axes: "Axes", title: str) -> None:
    axes.set_facecolor(GROUND)
    axes.set_title(title, loc="left", fontsize=10, color=INK, pad=4)
    axes.tick_params(colors=INK, labelsize=9, length=0)
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _spells(axes: "Axes", spells: Sequence[Stretch]) -> None:
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    tint, before = 0, spells[0].stage if spells else None
    for spell in spells:
        begins, width = _place(spell.begins), _place(spell.ends) - _place(spell.begins)
        tint, before = tint ^ (spell.stage != before), spell.stage
        axes.broken_barh([(begins, width)], (0, 1), facecolor=STAGE_TINTS[tint], edgecolor=GROUND)
        if spell.frozen:
            axes.broken_barh([(begins, width)], (0, 1), facecolor="none", edgecolor=COLD, hatch="////", linewidth=0)
        if width > 0.75:
            words = "unknown" if spell.stage is None else f"{spell.stage}%"
            text = f"{words}, frozen" if spell.frozen else words
            ground = {"facecolor": GROUND, "edgecolor": "none", "pad": 1.5} if spell.frozen else None
            axes.text(begins + width / 2, 0.47, text, ha="center", va="center", fontsize=9, bbox=ground, clip_on=True)


def _line(axes: "Axes", hours: Sequence[Hour], values: Sequence[float | None], bound: float, words: str) -> None:
    places = [_place(hour.begins) + 0.5 for hour in hours]
    gaps = [float("nan") if value is None else value for value in values]
    axes.plot(places, gaps, color=GOOD, linewidth=1.8, marker="o", markersize=4)
    below = [(place, value) for place, value in zip(places, values, strict=True) if value is not None and value < bound]
    if below:
        axes.plot(*zip(*below, strict=True), color=BAD, linestyle="none", marker="X", markersize=9)
    axes.axhline(bound, color=BOUND, linewidth=1.2, linestyle=(0, (5, 3)))
    known = [value for value in values if value is not None]
    low, high = min([bound, *known]), max([bound, *known])
    room = max((high - low) * 0.25, abs(high) * 0.02, 1e-3)
    axes.set_ylim(low - room, high + room)
    axes.annotate(
        words,
        (0.995, bound),
        xycoords=("axes fraction", "data"),
        xytext=(0, -3),
        textcoords="offset points",
        ha="right",
        va="top",
        color=BOUND,
        fontsize=9,
    )
    if not known:
        axes.text(0.5, 0.6, "no data", transform=axes.transAxes, ha="center", va="center", fontsize=10)


def _bars(axes: "Axes", hours: Sequence[Hour], counts: Sequence[int], colour: str) -> None:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - slow to load

    places = [_place(hour.begins) + 0.5 for hour in hours]
    bars = axes.bar(places, counts, width=0.8, color=colour)
    most = max(counts, default=0)
    axes.set_ylim(0, max(most, 1) * 1.35)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    axes.yaxis.set_major_formatter(lambda count, _: f"{count:,.0f}")
    if not most:
        axes.text(0.5, 0.45, "none", transform=axes.transAxes, ha="center", va="center", fontsize=10)
    elif most < 100:
        axes.bar_label(bars, [f"{count}" if count else "" for count in counts], fontsize=8, color=INK, padding=1)


def _time_axis(axes: "Axes", chart: Chart) -> None:
    zone = ZoneInfo(chart.zone)
    begins, ends = chart.hours[0].begins, chart.hours[-1].begins + _HOUR
    axes.set_xlim(_place(begins), _place(ends))
    step = max(1, round((ends - begins) / _HOUR / 8))
    marks = [hour.begins.astimezone(zone) for hour in chart.hours]
    marks = [mark for mark in marks if mark.hour % step == 0] if step < 24 else marks[::step]
    axes.set_xticks([_place(mark) for mark in marks])
    axes.set_xticklabels([f"{mark:%H:%M}\n{mark:%d %b}" if mark.hour == 0 else f"{mark:%H:%M}" for mark in marks])
    axes.set_xlabel(f"hour beginning, {chart.zone}", loc="right", fontsize=9, color=INK, labelpad=-8)


def _place(moment: datetime) -> float:
    """Where a moment stands on the time axis, in hours since 1970."""
    return moment.timestamp() / 3600
