"""Results -> Block Kit. Every outside text is escaped and bounded, so that Slack can reject nothing that is built here.

Pure. Limits: Slack's documentation of Block Kit (50 blocks, 3,000 characters in a text, 150 in a header).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.commands import WORDS, Misunderstood
from bot.posts import Block, Post
from core.actors import Actor, ActorKind
from core.approvals import Approval, ApprovalStatus
from core.braking import Braked, Unfrozen
from core.decisions import Lower, Refuse
from core.gates import Gate, Verdict
from core.operations import DailyRun
from core.outcomes import Asked, Ended, Moved, Refused, Signed, WouldMove
from core.overview import Overview
from core.receipts import Action, Flaw, Phase, Receipt, Result, Sealed
from core.report import Report

MAX_TEXT = 2900
MAX_BLOCKS = 48
_SIGNS = {
    Verdict.PASS: ":white_check_mark: PASS",
    Verdict.FAIL: ":x: FAIL",
    Verdict.NO_DATA: ":question: NO DATA",
    Verdict.NOT_APPLICABLE: ":heavy_minus_sign: n/a",
}
_LABELS = {
    "rsi": "Route selection index",
    "rollbacks_per_1k": "Rollbacks per 1,000",
    "tri_median": "Median TRI change",
    "fast_cap": "Fast-route cap",
    "slots": "Critical slots",
    "decisions": "Decisions",
    "freshness": "Ledger freshness",
}
HELP = {
    "status": "stage, holds, gates and open requests",
    "report": "the gates over the last 24 hours",
    "promote [stage] [reason]": "ask for the next stage, or a lower one; `--dry-run` only decides",
    "approve ID · deny ID [reason]": "answer a request, as its buttons do",
    "rollback [reason]": "router to its safe settings, at once",
    "freeze [reason]": "roll back, and hold every promotion",
    "unfreeze [reason]": "lift all holds; the router stays at 0 %",
    "receipts": "the last five receipts",
    "verify": "check that no receipt was altered",
}


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
    return "the daily run" if actor.kind is ActorKind.SCHEDULER else "recovery at start"


def when(moment: datetime) -> str:
    """Write a moment so that each reader sees it in their own zone."""
    fallback = moment.strftime("%Y-%m-%d %H:%M UTC")
    return f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} {{time}}|{fallback}>"


def _mrkdwn(text: str) -> Block:
    # verbatim: Slack would make links of bare addresses and channel names, and parse some mentions, in outside text
    return {"type": "mrkdwn", "text": text or " ", "verbatim": True}


def section(text: str) -> Block:
    """Return one paragraph."""
    return {"type": "section", "text": _mrkdwn(bounded(text))}


def context(text: str) -> Block:
    """Return one line of small print."""
    return {"type": "context", "elements": [_mrkdwn(bounded(text, 1900))]}


def header(text: str) -> Block:
    """Return a headline."""
    return {"type": "header", "text": {"type": "plain_text", "text": text[:150], "emoji": True}}


def gate_table(gates: Iterable[Gate]) -> list[Block]:
    """Return the gates, a line each: verdict, name, reason."""
    lines = [f"{_SIGNS[gate.verdict]}  *{_LABELS[gate.name]}* — {escape(gate.reason)}" for gate in gates]
    return [section("\n".join(lines))] if lines else []


def evidence(summary: Mapping[str, Any]) -> Block:
    """Return what the gates were measured on: the window's size, and every line that was not counted, by kind."""
    skipped = ", ".join(f"{count:,} {escape(str(kind))}" for kind, count in summary["skipped"].items() if count)
    hours = f"{summary['window_minutes'] / 60:g} h"
    text = f"{summary['decisions']:,} decisions in {hours}, {summary['live']:,} of them live"
    return context(f"{text} · ledger lines not counted: {skipped or 'none'}")


def help_text(problem: Misunderstood | None = None) -> list[Block]:
    """Return the commands, after what was not understood."""
    lines = [f"`/anr {words}` — {what}" for words, what in HELP.items()]
    blocks = [
        section("\n".join(lines)),
        {"type": "actions", "elements": [_opens("promote", "primary"), _opens("freeze", "danger")]},
    ]
    if problem is None:
        return blocks
    hint = f" Did you mean `/anr {problem.nearest}`?" if problem.nearest else ""
    return [section(f":question: {escape(problem.problem)}{hint} Nothing was done."), *blocks]


