"""Carrying out a move that was decided on: intent receipt, settings, read-back, outcome receipt (rule 4).

Excluded: deciding (core/operations/propose.py) and settling what died in between (core/watch/recover.py).
"""

import uuid

from core.errors import BrakeUnreadable, ReloadFailed, SettingsFileError
from core.gates.report import Report
from core.receipts.chain import Sealed
from core.receipts.receipt import Action, Draft, Phase, Result
from core.rollout.approvals import Approval
from core.rollout.decisions import Lower, Raise
from core.router.control import SAFE_SETTINGS, settings_for
from core.target.order import Order
from core.target.target import Facts, Target, observed
from core.text import clean_text
from core.upkeep.backup import StateBackup


def climb(
    site: Target, facts: Facts, move: Raise, order: Order, report: Report, kept: StateBackup, approval: Approval | None = None
) -> Sealed:
    """Carry out one step up that was decided on, after the bandit's state was `kept`, and return its outcome.

    Raises:
        JournalError: the intent could not be recorded (nothing was changed), or the outcome could not (`recover` settles it).
    """
    wanted = settings_for(move.to_stage, site.target.gates.fast_cap)
    intent = site.draft(
        operation=order.operation,
        ts=site.clock(),
        action=Action.PROMOTE,
        phase=Phase.INTENT,
        actor=order.actor,
        reason=clean_text(order.reason),
        note=clean_text(kept.note),
        cause=order.cause,
        stage_before=move.from_stage,
        stage_after=move.to_stage,
        pilot_before=facts.settings.pilot,
        router_version=facts.router_version,
        pilot_after=wanted["NOVA_ANR_PILOT"],
        backup=kept.copy,
        deleted=kept.deleted,
        go=report.gates.go,
        gates=report.gates.gates,
        metrics=report.metrics.summary(),
        approval_id=approval.id if approval else None,
        approvals=approval.signatures if approval else (),
        break_glass=order.break_glass,
        settings_written=wanted,
    )
    site.journal.append(intent, approval)
    return _carry_out(site, facts, intent)


def step_down(site: Target, facts: Facts, move: Lower, order: Order) -> Sealed:
    """Carry out a move down the ladder, and return its outcome.

    Raises:
        JournalError: the intent could not be recorded (nothing was changed), or the outcome could not (`recover` settles it).
    """
    wanted = settings_for(move.to_stage, site.target.gates.fast_cap)
    intent = site.draft(
        operation=order.operation,
        ts=site.clock(),
        action=Action.LOWER,
        phase=Phase.INTENT,
        actor=order.actor,
        reason=clean_text(order.reason),
        cause=order.cause,
        stage_before=move.from_stage,
        stage_after=move.to_stage,
        pilot_before=facts.settings.pilot,
        router_version=facts.router_version,
        pilot_after=wanted["NOVA_ANR_PILOT"],
        settings_written=wanted,
    )
    site.journal.append(intent)
    return _carry_out(site, facts, intent)


def serve_again(site: Target, facts: Facts, stage: int, order: Order, report: Report | None) -> Sealed:
    """Write the settings of the stage that the journal says once more, and return the outcome.

    Raises:
        JournalError: the intent could not be recorded (nothing was changed), or the outcome could not (`recover` settles it).
    """
    intent = _again(site, facts, stage, order, settings_for(stage, site.target.gates.fast_cap))
    if report is not None:
        intent = intent.model_copy(update={"go": report.gates.go, "gates": report.gates.gates})
    site.journal.append(intent)
    return _carry_out(site, facts, intent)


def make_safe_again(site: Target, facts: Facts, order: Order) -> Sealed:
    """Put a router that should be in its safe settings back there, and return the outcome.

    Raises:
        JournalError: the intent could not be recorded (nothing was changed), or the outcome could not (`recover` settles it).
    """
    intent = _again(site, facts, 0, order, dict(SAFE_SETTINGS))
    site.journal.append(intent)
    problems = site.router.make_safe()
    settings, unreadable = observed(site)
    outcome = {
        "id": uuid.uuid4().hex,
        "ts": site.clock(),
        "phase": Phase.OUTCOME,
        "cause": None,
        "note": clean_text(" ".join((*problems, unreadable or ""))),
        "result": Result.NOT_APPLIED if problems else Result.APPLIED,
        "stage_after": settings.stage if settings else None,
        "pilot_after": settings.pilot if settings else None,
        "settings_observed": dict(settings.values) if settings else None,
        "observation": site.written(0, safe=True),
    }
    return site.journal.append(intent.model_copy(update=outcome))


