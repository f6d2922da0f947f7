"""The daily report: GO or NO-GO and what happens next, the gates beside yesterday's, the day hour by hour, holds, receipt.

Pure. The figures come from the receipt alone, so that the report of any day can be shown again. Excluded: drawing the chart
(bot/stories/chart.py) and finding yesterday's report (bot/stories/compose.py).
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import StringIO

from bot.blockkit.blocks import (
    LABELS,
    MAX_BLOCKS,
    actions,
    because,
    button,
    context,
    evidence,
    header,
    mark,
    noted,
    percent,
    section,
    when,
    who,
)
from bot.blockkit.post import Attachment, Block, Post, Reply, picture_block
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
_VERDICTS = {
    Verdict.PASS: "✅ PASS",
    Verdict.FAIL: "❌ FAIL",
    Verdict.NO_DATA: "❔ NO DATA",
    Verdict.NOT_APPLICABLE: "➖ not applicable",
}
_MOST_HOLDS = 10
_MOST_HOURS = 99
"""Rows that a table takes beside its heading (Slack: 100)."""
_VALUES = {
    GateName.RSI: "{:.1%}",
    GateName.ROLLBACKS: "{:.3g}",
    GateName.TRI: "{:+.3f}",
    GateName.FAST_CAP: "{:,.0f} breaches",
    GateName.SLOTS: "{:.0f} healthy",
    GateName.DECISIONS: "{:,.0f}",
    GateName.READING: "{:.2%}",
    GateName.SPAN: "{:.1%}",
    GateName.FRESHNESS: "{:.1f} min old",
    GateName.ALERT_PATH: "heard {:.1f} min ago",
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
    """Return the message of one day's report, as it stands."""
    run = day.sealed[0].receipt
    title = f"Daily report: {'GO' if run.go else 'NO-GO'} at {percent(run.stage_before)}, {_in_short(day.sealed)}"
    before = {gate.name: gate for gate in day.yesterday.gates} if day.yesterday else {}
    lines = [f"*Next:* {_next(day)}"]
    if run.note:
        lines.append(f"*Why:* {noted(run.note)}")
    blocks = [header(title), section("\n".join(lines)), _gate_table(run.gates, before)]
    if (figures := run.figures) is not None:
        blocks.append(evidence(figures))
    picture = _picture(day, run)
    if picture is not None:
        blocks.append(picture_block(picture.title))
    blocks.append(section(_holds(run.holds_in_force, run.ts)))
    if day.drill is not None:
        blocks.append(section(_drill(day.drill, run.ts)))
    if day.alert_drill is not None:
        blocks.append(section(_alert_drill(day.alert_drill, run.ts)))
    blocks.append(_buttons(day, run))
    blocks.append(context(" · ".join(mark(sealed_receipt) for sealed_receipt in day.sealed[-4:])))
    details = (_details(run, figures, day.sealed[0].mark),) if day.details and figures is not None else ()
    return Post(_as_text(title, run.gates), tuple(blocks[:MAX_BLOCKS]), (*replies(day.sealed[1:]), *details), picture)


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
    heading = ("Gate", "Value", "Bound", "Verdict", "Since yesterday")
    rows = [(LABELS[gate.name], _value(gate), _bound(gate), _VERDICTS[gate.verdict], trend(gate, before)) for gate in gates]
    return table(heading, rows, right=(1, 2))


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
        return "no report yesterday" if not before else "not asked yesterday"
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
    match gate.name:
        case GateName.RSI:
            return f"at least {gate.bound:.0%}"
        case GateName.ROLLBACKS:
            return f"at most {gate.bound:g}"
        case GateName.TRI:
            return f"at least {gate.bound:g}"
        case GateName.FAST_CAP:
            return "none"
        case GateName.SLOTS:
            return f"all {gate.bound:.0f}"
        case GateName.DECISIONS:
            return f"at least {gate.bound:,.0f}"
        case GateName.READING:
            return f"at most {gate.bound:.2%}"
        case GateName.SPAN:
            return f"at least {gate.bound:.0%}"
        case GateName.FRESHNESS | GateName.ALERT_PATH:
            return f"at most {gate.bound:g} min"


def _as_text(title: str, gates: Sequence[Gate]) -> str:
    """The report without blocks: for notifications, and for clients that show no table."""
    lines = [f"{_VERDICTS[gate.verdict]}: {LABELS[gate.name]} {_value(gate)} ({_bound(gate)})" for gate in gates]
    return "\n".join((title, *lines))


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


def _details(run: Receipt, metrics: WindowMetrics, named: str) -> Reply:
    hours = metrics.hours
    shown = hours[-_MOST_HOURS:]
    heading = ("Hour (UTC)", "Decisions", "Live", "RSI", "Rollbacks", "Median TRI", "Cap breaches")
    left_out = f" The last {len(shown)} of {len(hours)} hours; the file has all." if len(shown) < len(hours) else ""
    window = f"--lookback-min {metrics.window.minutes} --now {written(metrics.window.end_us)}"
    text = (
        f"*Hour by hour*, as receipt `{named}` has it.{left_out}\n"
        f"Every single decision of the window: `anr report {window} --csv FILE`"
    )
    rows = [_hour_row(hour) for hour in shown]
    name = f"anr-{run.ts:%Y-%m-%d}-hours.csv"
    attached = Attachment(name, f"Hour by hour, {run.ts:%Y-%m-%d}", lambda: hours_csv(hours).encode())
    blocks = (section(text), *([table(heading, rows, right=range(1, 7))] if rows else []))
    return Reply("details", "Hour by hour", blocks, attached)


def _hour_row(hour: HourMetrics) -> tuple[str, ...]:
    figures = hour.figures
    return (
        f"{moment_of(hour.start_us):%d %b %H:%M}",
        f"{figures.decisions:,}",
        f"{figures.live:,}",
        "no data" if figures.rsi is None else f"{figures.rsi:.1%}",
        f"{figures.rollbacks:,}",
        "no data" if figures.tri_median is None else f"{figures.tri_median:+.3f}",
        f"{figures.fast_cap_breaches:,}",
    )


def hours_csv(hours: Sequence[HourMetrics]) -> str:
    """Return the hours as CSV, numbers in full; N/A is empty."""
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("start", *_HOUR_COLUMNS))
    writer.writerows((written(hour.start_us), *(getattr(hour.figures, column) for column in _HOUR_COLUMNS)) for hour in hours)
    return file.getvalue()