def refusal(refuse: Refuse, gates: Iterable[Gate] = ()) -> list[Block]:
    """Return why something was not done."""
    blockers = "".join(f"\n• {escape(blocker)}" for blocker in refuse.blockers)
    table = gate_table(gates)
    return [section(f":no_entry: {escape(refuse.text)}{'' if table else blockers}"), *table]


def failure(text: str) -> list[Block]:
    """Return what went wrong."""
    return [section(f":warning: {escape(text)}")]


def answer(result: object) -> list[Block]:  # noqa: C901 - one arm a result
    """Return the answer to the person who acted."""
    match result:
        case Refused(refusal=refuse, report=report):
            return refusal(refuse, report.gates.gates if report else ())
        case Refuse():
            return refusal(result)
        case Asked(approval=approval):
            return [section(f":hourglass: Asked. {_what(approval)} waits for an approver until {when(approval.expires_at)}.")]
        case WouldMove(decision=decision, report=report):
            what = "would happen at once" if isinstance(decision, Lower) else "would wait for an approver"
            line = f":mag: Dry run: {decision.from_stage} → {decision.to_stage} % {what}. Nothing was changed."
            return [section(line), *gate_table(report.gates.gates if report else ())]
        case Moved(sealed=sealed):
            return [section(_outcome(sealed.receipt)), context(_mark(sealed))]
        case Signed(approval=approval):
            line = f":pencil: Your approval counts: {_what(approval)}. {approval.missing} more needed before it is done."
            return [section(line)]
        case Ended(approval=approval):
            return [section(_ending(approval))]
        case Braked():
            return _braked(result)
        case Unfrozen(lifted=lifted, left=left):
            more = (
                f" {len(left)} still in force." if left else " The router stays at 0 %; ask for a promotion when you are ready."
            )
            return [section(f":unlock: {len(lifted)} hold(s) lifted.{more}")]
        case DailyRun(sealed=sealed):
            return [context(_mark(sealed))]
        case _:
            raise TypeError(f"nothing says how to show {type(result).__name__}")


def _braked(result: Braked) -> list[Block]:
    done = "Frozen" if result.note.action is Action.FREEZE else "Rolled back"
    if result.safe:
        blocks = [section(f":octagonal_sign: *{done}.* The router's settings are safe: ANR off, pilot 0.00, R4 forced.")]
    else:
        blocks = [section(f":rotating_light: *{done}, but the router may not be safe.* Act on the router by hand now.")]
    blocks.extend(section(f":warning: {escape(problem)}") for problem in result.problems)
    if result.sealed is not None:
        blocks.append(context(_mark(result.sealed)))
    return blocks


def receipts(sealed: Sequence[Sealed]) -> list[Block]:
    """Return receipts, a line each, the newest first."""
    lines = []
    for one in reversed(sealed):
        receipt = one.receipt
        stages = "" if receipt.stage_after is None else f" · {_percent(receipt.stage_before)} → {_percent(receipt.stage_after)}"
        ended = f" · {str(receipt.result).replace('_', ' ')}" if receipt.result else ""
        lines.append(f"`{one.mark}` {when(receipt.ts)} *{receipt.action}* {receipt.phase}{ended}{stages} · {who(receipt.actor)}")
    return [section("\n".join(lines) or "There are no receipts yet.")]


def verification(count: int, flaws: Sequence[Flaw], head: Sealed | None) -> list[Block]:
    """Return whether the receipts hold."""
    if flaws:
        lines = "\n".join(f"• {escape(flaw.problem)}" for flaw in flaws[:20])
        return [section(f":x: *{len(flaws)} flaw(s) in {count} receipts.*\n{lines}")]
    newest = f" The newest is `{head.mark}`." if head else ""
    return [section(f":white_check_mark: All {count} receipts verify.{newest}")]


