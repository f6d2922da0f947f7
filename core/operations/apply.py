"""Carrying out a move that was decided on: intent receipt, settings, read-back, outcome receipt (rule 4).

Excluded: deciding (core/operations/propose.py) and settling what died in between (core/watch/recover.py).
"""

from core.errors import BrakeUnreadable, JournalError, JournalUnavailable, OutcomeUnrecorded, ReloadFailed, SettingsFileError
from core.gates.report import Report
from core.journal.witness import unreadable
from core.receipts.chain import Sealed
from core.receipts.drafts.moves import lowering_intent, move_outcome, promotion_intent, reapply_intent, shadow_intent
from core.receipts.drafts.origin import Ending, Step
from core.receipts.evidence import StateBackup
from core.receipts.receipt import Result, Statement
from core.rollout.approvals import Approval
from core.rollout.decisions import Lower, Raise
from core.router.control import SAFE_SETTINGS, settings_for
from core.target.order import Order
from core.target.target import Facts, Target, observed


def climb(
    target: Target, facts: Facts, move: Raise, order: Order, report: Report, kept: StateBackup, approval: Approval | None = None
) -> Sealed:
    """Carry out one step up that was decided on, after the bandit's state was `kept`, and return its outcome.

    Args:
        target: the router that is meant; the caller holds its lock.
        facts: what was read under the lock; a brake since then wins.
        move: from which stage to which.
        order: who wants it, and why.
        report: the gates that let it pass, or that were passed over.
        kept: the copy of the bandit's state.
        approval: the request that allowed it; None if none was needed.

    Raises:
        JournalError: a witness that is set cannot be read, or the intent could not be recorded (nothing was changed); or the
            outcome could not (`recover` settles it).
    """
    if problem := unreadable(target.witnesses.marks()):
        raise JournalUnavailable(f"Nothing is promoted while a place that should confirm the journal does not: {problem}.")
    wanted = settings_for(move.to_stage, target.settings.gates.fast_cap)
    step = Step(move.from_stage, move.to_stage, facts.settings.pilot, wanted, facts.router_version)
    consent = approval.consent if approval else None
    intent = promotion_intent(order.origin(target.clock()), step, report, kept, consent=consent, break_glass=order.break_glass)
    target.journal.append(target.draft(intent), approval)
    return _carry_out(target, facts, intent)


def step_down(target: Target, facts: Facts, move: Lower, order: Order) -> Sealed:
    """Carry out a move down the ladder, and return its outcome.

    Args:
        target: the router that is meant.
        facts: what was so when it was decided.
        move: from which stage to which, in percent.
        order: who wants it, and why.

    Raises:
        JournalError: the intent could not be recorded (nothing was changed), or the outcome could not (`recover` settles it).
    """
    wanted = settings_for(move.to_stage, target.settings.gates.fast_cap)
    step = Step(move.from_stage, move.to_stage, facts.settings.pilot, wanted, facts.router_version)
    intent = lowering_intent(order.origin(target.clock()), step)
    target.journal.append(target.draft(intent))
    return _carry_out(target, facts, intent)


def serve_again(
    target: Target, facts: Facts, stage: int, order: Order, report: Report | None, approval: Approval | None = None
) -> Sealed:
    """Write the settings of the stage that the journal says once more, and return the outcome.

    Args:
        target: the router that is meant; the caller holds its lock.
        facts: what was read under the lock; a brake since then wins.
        stage: percent of live traffic.
        order: who wants it, and why.
        report: the gates, if this leaves more live traffic than otherwise.
        approval: the request that allowed it; None if none was needed.

    Raises:
        JournalError: the intent could not be recorded (nothing was changed), or the outcome could not (`recover` settles it).
    """
    step = Step(stage, stage, facts.settings.pilot, settings_for(stage, target.settings.gates.fast_cap), facts.router_version)
    intent = reapply_intent(order.origin(target.clock()), step, report, approval.consent if approval else None)
    target.journal.append(target.draft(intent), approval)
    return _carry_out(target, facts, intent)


