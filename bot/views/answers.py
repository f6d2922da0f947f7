"""Results -> the answer to the person who asked, and to nobody else.

Pure. Excluded: the channel's messages (bot/stories/card.py) and what both are built of (bot/blockkit/blocks.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from bot.blockkit.blocks import (
    actions,
    because,
    button,
    calendar_day,
    clock,
    context,
    counted,
    ends_at,
    escape,
    evidence,
    gate_count,
    gate_table,
    hold_line,
    percent,
    prose,
    section,
    sight,
    stage_kept,
    verdict,
    when,
    who,
)
from bot.blockkit.post import Block
from bot.stories.card import ending, outcome, what
from bot.stories.upkeep import upkeep_outcome
from core.brake.alert_drill import AlertDrilled
from core.brake.answers import Acknowledged, Silenced
from core.brake.brake import Braked
from core.brake.hold import Held
from core.brake.lift import Unfrozen
from core.gates.report import Gate
from core.journal.verification import Verification
from core.operations.break_glass import Reviewed
from core.operations.daily import Scheduled, Skipped
from core.operations.restore import Restored
from core.operations.results import Asked, Ended, Moved, Refused, Signed, WouldMove
from core.receipts.chain import Sealed
from core.receipts.observation import acted
from core.receipts.receipt import Action, Phase, Result
from core.rollout.approvals import BRAKES
from core.rollout.blockers import codes
from core.rollout.decisions import NeedsApproval
from core.rollout.refusals import Code, Refuse
from core.rollout.state import RolloutState, learning_of, not_counted
from core.target.overview import Overview
from core.upkeep.backup import BackedUp
from core.upkeep.drill import Drilled


@dataclass(frozen=True, slots=True)
class GlassOffered:
    """A promotion was refused by failing gates alone, and whoever asked may promote alone.

    Attributes:
        target: the router's name.
    """

    refused: Refused
    target: str


Answerable = (
    Refused
    | Refuse
    | GlassOffered
    | Asked
    | Reviewed
    | WouldMove
    | Moved
    | Signed
    | Ended
    | Braked
    | Held
    | Unfrozen
    | Scheduled
    | BackedUp
    | Drilled
    | AlertDrilled
    | Restored
    | Skipped
    | Acknowledged
    | Silenced
)
"""Every result that has its own answer here."""


NOT_A_MEMBER = Refuse(
    Code.NOT_ALLOWED,
    "You may not use anr; it is for full members of this workspace. Nothing was changed; an administrator can add you to "
    "`operators`.",
)
"""What somebody without any role is told, wherever they come in."""


def help_text(commands: Mapping[str, Iterable[tuple[str, str]]], problem: str = "", nearest: str | None = None) -> list[Block]:
    """Return the commands by what they are for, and buttons for the usual ones, after what was not understood.

    Args:
        commands: by the name of each group, how its commands are typed, and what each does.
        problem: what was not understood; empty if nothing was.
        nearest: the command that may have been meant.
    """
    if problem:
        hint = f" Did you mean `/anr {nearest}`?" if nearest else ""
        said = f":question: {escape(problem)}{hint} Nothing was done."
        return [section(said), actions(button("All commands", "show_help"))]
    acts = actions(
        button("Promote…", "ask_promote", style="primary"),
        button("Freeze…", "ask_freeze", style="danger"),
        button("Unfreeze…", "ask_unfreeze"),
        button("Status", "show_status"),
        button("Report", "show_report"),
        button("Receipts", "show_receipts"),
        button("Restore…", "ask_restore"),
    )
    groups = [
        section("\n".join((f"*{name}*", *(f"`/anr {words}` {does}" for words, does in lines))), expand=True)
        for name, lines in commands.items()
    ]
    return [*groups, acts]


def refusal(refuse: Refuse, gates: Iterable[Gate] = ()) -> list[Block]:
    """Return why something was not done; of the gates, those that stand in the way."""
    asked = tuple(gates)
    failing = gate_table(gate for gate in asked if not gate.passes)
    blockers = "" if failing else "".join(f"\n• {prose(blocker)}" for blocker in refuse.blockers)
    count = [section(f"*{gate_count(asked)}*")] if failing else []
    return [section(f":no_entry: {prose(refuse.text)}{blockers}"), *count, *failing]


def too_few_approvers(needed: int, there: int) -> list[Block]:
    """Say that a request waits in vain, and how to change that."""
    people = "one more person has" if needed == 1 else f"{needed} more people have"
    text = (
        f":warning: *Nobody may be there to answer.* {people.capitalize()} to approve, and of those whom the settings name "
        f"{'none is' if not there else f'only {there} is'} an active full member of this workspace beside you. "
        "Add somebody to `approvers` in the settings, or take the request back with Deny."
    )
    return [section(text)]


def failure(text: str) -> list[Block]:
    """Return what went wrong."""
    return [section(f":warning: {prose(text)}")]


def answer(result: Answerable) -> list[Block]:  # noqa: C901, PLR0912 - one arm a result
    """Return the answer to the person who acted."""
    match result:
        case GlassOffered(refused=refused, target=target):
            offer = button("Break the glass…", "ask_break_glass", value=target, style="danger")
            return [*answer(refused), actions(offer)]
        case Refused(refusal=refuse, report=report):
            return refusal(refuse, report.gates.gates if report else ())
        case Refuse():
            return refusal(result)
        case Asked(approval=approval) if approval.action in BRAKES:
            line = ":hourglass: *Asked, not done yet.* The settings want an approval for this; its card is in the channel."
            now = f"If it cannot wait: the button *Do it now, alone* on its card, or `/anr {approval.action} --now`."
            return [section(f"{line}\n{now}")]
        case Reviewed():
            return [section(":white_check_mark: Reviewed. The next break-glass is possible again.")]
        case Asked(approval=approval):
            return [
                section(
                    f":hourglass: Asked. It waits for an approver until {clock(approval.expires_at)}; the card is in the channel."
                )
            ]
        case WouldMove(decision=decision, report=report):
            comes = "would wait for an approver" if isinstance(decision, NeedsApproval) else "would happen at once"
            line = f":mag: Dry run: {decision.from_stage}% → {decision.to_stage}% {comes}. Nothing was changed."
            return [section(line), *gate_table(report.gates.gates if report else ())]
        case Moved(sealed=sealed):
            receipt = sealed.receipt.model_copy(update={"observation": result.seen})
            return [section(outcome(receipt))]
        case Signed(approval=approval):
            line = f":pencil: Your approval counts: {what(approval)}. {approval.missing} more needed before it is done."
            return [section(line)]
        case Ended(approval=approval):
            return [section(ending(approval))]
        case Braked():
            return _braked(result)
        case Held(sealed=sealed, hold=hold):
            line = f":snowflake: *Promotions are held.* {stage_kept(sealed.receipt)}{ends_at(hold)}"
            return [section(line)]
        case Unfrozen(sealed=sealed, lifted=lifted, left=left):
            stays = f" The router stays at {percent(sealed.receipt.stage_after)}, with the guardrail route forced."
            more = f" {len(left)} still in force." if left else stays
            lines = section(f":unlock: {counted(len(lifted), 'hold')} lifted.{more}")
            return [lines] if left else [lines, actions(button("Observe in shadow…", "ask_shadow"))]
        case Scheduled(paused=paused):
            line = "is paused: the daily run reports and promotes nothing" if paused else "goes on"
            return [section(f":calendar: The schedule {line}.")]
        case AlertDrilled(sealed=sealed, told=told):
            return [section(upkeep_outcome(sealed.receipt)), context(escape(told))]
        case BackedUp(sealed=sealed) | Restored(sealed=sealed) | Drilled(sealed=sealed):
            return [section(upkeep_outcome(sealed.receipt))]
        case Skipped(day=day):
            text = f":fast_forward: The run of {calendar_day(day)} reports and promotes nothing. The channel sees your reason."
            return [section(text)]
        case Acknowledged():
            return [section(":eyes: Acknowledged; the card says so.")]
        case Silenced(sealed=sealed, left=left):
            rest = "".join(f"\n• not silenced: {escape(alert)}" for alert in left)
            return [section(f":no_bell: {escape(sealed.receipt.note)}. The holds are as they were.{rest}")]
        case _:
            assert_never(result)


def _braked(result: Braked) -> list[Block]:
    done = "Frozen" if result.note.action is Action.FREEZE else "Rolled back"
    if result.safe:
        seen = result.observation
        what_was_done = acted(seen) if seen is not None else "The safe settings were written."
        blocks = [section(f":octagonal_sign: *{done}: 0% of live traffic.* {what_was_done}")]
        blocks.extend([section(f"{sight(seen)} The card in the channel says it as soon as it is.")] if seen is not None else [])
    else:
        blocks = [section(f":rotating_light: *{done}, but the router may not be safe.* Act on the router by hand now.")]
    blocks.extend(section(f":warning: {prose(problem)}") for problem in result.problems)
    blocks.extend(section(f":information_source: {prose(remark)}") for remark in result.remarks)
    return blocks


def receipts(sealed: Sequence[Sealed]) -> list[Block]:
    """Return receipts as sentences, the newest first; their numbers and digests below, where somebody compares them."""
    lines = [receipt_line(one) for one in reversed(sealed)]
    if not lines:
        return [section("There are no receipts yet.")]
    marks = " ".join(f"`{one.mark}`" for one in reversed(sealed))
    return [section("\n".join(lines)), context(f"Number and first digits of the SHA-256 of each: {marks}")]


def receipt_line(sealed: Sealed) -> str:
    """Say what a receipt records, in one sentence: when, who, what, and between which stages."""
    receipt = sealed.receipt
    moved = receipt.stage_after is not None and receipt.stage_before != receipt.stage_after
    stages = (
        f", {percent(receipt.stage_before)} → {percent(receipt.stage_after)}"
        if moved and receipt.stage_before is not None
        else ""
    )
    failed = "" if receipt.result in {None, Result.APPLIED} else f": *{str(receipt.result).replace('_', ' ')}*"
    doing = " (begun)" if receipt.phase is Phase.INTENT else ""
    what_was_done = _VERBS.get(receipt.action, str(receipt.action))
    return f"{when(receipt.ts)} · {who(receipt.actor)} {what_was_done}{stages}{doing}{failed}{because(receipt.reason)}"


_VERBS = {
    Action.INIT: "began the journal",
    Action.REQUEST: "asked for an approval",
    Action.APPROVE: "approved a request",
    Action.ADOPT: "adopted a backup",
    Action.DENY: "denied a request",
    Action.EXPIRE: "let a request expire",
    Action.STALE: "found a request no longer valid",
    Action.PROMOTE: "promoted",
    Action.LOWER: "stepped down",
    Action.ROLLBACK: "rolled back",
    Action.FREEZE: "froze",
    Action.HOLD: "held promotions back",
    Action.UNFREEZE: "unfroze",
    Action.SHADOW: "let the router observe in shadow",
    Action.SEEN: "saw the router at its stage",
    Action.OBSERVED: "looked at the running router",
    Action.DAILY: "made the daily report",
    Action.PREFLIGHT: "announced the daily run",
    Action.SKIP: "skipped a daily run",
    Action.PAUSE: "paused the schedule",
    Action.RESUME: "let the schedule go on",
    Action.DRIFT: "found router and journal to differ",
    Action.AGREED: "found router and journal to agree again",
    Action.REAPPLY: "put the journal's settings back",
    Action.ACCEPT: "accepted what the router shows",
    Action.BACKUP: "backed the state up",
    Action.RESTORE: "restored the state",
    Action.RESET: "reset the state",
    Action.DRILL: "tried the safety nets out",
    Action.ALERT_DRILL: "tried the alert path out",
    Action.PRUNE: "pruned old receipts",
    Action.ARCHIVE: "archived the ledger",
    Action.GUARD: "would have frozen",
    Action.ALERT: "told of an alert",
    Action.ACKNOWLEDGE: "acknowledged an alert",
    Action.SILENCE: "silenced an alert",
    Action.REVIEW: "reviewed a break-glass",
}


def verification(found: Verification) -> list[Block]:
    """Return whether the receipts hold."""
    count, flaws, head = len(found.readable), found.flaws, found.head
    compared = [context(escape(" · ".join(map(str, found.compared))))] if found.compared else []
    if flaws:
        lines = "\n".join(f"• {escape(flaw.problem)}" for flaw in flaws[:20])
        return [section(f":x: *{counted(len(flaws), 'flaw')} in {counted(count, 'receipt')}.*\n{lines}"), *compared]
    if head is None or found.unproven:
        held = f"{count} receipts hold by themselves. " if count else ""
        return [section(f":warning: *Not proven.* {held}{escape(found.unproven or '')}"), *compared]
    seen = f" {found.unseen}" if found.unseen else " Marks outside of the journal confirm it."
    return [section(f":white_check_mark: All {count} receipts verify. The newest is `{head.mark}`.{seen}"), *compared]


def _frozen(state: RolloutState) -> str:
    if not state.frozen:
        return "no"
    return "yes, by rollback" if state.rolled_back else f"yes, with the stage kept at {percent(state.stage)}"


def status(seen: Overview) -> list[Block]:
    """Return what is so now: stage, pilot, holds, open requests, gates, and whatever cannot be told."""
    lines = []
    if seen.state is not None:
        state = seen.state
        lines.append(f"*Stage:* {percent(state.stage)}" + (f" since {when(state.since)}" if state.since else ""))
        lines.append(f"*Frozen:* {_frozen(state)}")
        lines.extend(f"   {hold_line(hold)}" for hold in state.holds[:10])
        if state.paused:
            lines.append(f"*Schedule:* paused by {who(state.paused.actor)}, {when(state.paused.since)}")
        if state.unsettled:
            lines.append(f"*Unsettled:* receipt #{state.unsettled.seq} has no outcome yet")
    if seen.observation is not None:
        lines.append(f"*Running router:* {sight(seen.observation)}")
    if seen.settings is not None:
        lines.append(f"*Settings file:* {percent(seen.settings.stage)}")
    lines.extend(
        f":hourglass: Request `{intent.id}`: {what(intent)}, asked by {who(intent.requester)}" for intent in seen.pending
    )
    if seen.blockers:
        lines.append(f"*In the way of the next promotion:* {codes(seen.blockers)} · `/anr why`")
    lines.extend(f":warning: {prose(problem)}" for problem in seen.problems)
    blocks = [section("\n".join(lines))]
    if seen.report is not None:
        gates = seen.report.gates.gates
        blocks.append(section(f"*Gates:* {verdict(seen.report)}, {gate_count(gates)}. `/anr report` has all of them."))
        blocks.extend(gate_table(gate for gate in gates if not gate.passes))
        blocks.append(evidence(seen.report.metrics))
    return blocks


def report(seen: Overview) -> list[Block]:
    """Return the go/no-go report of this moment, or why there is none."""
    found = seen.report
    if found is None:
        return failure(" ".join(seen.question.unreadable))
    headline = section(f"{verdict(found)} over the last {found.metrics.window.minutes / 60:g} hours")
    does_not_count = not_counted(learning_of(seen.state), seen.now) if seen.state else ""
    counts = [section(f":information_source: {prose(does_not_count)}")] if does_not_count else []
    return [headline, *counts, *gate_table(found.gates.gates), evidence(found.metrics)]


def details(_: None) -> list[Block]:
    """Say where a report's details are."""
    return [section(":thread: The hours and a CSV file are in the report's thread.")]
