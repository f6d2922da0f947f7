"""The daily run, its announcement half an hour before it, the veto with which somebody skips it, and its pause.

While it is paused the daily run still reports, so that nobody forgets it, and promotes nothing (runbook: `schtasks … /DISABLE`,
`/ENABLE`). Excluded: when it is due (core/rollout/schedule.py).
"""

import uuid
from dataclasses import dataclass, replace
from datetime import date, datetime

from core.actors import SCHEDULER, Actor, Approvable, Role
from core.errors import CauseAlreadyRecorded
from core.gates.report import Report
from core.operations.apply import climb
from core.operations.ask import Proposal, ask
from core.operations.results import Asked, Moved, Refused, WouldMove
from core.receipts.cause import Daily, Missed
from core.receipts.chain import Sealed
from core.receipts.drafts.origin import Origin
from core.receipts.drafts.schedule import (
    Run,
    daily_run,
    run_announced,
    run_missed,
    run_skipped,
    schedule_paused,
    schedule_resumed,
)
from core.receipts.evidence import StateBackup
from core.receipts.receipt import Action
from core.rollout.decisions import (
    NeedsApproval,
    Proceed,
    Raise,
    decide_step_up,
)
from core.rollout.refusals import Code, Refuse, may_operate, not_allowed
from core.rollout.schedule import PromotionMode, begin_of, due, last_missable, too_soon
from core.rollout.state import RolloutState
from core.target.gather import Gathered, decide_locked
from core.target.lock import operation_lock
from core.target.order import Order
from core.target.target import Facts, Target
from core.upkeep.backup import keep_state


@dataclass(frozen=True, slots=True)
class DailyRun:
    """The scheduled run of one local date.

    Attributes:
        report: its figures, held against the gates.
        sealed: its receipt.
        outcome: what came of a GO, or why nothing did.
    """

    report: Report
    sealed: Sealed
    outcome: Asked | Moved | Refused


def daily(target: Target, day: date, mode: PromotionMode, *, dry_run: bool = False) -> DailyRun | Refused | WouldMove:
    """The scheduled run of one local date: report, and promote when GO. It has its effect once per date.

    Args:
        target: the router that is meant.
        day: the local date.
        mode: what a GO leads to.
        dry_run: decide, but change and record nothing.

    Raises:
        AnrError: something that the run needs cannot be read; nothing was promoted, and the date is not used up.
    """
    if (seq := target.journal.find_cause(Daily(day))) is not None:
        text = f"The run of {day} was already made: receipt #{seq}. Nothing was done again."
        return Refused(Refuse(Code.ALREADY_DONE, text))
    if not dry_run and target.not_its_run:
        return Refused(Refuse(Code.NOT_THE_ACCOUNT, f"{target.not_its_run} Nothing was done; a person asks with `promote`."))
    if not dry_run and (refusal := _not_now(target, day, target.clock(), target.journal.state())):
        return Refused(refusal)  # before anything is measured
    return decide_locked(target, "daily", lambda gathered: _daily(target, day, mode, gathered, dry_run=dry_run), measured=True)