def story(sealed: Sequence[Sealed], approval: Approval | None) -> Post:
    """Return the one message of a story, as it stands.

    Args:
        sealed: the story's receipts, in order of number; at least one.
        approval: the request that the story is about, if any.
    """
    first, last = sealed[0].receipt, sealed[-1].receipt
    title = _title(first, last, approval)
    blocks = [header(title)]
    if approval is not None:
        blocks.append(section(f"*{_what(approval)}*\nasked by {who(approval.requester)}{_because(approval.reason)}"))
    elif first.action is not Action.DAILY:
        blocks.append(section(f"by {who(first.actor)}{_because(first.reason)}"))
    measured = next((one.receipt for one in reversed(sealed) if one.receipt.gates), None)
    if measured is not None:
        blocks.extend(gate_table(measured.gates))
        blocks.extend([evidence(measured.metrics)] if measured.metrics else [])
    if first.action is Action.DAILY and first.note:
        blocks.append(section(f"*Next:* {escape(first.note)}"))
    if approval is not None and approval.status is ApprovalStatus.PENDING:
        blocks.append(context(f"Expires {when(approval.expires_at)} · request `{approval.id}` · everything is checked again"))
        blocks.append(_buttons(approval))
    elif approval is not None:
        blocks.append(section(_ending(approval)))
    if last.action in {Action.PROMOTE, Action.LOWER, Action.ROLLBACK, Action.FREEZE, Action.INIT, Action.UNFREEZE}:
        blocks.append(section(_outcome(last)))
    blocks.append(context(" · ".join(_mark(one) for one in sealed[-4:])))
    return Post(title, tuple(blocks[:MAX_BLOCKS]))


def _title(first: Receipt, last: Receipt, approval: Approval | None) -> str:
    if approval is not None:
        ends = {
            ApprovalStatus.PENDING: "Approval wanted",
            ApprovalStatus.DENIED: "Denied",
            ApprovalStatus.EXPIRED: "Expired",
            ApprovalStatus.STALE: "Not promoted: no longer valid",
        }
        words = ends.get(approval.status) or ("Promoted" if last.result is Result.APPLIED else "Promotion")
        if approval.status is ApprovalStatus.APPROVED and last.result not in {None, Result.APPLIED}:
            words = "Promotion failed"
        return f"{words}: {approval.from_stage} → {approval.to_stage} %"
    match first.action:
        case Action.DAILY:
            return f"Daily report: {'GO' if first.go else 'NO-GO'} at {_percent(first.stage_before)}"
        case Action.ROLLBACK | Action.FREEZE:
            words = "Rolled back" if first.action is Action.ROLLBACK else "Frozen"
            return words if last.result is Result.APPLIED else f"{words}, but the router may not be safe"
        case Action.LOWER:
            return f"Stepped down: {_percent(first.stage_before)} → {_percent(last.stage_after)}"
        case Action.UNFREEZE:
            return "Unfrozen"
        case Action.PROMOTE:
            return f"Scheduled promotion: {_percent(first.stage_before)} → {_percent(first.stage_after)}"
        case _:
            return "The journal begins"


def _outcome(receipt: Receipt) -> str:
    note = f" {escape(receipt.note)}" if receipt.note else ""
    pilot = f" Settings file: `NOVA_ANR_PILOT={escape(receipt.pilot_after)}`." if receipt.pilot_after else ""
    if receipt.phase is Phase.INTENT:
        return ":hourglass_flowing_sand: Being carried out…"
    if receipt.action is Action.UNFREEZE:
        return f":unlock: Holds lifted. The router stays at {_percent(receipt.stage_after)}."
    match receipt.result:
        case Result.APPLIED if receipt.action in {Action.ROLLBACK, Action.FREEZE}:
            return f":octagonal_sign: The router is in its safe settings: ANR off, R4 forced.{pilot}{note}"
        case Result.APPLIED:
            seen = receipt.router_seen
            if seen and receipt.stage_after is not None and abs(seen.pilot - receipt.stage_after / 100) < 1e-6:
                shown = f" The running router shows it since {when(seen.at)}."
            else:
                shown = " The running router has not shown it in its ledger yet."
            return f":rocket: Now at *{_percent(receipt.stage_after)}*.{pilot}{shown}{note}"
        case Result.OVERTAKEN:
            return f":octagonal_sign: Overtaken by a brake; nothing was promoted.{note}"
        case Result.NOT_APPLIED | Result.UNKNOWN:
            return f":x: Not applied; the settings say {_percent(receipt.stage_after)}.{note}"
        case _:
            return f"The journal begins at *{_percent(receipt.stage_after)}*.{pilot}"


