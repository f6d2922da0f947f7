"""The way up and down the ladder: begin, propose, unfreeze, the daily run. Each gathers, decides and applies under the lock.

Excluded: answering a request (core/approving.py), carrying a move out (core/actuation.py), the brake (core/braking.py) and
settling what died half-way (core/recovery.py).
"""

import uuid
from dataclasses import dataclass, replace
from datetime import date, datetime

from core.actors import SCHEDULER, Actor, Approvable, Role
from core.actuation import Order, climb, step_down
from core.approvals import Approval
from core.approving import Intent, ask
from core.braking import Unfrozen, lift
from core.canonical import clean_text
from core.decisions import (
    Code,
    Lower,
    NeedsApproval,
    Proceed,
    Raise,
    Refuse,
    Standing,
    decide_raise,
    decide_unfreeze,
    may_restore,
    not_allowed,
    obstacles,
    plan_move,
)
from core.errors import CauseAlreadyRecorded
from core.lock import operation_lock
from core.outcomes import Asked, Moved, Refused, WouldMove
from core.receipts import Action, Phase, Sealed
from core.report import Report
from core.restoring import chosen
from core.schedule import PromotionMode
from core.site import Facts, Site
from core.upkeep import Kept, keep_state


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
        standing = _standing(site, facts, now)
        if in_the_way := obstacles(standing, actor):
            return Refused(in_the_way[0], approval=_waiting(site, in_the_way[0]))
        report = site.measure(now, leaving_zero=move.from_stage == 0)
        decision = decide_raise(move, actor, facts.state, report.gates, approvers_set=standing.approvers_set)
        if isinstance(decision, Refuse):
            return Refused(decision, report)
        if dry_run:
            return WouldMove(decision, report)
        if isinstance(decision, Proceed):
            kept = keep_state(site, now)
            if isinstance(kept, Refuse):
                return Refused(kept, report)
            return Moved(climb(site, facts, move, order, report, kept), report)
        return ask(site, facts, Intent(Approvable.PROMOTE, to_stage=move.to_stage), order, now, report)


def unfreeze(
    site: Site,
    order: Order,
    hold_ids: frozenset[str] = frozenset(),
    *,
    while_firing: bool = False,
) -> Unfrozen | Asked | Refused:
    """Lift holds, all or those named, or ask for it where the settings want an approval.

    The router stays in its safe settings: unfreezing never promotes (rule 8). A hold whose alert still fires is lifted only
    `while_firing`, with a reason.

    Raises:
        OperationBusy, JournalError, SettingsFileError, BrakeUnreadable: nothing was lifted.
    """
    now = site.clock()
    with operation_lock(site.target.run_dir, "unfreeze", now):
        state = site.journal.state()
        decision = decide_unfreeze(state, order.actor, hold_ids, clean_text(order.reason), while_firing=while_firing)
        if isinstance(decision, Refuse):
            return Refused(decision)
        if site.access.rule(Approvable.UNFREEZE).needed:
            return ask(site, site.facts(), Intent(Approvable.UNFREEZE, decision), order, now)
        return lift(site, state, decision, order, now)


def restore(site: Site, order: Order, name: str) -> Asked | Refused:
    """Ask for a backup of the bandit's state to be put back. It always waits for somebody else's approval.

    Args:
        site: the target.
        order: who asks, why, and what set it off.
        name: of a backup in the list; it is compared, and never becomes a path.

    Raises:
        AnrError: something that the decision needs cannot be read; nothing was changed.
    """
    now = site.clock()
    if Role.OPERATE not in order.actor.roles:
        return Refused(not_allowed("ask for a restore", "operators"))
    with operation_lock(site.target.run_dir, "restore", now):
        if order.cause is not None and (seq := site.journal.find_cause(order.cause)) is not None:
            return Refused(Refuse(Code.ALREADY_DONE, f"This was already done: receipt #{seq}. Nothing was done again."))
        facts = site.facts()
        if refusal := may_restore(facts.state):
            return Refused(refusal)
        backup = chosen(site, name)
        if isinstance(backup, Refuse):
            return Refused(backup)
        return ask(site, facts, Intent(Approvable.RESTORE, (backup.name, backup.digest), to_stage=0), order, now)


def daily(site: Site, day: date, mode: PromotionMode, *, dry_run: bool = False) -> DailyRun | Refused | WouldMove:
    """The scheduled run of one local date: report, and promote when GO. It has its effect once per date.

    Raises:
        AnrError: something that the run needs cannot be read; nothing was promoted, and the date is not used up.
    """
    now = site.clock()
    cause = f"daily:{day.isoformat()}"
    if (seq := site.journal.find_cause(cause)) is not None:
        text = f"The run of {day} was already made: receipt #{seq}. Nothing was done again."
        return Refused(Refuse(Code.ALREADY_DONE, text))
    with operation_lock(site.target.run_dir, "daily", now):
        facts = site.facts()
        report = site.measure(now, leaving_zero=False)
        plan, kept = _plan_daily(site, facts, report, mode, day, now), Kept(None)
        if dry_run:
            return _would_run(plan, report, mode)
        if isinstance(plan, Raise) and mode is PromotionMode.AUTO:
            preparation = keep_state(site, now)
            plan, kept = (preparation, kept) if isinstance(preparation, Refuse) else (plan, preparation)
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
            holds_in_force=facts.state.holds,
            go=report.gates.go,
            gates=report.gates.gates,
            metrics=report.metrics.as_json(),
        )
        try:
            sealed = site.journal.append(draft)
        except CauseAlreadyRecorded as error:
            return Refused(Refuse(Code.ALREADY_DONE, str(error)))
        if isinstance(plan, Refuse):
            return DailyRun(report, sealed, Refused(plan, report))
        if mode is PromotionMode.APPROVE:
            intent = Intent(Approvable.PROMOTE, to_stage=plan.to_stage)
            return DailyRun(report, sealed, ask(site, facts, intent, Order(SCHEDULER, "scheduled run"), now, report))
        order = Order(SCHEDULER, "scheduled run", operation=sealed.receipt.operation)
        return DailyRun(report, sealed, Moved(climb(site, facts, plan, order, report, kept), report))


def _plan_daily(site: Site, facts: Facts, report: Report, mode: PromotionMode, day: date, now: datetime) -> Raise | Refuse:
    standing = _standing(site, facts, now, report)
    standing = replace(standing, schedule_promotes=mode is not PromotionMode.OFF, veto=site.veto(day))
    if in_the_way := obstacles(standing, SCHEDULER):
        return in_the_way[0]
    move = plan_move(facts.state, site.target.stages, None, facts.drift)
    return move if not isinstance(move, Lower) else Refuse(Code.TOP_OF_LADDER, "There is no stage above.")


def _standing(site: Site, facts: Facts, now: datetime, report: Report | None = None) -> Standing:
    return site.standing(facts.state, now, marks=facts.brake, drift=facts.drift, waiting=site.waiting(), report=report)


def _would_run(plan: Raise | Refuse, report: Report, mode: PromotionMode) -> WouldMove | Refused:
    if isinstance(plan, Refuse):
        return Refused(plan, report)
    decision = NeedsApproval if mode is PromotionMode.APPROVE else Proceed
    return WouldMove(decision(plan.from_stage, plan.to_stage), report)


def _waiting(site: Site, refusal: Refuse) -> Approval | None:
    """Return the request that has to be answered first, if that is what stands in the way."""
    if refusal.code is not Code.APPROVAL_PENDING:
        return None
    return next((one for one in site.journal.pending() if one.action is Approvable.PROMOTE), None)
