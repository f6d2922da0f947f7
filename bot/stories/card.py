"""The one message of a story: what it is, who asked and who decided, how it stands, what comes next; its evidence as replies.

Pure. Buttons are there while something can be decided, and gone when it is over. Excluded: answers to whoever asked
(bot/views/answers.py), and how messages get to Slack (bot/slack/outbox.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.blockkit.blocks import (
    MAX_BLOCKS,
    actions,
    because,
    bounded,
    button,
    clock,
    context,
    counted,
    ends_at,
    escape,
    evidence,
    gate_count,
    gate_table,
    header,
    hold_line,
    noted,
    passed_over,
    percent,
    prose,
    question,
    section,
    sight,
    stage_kept,
    when,
    who,
)
from bot.blockkit.post import Block, Post, Reply
from bot.blockkit.signs import State, titled
from bot.stories.called import Callers
from bot.stories.upkeep import UPKEEP, upkeep_outcome, upkeep_title
from core.actors import Approvable
from core.gates.report import all_pass
from core.operations.requests import Reexamined
from core.receipts.chain import Sealed
from core.receipts.evidence import HOLD_DIGITS, Hold
from core.receipts.observation import Observation, Sight, acted, to_do
from core.receipts.receipt import Action, Phase, Receipt, Result
from core.rollout.approvals import BRAKES, Approval, ApprovalStatus
from core.text import spoken

_OUTCOMES = frozenset(
    {
        Action.PROMOTE,
        Action.LOWER,
        Action.ROLLBACK,
        Action.FREEZE,
        Action.HOLD,
        Action.INIT,
        Action.UNFREEZE,
        Action.SHADOW,
        *UPKEEP,
    }
)


@dataclass(frozen=True, slots=True)
class Beside:
    """What a story shows beside its receipts.

    Attributes:
        look: what the gates said lately, while the request waits.
        seen: what was seen of the running router after a later brake, while a hold of this story is in force.
        lifted: the receipts that lifted its holds.
        holds: whether one of its holds is in force.
        callers: whom it calls.
    """

    look: Reexamined | None = None
    seen: Observation | None = None
    lifted: tuple[Receipt, ...] = ()
    holds: bool = False
    callers: Callers = field(default_factory=Callers)


def story(sealed: Sequence[Sealed], approval: Approval | None, beside: Beside | None = None) -> Post:
    """Return the one message of a story, as it stands: what was decided or has to be, first; the evidence in its thread.

    Args:
        sealed: the story's receipts, in order of number; at least one.
        approval: the request that the story is about, if any.
        beside: what is shown beside them.
    """
    beside = beside or Beside()
    first, last = sealed[0].receipt, last_step(sealed)
    if beside.seen is not None:
        last = last.model_copy(update={"observation": beside.seen})
    pending = approval is not None and approval.status is ApprovalStatus.PENDING
    title = _title(first, last, approval, unfrozen=bool(beside.lifted) and not beside.holds)
    blocks = [header(title)]
    if approval is not None and pending:
        blocks.extend(_asked(sealed, approval, beside))
    else:
        blocks.extend(_ended(sealed, approval, last, beside))
    if first.holds_in_force:
        still = (_reminder(hold, first.ts) for hold in first.holds_in_force[:10])
        blocks.append(section("\n".join(("*Still in force:*", *still))))
    told = (*replies(sealed), *beside.callers.danger(sealed, title))
    if approval is not None:
        told = (*told, *beside.callers.decision(approval, last))
    text = f"{title}{_called_in(approval, beside.callers)}" if approval is not None and pending else title
    return Post(text, tuple(blocks[:MAX_BLOCKS]), told)


def _called_in(approval: Approval, callers: Callers) -> str:
    asked = f", asked by {who(approval.requester)}"
    return f"{asked} · {called}" if (called := callers.approvers(approval)) else asked


def _measured(sealed: Sequence[Sealed]) -> Receipt | None:
    return next((one.receipt for one in reversed(sealed) if one.receipt.gates), None)


def _asked(sealed: Sequence[Sealed], approval: Approval, beside: Beside) -> Iterator[Block]:
    """Return what somebody has to decide, on the first screen of a telephone: verdict, asker, reason, time left, buttons."""
    look, measured = beside.look, _measured(sealed)
    gates = look.report.gates.gates if look is not None else measured.gates if measured is not None else ()
    lines = [f"*{gate_count(gates)}*"] if gates else []
    if approval.action is not Approvable.PROMOTE or approval.ends_drift:
        lines.insert(0, f"*{_capital(what(approval))}*")
    lines.append(f"Asked by {who(approval.requester)}{because(approval.reason)}")
    left = spoken(approval.expires_at - (look.at if look is not None else approval.asked_at))
    called = beside.callers.approvers(approval)
    lines.append(f"Expires in {left} ({clock(approval.expires_at)}){_signedso_far(approval)}{f' · {called}' if called else ''}")
    yield section("\n".join(lines))
    yield answer_buttons(approval)
    if look is not None:
        yield _asked_again(look)
    yield from gate_table(gate for gate in gates if not gate.passes)
    yield context("Everything is checked again when you approve. One denial ends it. The gates are in the thread.")


def _ended(sealed: Sequence[Sealed], approval: Approval | None, last: Receipt, beside: Beside) -> Iterator[Block]:
    """Return what was done or decided, by whom and why, and what comes next."""
    first, measured = sealed[0].receipt, _measured(sealed)
    if approval is not None:
        about = "" if approval.action is Approvable.PROMOTE and not approval.ends_drift else f"*{_capital(what(approval))}*\n"
        yield section(f"{about}Asked by {who(approval.requester)}{because(approval.reason)}\n{ending(approval)}")
    else:
        yield section(f"By {who(first.actor)}{because(first.reason)}")
    if broken := next((one.receipt.break_glass for one in sealed if one.receipt.break_glass), None):
        yield section(passed_over(broken))
    if last.action in _OUTCOMES:
        yield section(outcome(last))
    if measured is not None and not all_pass(measured.gates):
        yield section(f"*{gate_count(measured.gates)}*")
        yield from gate_table(gate for gate in measured.gates if not gate.passes)
    yield from _review(sealed)
    for lifting in beside.lifted[:5]:
        yield section(f"*Unfrozen* by {who(lifting.actor)} {when(lifting.ts)}{because(lifting.reason)}")
    put = [hold for one in sealed for hold in one.receipt.holds_added]
    gone = put and not beside.holds and beside.lifted
    if not gone and (step := _next_step(last, approval, put)):
        yield section(f"*Next:* {step}")
    if beside.holds:
        yield actions(button("Unfreeze…", "ask_unfreeze", value=first.operation))


def _asked_again(look: Reexamined) -> Block:
    """Say what the gates would make of an approval that came now."""
    if look.against is None:
        return context(f":arrows_counterclockwise: The gates were asked again {when(look.at)}: they pass.")
    text = f":warning: *Would be refused now.* The gates were asked again {when(look.at)}: {prose(look.against.text)}"
    return section(" ".join((text, *map(prose, look.against.blockers))))


def _capital(text: str) -> str:
    """Begin a sentence with it, and leave the rest: names in it keep their letters."""
    return text[:1].upper() + text[1:]


def _review(sealed: Sequence[Sealed]) -> Iterator[Block]:
    """Return who reviewed a promotion that somebody made alone, or the button with which somebody does."""
    first = sealed[0].receipt
    if first.break_glass is None or first.action is not Action.PROMOTE:
        return
    review = next((sealed_receipt.receipt for sealed_receipt in sealed if sealed_receipt.receipt.action is Action.REVIEW), None)
    if review is not None:
        yield section(f":white_check_mark: *Reviewed* by {who(review.actor)} {when(review.ts)}{because(review.reason)}")
        return
    yield section(":eyes: Another approver looks at it and says so here. Until then no other break-glass is possible.")
    yield actions(button("Reviewed…", "ask_review", value=first.operation))


def last_step(sealed: Sequence[Sealed]) -> Receipt:
    """Return the newest receipt that is more than a sighting, with what was seen of the running router since."""
    newest = sealed[-1].receipt
    after = {Action.SEEN, Action.OBSERVED, Action.REVIEW}
    last = next(
        (sealed_receipt.receipt for sealed_receipt in reversed(sealed) if sealed_receipt.receipt.action not in after), newest
    )
    if brake := next(
        (
            sealed_receipt.receipt
            for sealed_receipt in sealed[1:]
            if sealed_receipt.receipt.action in {Action.ROLLBACK, Action.FREEZE}
        ),
        None,
    ):
        last = brake  # it acted before its request was answered
    since = [sealed_receipt.receipt for sealed_receipt in sealed if sealed_receipt.receipt.seq >= last.seq]
    seen = next((receipt.observation for receipt in reversed(since) if receipt.observation), last.observation)
    sighting = next((receipt.router_seen for receipt in reversed(since) if receipt.action is Action.SEEN), last.router_seen)
    return last.model_copy(update={"observation": seen, "router_seen": sighting})


def _reminder(hold: Hold, now: datetime) -> str:
    """Return one line about a hold that is still in force, so that nobody forgets it: how old, whose, how to lift it."""
    return f"{hold_line(hold)} · for {spoken(now - hold.since)} now"


def what(approval: Approval) -> str:
    """Say what a request asks for."""
    return escape(approval.what)


def ending(approval: Approval) -> str:
    """Say how a request ended, and who decided it."""
    approved = approval.status is ApprovalStatus.APPROVED
    signers = [signature.actor for signature in approval.signatures if signature.decision == "approved"] if approved else []
    deciders = signers or ([approval.decided_by] if approval.decided_by else [])
    by = f" by {', '.join(map(who, deciders))}" if deciders else ""
    at = f" {when(approval.decided_at)}" if approval.decided_at else ""
    if approval.action in BRAKES and approval.status is ApprovalStatus.STALE:
        return f"*Done at once*{by}{at}, without waiting for an approval."
    word = {"stale": "Not carried out; answered"}.get(approval.status, str(approval.status).capitalize())
    note = f"“{escape(approval.note)}”" if approval.note and approval.status is ApprovalStatus.DENIED else noted(approval.note)
    return f"*{word}*{by}{at}. {note}".rstrip()


def outcome(receipt: Receipt) -> str:
    """Say how an operation ended, as its last receipt has it."""
    if receipt.action in UPKEEP:
        return upkeep_outcome(receipt)
    note = f" {noted(receipt.note)}" if receipt.note else ""
    if receipt.phase is Phase.INTENT:
        return "Being carried out…"
    if receipt.action is Action.HOLD:
        return f"Promotions are held. {stage_kept(receipt)}{''.join(map(ends_at, receipt.holds_added))}"
    if receipt.action is Action.UNFREEZE:
        return f"Holds lifted. The router's settings stay as they are: {percent(receipt.stage_after)}."
    match receipt.result:
        case Result.APPLIED if receipt.action in {Action.ROLLBACK, Action.FREEZE}:
            until = "".join(map(ends_at, receipt.holds_added))
            return (
                f"{_acted(receipt)} ANR is off, the guardrail route is forced: 0% of live traffic.{until}{note}{_sight(receipt)}"
            )
        case Result.APPLIED:
            return _applied(receipt, note)
        case Result.OVERTAKEN:
            return f"Overtaken by a brake; nothing was promoted.{note}"
        case Result.NOT_APPLIED | Result.UNKNOWN:
            return f"Not applied; the settings say {percent(receipt.stage_after)}.{note}{_sight(receipt)}"
        case _:
            return f"The journal begins at *{percent(receipt.stage_after)}*.{_sight(receipt)}"


def _acted(receipt: Receipt) -> str:
    return acted(receipt.observation) if receipt.observation is not None else "The safe settings were written."


def _sight(receipt: Receipt) -> str:
    return f"\n{sight(receipt.observation)}" if receipt.observation is not None else ""


def _applied(receipt: Receipt, note: str) -> str:
    """Say "now at" only of a stage that was seen: what was written is written."""
    stage, seen = percent(receipt.stage_after), receipt.router_seen
    if receipt.observation is not None and not receipt.observation.sight.is_seen:
        return f"Written: *{stage}*. {_acted(receipt)}{note}{_sight(receipt)}"
    if seen and receipt.stage_after is not None and seen.shows(receipt.stage_after):
        return f"Now at *{stage}*. The running router shows it since {when(seen.at)}.{note}"
    if receipt.observation is not None:
        return f"Now at *{stage}*.{note}{_sight(receipt)}"
    return f"Now at *{stage}*. The running router has not shown it in its ledger yet.{note}"


def so_far(receipt: Receipt) -> str:
    """Return what a title has to add as long as the running router was not seen to follow."""
    seen = receipt.observation
    if receipt.result not in {None, Result.APPLIED}:
        return ", but the router may not be safe" if receipt.action in {Action.ROLLBACK, Action.FREEZE} else ""
    if seen is None or seen.sight.is_seen:
        return ""
    if seen.sight is Sight.STILL_SERVING:
        return ", but the router is STILL SERVING"
    if seen.sight.contradicts:
        return ", but the router does not follow"
    if seen.sight is Sight.SERVING:
        return ", serving at a pilot that nobody says"
    if seen.sight is Sight.NOT_SERVING:
        return ", but not with the settings that were written"
    if seen.sight is Sight.UNSEEN_TIMEOUT:
        return ", but the router was NOT SEEN"
    return ", not seen yet" if seen.sight.is_open else ""


def _title(first: Receipt, last: Receipt, approval: Approval | None, *, unfrozen: bool) -> str:
    if approval is not None:
        return titled(*_request_title(last, approval))
    if unfrozen and first.action in {Action.FREEZE, Action.HOLD}:
        return titled(State.LIFTED, "Frozen, unfrozen since")
    return titled(*_words(first, last))


def _words(first: Receipt, last: Receipt) -> tuple[State, str]:  # noqa: C901 - one arm an action
    """Return how what nobody had to approve stands, and a title's words for it."""
    if first.action in UPKEEP:
        return upkeep_title(last)
    so_much, from_stage, to_stage = so_far(last), percent(first.stage_before), percent(first.stage_after)
    match first.action:
        case Action.ROLLBACK:
            return _state(last, State.BRAKED), f"Rolled back{so_much}"
        case Action.FREEZE:
            return _state(last, State.BRAKED), f"Frozen{so_much}"
        case Action.HOLD:
            return State.HELD, f"Frozen, with the stage kept at {to_stage}"
        case Action.LOWER:
            return _state(last, State.LOWERED), f"Stepped down: {from_stage} → {percent(last.stage_after)}{so_much}"
        case Action.UNFREEZE if first.holds_in_force:
            return State.HELD, f"{counted(len(first.holds_lifted), 'hold')} lifted, others in force"
        case Action.UNFREEZE:
            return State.LIFTED, "Unfrozen"
        case Action.PROMOTE:
            kind = "Scheduled promotion" if first.break_glass is None else "Break-glass promotion"
            failed = "" if last.phase is Phase.INTENT or last.result is Result.APPLIED else " failed"
            return _state(last, State.PROMOTED), f"{kind}{failed}: {from_stage} → {to_stage}{so_much}"
        case Action.SHADOW:
            failed = "" if last.phase is Phase.INTENT or last.result is Result.APPLIED else " failed"
            return _state(last, State.LEARNING), f"Observing in shadow{failed}{so_much}"
        case Action.INIT:
            return State.BEGUN, "The journal begins"
        case action:
            return _state(last, State.FINE), str(action).capitalize()


