"""What receipts state about the schedule: the daily run, its announcement, its veto, a run that was missed, its pause.

The cause key of each is the date, so that each is stated once. Pure. Excluded: what a run promotes
(core/receipts/drafts/moves.py).
"""

from dataclasses import dataclass, replace
from datetime import date, datetime

from core.gates.report import Report
from core.receipts.cause import Daily, Missed, Preflight, Skip
from core.receipts.drafts.origin import Origin, judged, measured, unmoved
from core.receipts.evidence import Hold
from core.receipts.receipt import Action, Phase, Statement
from core.text import clean_text


@dataclass(frozen=True, slots=True)
class Run:
    """The scheduled run of a local date.

    Attributes:
        day: the date.
        due_at: when it was due; None only in journals from before receipts said it.
    """

    day: date
    due_at: datetime | None = None


def daily_run(
    origin: Origin, run: Run, report: Report, *, stage: int | None, pilot: str | None, holds: tuple[Hold, ...], note: str
) -> Statement:
    """The scheduled run of a date was made, with its whole figures.

    Args:
        origin: the scheduler.
        run: which one.
        report: what was measured.
        stage: percent of live traffic; None if nobody knows.
        pilot: the pilot that stood in the router's settings, as it was written.
        holds: what holds the rollout.
        note: why nothing is promoted, in sentences; empty if something is.
    """
    return Statement(
        action=Action.DAILY,
        phase=Phase.EVENT,
        note=clean_text(note),
        pilot_before=pilot,
        due_at=run.due_at,
        holds_in_force=holds,
        metrics=report.metrics.as_json(),
        **unmoved(stage),
        **judged(report),
        **replace(origin, cause=Daily(run.day)).facts,
    )


def run_announced(origin: Origin, day: date, report: Report, *, stages: tuple[int | None, int | None], note: str) -> Statement:
    """What the scheduled run of a date will do if nothing changes.

    Args:
        origin: the scheduler.
        day: the local date.
        report: what was measured.
        stages: percent of live traffic at present, and after the run.
        note: what it will do, in sentences.
    """
    before, after = stages
    return Statement(
        action=Action.PREFLIGHT,
        phase=Phase.EVENT,
        note=clean_text(note),
        stage_before=before,
        stage_after=after,
        **measured(report),
        **replace(origin, cause=Preflight(day)).facts,
    )


def run_skipped(origin: Origin, day: date) -> Statement:
    """Somebody vetoed what the scheduled run of a date would promote."""
    return Statement(action=Action.SKIP, phase=Phase.EVENT, **replace(origin, cause=Skip(day)).facts)


def run_missed(origin: Origin, day: date) -> Statement:
    """Nobody made the scheduled run of a date within its grace."""
    return Statement(action=Action.SKIP, phase=Phase.EVENT, **replace(origin, cause=Missed(day)).facts)


def schedule_paused(origin: Origin, stage: int | None) -> Statement:
    """The schedule promotes nothing until somebody resumes it; the stage in percent stays."""
    return Statement(action=Action.PAUSE, phase=Phase.EVENT, **unmoved(stage), **origin.facts)


def schedule_resumed(origin: Origin, stage: int | None) -> Statement:
    """The schedule goes on; the stage in percent stays."""
    return Statement(action=Action.RESUME, phase=Phase.EVENT, **unmoved(stage), **origin.facts)
