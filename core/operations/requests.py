"""Requests: approve, deny, end what nobody answered. Each gathers, decides and applies under the lock.

Excluded: asking (core/operations/ask.py), carrying a promotion out (core/operations/apply.py) and ending a drift
(core/operations/end_drift.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from core.actors import SCHEDULER, Actor, Approvable, Role
from core.brake.brake import Braked, engage
from core.brake.lift import Unfrozen, lift
from core.errors import AnrError
from core.gates.report import Report
from core.operations.apply import climb
from core.operations.end_drift import Shown, against_ending, end_approved, shown_since
from core.operations.restore import Restored, carry_out, chosen, nothing_to_reset, router_in_the_way
from core.operations.results import Ended, Moved, Refused, Signed
from core.receipts.cause import Approved
from core.receipts.chain import Sealed
from core.receipts.drafts.origin import Origin
from core.receipts.drafts.requests import request_answered
from core.receipts.evidence import Signature
from core.receipts.receipt import Action
from core.rollout.approvals import (
    BRAKES,
    Approval,
    ApprovalStatus,
    decide_approval,
    from_the_future,
    may_approve,
    may_deny,
    still_open,
    still_true,
)
from core.rollout.decisions import decide_approved
from core.rollout.refusals import Code, Refuse
from core.rollout.requested import by_rules_of_now, tampered
from core.system.logs import logger
from core.target.gather import Gathered, decide_locked
from core.target.lock import operation_lock
from core.target.order import Order
from core.target.target import Facts, Target
from core.text import clean_text, parse_span
from core.upkeep.backup import keep_state

log = logger(__name__)


def approve(target: Target, actor: Actor, approval_id: str) -> Moved | Unfrozen | Restored | Braked | Signed | Ended | Refused:
    """Approve a request; the last approval that it needs carries it out, after everything was checked again.

    Everything is what it is now: also who asked and who signed before, and how many are needed. What is carried out is the
    request in the chain. What changed ends the request as stale, visibly; it is never carried out later.

    Raises:
        PersonUnknown: nobody can say what those who asked and signed may do by now; the request still waits.
        AnrError: something else that the decision needs cannot be read; the request still waits.
    """
    asked = target.journal.approval(approval_id)
    if asked is not None and asked.action in BRAKES:
        return _approve_brake(target, asked, actor)
    people, shown = _People(target, asked), shown_since(target) if asked is not None and asked.ends_drift else Shown()
    operation = f"approve {clean_text(approval_id, 40)}"
    promotes = asked is not None and asked.action is Approvable.PROMOTE and asked.status is ApprovalStatus.PENDING
    return decide_locked(
        target, operation, lambda gathered: _approve(target, actor, approval_id, gathered, people, shown), measured=promotes
    )


class _People:
    """Those whose hands a request has seen, as they are now: asked of once, before anybody waits for the lock."""

    def __init__(self, target: Target, approval: Approval | None) -> None:
        self._target = target
        hands = (approval.requester, *(signature.actor for signature in approval.signatures)) if approval is not None else ()
        self._known = {hand: target.person_now(hand) for hand in hands if hand.is_person}

    def now(self, actor: Actor) -> Actor:
        """Return who somebody is by now; whoever has signed a moment ago is asked of late."""
        if actor not in self._known:
            self._known[actor] = self._target.person_now(actor)
        return self._known[actor]


def _approve(
    target: Target, actor: Actor, approval_id: str, gathered: Gathered, people: _People, shown: Shown
) -> Moved | Unfrozen | Restored | Signed | Ended | Refused:
    now = target.clock()  # no earlier moment: a request may have expired while the router was looked at
    facts = target.facts(gathered.evidence)
    approval = _answerable(target, actor, approval_id, now, people)
    if not isinstance(approval, Approval):
        return approval
    if changed := still_true(approval, facts.state, target.settings.policy_digest):
        return _end(target, approval, ApprovalStatus.STALE, now, by=actor, note=changed.text)
    match approval.action:
        case Approvable.PROMOTE:
            if approval.ends_drift and (against := against_ending(target, facts, approval, shown, now)):
                return _end(target, approval, ApprovalStatus.STALE, now, by=actor, note=against.text)
            return _approve_promotion(target, facts, approval, actor, now, gathered)
        case Approvable.RESTORE | Approvable.RESET:
            return _approve_restore(target, facts, approval, actor, now)
        case Approvable.UNFREEZE:
            signed = approval.signed(actor, now)
            if signed.missing:
                return _sign(target, signed, now)
            done = signed.ended(ApprovalStatus.APPROVED, now, by=actor)
            order = Order(approval.requester, approval.reason, operation=approval.id)
            return lift(target, facts.state, approval.subject, order, now, done)
        case action:
            raise NotImplementedError(f"nothing carries out an approved {action}")


def _answerable(target: Target, actor: Actor, approval_id: str, now: datetime, people: _People) -> Approval | Ended | Refused:
    """Return the request that is answered, by the rules of now; or why this actor may not answer it, or how it ended."""
    row = target.journal.approval(approval_id)
    if refusal := still_open(row, approval_id, now):
        return _refuse_late_answer(target, row, refusal, now)
    if row is None:
        raise AssertionError("still_open refuses a request that does not exist")
    told = target.journal.of_request(row.id)
    if refusal := tampered(row, (sealed.receipt for sealed in told)) or from_the_future(row, now):
        return Refused(refusal, approval=row)
    # a clock that was set back makes nothing younger than what was recorded since
    if refusal := still_open(row, approval_id, _latest(target.journal.receipts(after=told[0].receipt.seq), now)):
        return _refuse_late_answer(target, row, refusal, now)
    approval = by_rules_of_now(row, people.now, target.access)
    if isinstance(approval, Refuse):
        return _end(target, row, ApprovalStatus.STALE, now, by=actor, note=approval.text)
    if refusal := may_approve(approval, actor, target.access):
        return Refused(refusal, approval=approval)
    return approval


def _latest(receipts: Iterable[Sealed], now: datetime) -> datetime:
    return max((now, *(sealed.receipt.ts for sealed in receipts)))


def _approve_brake(target: Target, approval: Approval, actor: Actor) -> Braked | Signed | Ended | Refused:
    """Sign a request for a brake. The last approval acts on the router first, without the lock, and records afterwards."""
    now = target.clock()
    if refusal := still_open(approval, approval.id, now):
        return _refuse_late_answer(target, approval, refusal, now)
    if refusal := may_approve(approval, actor, target.access):
        return Refused(refusal, approval=approval)
    if approval.missing > 1:
        with operation_lock(target.settings.run_dir, f"approve {approval.id}", now):
            again = target.journal.approval(approval.id) or approval  # somebody may have signed meanwhile
            if refusal := still_open(again, approval.id, now) or may_approve(again, actor, target.access):
                return Refused(refusal, approval=again)
            if again.missing > 1:
                return _sign(target, again.signed(actor, now), now)
            approval = again
    requester = approval.requester.model_copy(update={"roles": frozenset({Role.BRAKE})})
    order = Order(requester, approval.reason, str(Approved(approval.id)))
    lasts = parse_span(approval.subject[0]) if approval.subject else None
    braked = engage(target, Action(approval.action), order, lasts, operation=approval.id)
    if isinstance(braked, Refuse):
        return Refused(braked, approval=approval)
    try:
        with operation_lock(target.settings.run_dir, f"approve {approval.id}", now):
            settle_brake(target, approval.signed(actor, now), ApprovalStatus.APPROVED, now, by=actor)
    except AnrError as error:
        log.exception("the brake acted, but its request is still open; the next sweep ends it")
        return replace(braked, problems=(*braked.problems, f"The request is still open: {error}"))
    return braked


def settle_brake(
    target: Target, approval: Approval, status: ApprovalStatus, now: datetime, *, by: Actor | None = None, note: str = ""
) -> Ended | None:
    """End the request for a brake that has acted; None if it is over already. The caller holds the lock.

    Args:
        target: the router that is meant.
        approval: the request, as it was read before the brake acted.
        status: how it ended.
        now: the moment.
        by: who answered it; None if nobody did.
        note: what is said of it, a sentence.

    Raises:
        JournalError: the request is still open.
    """
    again = target.journal.approval(approval.id)
    if again is None or again.status is not ApprovalStatus.PENDING:
        return None
    ended = approval.ended(status, now, by=by, note=note)
    action = Action.APPROVE if status is ApprovalStatus.APPROVED else Action.STALE
    return Ended(ended, _record(target, ended, action, by or SCHEDULER, now))


def _approve_promotion(
    target: Target, facts: Facts, approval: Approval, actor: Actor, now: datetime, gathered: Gathered
) -> Moved | Signed | Ended | Refused:
    standing = target.preconditions(facts, now, answers=True)
    move = decide_approved(standing, approval.to_stage) if not approval.ends_drift else None
    if isinstance(move, Refuse):
        return _end(target, approval, ApprovalStatus.STALE, now, by=actor, note=move.text)
    report = gathered.report(target, leaving_zero=approval.leaves_zero)
    if refusal := decide_approval(approval, report.gates):
        note = " ".join((refusal.text, *refusal.blockers))
        return _end(target, approval, ApprovalStatus.STALE, now, by=actor, note=note, report=report)
    signed = approval.signed(actor, now)
    if signed.missing:
        return _sign(target, signed, now, report)
    if move is None:
        done = signed.ended(ApprovalStatus.APPROVED, now, by=actor)
        return Moved(end_approved(target, facts, done, report, now), report)
    kept = keep_state(target, now)
    if isinstance(kept, Refuse):
        return Refused(kept, report, approval)
    done = signed.ended(ApprovalStatus.APPROVED, now, by=actor)
    order = Order(approval.requester, approval.reason, operation=approval.id)
    return Moved(climb(target, facts, move, order, report, kept, done), report)


def _approve_restore(
    target: Target, facts: Facts, approval: Approval, actor: Actor, now: datetime
) -> Restored | Signed | Ended | Refused:
    restores = approval.action is Approvable.RESTORE
    backup = chosen(target, *approval.subject) if restores else nothing_to_reset(target)
    if isinstance(backup, Refuse):
        return _end(target, approval, ApprovalStatus.STALE, now, by=actor, note=backup.text)
    if refusal := router_in_the_way(target):
        return Refused(refusal, approval=approval)
    signed = approval.signed(actor, now)
    if signed.missing:
        return _sign(target, signed, now)
    done = signed.ended(ApprovalStatus.APPROVED, now, by=actor)
    return carry_out(target, facts, backup, Order(approval.requester, approval.reason, operation=approval.id), done)


def deny(target: Target, actor: Actor, approval_id: str, reason: str = "") -> Ended | Refused:
    """End a request with a no; one is enough.

    Args:
        target: the router that is meant.
        actor: who says no.
        approval_id: of the request.
        reason: why.

    Raises:
        OperationBusy, JournalError: the request still waits.
    """
    with operation_lock(target.settings.run_dir, f"deny {clean_text(approval_id, 40)}", target.clock()):
        now = target.clock()
        approval = target.journal.approval(approval_id)
        if refusal := still_open(approval, approval_id, now):
            return _refuse_late_answer(target, approval, refusal, now)
        if approval is None:
            raise AssertionError("still_open refuses a request that does not exist")
        if refusal := may_deny(approval, actor, target.access):
            return Refused(refusal, approval=approval)
        return _end(target, approval, ApprovalStatus.DENIED, now, by=actor, note=clean_text(reason))


def sweep(target: Target) -> tuple[Ended, ...]:
    """End the requests that have expired, or that the rollout has moved away from.

    Raises:
        OperationBusy, JournalError: the rest still waits.
    """
    if not target.journal.pending():
        return ()
    ended = []
    with operation_lock(target.settings.run_dir, "sweep", target.clock()):
        now = target.clock()
        state = target.journal.state()
        for approval in target.journal.pending():
            if approval.action in BRAKES and target.journal.find_cause(str(Approved(approval.id))) is not None:
                # the process died between the brake and this
                settled = settle_brake(target, approval, ApprovalStatus.APPROVED, now)
                ended.extend([settled] if settled else [])
            elif now >= approval.expires_at:
                ended.append(_end(target, approval, ApprovalStatus.EXPIRED, now, note="Nobody answered in time."))
            elif changed := still_true(approval, state, target.settings.policy_digest):
                ended.append(_end(target, approval, ApprovalStatus.STALE, now, note=changed.text))
    return tuple(ended)


@dataclass(frozen=True, slots=True)
class Reexamined:
    """What the gates say at present about a promotion that waits for an approval.

    Attributes:
        at: when they were asked.
        against: what would refuse it now; None if nothing would.
        ended: set if that is for good, so that the request was ended.
    """

    approval: Approval
    at: datetime
    report: Report
    against: Refuse | None
    ended: Ended | None = None


def reexamine(target: Target) -> tuple[Reexamined, ...]:
    """Measure the gates of every promotion that waits for an approval, and end a request whose gates fail.

    Where there is only too little data (the router's health did not answer, the ledger paused) nothing ends: it may come
    back, and whoever approves meanwhile is refused all the same.

    Raises:
        AnrError: something cannot be read; the rest still waits.
    """
    return tuple(_reexamined(target, intent) for intent in target.journal.pending() if intent.action is Approvable.PROMOTE)


def _reexamined(target: Target, approval: Approval) -> Reexamined:
    now = target.clock()
    report = target.measure(now, leaving_zero=approval.leaves_zero)
    against = decide_approval(approval, report.gates)
    found = Reexamined(approval, now, report, against)
    if against is None or all(gate.blind for gate in report.gates.blocking):
        return found
    with operation_lock(target.settings.run_dir, f"re-examine {approval.id}", now):
        again = target.journal.approval(approval.id)
        if again is None or again.status is not ApprovalStatus.PENDING:
            return found
        note = " ".join((against.text, *against.blockers))
        return replace(found, ended=_end(target, again, ApprovalStatus.STALE, now, note=note, report=report))


def _refuse_late_answer(target: Target, approval: Approval | None, refusal: Refuse, now: datetime) -> Ended | Refused:
    """Refuse an answer that comes too late; one that comes after the expiry also ends the request."""
    if approval is not None and refusal.code is Code.APPROVAL_EXPIRED:
        return _end(target, approval, ApprovalStatus.EXPIRED, now, note=refusal.text)
    return Refused(refusal, approval=approval)


def _sign(target: Target, signed: Approval, now: datetime, report: Report | None = None) -> Signed:
    sealed = _record(target, signed, Action.APPROVE, signed.signatures[-1].actor, now, report=report)
    return Signed(signed, sealed)


def _end(
    target: Target,
    approval: Approval,
    status: ApprovalStatus,
    now: datetime,
    *,
    by: Actor | None = None,
    note: str = "",
    report: Report | None = None,
) -> Ended:
    ended = approval.ended(status, now, by=by, note=clean_text(note))
    action = {ApprovalStatus.DENIED: Action.DENY, ApprovalStatus.EXPIRED: Action.EXPIRE}.get(status, Action.STALE)
    if by and status is ApprovalStatus.DENIED:
        ended = ended.model_copy(update={"signatures": (*ended.signatures, Signature(actor=by, at=now, decision="denied"))})
    return Ended(ended, _record(target, ended, action, by or SCHEDULER, now, report=report))


def _record(
    target: Target, approval: Approval, action: Action, actor: Actor, now: datetime, *, report: Report | None = None
) -> Sealed:
    draft = target.draft(
        request_answered(Origin(approval.id, now, actor), action, approval.signatures, approval.note, report),
    )
    return target.journal.append(draft, approval)