def _state(last: Receipt, done: State) -> State:
    """Return how an operation stands whose sign is `done` once it was seen to be done."""
    brakes = last.action in {Action.ROLLBACK, Action.FREEZE}
    if last.phase is Phase.INTENT:
        return State.RUNNING
    if last.result not in {None, Result.APPLIED}:
        return State.DANGER if brakes else State.FAILED
    seen = last.observation
    if seen is None or seen.sight.is_seen:
        return done
    if seen.sight.contradicts or (brakes and seen.sight is Sight.UNSEEN_TIMEOUT):
        return State.DANGER
    return done if brakes else State.WRITTEN


def _request_title(last: Receipt, approval: Approval) -> tuple[State, str]:
    promotes = approval.action is Approvable.PROMOTE
    about = f"{percent(approval.from_stage)} → {percent(approval.to_stage)}" if promotes else str(approval.action)
    if approval.action in BRAKES and approval.status in {ApprovalStatus.APPROVED, ApprovalStatus.STALE}:
        done = "Rolled back" if approval.action is Approvable.ROLLBACK else "Frozen"
        return _state(last, State.BRAKED), f"{done}{so_far(last)}"
    match approval.status:
        case ApprovalStatus.PENDING:
            return State.ASKED, f"Approval needed: {about}"
        case ApprovalStatus.STALE:
            return State.LAPSED, f"{'Not promoted' if promotes else 'Not done'}, no longer valid: {about}"
        case ApprovalStatus.APPROVED if last.phase is Phase.INTENT:
            return State.RUNNING, f"Approved, being carried out: {about}"
        case ApprovalStatus.APPROVED if last.result not in {None, Result.APPLIED}:
            return State.FAILED, f"Approved, but it failed: {about}"
        case ApprovalStatus.APPROVED:
            return _state(last, _DONE[approval.action]), f"{'Promoted' if promotes else 'Done'}: {about}{so_far(last)}"
        case ApprovalStatus.DENIED:
            return State.DENIED, f"Denied: {about}"
        case status:
            return State.LAPSED, f"{str(status).capitalize()}: {about}"


