"""The daily report: GO or NO-GO and what happens next, the gates beside yesterday's, the day hour by hour, holds, receipt.

Pure. The figures come from the receipt alone, so that the report of any day can be shown again. Excluded: drawing the chart
(bot/stories/chart.py) and finding yesterday's report (bot/stories/compose.py).
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from zoneinfo import ZoneInfo

from bot.blockkit.blocks import (
    MAX_BLOCKS,
    actions,
    because,
    button,
    evidence,
    gate_count,
    header,
    noted,
    percent,
    section,
    when,
    who,
)
from bot.blockkit.charts import BINS, MOST_ROWS, Cell, data_table, line_chart
from bot.blockkit.post import Attachment, Block, Post, Reply, picture_block
from bot.blockkit.signs import State, titled
from bot.stories.card import last_step, outcome, replies, so_far
from bot.stories.chart import Chart, Hour, png
from core.gates.policy import GateName
from core.gates.report import Gate, Verdict
from core.ledger.figures import HourMetrics, WindowMetrics, written
from core.ledger.window import moment_of
from core.receipts.chain import Sealed
from core.receipts.evidence import Hold
from core.receipts.receipt import Action, Phase, Receipt, Result
from core.rollout.timeline import Stretch
from core.text import spoken

_LESS_IS_BETTER = frozenset({GateName.ROLLBACKS, GateName.FAST_CAP, GateName.READING, GateName.FRESHNESS, GateName.ALERT_PATH})
_SIGNS = {Verdict.PASS: "✅", Verdict.FAIL: "❌", Verdict.NO_DATA: "❔", Verdict.NOT_APPLICABLE: "➖"}
_SHORT = {
    GateName.RSI: "RSI",
    GateName.ROLLBACKS: "Rollbacks /1,000",
    GateName.TRI: "TRI median",
    GateName.FAST_CAP: "Fast cap",
    GateName.SLOTS: "Slots",
    GateName.DECISIONS: "Decisions",
    GateName.READING: "Unreadable",
    GateName.SPAN: "Covered",
    GateName.FRESHNESS: "Newest entry",
    GateName.ALERT_PATH: "Alert path",
}
"""The gates' names in a table, which a telephone shows without scrolling."""
_MOST_HOLDS = 10
_VALUES = {
    GateName.RSI: "{:.1%}",
    GateName.ROLLBACKS: "{:.3g}",
    GateName.TRI: "{:+.3f}",
    GateName.FAST_CAP: "{:,.0f}",
    GateName.SLOTS: "{:.0f}",
    GateName.DECISIONS: "{:,.0f}",
    GateName.READING: "{:.2%}",
    GateName.SPAN: "{:.0%}",
    GateName.FRESHNESS: "{:.1f} min",
    GateName.ALERT_PATH: "{:.1f} min",
}
_BOUNDS = {
    GateName.RSI: "≥ {:.0%}",
    GateName.ROLLBACKS: "≤ {:g}",
    GateName.TRI: "≥ {:g}",
    GateName.FAST_CAP: "{:g}",
    GateName.SLOTS: "{:.0f}",
    GateName.DECISIONS: "≥ {:,.0f}",
    GateName.READING: "≤ {:.2%}",
    GateName.SPAN: "≥ {:.0%}",
    GateName.FRESHNESS: "≤ {:g} min",
    GateName.ALERT_PATH: "≤ {:g} min",
}
_HOUR_COLUMNS = ("decisions", "live", "rsi", "rollbacks", "tri_median", "fast_cap_breaches")


@dataclass(frozen=True, slots=True)
class ReportedDay:
    """What the report of one day is made of.

    Attributes:
        sealed: the story's receipts, in order of number; the first is the daily run's.
        yesterday: the daily run before it, if there was one.
        spells: which stage was served when, over the window.
        zone: IANA name of the zone of the schedule.
        next_run: when the next daily run begins.
        runbook_url: where to read on; empty if nowhere.
        drill: the newest drill of the safety nets before the run; None if there was none.
        alert_drill: the newest drill of the alert path before the run; None if there was none.
        superseded: whether a later report has taken its place, so that nothing can be decided here any more.
        details: whether somebody asked for the details.
    """

    sealed: Sequence[Sealed]
    yesterday: Receipt | None
    spells: tuple[Stretch, ...]
    zone: str
    next_run: datetime
    runbook_url: str = ""
    drill: Receipt | None = None
    alert_drill: Receipt | None = None
    superseded: bool = False
    details: bool = False