def _ending(approval: Approval) -> str:
    by = f" by {who(approval.decided_by)}" if approval.decided_by else ""
    at = f" {when(approval.decided_at)}" if approval.decided_at else ""
    sign = ":white_check_mark:" if approval.status is ApprovalStatus.APPROVED else ":no_entry:"
    word = {"stale": "Not carried out; answered"}.get(approval.status, str(approval.status).capitalize())
    return f"{sign} *{word}*{by}{at}. {escape(approval.note)}".rstrip()


def _what(approval: Approval) -> str:
    return escape(approval.what)


def _because(reason: str) -> str:
    return f": “{escape(reason)}”" if reason else ""


def _percent(stage: int | None) -> str:
    return "an unknown stage" if stage is None else f"{stage} %"


def _mark(sealed: Sealed) -> str:
    late = " (recorded late)" if sealed.receipt.late else ""
    return f"receipt `{sealed.mark}`{late}"


def _buttons(approval: Approval) -> Block:
    confirm = {
        "title": {"type": "plain_text", "text": "Promote now?"},
        "text": _mrkdwn(f"Live traffic goes from {approval.from_stage} to {approval.to_stage} % at once."),
        "confirm": {"type": "plain_text", "text": "Promote"},
        "deny": {"type": "plain_text", "text": "Not yet"},
    }
    return {
        "type": "actions",
        "elements": [
            {
                "type": "button",
                "action_id": "approve",
                "style": "primary",
                "text": {"type": "plain_text", "text": "Approve"},
                "value": approval.id,
                "confirm": confirm,
            },
            {
                "type": "button",
                "action_id": "deny",
                "style": "danger",
                "text": {"type": "plain_text", "text": "Deny"},
                "value": approval.id,
            },
        ],
    }


def _opens(word: str, style: str) -> Block:
    text = {"type": "plain_text", "text": f"{word.capitalize()}…"}
    return {"type": "button", "action_id": f"ask_{word}", "style": style, "text": text}


def status(seen: Overview) -> list[Block]:
    """Return what is so now: stage, pilot, holds, open requests, gates, and whatever cannot be told."""
    lines = []
    if seen.state is not None:
        state = seen.state
        lines.append(f"*Stage:* {_percent(state.stage)}" + (f" since {when(state.since)}" if state.since else ""))
        lines.append("*Frozen:* yes" if state.frozen else "*Frozen:* no")
        lines.extend(
            f"   :snowflake: {escape(hold.reason or 'no reason given')} — {who(hold.actor)}, {when(hold.since)}"
            for hold in state.holds[:10]
        )
        if state.unsettled:
            lines.append(f"*Unsettled:* receipt #{state.unsettled.seq} has no outcome yet")
    if seen.settings is not None:
        lines.append(f"*Settings file:* `NOVA_ANR_PILOT={escape(seen.settings.pilot or 'not set')}`")
    lines.extend(f":hourglass: Request `{one.id}`: {_what(one)}, asked by {who(one.requester)}" for one in seen.pending)
    lines.extend(f":warning: {escape(problem)}" for problem in seen.problems)
    blocks = [section("\n".join(lines))]
    if seen.report is not None:
        blocks.append(section(f"*Gates:* {_verdict(seen.report)}"))
        blocks.extend(gate_table(seen.report.gates.gates))
        blocks.append(evidence(seen.report.metrics.summary()))
    return blocks


def report(found: Report, window_minutes: int) -> list[Block]:
    """Return the go/no-go report of this moment."""
    gates = gate_table(found.gates.gates)
    headline = section(f"{_verdict(found)} over the last {window_minutes / 60:g} hours")
    return [headline, *gates, evidence(found.metrics.summary())]


def _verdict(found: Report) -> str:
    return ":large_green_circle: *GO*" if found.gates.go else ":red_circle: *NO-GO*"


assert set(WORDS) - {"help", "approve", "deny"} <= {words.split()[0] for words in HELP}, "every command is explained"  # noqa: S101 - at import, so that no word lacks its help
