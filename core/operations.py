"""The way up and down the ladder: ask, approve, deny, the daily run. Each gathers, decides and applies under the lock.

Excluded: carrying a move out (core/actuation.py), the brake (core/braking.py) and settling what died half-way (core/recovery.py).
"""

import secrets
import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from core.actors import SCHEDULER, Actor, Role
from core.actuation import Order, climb, step_down
from core.approvals import Approval, ApprovalStatus, decide_approval, may_approve, may_deny, still_open, still_true
from core.canonical import clean_text
from core.decisions import Code, Lower, NeedsApproval, Proceed, Raise, Refuse, decide_raise, may_ask, not_allowed, plan_move
from core.errors import CauseAlreadyRecorded
from core.lock import operation_lock
from core.receipts import Action, Phase, Result, Sealed, Signature
from core.schedule import PromotionMode
from core.site import Facts, Report, Site

_ID_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without characters that people confuse when they type an id."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A promotion waits for somebody's approval."""

    approval: Approval
    report: Report
    sealed: Sealed


@dataclass(frozen=True, slots=True)
class Moved:
    """A move on the ladder was carried out or tried; the outcome receipt says how it ended."""

    sealed: Sealed
    report: Report | None = None

    @property
    def applied(self) -> bool:
        """Whether the router has the settings that were wanted."""
        return self.sealed.receipt.result is Result.APPLIED


@dataclass(frozen=True, slots=True)
class WouldMove:
    """What a dry run found: the decision that would have been taken. Nothing was changed."""

    decision: Lower | NeedsApproval | Proceed
    report: Report | None


