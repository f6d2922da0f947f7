"""One approver promotes alone against gates that fail, and somebody else reviews it afterwards.

Excluded: the rules (core/rollout/break_glass.py).
"""

from dataclasses import dataclass, replace

from core.actors import Actor, Approvable
from core.operations.apply import climb
from core.operations.results import Moved, Refused
from core.receipts.chain import Sealed
from core.receipts.drafts.origin import Origin
from core.receipts.drafts.requests import break_glass_reviewed
from core.rollout.break_glass import decide_break_glass, may_break_glass, may_review, passed_over, too_short
from core.rollout.decisions import decide_step_up
from core.rollout.refusals import Refuse
from core.target.gather import Gathered, decide_locked
from core.target.lock import operation_lock
from core.target.order import Order
from core.target.target import Target
from core.text import clean_text
from core.upkeep.backup import keep_state


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A break-glass was reviewed by somebody else."""

    sealed: Sealed


def break_glass(target: Target, order: Order) -> Moved | Refused:
    """Promote by one stage against gates that fail, without anybody else's approval. The receipt is marked.

    Raises:
        AnrError: something that the decision needs cannot be read; nothing was changed.
    """
    return decide_locked(target, "break glass", lambda gathered: _break_glass(target, order, gathered))


def _break_glass(target: Target, order: Order, gathered: Gathered) -> Moved | Refused:
    now, actor, reason = gathered.now, order.actor, clean_text(order.reason)
    facts = target.facts(gathered.evidence)
    if done := target.done_before(order.cause):
        return Refused(done)
    if refusal := may_break_glass(actor, facts.state, target.access) or too_short(reason):
        return Refused(refusal)
    move = decide_step_up(target.preconditions(facts, now, answers=True), actor)
    if isinstance(move, Refuse):
        return Refused(move)
    report = gathered.report(target, leaving_zero=move.from_stage == 0)
    decision = decide_break_glass(move, report.gates)
    if isinstance(decision, Refuse):
        return Refused(decision, report)
    kept = keep_state(target, now)
    if isinstance(kept, Refuse):
        return Refused(kept, report)
    broken = passed_over(Approvable.PROMOTE, actor, target.access, report.gates)
    return Moved(climb(target, facts, move, replace(order, reason=reason, break_glass=broken), report, kept), report)


def review(target: Target, actor: Actor, finding: str = "", operation: str = "") -> Reviewed | Refused:
    """Say that somebody else has looked at the last break-glass, so that the next one is possible.

    Args:
        target: the router that is meant.
        actor: who looked.
        finding: what they found.
        operation: the break-glass that they looked at; the last one if it is left out.

    Raises:
        OperationBusy, JournalError: nothing was recorded.
    """
    with operation_lock(target.settings.run_dir, "review", target.clock()):
        state = target.journal.state()
        if refusal := may_review(state, actor, target.access, operation):
            return Refused(refusal)
        if state.unreviewed is None:
            raise AssertionError("may_review refuses where there is nothing to review")
        draft = target.draft(
            break_glass_reviewed(Origin(state.unreviewed.operation, target.clock(), actor, finding)),
        )
        return Reviewed(target.journal.append(draft))