_DONE = {
    Approvable.PROMOTE: State.PROMOTED,
    Approvable.UNFREEZE: State.LIFTED,
    Approvable.RESTORE: State.FINE,
    Approvable.RESET: State.FINE,
    Approvable.ROLLBACK: State.BRAKED,
    Approvable.FREEZE: State.BRAKED,
}


def _next_step(last: Receipt, approval: Approval | None, put: Sequence[Hold]) -> str:  # noqa: C901, PLR0912 - one arm a state
    """Say what happens next, or what somebody has to do."""
    if approval is not None and approval.status is ApprovalStatus.PENDING:
        return ""
    if last.phase is Phase.INTENT:
        return "the settings are written and read back."
    if (
        approval is not None
        and approval.status is not ApprovalStatus.APPROVED
        and last.action not in {Action.ROLLBACK, Action.FREEZE}
    ):
        return f"nothing happens by itself. Ask again with `/anr {approval.asked_with}` when it is time."
    if last.observation is not None and last.result is Result.APPLIED and (step := to_do(last.observation)):
        return escape(step)
    match last.action, last.result:
        case Action.ROLLBACK | Action.FREEZE, Result.NOT_APPLIED | Result.UNKNOWN:
            return "make the router safe by hand now, then look at `/anr status`."
        case Action.ROLLBACK, _:
            return (
                "find out why. Then `/anr shadow` lets the router learn again; stage 0 soaks from then on, as `/anr next` says, "
                "before somebody asks for live traffic with `/anr promote`. The daily run does not."
            )
        case Action.FREEZE, _:
            return f"find out why. {_how_to_lift(put)} Then somebody asks with `/anr promote`."
        case Action.HOLD, _:
            return f"the stage is served on, and a step down or `/anr rollback` stays possible. {_how_to_lift(put)}"
        case Action.UNFREEZE, _:
            if last.holds_in_force:
                return "promotions stay held until the other holds are lifted."
            return (
                "nothing is promoted by itself: `/anr shadow` lets the router learn again, `/anr promote` asks for live traffic."
            )
        case Action.SHADOW, Result.APPLIED:
            return (
                "it serves nothing. What it learns counts from now on; stage 0 soaks first, as `/anr next` says. Then somebody "
                "asks for live traffic with `/anr promote`."
            )
        case ((Action.RESTORE | Action.RESET), _):
            return f"look whether the router learns as it should. {_how_to_lift(put)} Then somebody asks with `/anr promote`."
        case ((Action.PROMOTE | Action.LOWER), Result.APPLIED):
            return "the next daily run reports on it. `/anr rollback` takes it back at once."
        case Action.PROMOTE, _:
            return "look at `/anr status`, then ask again with `/anr promote`."
        case _:
            return ""


