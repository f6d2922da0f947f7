"""The guard's look between daily runs: it measures, remembers, and freezes where the settings let it.

Excluded: judging a series of looks (core/gates/guard.py).
"""

import uuid
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from core.actors import GUARD
from core.brake.brake import Braked, freeze
from core.canonical import canonical_bytes
from core.errors import CauseAlreadyRecorded, LedgerUnreadable
from core.gates import guard
from core.gates.evaluate import evaluate
from core.gates.report import Report, Verdict
from core.receipts.cause import Guard
from core.receipts.chain import Sealed
from core.receipts.drafts.brakes import guard_would_freeze
from core.receipts.drafts.origin import Origin
from core.rollout.refusals import Refuse
from core.rollout.state import RolloutState
from core.router.health import ask_slots
from core.system.files import read_bounded, write_durably
from core.system.logs import logger
from core.target.target import Target

log = logger(__name__)

_SERIES = "guard.json"
_MAX_SERIES_BYTES = 64 << 10


def guard_look(target: Target) -> Braked | Sealed | None:
    """Look at the gates over the guard's short window if it is time to; freeze, or record that it would have been frozen.

    At stage 0, after a brake and while an operation has no outcome there is nothing to guard.

    Returns:
        What the guard did; None if there was nothing to do.

    Raises:
        AnrError: something cannot be read or recorded; it is looked again at once.
    """
    policy, now = target.settings.guard, target.clock()
    series = _load(target.settings.run_dir / _SERIES)
    if not guard.is_due(series, now, policy):
        return None
    state = target.journal.state()
    if not state.stage or state.since is None or state.rolled_back or state.unsettled is not None:
        return None
    minutes = min(policy.window_minutes, int((now - state.since).total_seconds() // 60))
    if minutes < 1:
        return None
    try:
        report = _short_report(target, now, minutes)
    except LedgerUnreadable as error:  # no data: it neither counts nor clears, and is looked at again in its time
        log.warning("the guard sees nothing: %s", error)
        report = None
    look = guard.judge(report.gates, now) if report else guard.Look(at=now, verdict=Verdict.NO_DATA)
    grown, trip = guard.after(series, look, state.since, policy)
    done = _tripped(target, state, trip, report) if trip and report else None
    write_durably(target.settings.run_dir / _SERIES, canonical_bytes(grown.model_dump(mode="json")), shared=True)
    return done


def _short_report(target: Target, now: datetime, minutes: int) -> Report:
    bounds = target.settings.gates.model_copy(update={"decisions_min": target.settings.guard.decisions_min})
    metrics = target.figures(now, minutes)
    return Report(metrics, evaluate(metrics, ask_slots(target.settings), bounds))


def _tripped(target: Target, state: RolloutState, trip: guard.Trip, report: Report) -> Braked | Sealed | None:
    mode = target.settings.guard.mode
    cause = Guard(mode, trip.looks[0].at)
    if mode is guard.GuardMode.ACT:
        done = freeze(target, GUARD, f"The guard froze: {trip.text}", str(cause))
        return None if isinstance(done, Refuse) else done
    draft = target.draft(
        guard_would_freeze(Origin(uuid.uuid4().hex, target.clock(), GUARD, cause=cause), state.stage, trip.text, report),
    )
    try:
        return target.journal.append(draft)
    except CauseAlreadyRecorded:
        return None


def failing_looks(target: Target) -> guard.Series:
    """Return what the guard remembers: nothing, if that cannot be read."""
    return _load(target.settings.run_dir / _SERIES)


def _load(path: Path) -> guard.Series:
    try:
        return guard.Series.model_validate_json(read_bounded(path, _MAX_SERIES_BYTES))
    except FileNotFoundError:
        return guard.Series()
    except (OSError, ValidationError):
        log.exception("what the guard remembers in %s cannot be read; it begins to count anew", path)
        return guard.Series()
