"""The pieces that every message is built of. Every outside text is escaped and bounded, so that Slack can reject nothing.

Pure. Limits: Slack's documentation of Block Kit (3,000 characters in a text, 150 in a header, 75 on a button).
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from bot.blockkit.post import Block
from core.actors import UPKEEP, Actor, ActorKind
from core.gates.policy import GateName
from core.gates.report import Gate, Report, Verdict
from core.ledger.figures import WindowMetrics
from core.receipts.chain import Sealed
from core.receipts.evidence import BreakGlass, Hold
from core.receipts.observation import Observation, Sight, found
from core.receipts.receipt import Receipt
from core.text import Sentence, written

MAX_TEXT = 2900
MAX_BLOCKS = 48
_SIGNS = {
    Verdict.PASS: ":white_check_mark: PASS",
    Verdict.FAIL: ":x: FAIL",
    Verdict.NO_DATA: ":question: NO DATA",
    Verdict.NOT_APPLICABLE: ":heavy_minus_sign: n/a",
}
LABELS = {
    GateName.RSI: "Route selection index (RSI)",
    GateName.ROLLBACKS: "Rollbacks per 1,000 live decisions",
    GateName.TRI: "Median TRI change",
    GateName.FAST_CAP: "Fast-route cap",
    GateName.SLOTS: "Critical slots",
    GateName.DECISIONS: "Decisions in the window",
    GateName.READING: "Lines that could not be counted",
    GateName.SPAN: "Window that the ledger spans",
    GateName.FRESHNESS: "Ledger freshness",
    GateName.ALERT_PATH: "Alert path",
}
_ACTORS = {ActorKind.SCHEDULER: "the schedule", ActorKind.RECOVERY: "recovery at start", ActorKind.ALERT: "Alertmanager"}


def escape(text: str) -> str:
    """Disarm outside text for mrkdwn: no mention, link or channel call survives (Slack: escaping text)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def bounded(text: str, limit: int = MAX_TEXT) -> str:
    """Cut mrkdwn to what Slack accepts, never inside an escaped character."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    ampersand = cut.rfind("&", len(cut) - 5)
    if ampersand != -1 and ";" not in cut[ampersand:]:
        cut = cut[:ampersand]
    return cut + "…"


def who(actor: Actor) -> str:
    """Name an actor as the reader's Slack shows them."""
    if actor.kind is ActorKind.SLACK and actor.id.isalnum():
        return f"<@{actor.id}>"
    if actor.kind is ActorKind.OS:
        return f"`{escape(actor.id)}` (terminal)"
    if actor == UPKEEP:
        return "scheduled upkeep"
    return _ACTORS.get(actor.kind, f"the {actor.kind}")


def when(moment: datetime) -> str:
    """Write a moment so that each reader sees it in their own zone."""
    return f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} {{time}}|{written(moment)}>"


def clock(moment: datetime) -> str:
    """Write a moment of today as the time of day, so that each reader sees it in their own zone."""
    return f"<!date^{int(moment.timestamp())}^{{time}}|{written(moment)}>"


def prose(text: str) -> str:
    """Disarm a text, and write the moments of a sentence so that each reader sees them in their own zone."""
    parts = text.parts if isinstance(text, Sentence) else (text,)
    return "".join(when(part) if isinstance(part, datetime) else escape(part) for part in parts)


def noted(note: str) -> str:
    """Write the note of a receipt or of a request as the sentence that was recorded."""
    return prose(Sentence.recorded(note))


def sight(seen: Observation) -> str:
    """Say what was seen of the running router, with a sign and its evidence; what has to be done about it stands elsewhere."""
    text, why = _local(escape(found(seen)), seen), escape(seen.why)
    if seen.sight.contradicts:
        return f":rotating_light: *{text}* {why}".rstrip()
    sign = ":white_check_mark:" if seen.sight.is_seen else ":warning:" if seen.sight in _ODD else ":hourglass_flowing_sand:"
    return f"{sign} {text} {why}".rstrip()