def _how_to_lift(put: Sequence[Hold]) -> str:
    ids = " ".join(hold.short_id for hold in put)
    return f"`/anr unfreeze {ids}` lifts the hold." if ids else ""


def _signedso_far(approval: Approval) -> str:
    if approval.needed <= 1 and not approval.signatures:
        return ""
    names = ", ".join(who(signature.actor) for signature in approval.signatures) or "nobody yet"
    return f" · approved so far: {names} ({len(approval.signatures)} of {approval.needed})"


def replies(sealed: Sequence[Sealed]) -> Iterator[Reply]:
    """Return the evidence of each receipt: what was measured, written and read back. People are named in the message alone.

    A name in a new message calls its owner; evidence should not.
    """
    for sealed_receipt in sealed:
        receipt = sealed_receipt.receipt
        mark_shown, step = sealed_receipt.mark, _step(receipt)
        lines = [f"*Receipt `{mark_shown}`* · {when(receipt.ts)} · {step}"]
        lines.extend(f"{name}: {_settings(values)}" for name, values in _settings_shown(receipt))
        if receipt.backup:
            lines.append(f"Backup `{escape(receipt.backup.name)}`, sha256 `{receipt.backup.digest}`")
        if receipt.observation:
            lines.append(sight(receipt.observation))
        elif receipt.router_seen:
            lines.append(f"Running router: {receipt.router_seen.pilot:.2f} of live traffic, seen {when(receipt.router_seen.at)}")
        lines.extend(f"Hold `{hold.short_id}` put" for hold in receipt.holds_added)
        lines.extend(f"Hold `{hold_id[:HOLD_DIGITS]}` lifted" for hold_id in receipt.holds_lifted)
        found = [*gate_table(receipt.gates), *([evidence(figures)] if (figures := receipt.figures) else [])]
        blocks = (section("\n".join(lines)), *found)
        if receipt.host:
            made = f"{receipt.build} on {receipt.host}{f' · runbook: {receipt.runbook_url}' if receipt.runbook_url else ''}"
            blocks += (context(escape(made)),)
        yield Reply(f"receipt-{receipt.seq}", f"Receipt {mark_shown}: {step}", blocks)