def observe_in_shadow(site: Target, facts: Facts, order: Order) -> Sealed:
    """Let a router that was rolled back learn again at stage 0, and return the outcome. It serves nothing.

    Raises:
        JournalError: the intent could not be recorded (nothing was changed), or the outcome could not (`recover` settles it).
    """
    intent = _again(site, facts, 0, order, settings_for(0, site.target.gates.fast_cap))
    intent = intent.model_copy(update={"action": Action.SHADOW})
    site.journal.append(intent)
    return _carry_out(site, facts, intent)


def _again(site: Target, facts: Facts, stage: int, order: Order, wanted: dict[str, str]) -> Draft:
    return site.draft(
        operation=order.operation,
        ts=site.clock(),
        action=Action.REAPPLY,
        phase=Phase.INTENT,
        actor=order.actor,
        reason=clean_text(order.reason),
        cause=order.cause,
        stage_before=stage,
        stage_after=stage,
        pilot_before=facts.settings.pilot,
        router_version=facts.router_version,
        pilot_after=wanted["NOVA_ANR_PILOT"],
        settings_written=wanted,
    )


def _carry_out(site: Target, facts: Facts, intent: Draft) -> Sealed:
    """Write the intended stage, read back what came of it, and record the outcome.

    Whatever goes wrong after a write takes the router down, never further up. The running router is not waited for: it is seen
    afterwards, without the lock (core/watch/observe.py).
    """
    from_stage, to_stage = intent.stage_before or 0, intent.stage_after or 0
    note, expected = "", None
    try:
        written = site.router.serve(to_stage, facts.brake)
        if written.overtaken:
            result, stage, note = Result.OVERTAKEN, 0, "A brake was engaged meanwhile; the safe settings were written."
        else:
            result, stage = Result.APPLIED, to_stage
            expected = site.written(to_stage)
    except (SettingsFileError, ReloadFailed, BrakeUnreadable) as error:
        result, stage, note = Result.NOT_APPLIED, None, f"{error} {_put_back(site, facts, min(from_stage, to_stage))}"
    settings, unreadable = observed(site)
    if result is Result.OVERTAKEN:
        expected = site.written(0, safe=True)
    if result is Result.NOT_APPLIED:
        stage = settings.stage if settings else None
        result = result if settings else Result.UNKNOWN
        expected = site.written(0, safe=True) if settings and settings.carries(SAFE_SETTINGS) else None
    outcome = intent.model_copy(
        update={
            "id": uuid.uuid4().hex,
            "ts": site.clock(),
            "phase": Phase.OUTCOME,
            "cause": None,
            "note": clean_text(f"{note} {unreadable or ''}"),
            "result": result,
            "stage_after": stage,
            "pilot_after": settings.pilot if settings else None,
            "settings_observed": dict(settings.values) if settings else None,
            "observation": expected,
            "backup": None,
            "deleted": None,
            "gates": (),
            "metrics": None,
        },
    )
    return site.journal.append(outcome)


def _put_back(site: Target, facts: Facts, stage: int) -> str:
    """Undo a write that failed half-way; return what was done, as a sentence."""
    settings, _ = observed(site)
    if settings is not None and settings.values == facts.settings.values:
        return "The settings file is as it was."
    if stage:
        try:
            if not site.router.serve(stage, facts.brake).overtaken:
                return f"The settings were put back to {stage} %."
        except (SettingsFileError, ReloadFailed, BrakeUnreadable):
            pass  # the safe settings are the last resort
    return " ".join(site.router.make_safe()) or "The safe settings were written instead."