def make_safe_again(target: Target, facts: Facts, order: Order) -> Sealed:
    """Put a router that should be in its safe settings back there, and return the outcome.

    Raises:
        JournalError: the intent could not be recorded (nothing was changed), or the outcome could not (`recover` settles it).
    """
    intent = reapply_intent(order.origin(target.clock()), Step(0, 0, facts.settings.pilot, SAFE_SETTINGS, facts.router_version))
    target.journal.append(target.draft(intent))
    problems = target.router.make_safe()
    settings, unreadable = observed(target)
    ending = Ending(
        Result.NOT_APPLIED if problems else Result.APPLIED,
        settings.stage if settings else None,
        " ".join((*problems, unreadable or "")),
        settings.values if settings else None,
        target.written(0, safe=True),
    )
    return _ended(target, intent, ending)


def observe_in_shadow(target: Target, facts: Facts, order: Order) -> Sealed:
    """Let a router that was rolled back learn again at stage 0, and return the outcome. It serves nothing.

    Raises:
        JournalError: the intent could not be recorded (nothing was changed), or the outcome could not (`recover` settles it).
    """
    step = Step(0, 0, facts.settings.pilot, settings_for(0, target.settings.gates.fast_cap), facts.router_version)
    intent = shadow_intent(order.origin(target.clock()), step)
    target.journal.append(target.draft(intent))
    return _carry_out(target, facts, intent)


def _carry_out(target: Target, facts: Facts, intent: Statement) -> Sealed:
    """Write the intended stage, read back what came of it, and record the outcome.

    Whatever goes wrong after a write takes the router down, never further up. The running router is not waited for: it is seen
    afterwards, without the lock (core/watch/observe.py).
    """
    from_stage, to_stage = intent.stage_before or 0, intent.stage_after or 0
    note, stage, expected = "", None, None
    try:
        written = target.router.serve(to_stage, facts.brake)
        if written.overtaken:
            result, note = Result.OVERTAKEN, "A brake was engaged meanwhile."
        else:
            result, stage = Result.APPLIED, to_stage
            expected = target.written(to_stage)
    except (SettingsFileError, ReloadFailed, BrakeUnreadable) as error:
        result, stage, note = Result.NOT_APPLIED, None, f"{error} {_put_back(target, facts, min(from_stage, to_stage))}"
    settings, unreadable = observed(target)
    if result is Result.OVERTAKEN:  # what stands there is said, not what the brake was to write
        stage, safe = settings.stage if settings else None, settings is not None and settings.carries(SAFE_SETTINGS)
        note += " The safe settings stand." if safe else " THE SAFE SETTINGS DO NOT STAND: use `rollback`."
        expected = target.written(0, safe=True)
    if result is Result.NOT_APPLIED:
        stage = settings.stage if settings else None
        result = result if settings else Result.UNKNOWN
        expected = target.written(0, safe=True) if settings and settings.carries(SAFE_SETTINGS) else None
    ending = Ending(result, stage, f"{note} {unreadable or ''}", settings.values if settings else None, expected)
    return _ended(target, intent, ending)


def _ended(target: Target, intent: Statement, ending: Ending) -> Sealed:
    """Record how a move ended.

    Raises:
        OutcomeUnrecorded: it could not be recorded; the message says what the router serves all the same.
    """
    try:
        return target.journal.append(target.draft(move_outcome(intent, target.clock(), ending)))
    except JournalError as error:
        raise OutcomeUnrecorded(_served_all_the_same(intent, ending), error) from error


def _served_all_the_same(intent: Statement, ending: Ending) -> str:
    stage = "a stage that cannot be read" if ending.stage is None else f"{ending.stage}%"
    if ending.result is not Result.APPLIED:
        return f"The {intent.action} ended as {ending.result}, and the router's settings say {stage}."
    restarted = ending.expected is not None and ending.expected.restarted
    how = "the router was restarted with them" if restarted else "nothing restarts the router, which takes them at its next start"
    return f"THE ROUTER'S SETTINGS SERVE {stage}: the {intent.action} was carried out, and {how}."


def _put_back(target: Target, facts: Facts, stage: int) -> str:
    """Undo a write that failed half-way; return what was done, as a sentence."""
    settings, _ = observed(target)
    if settings is not None and settings.values == facts.settings.values:
        return "The settings file is as it was."
    if stage:
        try:
            if not target.router.serve(stage, facts.brake).overtaken:
                return f"The settings were put back to {stage}%."
        except (SettingsFileError, ReloadFailed, BrakeUnreadable):
            pass  # the safe settings are the last resort
    return " ".join(target.router.make_safe()) or "The safe settings were written instead."
