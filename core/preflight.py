"""The announcement of the scheduled run, half an hour before it, and the veto with which somebody skips it.

Excluded: the run itself (core/operations.py); what it will do is asked of the very same decision.
"""

import uuid
from dataclasses import dataclass
from datetime import date

from core.actors import SCHEDULER, Actor, Role
from core.canonical import clean_text
from core.decisions import Code, NeedsApproval, Refuse, not_allowed
from core.errors import CauseAlreadyRecorded
from core.lock import operation_lock
from core.operations import DailyRun, daily
from core.outcomes import Refused, WouldMove
from core.receipts import Action, Phase, Sealed
from core.schedule import PromotionMode, begin_of, last_missable
from core.site import Site


@dataclass(frozen=True, slots=True)
class Skipped:
    """The scheduled run of one local date will promote nothing."""

    day: date
    sealed: Sealed


def skip(site: Site, actor: Actor, day: date, reason: str) -> Skipped | Refused:
    """Veto what the scheduled run of one local date would do with a GO. The run still reports.

    Raises:
        OperationBusy, JournalError: nothing was recorded.
    """
    now = site.clock()
    if Role.OPERATE not in actor.roles:
        return Refused(not_allowed("skip the scheduled run", "operators"))
    with operation_lock(site.target.run_dir, "skip", now):
        if (seq := site.journal.find_cause(f"daily:{day.isoformat()}")) is not None:
            text = f"The run of {day} was already made: receipt #{seq}. Nothing was skipped; `rollback` undoes a promotion."
            return Refused(Refuse(Code.ALREADY_DONE, text))
        draft = site.draft(
            operation=uuid.uuid4().hex,
            ts=now,
            action=Action.SKIP,
            phase=Phase.EVENT,
            actor=actor,
            reason=clean_text(reason),
            cause=f"skip:{day.isoformat()}",
        )
        try:
            return Skipped(day, site.journal.append(draft))
        except CauseAlreadyRecorded as error:
            return Refused(Refuse(Code.ALREADY_DONE, f"The run of {day} is skipped already. {error}"))


def note_missed(site: Site) -> Skipped | None:
    """Record that the newest run that can no longer be caught up was never made, once; None if there is nothing to record.

    A day before the journal began was nobody's to run.

    Raises:
        OperationBusy, JournalError: nothing was recorded.
    """
    now, schedule = site.clock(), site.target.schedule
    day = last_missable(now, schedule)
    if any(site.journal.find_cause(f"{what}:{day.isoformat()}") is not None for what in ("daily", "missed")):
        return None
    with operation_lock(site.target.run_dir, "note a missed run", now):
        receipts = site.journal.receipts()
        made = site.journal.find_cause(f"daily:{day.isoformat()}") is not None
        if made or not receipts or receipts[0].receipt.ts >= begin_of(day, schedule):
            return None
        draft = site.draft(
            operation=uuid.uuid4().hex,
            ts=now,
            action=Action.SKIP,
            phase=Phase.EVENT,
            actor=SCHEDULER,
            reason=f"It was missed: nobody made it within its grace of {schedule.grace_hours:g} hours.",
            cause=f"missed:{day.isoformat()}",
        )
        try:
            return Skipped(day, site.journal.append(draft))
        except CauseAlreadyRecorded:
            return None


def preflight(site: Site, day: date, mode: PromotionMode) -> Sealed | None:
    """Record what the scheduled run of one local date will do if nothing changes; None if that or the run was made already.

    Raises:
        AnrError: something that the run needs cannot be read; it is not used up.
    """
    found = daily(site, day, mode, dry_run=True)
    if isinstance(found, DailyRun) or found.report is None:
        return None
    stage = site.journal.state().stage
    draft = site.draft(
        operation=uuid.uuid4().hex,
        ts=site.clock(),
        action=Action.PREFLIGHT,
        phase=Phase.EVENT,
        actor=SCHEDULER,
        cause=f"preflight:{day.isoformat()}",
        note=clean_text(_foreseen(found)),
        stage_before=stage,
        stage_after=found.decision.to_stage if isinstance(found, WouldMove) else stage,
        go=found.report.gates.go,
        gates=found.report.gates.gates,
        metrics=found.report.metrics.summary(),
    )
    try:
        return site.journal.append(draft)
    except CauseAlreadyRecorded:
        return None


def _foreseen(found: WouldMove | Refused) -> str:
    if isinstance(found, Refused):
        return " ".join(("It reports and promotes nothing.", found.refusal.text, *found.refusal.blockers))
    does = "asks for an approval of" if isinstance(found.decision, NeedsApproval) else "promotes"
    return f"It reports, and {does} {found.decision.from_stage} → {found.decision.to_stage} % if the gates still pass."