def _local(text: str, seen: Observation) -> str:
    """Write the times of a sighting so that each reader sees them in their own zone."""
    shown = {f"{moment:%H:%M:%S} UTC": moment for moment in (seen.since, seen.at) if moment is not None}
    return _TIME.sub(lambda time: _seconds(shown[time[0]], time[0]) if time[0] in shown else time[0], text)


def _seconds(moment: datetime, fallback: str) -> str:
    return f"<!date^{int(moment.timestamp())}^{{time_secs}}|{fallback}>"


_TIME = re.compile(r"\d\d:\d\d:\d\d UTC")
_ODD = frozenset({Sight.UNSEEN_TIMEOUT, Sight.NOT_SERVING})


def percent(stage: int | None) -> str:
    """Write a stage with its unit."""
    return "an unknown stage" if stage is None else f"{stage}%"


def because(reason: str) -> str:
    """Write a reason as somebody's own words; the permalink of a message that it quotes can be followed."""
    return f": “{_PERMALINK.sub(_linked, escape(reason))}”" if reason else ""


_PERMALINK = re.compile(r"https://[a-z0-9-]{1,60}(?:\.enterprise)?\.slack\.com/archives/[CDG][A-Z0-9]{2,30}/p\d{16}(?![\w?&])")
"""Slack's own form of a link to a message: nothing else in an outside text becomes a link."""


def _linked(found: re.Match[str]) -> str:
    return f"<{found[0]}|the message>"


def calendar_day(day: date) -> str:
    """Write a local date: `1 October`."""
    return f"{day.day} {day:%B}"


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: `1 hold`, `2 holds`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def mark(sealed: Sealed) -> str:
    """Write a receipt's number and digest: with these Slack itself witnesses the chain."""
    late = " (recorded late)" if sealed.receipt.late else ""
    return f"receipt `{sealed.mark}`{late}"


def passed_over(broken: BreakGlass) -> str:
    """Say what somebody passed over who acted alone. Those who were not asked are named, so that Slack tells them."""
    gates = ", ".join(LABELS[name] for name in broken.gates)
    skipped = ", ".join(_listed(name) for name in broken.skipped[:20]) or "nobody else"
    return f":rotating_light: *Break-glass.*{f' Gates passed over: {gates}.' if gates else ''} Not waited for: {skipped}."


def _listed(name: str) -> str:
    """Name somebody as the settings do: a user, a user group, or a user of the operating system."""
    if name.startswith("os:"):
        return f"`{escape(name.removeprefix('os:'))}` (terminal)"
    return f"<!subteam^{name}>" if name.startswith("S") else f"<@{name}>"


def hold_line(hold: Hold) -> str:
    """Describe a hold: why, whose, since when, until when, and the id that lifts it."""
    ends = f", ends by itself {when(hold.expires_at)}" if hold.expires_at else ""
    kept = ", stage kept" if hold.keeps_stage else ""
    words = escape(hold.reason or "no reason given")
    return f":snowflake: {words} — by {who(hold.actor)}, since {when(hold.since)}{ends}{kept} · hold `{hold.short_id}`"


def stage_kept(receipt: Receipt) -> str:
    """Say that a hold left the router alone."""
    return f"The router was left as it is: {percent(receipt.stage_after)} of live traffic goes on."


def ends_at(hold: Hold) -> str:
    """Say when a hold ends."""
    return f" The hold ends by itself {when(hold.expires_at)}." if hold.expires_at else " The hold stays until somebody lifts it."


def mrkdwn(text: str) -> dict[str, Any]:
    """Return a text with formatting."""
    # verbatim: Slack would make links of bare addresses and channel names, and parse some mentions, in outside text
    return {"type": "mrkdwn", "text": text or " ", "verbatim": True}


def section(text: str, *, expand: bool = False) -> Block:
    """Return one paragraph; Slack folds a long one away unless it is to be expanded."""
    return {"type": "section", "text": mrkdwn(bounded(text)), **({"expand": True} if expand else {})}