def _daily(
    target: Target, day: date, mode: PromotionMode, gathered: Gathered, *, dry_run: bool
) -> DailyRun | Refused | WouldMove:
    now, facts = gathered.now, target.facts_and_requests(gathered.evidence)
    if not dry_run and (refusal := _not_now(target, day, now, facts.state)):
        return Refused(refusal)
    report = gathered.report(target, leaving_zero=False)
    plan, kept = _plan_daily(target, facts, report, mode, day, now), StateBackup(None)
    if dry_run:
        return _would_run(plan, report, mode)
    if isinstance(plan, Raise) and mode is PromotionMode.AUTO:
        preparation = keep_state(target, now)
        plan, kept = (preparation, kept) if isinstance(preparation, Refuse) else (plan, preparation)
    draft = target.draft(
        daily_run(
            Origin(uuid.uuid4().hex, now, SCHEDULER),
            Run(day, begin_of(day, target.settings.schedule)),
            report,
            stage=facts.state.stage,
            pilot=facts.settings.pilot,
            holds=facts.state.holds,
            note=" ".join((plan.text, *plan.blockers)) if isinstance(plan, Refuse) else "",
        ),
    )
    try:
        sealed = target.journal.append(draft)
    except CauseAlreadyRecorded as error:
        return Refused(Refuse(Code.ALREADY_DONE, str(error)))
    if isinstance(plan, Refuse):
        return DailyRun(report, sealed, Refused(plan, report))
    if mode is PromotionMode.APPROVE:
        intent = Proposal(Approvable.PROMOTE, to_stage=plan.to_stage)
        return DailyRun(report, sealed, ask(target, facts, intent, Order(SCHEDULER, "scheduled run"), now, report))
    order = Order(SCHEDULER, "scheduled run", operation=sealed.receipt.operation)
    return DailyRun(report, sealed, Moved(climb(target, facts, plan, order, report, kept), report))


def _not_now(target: Target, day: date, now: datetime, state: RolloutState) -> Refuse | None:
    """Say why the run of a local date cannot be made at this moment; None if it is due."""
    schedule = target.settings.schedule
    if due(now, schedule) != day:
        text = f"The run of {day} is not due: it begins at {begin_of(day, schedule):%Y-%m-%d %H:%M} UTC, and can be made for "
        return Refuse(Code.NOT_DUE, f"{text}{schedule.grace_hours:g} hours. Nothing was done; a person asks with `promote`.")
    if too_soon(day, schedule, state.ran):
        text = f"The run that was due at {state.ran:%Y-%m-%d %H:%M} UTC was already made. Nothing was done again."
        return Refuse(Code.ALREADY_DONE, text)
    return None


def _plan_daily(target: Target, facts: Facts, report: Report, mode: PromotionMode, day: date, now: datetime) -> Raise | Refuse:
    standing = replace(target.preconditions(facts, now), schedule_promotes=mode is not PromotionMode.OFF, veto=target.veto(day))
    decision = decide_step_up(standing, SCHEDULER, report.gates)
    return decision if isinstance(decision, Refuse) else Raise(decision.from_stage, decision.to_stage)


def _would_run(plan: Raise | Refuse, report: Report, mode: PromotionMode) -> WouldMove | Refused:
    if isinstance(plan, Refuse):
        return Refused(plan, report)
    decision = NeedsApproval if mode is PromotionMode.APPROVE else Proceed
    return WouldMove(decision(plan.from_stage, plan.to_stage), report)


@dataclass(frozen=True, slots=True)
class Scheduled:
    """The schedule was paused, or goes on."""

    sealed: Sealed

    @property
    def paused(self) -> bool:
        """Whether it is paused now."""
        return self.sealed.receipt.action is Action.PAUSE


def pause(target: Target, order: Order) -> Scheduled | Refused:
    """Pause the schedule. Whoever may brake may pause: it only keeps a promotion back.

    Raises:
        OperationBusy, LockUnavailable, JournalError: the schedule is as it was.
    """
    if order.actor.is_person and Role.BRAKE not in order.actor.roles:
        return Refused(not_allowed(order.actor, "pause the schedule", "operators"))
    return _record(target, order, Action.PAUSE)


def resume(target: Target, order: Order) -> Scheduled | Refused:
    """Let the schedule go on. A day whose run was made while it was paused is not made up for.

    Raises:
        OperationBusy, LockUnavailable, JournalError: the schedule is as it was.
    """
    if refusal := may_operate(order.actor, "resume the schedule"):
        return Refused(refusal)
    return _record(target, order, Action.RESUME)