def daily_report(day: ReportedDay) -> Post:
    """Return the message of one day's report, as it stands: the verdict and what follows first, then what it was measured on."""
    run = day.sealed[0].receipt
    words = f"Daily report: {'GO' if run.go else 'NO-GO'} at {percent(run.stage_before)}, {_in_short(day.sealed)}"
    title = titled(State.GO if run.go else State.NO_GO, words)
    before = {gate.name: gate for gate in day.yesterday.gates} if day.yesterday else {}
    lines = [f"*{gate_count(run.gates)}*"]
    if run.note:
        lines.append(f"*Why not promoted:* {noted(run.note)}" if run.go else f"*Why:* {noted(run.note)}")
    lines.append(f"*Next:* {_next(day)}")
    blocks = [header(title), section("\n".join(lines)), _buttons(day, run), _gate_table(run.gates, before)]
    if (figures := run.figures) is not None:
        blocks.append(evidence(figures))
        blocks.extend(_charts(run, figures, day.zone))
    picture = _picture(day, run)
    if picture is not None:
        blocks.append(picture_block(picture.title))
    blocks.append(section("\n".join(_standing(day, run))))
    details = (_details(run, figures, day),) if day.details and figures is not None else ()
    told = (*replies(day.sealed), *details)
    return Post(_as_text(title, run.gates), tuple(blocks[:MAX_BLOCKS]), told, picture)


def _standing(day: ReportedDay, run: Receipt) -> list[str]:
    """Say what is in force beside the gates: holds, and what drills have proven."""
    lines = [_holds(run.holds_in_force, run.ts)]
    if day.drill is not None:
        lines.append(_drill(day.drill, run.ts))
    if day.alert_drill is not None:
        lines.append(_alert_drill(day.alert_drill, run.ts))
    return lines


def _in_short(sealed: Sequence[Sealed]) -> str:
    """Say in a few words what came of the run, for the headline."""
    run, last = sealed[0].receipt, last_step(sealed)
    if last.action is not Action.PROMOTE:
        return "nothing is promoted" if run.note or not run.go else "approval asked for"
    if last.phase is Phase.INTENT:
        return f"going to {percent(last.stage_after)}"
    if last.result is Result.APPLIED:
        return f"promoted to {percent(last.stage_after)}{so_far(last)}"
    return "the promotion failed" if last.result is not Result.OVERTAKEN else "overtaken by a brake"


def _next(day: ReportedDay) -> str:
    run, last = day.sealed[0].receipt, last_step(day.sealed)
    then = f"The next run is {when(day.next_run)}."
    if last.action is not Action.PROMOTE:
        if run.note or not run.go:
            return f"{then} Until then nothing happens by itself."
        return f"An approver answers the request, which has its own message. {then}"
    if last.phase is Phase.INTENT:
        return "The settings are written and read back."
    if last.result is Result.APPLIED:
        return f"{outcome(last)} `/anr rollback` takes it back at once. {then}"
    note = f" {noted(last.note)}" if last.note else ""
    return f"The router is at {percent(last.stage_after)}.{note} Look at `/anr status`. {then}"


def _gate_table(gates: Sequence[Gate], before: Mapping[GateName, Gate]) -> Block:
    """Return the gates as a table; how they have moved only where there is a day to hold them against."""
    compared = ("Since yesterday",) if before else ()
    rows = [
        (f"{_SIGNS[gate.verdict]} {_SHORT[gate.name]}", _value(gate), _bound(gate), *((trend(gate, before),) if before else ()))
        for gate in gates
    ]
    return table(("Gate", "Value", "Bound", *compared), rows, right=(1, 2))


