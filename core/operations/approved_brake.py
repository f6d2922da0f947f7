"""Emergencies: to promote alone against failing gates, its review, and brakes where the settings want an approval for them.

Each gathers, decides and applies. Excluded: the rules (core/rollout/break_glass.py) and the brake itself (core/brake/brake.py).
"""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta

from core.actors import Actor, Approvable, Role
from core.brake.brake import LOOK_SECONDS, Braked, engage
from core.errors import AnrError, JournalError
from core.operations.ask import Proposal, ask
from core.operations.requests import settle_brake
from core.operations.results import Asked, Refused
from core.receipts.cause import Approved
from core.receipts.receipt import Action
from core.rollout.approvals import ApprovalStatus
from core.rollout.break_glass import passed_over
from core.rollout.refusals import Code, Refuse, not_allowed
from core.system.logs import logger
from core.target.lock import operation_lock
from core.target.order import Order
from core.target.target import Target
from core.text import parse_span

log = logger(__name__)


def brake(
    target: Target, action: Approvable, order: Order, *, lasts: timedelta | None = None, at_once: bool = False
) -> Braked | Asked | Refused | Refuse:
    """Roll back or freeze: at once, unless the settings give a person's brake an approval; then ask for it.

    Whatever keeps the request from being made makes the brake act at once: only somebody's no may hold it back.

    Args:
        target: the router that is meant.
        action: ROLLBACK or FREEZE.
        order: who wants it, why, and what set it off.
        lasts: when a freeze ends by itself; None if somebody has to lift it.
        at_once: break the glass: do not wait for anybody. The receipt names who was passed over.
    """
    rule = target.access.rule(action)
    if not rule.needed or not order.actor.is_person:
        return engage(target, Action(action), order, lasts)
    if at_once:
        return engage(target, Action(action), replace(order, break_glass=passed_over(action, order.actor, target.access)), lasts)
    if Role.BRAKE not in order.actor.roles:
        return not_allowed(order.actor, str(action), "operators")
    try:
        facts = target.facts_and_requests(target.unseen())
        if done := target.done_before(order.cause):
            return done
        minutes = (f"{round(lasts.total_seconds() / 60)}m",) if lasts else ()
        asked = ask(target, facts, Proposal(action, minutes), order, target.clock())
    except AnrError:
        log.exception("the approval of %s cannot be asked for; it acts at once", action)
        return engage(target, Action(action), order, lasts)
    if isinstance(asked, Refused) and asked.refusal.code is Code.NO_APPROVERS:
        return engage(target, Action(action), order, lasts)
    return asked


def brake_now(target: Target, action: Approvable, actor: Actor, approval_id: str) -> Braked | Refused | Refuse:
    """Break the glass of a brake that waits for an approval: act at once, then end the request.

    Args:
        target: the router that is meant.
        action: the brake that the button stands for; it acts whatever the request says.
        actor: who does not want to wait.
        approval_id: of the request.
    """
    now, approval = target.clock(), None
    try:
        with closing(target.journal.with_patience(LOOK_SECONDS)) as journal:
            approval = journal.approval(approval_id)
    except JournalError:
        log.exception("the request %s cannot be read; the brake acts all the same", approval_id)
    if approval is not None and approval.action is not action:
        approval = None  # no button of ours says so; the brake acts, and what else waits goes on waiting
    if approval is not None and approval.status is not ApprovalStatus.PENDING:
        return Refused(Refuse(Code.APPROVAL_OVER, f"This request is over: it was already {approval.status}."), approval=approval)
    reason = approval.reason if approval else ""
    lasts = parse_span(approval.subject[0]) if approval and approval.subject else None
    order = Order(actor, reason, str(Approved(approval_id)), break_glass=passed_over(action, actor, target.access))
    braked = engage(target, Action(action), order, lasts, operation=approval_id)
    if isinstance(braked, Refuse) or approval is None:
        return braked
    try:
        with operation_lock(target.settings.run_dir, f"end {approval_id}", now):
            settle_brake(
                target, approval, ApprovalStatus.STALE, now, by=actor, note="Done at once, without waiting for an approval."
            )
    except AnrError as error:
        log.exception("the brake acted, but its request is still open; the next sweep ends it")
        return replace(braked, problems=(*braked.problems, f"The request is still open: {error}"))
    return braked