def _record(target: Target, order: Order, action: Action) -> Scheduled | Refused:
    with operation_lock(target.settings.run_dir, f"schedule {action}", target.clock()):
        state = target.journal.state()
        if (state.paused is not None) == (action is Action.PAUSE):
            so = "paused" if state.paused else "not paused"
            return Refused(Refuse(Code.ALREADY_DONE, f"The schedule is {so} already. Nothing was changed."))
        draft = target.draft(
            (schedule_paused if action is Action.PAUSE else schedule_resumed)(order.origin(target.clock()), state.stage),
        )
        return Scheduled(target.journal.append(draft))


@dataclass(frozen=True, slots=True)
class Skipped:
    """The scheduled run of one local date will promote nothing.

    Attributes:
        day: that date.
        sealed: the receipt.
    """

    day: date
    sealed: Sealed


def skip(target: Target, actor: Actor, day: date, reason: str) -> Skipped | Refused:
    """Veto what the scheduled run of one local date would do with a GO. The run still reports.

    Args:
        target: the router that is meant.
        actor: who vetoes it; an operator.
        day: the local date.
        reason: why.

    Raises:
        OperationBusy, JournalError: nothing was recorded.
    """
    now = target.clock()
    if actor.is_person and Role.OPERATE not in actor.roles:
        return Refused(not_allowed(actor, "skip the scheduled run", "operators"))
    with operation_lock(target.settings.run_dir, "skip", now):
        if (seq := target.journal.find_cause(Daily(day))) is not None:
            text = f"The run of {day} was already made: receipt #{seq}. Nothing was skipped; `rollback` undoes a promotion."
            return Refused(Refuse(Code.ALREADY_DONE, text))
        draft = target.draft(run_skipped(Origin(uuid.uuid4().hex, now, actor, reason), day))
        try:
            return Skipped(day, target.journal.append(draft))
        except CauseAlreadyRecorded as error:
            return Refused(Refuse(Code.ALREADY_DONE, f"The run of {day} is skipped already. {error}"))


def note_missed(target: Target) -> Skipped | None:
    """Record that the newest run that can no longer be caught up was never made, once; None if there is nothing to record.

    A day before the journal began was nobody's to run.

    Raises:
        OperationBusy, JournalError: nothing was recorded.
    """
    now, schedule = target.clock(), target.settings.schedule
    day = last_missable(now, schedule)
    if any(target.journal.find_cause(key) is not None for key in (Daily(day), Missed(day))):
        return None
    with operation_lock(target.settings.run_dir, "note a missed run", now):
        oldest = target.journal.oldest()
        made = target.journal.find_cause(Daily(day)) is not None
        if made or oldest is None or oldest.receipt.ts >= begin_of(day, schedule):
            return None
        why = f"It was missed: nobody made it within its grace of {schedule.grace_hours:g} hours."
        draft = target.draft(run_missed(Origin(uuid.uuid4().hex, now, SCHEDULER, why), day))
        try:
            return Skipped(day, target.journal.append(draft))
        except CauseAlreadyRecorded:
            return None


def preflight(target: Target, day: date, mode: PromotionMode) -> Sealed | None:
    """Record what the scheduled run of one local date will do if nothing changes; None if that or the run was made already.

    Raises:
        AnrError: something that the run needs cannot be read; it is not used up.
    """
    found = daily(target, day, mode, dry_run=True)
    if isinstance(found, DailyRun) or found.report is None:
        return None
    stage = target.journal.state().stage
    draft = target.draft(
        run_announced(
            Origin(uuid.uuid4().hex, target.clock(), SCHEDULER),
            day,
            found.report,
            stages=(stage, found.decision.to_stage if isinstance(found, WouldMove) else stage),
            note=_foreseen(found),
        ),
    )
    try:
        return target.journal.append(draft)
    except CauseAlreadyRecorded:
        return None


def _foreseen(found: WouldMove | Refused) -> str:
    if isinstance(found, Refused):
        return " ".join(("It reports and promotes nothing.", found.refusal.text, *found.refusal.blockers))
    does = "asks for an approval of" if isinstance(found.decision, NeedsApproval) else "promotes"
    return f"It reports, and {does} {found.decision.from_stage}% → {found.decision.to_stage}% if the gates still pass."
