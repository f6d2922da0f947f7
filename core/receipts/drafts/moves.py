"""What receipts state about the stage: the journal's first one, moves on the ladder, settings written again, drifts accepted.

Pure. Excluded: brakes (core/receipts/drafts/brakes.py).
"""

from collections.abc import Mapping
from datetime import datetime

from core.gates.report import Report
from core.receipts.drafts.origin import Consent, Ending, Origin, Step, consented, judged, measured, pilot_in, read_back
from core.receipts.evidence import BreakGlass, RouterSighting, StateBackup
from core.receipts.receipt import Action, Phase, Result, Statement
from core.text import clean_text


def initialised(origin: Origin, stage: int, settings: Mapping[str, str], seen: RouterSighting | None) -> Statement:
    """The journal begins with the stage that the router's settings show.

    Args:
        origin: who began it.
        stage: percent of live traffic.
        settings: the router's settings, by name.
        seen: since when the ledger shows this stage; None if it does not.
    """
    return Statement(
        action=Action.INIT, phase=Phase.EVENT, stage_after=stage, router_seen=seen, **read_back(settings), **origin.facts
    )


def promotion_intent(
    origin: Origin,
    step: Step,
    report: Report,
    kept: StateBackup,
    *,
    consent: Consent | None = None,
    break_glass: BreakGlass | None = None,
) -> Statement:
    """A step up that was decided on is about to be carried out.

    Args:
        origin: who wants it.
        step: from where to where.
        report: the gates that let it pass, or that were passed over.
        kept: the copy of the bandit's state that was made before.
        consent: the request that allowed it; None if none was needed.
        break_glass: what was passed over, if somebody acts alone in an emergency.
    """
    said = {**_intended(step), **measured(report), **consented(consent), **origin.facts}
    return Statement(
        action=Action.PROMOTE,
        phase=Phase.INTENT,
        note=clean_text(kept.note),
        backup=kept.copy,
        deleted=kept.deleted,
        break_glass=break_glass,
        **said,
    )


def lowering_intent(origin: Origin, step: Step) -> Statement:
    """A move down the ladder is about to be carried out."""
    return Statement(action=Action.LOWER, phase=Phase.INTENT, **_intended(step), **origin.facts)


def reapply_intent(origin: Origin, step: Step, report: Report | None = None, consent: Consent | None = None) -> Statement:
    """The settings of the stage that the journal says are about to be written once more.

    Args:
        origin: who wants it.
        step: the stage, before and after.
        report: the gates, if this leaves more live traffic than otherwise.
        consent: the request that allowed it; None if none was needed.
    """
    said = {**_intended(step), **judged(report), **consented(consent), **origin.facts}
    return Statement(action=Action.REAPPLY, phase=Phase.INTENT, **said)


def shadow_intent(origin: Origin, step: Step) -> Statement:
    """A router that was rolled back is about to learn in shadow again."""
    return Statement(action=Action.SHADOW, phase=Phase.INTENT, **_intended(step), **origin.facts)


def move_outcome(intent: Statement, at: datetime, ending: Ending) -> Statement:
    """What came of an intent, with who wanted it and what was to be written; the gates and the backup stay with the intent."""
    return intent.model_copy(
        update={
            "ts": at,
            "phase": Phase.OUTCOME,
            "cause": None,
            "note": clean_text(ending.note),
            "result": ending.result,
            "stage_after": ending.stage,
            "pilot_after": pilot_in(ending.settings),
            "settings_observed": None if ending.settings is None else dict(ending.settings),
            "observation": ending.expected,
            "backup": None,
            "deleted": None,
            "gates": (),
            "metrics": None,
        },
    )


def settled_outcome(origin: Origin, action: Action, from_stage: int, ending: Ending) -> Statement:
    """What became of an operation that died between its intent and its outcome.

    Args:
        origin: the intent's story, and who settled it.
        action: the intent's.
        from_stage: the intent's, in percent.
        ending: what the router's settings show.
    """
    return Statement(
        action=action,
        phase=Phase.OUTCOME,
        note=clean_text(ending.note),
        result=ending.result,
        stage_before=from_stage,
        stage_after=ending.stage,
        observation=ending.expected,
        **read_back(ending.settings),
        **origin.facts,
    )


def drift_accepted(
    origin: Origin,
    stages: tuple[int, int],
    difference: str,
    settings: Mapping[str, str],
    *,
    seen: RouterSighting | None,
    report: Report | None,
    consent: Consent | None = None,
) -> Statement:
    """What the router's settings show is the new state; nothing was written.

    Args:
        origin: who accepted it; the story of the alarm.
        stages: percent of live traffic as the journal said, and as the settings show.
        difference: the drift, a sentence.
        settings: the router's settings, by name.
        seen: what the running router last showed.
        report: the gates, if the settings show more live traffic than the journal said.
        consent: the request that allowed it; None if none was needed.
    """
    before, after = stages
    return Statement(
        action=Action.ACCEPT,
        phase=Phase.EVENT,
        note=clean_text(difference),
        result=Result.APPLIED,
        stage_before=before,
        stage_after=after,
        router_seen=seen,
        **judged(report),
        **consented(consent),
        **read_back(settings),
        **origin.facts,
    )


def _intended(step: Step) -> dict[str, object]:
    return {
        "stage_before": step.from_stage,
        "stage_after": step.to_stage,
        "pilot_before": step.pilot_before,
        "pilot_after": pilot_in(step.wanted),
        "settings_written": dict(step.wanted),
        "router_version": step.router_version,
    }