@dataclass(frozen=True, slots=True)
class Refused:
    """It was not done."""

    refusal: Refuse
    report: Report | None = None
    approval: Approval | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A request ended without a promotion."""

    approval: Approval
    sealed: Sealed


@dataclass(frozen=True, slots=True)
class DailyRun:
    """The scheduled run of one local date: its report, and what came of it."""

    report: Report
    sealed: Sealed
    outcome: Asked | Moved | Refused


def init(site: Site, actor: Actor, reason: str) -> Moved | Refused:
    """Record the stage that the router's settings show as the journal's first fact. Nothing is written to the router.

    Raises:
        OperationBusy, JournalError, SettingsFileError, BrakeUnreadable: nothing was recorded.
    """
    now = site.clock()
    if Role.OPERATE not in actor.roles:
        return Refused(not_allowed("initialise the journal", "operators"))
    with operation_lock(site.target.run_dir, "init", now):
        facts = site.facts()
        if facts.state.revision:
            return Refused(Refuse(Code.ALREADY_INITIALISED, "The journal has receipts already. Nothing was recorded."))
        stage = facts.settings.stage
        if stage not in site.target.stages:
            text = "The pilot in the router's settings is not on the ladder. Nothing was recorded; set it to a stage first."
            return Refused(Refuse(Code.NOT_ON_LADDER, text))
        draft = site.draft(
            operation=uuid.uuid4().hex,
            ts=now,
            action=Action.INIT,
            phase=Phase.EVENT,
            actor=actor,
            reason=clean_text(reason),
            stage_after=stage,
            pilot_after=facts.settings.pilot,
            settings_observed=dict(facts.settings.values),
        )
        return Moved(site.journal.append(draft))


def propose(
    site: Site,
    order: Order,
    *,
    wanted: int | None = None,
    dry_run: bool = False,
) -> Asked | Moved | WouldMove | Refused:
    """Ask for a move on the ladder: a step up waits for an approval, a move down happens at once.

    Args:
        site: the target.
        order: who asks, why, and what set it off; the same cause again has no second effect.
        wanted: a stage in percent, or None for the next one.
        dry_run: decide, but change and record nothing.

    Raises:
        AnrError: something that a decision needs cannot be read; nothing was changed.
    """
    now, actor = site.clock(), order.actor
    with operation_lock(site.target.run_dir, "promote", now):
        facts = site.facts()
        if order.cause is not None and (seq := site.journal.find_cause(order.cause)) is not None:
            return Refused(Refuse(Code.ALREADY_DONE, f"This was already done: receipt #{seq}. Nothing was done again."))
        move = plan_move(facts.state, site.target.stages, wanted, facts.drift)
        if isinstance(move, Refuse):
            return Refused(move)
        if isinstance(move, Lower):
            if Role.BRAKE not in actor.roles:
                return Refused(not_allowed("move the router down", "operators"))
            return WouldMove(move, None) if dry_run else Moved(step_down(site, facts, move, order))
        if refusal := _marks(facts) or may_ask(actor, facts.state, approvers_set=bool(site.access.approvers)):
            return Refused(refusal)
        report = site.measure(now, leaving_zero=move.from_stage == 0)
        decision = decide_raise(move, actor, facts.state, report.gates, approvers_set=bool(site.access.approvers))
        if isinstance(decision, Refuse):
            return Refused(decision, report)
        if dry_run:
            return WouldMove(decision, report)
        if isinstance(decision, Proceed):
            return Moved(climb(site, facts, move, order, report), report)
        return _ask(site, facts, move, order, report, now)


def approve(site: Site, actor: Actor, approval_id: str) -> Moved | Ended | Refused:
    """Approve a request and carry it out, after checking everything again on a fresh report.

    What changed ends the request as stale, visibly; it is never carried out later.

    Raises:
        AnrError: something that the decision needs cannot be read; the request still waits.
    """
    with operation_lock(site.target.run_dir, f"approve {clean_text(approval_id, 40)}", site.clock()):
        now = site.clock()
        facts = site.facts()
        approval = site.journal.approval(approval_id)
        if refusal := still_open(approval, approval_id, now):
            if approval is not None and refusal.code is Code.APPROVAL_EXPIRED:
                return _end(site, approval, ApprovalStatus.EXPIRED, now, note=refusal.text)
            return Refused(refusal, approval=approval)
        if approval is None:
            raise AssertionError("still_open refuses a request that does not exist")
        if refusal := may_approve(approval, actor):
            return Refused(refusal, approval=approval)
        move = plan_move(facts.state, site.target.stages, approval.to_stage, facts.drift)
        changed = still_true(approval, facts.state, site.target.policy_digest) or _marks(facts)
        if changed is None and isinstance(move, Refuse):
            changed = move
        if changed is not None or not isinstance(move, Raise):
            text = changed.text if changed else "The move asked for is no longer a step up."
            return _end(site, approval, ApprovalStatus.STALE, now, by=actor, note=text)
        report = site.measure(now, leaving_zero=move.from_stage == 0)
        decision = decide_approval(approval, report.gates)
        if isinstance(decision, Refuse):
            note = " ".join((decision.text, *decision.blockers))
            return _end(site, approval, ApprovalStatus.STALE, now, by=actor, note=note, report=report)
        signed = approval.ended(ApprovalStatus.APPROVED, now, by=actor)
        order = Order(approval.requester, approval.reason, operation=approval.id)
        return Moved(climb(site, facts, move, order, report, signed), report)


def deny(site: Site, actor: Actor, approval_id: str, reason: str = "") -> Ended | Refused:
    """End a request with a no; one is enough.

    Raises:
        OperationBusy, JournalError: the request still waits.
    """
    with operation_lock(site.target.run_dir, f"deny {clean_text(approval_id, 40)}", site.clock()):
        now = site.clock()
        approval = site.journal.approval(approval_id)
        if refusal := still_open(approval, approval_id, now):
            if approval is not None and refusal.code is Code.APPROVAL_EXPIRED:
                return _end(site, approval, ApprovalStatus.EXPIRED, now, note=refusal.text)
            return Refused(refusal, approval=approval)
        if approval is None:
            raise AssertionError("still_open refuses a request that does not exist")
        if refusal := may_deny(approval, actor):
            return Refused(refusal, approval=approval)
        return _end(site, approval, ApprovalStatus.DENIED, now, by=actor, note=clean_text(reason))


def sweep(site: Site) -> tuple[Ended, ...]:
    """End the requests that have expired, or that the rollout has moved away from.

    Raises:
        OperationBusy, JournalError: the rest still waits.
    """
    if not site.journal.pending():
        return ()
    ended = []
    with operation_lock(site.target.run_dir, "sweep", site.clock()):
        now = site.clock()
        state = site.journal.state()
        for approval in site.journal.pending():
            if now >= approval.expires_at:
                ended.append(_end(site, approval, ApprovalStatus.EXPIRED, now, note="Nobody answered in time."))
            elif changed := still_true(approval, state, site.target.policy_digest):
                ended.append(_end(site, approval, ApprovalStatus.STALE, now, note=changed.text))
    return tuple(ended)


def daily(site: Site, day: date, mode: PromotionMode, *, dry_run: bool = False) -> DailyRun | Refused | WouldMove:
    """The scheduled run of one local date: report, and promote when GO. It has its effect once per date.

    Raises:
        AnrError: something that the run needs cannot be read; nothing was promoted, and the date is not used up.
    """
    now = site.clock()
    cause = f"daily:{day.isoformat()}"
    if (seq := site.journal.find_cause(cause)) is not None and not dry_run:
        text = f"The run of {day} was already made: receipt #{seq}. Nothing was done again."
        return Refused(Refuse(Code.ALREADY_DONE, text))
    if dry_run:
        found = propose(site, Order(SCHEDULER), dry_run=True)
        return found if isinstance(found, (Refused, WouldMove)) else Refused(Refuse(Code.ALREADY_DONE, "Nothing to do."))
    with operation_lock(site.target.run_dir, "daily", now):
        facts = site.facts()
        report = site.measure(now, leaving_zero=False)
        plan = _plan_daily(site, facts, report, mode)
        draft = site.draft(
            operation=uuid.uuid4().hex,
            ts=now,
            action=Action.DAILY,
            phase=Phase.EVENT,
            actor=SCHEDULER,
            cause=cause,
            note=clean_text(" ".join((plan.text, *plan.blockers)) if isinstance(plan, Refuse) else ""),
            stage_before=facts.state.stage,
            stage_after=facts.state.stage,
            pilot_before=facts.settings.pilot,
            go=report.gates.go,
            gates=report.gates.gates,
            metrics=report.metrics.summary(),
        )
        try:
            sealed = site.journal.append(draft)
        except CauseAlreadyRecorded as error:
            return Refused(Refuse(Code.ALREADY_DONE, str(error)))
        if isinstance(plan, Refuse):
            return DailyRun(report, sealed, Refused(plan, report))
        if mode is PromotionMode.APPROVE:
            return DailyRun(report, sealed, _ask(site, facts, plan, Order(SCHEDULER, "scheduled run"), report, now))
        order = Order(SCHEDULER, "scheduled run", operation=sealed.receipt.operation)
        return DailyRun(report, sealed, Moved(climb(site, facts, plan, order, report), report))


def _plan_daily(site: Site, facts: Facts, report: Report, mode: PromotionMode) -> Raise | Refuse:
    if mode is PromotionMode.OFF:
        return Refuse(Code.PROMOTION_OFF, "Scheduled promotion is switched off in the settings.")
    move = plan_move(facts.state, site.target.stages, None, facts.drift)
    if not isinstance(move, Raise):
        return move if isinstance(move, Refuse) else Refuse(Code.TOP_OF_LADDER, "There is no stage above.")
    if refusal := _marks(facts):
        return refusal
    decision = decide_raise(move, SCHEDULER, facts.state, report.gates, approvers_set=bool(site.access.approvers))
    return decision if isinstance(decision, Refuse) else move


def _marks(facts: Facts) -> Refuse | None:
    if facts.brake.frozen_by:
        text = "The brake is engaged: its mark is on disk. Nothing was changed; `anr recover` records it, `unfreeze` lifts it."
        return Refuse(Code.BRAKE_ENGAGED, text)
    return None


def _ask(
    site: Site,
    facts: Facts,
    move: Raise,
    order: Order,
    report: Report,
    now: datetime,
) -> Asked | Refused:
    if waiting := site.journal.pending():
        text = f"Request {waiting[0].id} already waits for an answer. Nothing was asked again; approve or deny that one."
        return Refused(Refuse(Code.APPROVAL_PENDING, text), report, waiting[0])
    approval = Approval(
        id="".join(secrets.choice(_ID_ALPHABET) for _ in range(10)),
        requester=order.actor,
        reason=clean_text(order.reason),
        from_stage=move.from_stage,
        to_stage=move.to_stage,
        revision=facts.state.revision,
        policy_digest=site.target.policy_digest,
        verdict_digest=report.gates.verdict_digest,
        asked_at=now,
        expires_at=now + timedelta(minutes=site.target.approval_minutes),
    )
    draft = site.draft(
        operation=approval.id,
        ts=now,
        action=Action.REQUEST,
        phase=Phase.EVENT,
        actor=order.actor,
        reason=approval.reason,
        cause=order.cause,
        stage_before=move.from_stage,
        stage_after=move.to_stage,
        go=report.gates.go,
        gates=report.gates.gates,
        metrics=report.metrics.summary(),
        approval_id=approval.id,
    )
    return Asked(approval, report, site.journal.append(draft, approval))


def _end(
    site: Site,
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
    signatures = (Signature(actor=by, at=now, decision="denied"),) if by and status is ApprovalStatus.DENIED else ()
    draft = site.draft(
        operation=approval.id,
        ts=now,
        action=action,
        phase=Phase.EVENT,
        actor=by or SCHEDULER,
        note=ended.note,
        gates=report.gates.gates if report else (),
        go=report.gates.go if report else None,
        approval_id=approval.id,
        approvals=signatures,
    )
    return Ended(ended, site.journal.append(draft, ended))