def context(text: str) -> Block:
    """Return one line of small print."""
    return {"type": "context", "elements": [mrkdwn(bounded(text, 1900))]}


def header(text: str) -> Block:
    """Return a headline."""
    return {"type": "header", "text": plain_text(text, 150)}


def plain_text(text: str, limit: int) -> dict[str, Any]:
    """Return a text without formatting, cut to what its place takes."""
    return {"type": "plain_text", "text": text if len(text) <= limit else text[: limit - 1] + "…", "emoji": True}


def button(text: str, action_id: str, *, value: str = "", style: str = "", confirm: Mapping[str, Any] | None = None) -> Block:
    """Return a button. Its value is an opaque id or the name of a router, never an instruction.

    Args:
        text: its label.
        action_id: which button it is.
        value: what it stands for; at most 2,000 characters.
        style: `primary` or `danger`; empty for the usual one.
        confirm: the question that Slack asks first; None if it asks none.
    """
    made: Block = {"type": "button", "action_id": action_id, "text": plain_text(text, 75)}
    if value:
        made["value"] = value
    if style:
        made["style"] = style
    if confirm:
        made["confirm"] = dict(confirm)
    return made


def actions(*elements: Block) -> Block:
    """Return a row of buttons."""
    return {"type": "actions", "elements": list(elements)}


def question(title: str, text: str, yes: str, *, dangerous: bool = True) -> Block:
    """Return what a button asks before it acts.

    Args:
        title: the question; at most 100 characters are shown.
        text: what happens then, in mrkdwn; at most 300.
        yes: what stands on the button that does it; at most 30.
        dangerous: whether that button is red.
    """
    asked: Block = {
        "title": {"type": "plain_text", "text": title[:100]},
        "text": mrkdwn(bounded(text, 300)),
        "confirm": {"type": "plain_text", "text": yes[:30]},
        "deny": {"type": "plain_text", "text": "Not yet"},
    }
    return {**asked, "style": "danger"} if dangerous else asked


def gate_table(gates: Iterable[Gate]) -> list[Block]:
    """Return the gates, a line each: verdict as sign and word, name, reason."""
    lines = [f"{_SIGNS[gate.verdict]}  *{LABELS[gate.name]}* — {noted(gate.reason)}" for gate in gates]
    return [section("\n".join(lines))] if lines else []


def gate_count(gates: Iterable[Gate]) -> str:
    """Return how many of the gates pass, and whether that is enough: `8 of 8 gates pass`."""
    asked = tuple(gates)
    good = sum(gate.passes for gate in asked)
    return f"{':white_check_mark:' if good == len(asked) else ':x:'} {good} of {len(asked)} gates pass"


def gate_summary(gates: Iterable[Gate]) -> str:
    """Return one line: how many pass, and every one that does not."""
    asked = tuple(gates)
    bad = [f"{_SIGNS[gate.verdict]} {LABELS[gate.name]}" for gate in asked if not gate.passes]
    return f"{gate_count(asked)}{': ' if bad else ''}{', '.join(bad)}"


def verdict(report: Report) -> str:
    """Write GO or NO-GO."""
    return ":large_green_circle: *GO*" if report.gates.go else ":red_circle: *NO-GO*"


def evidence(metrics: WindowMetrics) -> Block:
    """Return what the gates were measured on: the window's size, and every line that was not counted, by kind."""
    skipped = ", ".join(f"{count:,} {escape(kind)}" for kind, count in metrics.skipped.items() if count)
    hours = f"{metrics.window.minutes / 60:g} h"
    text = f"{metrics.figures.decisions:,} decisions in {hours}, {metrics.figures.live:,} of them live"
    note = "" if metrics.span.in_order else " · times in the ledger jump, so all of it was read"
    return context(f"{text} · ledger lines not counted: {skipped or 'none'}{note}")
