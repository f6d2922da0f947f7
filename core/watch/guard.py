"""The guard's look between daily runs: it measures, remembers, and freezes where the settings let it.

Excluded: judging a series of looks (core/gates/guard.py).
"""

import uuid
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from core.actors import GUARD
from core.brake.brake import Braked, freeze
from core.canonical import canonical_bytes, rfc3339
from core.errors import CauseAlreadyRecorded, LedgerUnreadable
from core.gates import guard
from core.gates.evaluate import evaluate
from core.gates.report import Report, Verdict
from core.receipts.chain import Sealed
from core.receipts.receipt import Action, Phase
from core.rollout.refusals import Refuse
from core.rollout.state import RolloutState
from core.router.health import ask_slots
from core.system.files import read_bounded, write_durably
from core.system.logs import logger
from core.target.target import Target
from core.text import clean_text

log = logger(__name__)

_SERIES = "guard.json"
_MAX_SERIES_BYTES = 64 << 10


def guard_look(site: Target) -> Braked | Sealed | None:
    """Look at the gates over the guard's short window if it is time to; freeze, or record that it would have been frozen.

    At stage 0, after a brake and while an operation has no outcome there is nothing to guard.

    Returns:
        What the guard did; None if there was nothing to do.

    Raises:
        AnrError: something cannot be read or recorded; it is looked again at once.
    """
    policy, now = site.target.guard, site.clock()
    series = _load(site.target.run_dir / _SERIES)
    if not guard.is_due(series, now, policy):
        return None
    state = site.journal.state()
    if not state.stage or state.since is None or state.rolled_back or state.unsettled is not None:
        return None
    minutes = min(policy.window_minutes, int((now - state.since).total_seconds() // 60))
    if minutes < 1:
        return None
    try:
        report = _short_report(site, now, minutes)
    except LedgerUnreadable as error:  # no data: it neither counts nor clears, and is looked at again in its time
        log.warning("the guard sees nothing: %s", error)
        report = None
    look = guard.judge(report.gates, now) if report else guard.Look(at=now, verdict=Verdict.NO_DATA)
    grown, trip = guard.after(series, look, state.since, policy)
    done = _tripped(site, state, trip, report) if trip and report else None
    write_durably(site.target.run_dir / _SERIES, canonical_bytes(grown.model_dump(mode="json")))
    return done


def _short_report(site: Target, now: datetime, minutes: int) -> Report:
    bounds = site.target.gates.model_copy(update={"decisions_min": site.target.guard.decisions_min})
    metrics = site.figures(now, minutes)
    return Report(metrics, evaluate(metrics, ask_slots(site.target), bounds))


def _tripped(site: Target, state: RolloutState, trip: guard.Trip, report: Report) -> Braked | Sealed | None:
    mode = site.target.guard.mode
    cause = f"guard:{mode}:{rfc3339(trip.looks[0].at)}"
    if mode is guard.GuardMode.ACT:
        done = freeze(site, GUARD, f"The guard froze: {trip.text}", cause)
        return None if isinstance(done, Refuse) else done
    draft = site.draft(
        operation=uuid.uuid4().hex,
        ts=site.clock(),
        action=Action.GUARD,
        phase=Phase.EVENT,
        actor=GUARD,
        cause=cause,
        note=clean_text(trip.text),
        stage_before=state.stage,
        stage_after=state.stage,
        go=report.gates.go,
        gates=report.gates.gates,
        metrics=report.metrics.summary(),
    )
    try:
        return site.journal.append(draft)
    except CauseAlreadyRecorded:
        return None


def failing_looks(site: Target) -> guard.Series:
    """Return what the guard remembers: nothing, if that cannot be read."""
    return _load(site.target.run_dir / _SERIES)


def _load(path: Path) -> guard.Series:
    try:
        return guard.Series.model_validate_json(read_bounded(path, _MAX_SERIES_BYTES))
    except FileNotFoundError:
        return guard.Series()
    except (OSError, ValidationError):
        log.exception("what the guard remembers in %s cannot be read; it begins to count anew", path)
        return guard.Series()
