"""Emergencies: to promote alone against failing gates, its review, and brakes where the settings want an approval for them.

Each gathers, decides and applies. Excluded: the rules (core/break_glass.py) and the brake itself (core/braking.py).
"""

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta

from core.actors import Actor, Approvable, Role
from core.actuation import Order, climb
from core.approvals import ApprovalStatus
from core.approving import Intent, ask, cause_of, settle_brake
from core.braking import LOOK_SECONDS, Braked, engage
from core.break_glass import decide_break_glass, may_break_glass, may_review, passed_over, too_short
from core.canonical import clean_text, parse_span
from core.decisions import Code, Raise, Refuse, not_allowed, obstacles, plan_move
from core.errors import AnrError, JournalError
from core.lock import operation_lock
from core.logs import logger
from core.outcomes import Asked, Moved, Refused
from core.receipts import Action, Phase, Sealed
from core.site import Site
from core.upkeep import keep_state

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A break-glass was reviewed by somebody else."""

    sealed: Sealed


def break_glass(site: Site, order: Order) -> Moved | Refused:
    """Promote by one stage against gates that fail, without anybody else's approval. The receipt is marked.

    Raises:
        AnrError: something that the decision needs cannot be read; nothing was changed.
    """
    now, actor, reason = site.clock(), order.actor, clean_text(order.reason)
    with operation_lock(site.target.run_dir, "break glass", now):
        facts = site.facts()
        if order.cause is not None and (seq := site.journal.find_cause(order.cause)) is not None:
            return Refused(Refuse(Code.ALREADY_DONE, f"This was already done: receipt #{seq}. Nothing was done again."))
        if refusal := may_break_glass(actor, facts.state, site.access) or too_short(reason):
            return Refused(refusal)
        move = plan_move(facts.state, site.target.stages, None, facts.drift)
        if not isinstance(move, Raise):
            return Refused(move if isinstance(move, Refuse) else Refuse(Code.TOP_OF_LADDER, "There is no stage above."))
        standing = site.standing(facts.state, now, marks=facts.brake, drift=facts.drift, waiting=())
        if in_the_way := obstacles(standing, actor):
            return Refused(in_the_way[0])
        report = site.measure(now, leaving_zero=move.from_stage == 0)
        decision = decide_break_glass(move, report.gates)
        if isinstance(decision, Refuse):
            return Refused(decision, report)
        kept = keep_state(site, now)
        if isinstance(kept, Refuse):
            return Refused(kept, report)
        broken = passed_over(Approvable.PROMOTE, actor, site.access, report.gates)
        return Moved(climb(site, facts, move, replace(order, reason=reason, break_glass=broken), report, kept), report)


def review(site: Site, actor: Actor, finding: str = "", story: str = "") -> Reviewed | Refused:
    """Say that somebody else has looked at the last break-glass, so that the next one is possible.

    Args:
        site: the target.
        actor: who looked.
        finding: what they found.
        story: the break-glass that they looked at; the last one if it is left out.

    Raises:
        OperationBusy, JournalError: nothing was recorded.
    """
    with operation_lock(site.target.run_dir, "review", site.clock()):
        state = site.journal.state()
        if refusal := may_review(state, actor, site.access, story):
            return Refused(refusal)
        if state.unreviewed is None:
            raise AssertionError("may_review refuses where there is nothing to review")
        draft = site.draft(
            operation=state.unreviewed.operation,
            ts=site.clock(),
            action=Action.REVIEW,
            phase=Phase.EVENT,
            actor=actor,
            reason=clean_text(finding),
        )
        return Reviewed(site.journal.append(draft))


def brake(
    site: Site, action: Approvable, order: Order, *, lasts: timedelta | None = None, at_once: bool = False
) -> Braked | Asked | Refused | Refuse:
    """Roll back or freeze: at once, unless the settings give a person's brake an approval; then ask for it.

    Whatever keeps the request from being made makes the brake act at once: only somebody's no may hold it back.

    Args:
        site: the target.
        action: ROLLBACK or FREEZE.
        order: who wants it, why, and what set it off.
        lasts: when a freeze ends by itself; None if somebody has to lift it.
        at_once: break the glass: do not wait for anybody. The receipt names who was passed over.
    """
    rule = site.access.rule(action)
    if not rule.needed or not order.actor.is_person:
        return engage(site, Action(action), order, lasts)
    if at_once:
        return engage(site, Action(action), replace(order, break_glass=passed_over(action, order.actor, site.access)), lasts)
    if Role.BRAKE not in order.actor.roles:
        return not_allowed(str(action), "operators")
    try:
        facts = site.facts()
        if order.cause is not None and (seq := site.journal.find_cause(order.cause)) is not None:
            return Refuse(Code.ALREADY_DONE, f"This was already done: receipt #{seq}. Nothing was done again.")
        minutes = (f"{round(lasts.total_seconds() / 60)}m",) if lasts else ()
        asked = ask(site, facts, Intent(action, minutes), order, site.clock())
    except AnrError:
        log.exception("the approval of %s cannot be asked for; it acts at once", action)
        return engage(site, Action(action), order, lasts)
    if isinstance(asked, Refused) and asked.refusal.code is Code.NO_APPROVERS:
        return engage(site, Action(action), order, lasts)
    return asked


def brake_now(site: Site, action: Approvable, actor: Actor, approval_id: str) -> Braked | Refused | Refuse:
    """Break the glass of a brake that waits for an approval: act at once, then end the request."""
    now, approval = site.clock(), None
    try:
        with closing(site.journal.with_patience(LOOK_SECONDS)) as journal:
            approval = journal.approval(approval_id)
    except JournalError:
        log.exception("the request %s cannot be read; the brake acts all the same", approval_id)
    if approval is not None and approval.action is not action:
        approval = None  # no button of ours says so; the brake acts, and what else waits goes on waiting
    if approval is not None and approval.status is not ApprovalStatus.PENDING:
        return Refused(Refuse(Code.APPROVAL_OVER, f"This request is over: it was already {approval.status}."), approval=approval)
    reason = approval.reason if approval else ""
    lasts = parse_span(approval.subject[0]) if approval and approval.subject else None
    order = Order(actor, reason, cause_of(approval_id), break_glass=passed_over(action, actor, site.access))
    braked = engage(site, Action(action), order, lasts, story=approval_id)
    if isinstance(braked, Refuse) or approval is None:
        return braked
    try:
        with operation_lock(site.target.run_dir, f"end {approval_id}", now):
            settle_brake(
                site, approval, ApprovalStatus.STALE, now, by=actor, note="Done at once, without waiting for an approval."
            )
    except AnrError as error:
        log.exception("the brake acted, but its request is still open; the next sweep ends it")
        return replace(braked, problems=(*braked.problems, f"The request is still open: {error}"))
    return braked