def table(heading: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> Block:
    """Return a table; the columns named by `right` hold numbers."""
    return {
        "type": "table",
        "column_settings": [{"align": "right" if number in right else "left"} for number in range(len(heading))],
        "rows": [[{"type": "raw_text", "text": cell or "–"} for cell in row] for row in (heading, *rows)],
    }


def trend(gate: Gate, before: Mapping[GateName, Gate]) -> str:
    """Say how a gate's value has moved since yesterday, and whether that is good."""
    earlier = before.get(gate.name)
    if earlier is None:
        return "not asked yesterday"
    if earlier.value is None or gate.value is None:
        return "no data on either day" if earlier.value is gate.value else f"was {_value(earlier)}"
    change = gate.value - earlier.value
    if _value(gate) == _value(earlier):
        return "→ same"
    better = (change < 0) == (gate.name in _LESS_IS_BETTER)
    return f"{'↑' if change > 0 else '↓'} from {_value(earlier)}, {'better' if better else 'worse'}"


def _value(gate: Gate) -> str:
    return "no data" if gate.value is None else _VALUES[gate.name].format(gate.value)


def _bound(gate: Gate) -> str:
    return _BOUNDS[gate.name].format(gate.bound)


def _as_text(title: str, gates: Sequence[Gate]) -> str:
    """The report without blocks: a lock screen shows its beginning, clients that show no table all of it."""
    failing = ", ".join(f"{_SHORT[gate.name]} {_value(gate)} ({_bound(gate)})" for gate in gates if not gate.passes)
    return f"{title}: {failing}" if failing else title


def _charts(run: Receipt, figures: WindowMetrics, zone: str) -> list[Block]:
    """Return the day as charts of Slack's own: the share of live decisions that follow the shadow, and TRI, with their bounds.

    Hours are put together; of several medians there is no median, so that the lowest is shown. What has no data has no point.
    """
    bounds = {gate.name: gate.bound for gate in run.gates}
    bins = hour_bins(figures.hours, zone)
    rsi = {label: share for label, hours in bins.items() if (share := _rsi_of(hours)) is not None}
    tri = {label: min(medians) for label, hours in bins.items() if (medians := _medians(hours))}
    charts = []
    below = f"from, {zone}"
    if len(rsi) > 1:
        least = bounds.get(GateName.RSI, 0.0) * 100
        series = {"RSI": [round(100 * share, 1) for share in rsi.values()], f"gate: ≥ {least:g}%": [least] * len(rsi)}
        charts.append(line_chart("RSI, % of live decisions", tuple(rsi), series, below=below, beside="%"))
    if len(tri) > 1:
        least = bounds.get(GateName.TRI, 0.0)
        series = {"lowest hour": [round(median, 4) for median in tri.values()], f"gate: ≥ {least:g}": [least] * len(tri)}
        charts.append(line_chart("Median TRI change", tuple(tri), series, below=below, beside="normalised"))
    return charts


def hour_bins(hours: Sequence[HourMetrics], zone: str) -> dict[str, list[HourMetrics]]:
    """Return the hours, in order, put together in at most 12 bins, by the local time at which each bin begins."""
    found: dict[int, list[HourMetrics]] = {}
    for place, hour in enumerate(hours):
        found.setdefault(place * BINS // max(len(hours), BINS), []).append(hour)
    begins = [moment_of(together[0].start_us).astimezone(ZoneInfo(zone)) for together in found.values()]
    dated = len({begin.strftime("%H:%M") for begin in begins}) < len(begins)
    labels = [f"{begin.day} {begin:%b %H:%M}" if dated else f"{begin:%H:%M}" for begin in begins]
    # in the night in which clocks go back an hour comes twice
    labels = [f"{label} {begin:%Z}" if labels.count(label) > 1 else label for label, begin in zip(labels, begins, strict=True)]
    return dict(zip(labels, found.values(), strict=True))


def _rsi_of(hours: Sequence[HourMetrics]) -> float | None:
    known = [(hour.figures.rsi, hour.figures.live) for hour in hours if hour.figures.rsi is not None]
    live = sum(count for _, count in known)
    return sum(share * count for share, count in known) / live if live else None


def _medians(hours: Sequence[HourMetrics]) -> list[float]:
    return [hour.figures.tri_median for hour in hours if hour.figures.tri_median is not None]


def _holds(holds: Sequence[Hold], now: datetime) -> str:
    if not holds:
        return "*Holds:* none"
    lines = [f"*Holds:* {len(holds)} in force, promotions wait"]
    for hold in holds[:_MOST_HOLDS]:
        ends = f", ends by itself {when(hold.expires_at)}" if hold.expires_at else ""
        lines.append(
            f":snowflake: for {spoken(now - hold.since)} by {who(hold.actor)}{because(hold.reason)}{ends}"
            f" · `/anr unfreeze {hold.short_id}` lifts it"
        )
    if len(holds) > _MOST_HOLDS:
        lines.append(f"and {len(holds) - _MOST_HOLDS} more: `/anr status`")
    return "\n".join(lines)


def _drill(drill: Receipt, now: datetime) -> str:
    held = "the safety nets hold" if drill.result is Result.APPLIED else ":rotating_light: not all safety nets hold"
    return f"*Drill:* {held}, {spoken(now - drill.ts)} ago (#{drill.seq}). {noted(drill.note)}"


def _alert_drill(drill: Receipt, now: datetime) -> str:
    ago, total = f"{spoken(now - drill.ts)} ago", drill.alert_drill.total_s if drill.alert_drill else None
    if drill.result is Result.APPLIED and total is not None:
        return f"*Alert path:* proven {ago} in {total:.1f} s (#{drill.seq})."
    return f"*Alert path:* :rotating_light: the drill alert of {ago} did not arrive (#{drill.seq}). {noted(drill.note)}"


def _picture(day: ReportedDay, run: Receipt) -> Attachment | None:
    figures = run.figures
    hours = () if figures is None else tuple(Hour.of(hour) for hour in figures.hours)
    if not hours:
        return None
    bounds = {gate.name: gate.bound for gate in run.gates}
    chart = Chart(hours, day.spells, bounds.get(GateName.RSI, 0.0), bounds.get(GateName.TRI, 0.0), day.zone)
    return Attachment(f"anr-{run.ts:%Y-%m-%d}.png", alt_text(chart), lambda: png(chart))


def alt_text(chart: Chart) -> str:
    """Say in words what the chart shows, for those who cannot see it."""
    first, last = chart.hours[0].begins, chart.hours[-1].begins
    known = [hour.rsi for hour in chart.hours if hour.rsi is not None]
    below = sum(share < chart.rsi_min for share in known)
    rsi = (
        f"route selection index between {min(known):.1%} and {max(known):.1%}, {below} hours below {chart.rsi_min:.0%}"
        if known
        else "no route selection index"
    )
    medians = [hour.tri_median for hour in chart.hours if hour.tri_median is not None]
    tri = f"median TRI change between {min(medians):+.3f} and {max(medians):+.3f}" if medians else "no TRI change"
    stages = ", then ".join(f"{percent(spell.stage)}{' frozen' if spell.frozen else ''}" for spell in chart.spells[-12:])
    return (
        f"Chart by the hour, {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC: {rsi}; "
        f"{sum(hour.rollbacks for hour in chart.hours):,} rollbacks; {tri}; "
        f"{sum(hour.decisions for hour in chart.hours):,} decisions; stage {stages or 'unknown'}."
    )


def _buttons(day: ReportedDay, run: Receipt) -> Block:
    promoted = day.sealed[-1].receipt.action is Action.PROMOTE
    asked = not run.note and run.go
    row = []
    if not day.superseded:
        if run.go and not promoted and not asked and not run.holds_in_force:
            row.append(button("Promote now…", "ask_promote", style="primary"))
        row.append(button("Why", "show_why"))
    row.append(button("Details", "details", value=run.operation))
    if day.runbook_url.startswith(("https://", "http://")):
        row.append({**button("Runbook", "runbook"), "url": day.runbook_url})
    return actions(*row)


def _details(run: Receipt, metrics: WindowMetrics, day: ReportedDay) -> Reply:
    hours = metrics.hours
    shown = hours[-MOST_ROWS:]
    heading = ("Hour", "Decisions", "Live", "RSI", "Rollbacks", "TRI median", "Cap breaches")
    left_out = f" The last {len(shown)} of {len(hours)} hours; the file has all." if len(shown) < len(hours) else ""
    window = f"--lookback-min {metrics.window.minutes} --now {written(metrics.window.end_us)}"
    text = (
        f"*Hour by hour*, {day.zone}, as receipt `{day.sealed[0].mark}` has it.{left_out}\n"
        f"Every single decision of the window: `anr report {window} --csv FILE`"
    )
    rows = [_hour_row(hour, day.zone) for hour in shown]
    name = f"anr-{run.ts:%Y-%m-%d}-hours.csv"
    attached = Attachment(name, f"Hour by hour, {run.ts:%Y-%m-%d}", lambda: hours_csv(hours).encode())
    blocks = (section(text), *([data_table(f"Hour by hour, {day.zone}", heading, rows)] if rows else []))
    return Reply("details", "Hour by hour", blocks, attached)


def _hour_row(hour: HourMetrics, zone: str) -> tuple[Cell, ...]:
    figures, begins = hour.figures, moment_of(hour.start_us).astimezone(ZoneInfo(zone))
    return (
        f"{begins.day} {begins:%b %H:%M}",
        (figures.decisions, f"{figures.decisions:,}"),
        (figures.live, f"{figures.live:,}"),
        "no data" if figures.rsi is None else (figures.rsi, f"{figures.rsi:.1%}"),
        (figures.rollbacks, f"{figures.rollbacks:,}"),
        "no data" if figures.tri_median is None else (figures.tri_median, f"{figures.tri_median:+.3f}"),
        (figures.fast_cap_breaches, f"{figures.fast_cap_breaches:,}"),
    )


def hours_csv(hours: Sequence[HourMetrics]) -> str:
    """Return the hours as CSV, numbers in full; N/A is empty."""
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("start", *_HOUR_COLUMNS))
    writer.writerows((written(hour.start_us), *(getattr(hour.figures, column) for column in _HOUR_COLUMNS)) for hour in hours)
    return file.getvalue()