def _step(receipt: Receipt) -> str:
    ended = f", {receipt.ended}" if receipt.ended else ""
    return f"{receipt.action} {receipt.phase}{ended}"


def _settings_shown(receipt: Receipt) -> Iterator[tuple[str, dict[str, str]]]:
    if receipt.settings_written:
        yield "Settings to write" if receipt.phase is Phase.INTENT else "Settings written", dict(receipt.settings_written)
    if receipt.settings_observed:
        ours = {name: value for name, value in receipt.settings_observed.items() if name.startswith("NOVA_ANR_")}
        yield "Settings read back", ours


def _settings(values: dict[str, str]) -> str:
    return escape(", ".join(f"`{name}={value}`" for name, value in sorted(values.items())))


def answer_buttons(approval: Approval) -> Block:
    """Return the buttons that answer a request that waits; what they ask first names the change, who asked, and why."""
    promotes = approval.action is Approvable.PROMOTE
    asked = f"Asked by {who(approval.requester)}{because(bounded(approval.reason, 120))}"
    yes = f"Promote to {percent(approval.to_stage)}" if promotes else str(approval.action).capitalize()
    confirm = question(f"{yes}?", f"{_consequence(approval)} {asked}", yes, dangerous=not promotes)
    row = [button("Approve", "approve", value=approval.id, style="primary", confirm=confirm)]
    if approval.action in BRAKES:
        alone = question(f"{yes} now, alone?", f"At once, without an approval. Those who were to be asked are told. {asked}", yes)
        row.append(button("Do it now, alone", f"{approval.action}_now", value=approval.id, style="danger", confirm=alone))
    return actions(*row, button("Deny…", "ask_deny", value=approval.id))


def _consequence(approval: Approval) -> str:
    if approval.action is Approvable.PROMOTE:
        return f"Live traffic goes from {percent(approval.from_stage)} to {percent(approval.to_stage)} at once."
    if approval.action in {Approvable.RESTORE, Approvable.RESET}:
        becomes = "replaced" if approval.action is Approvable.RESTORE else "removed, after a backup"
        return f"The router is braked and restarted, the rollout is frozen, and the learned state is {becomes}."
    return f"{_capital(what(approval))}."
