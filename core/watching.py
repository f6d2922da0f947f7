"""What is looked at between the daily runs: holds whose time is over, the running router, drift, and the guard's gates.

Each look records only what is new, so that a restart repeats nothing. Excluded: how often it is looked (bot/jobs.py), and
what drift and failing gates are (core/drift.py, core/guard.py).
"""

import contextlib
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core import guard
from core.actors import GUARD, SCHEDULER
from core.braking import Braked, Unfrozen, freeze, lift_expired
from core.canonical import canonical_bytes, clean_text, rfc3339
from core.decisions import Refuse
from core.errors import CauseAlreadyRecorded, LedgerUnreadable, OperationBusy
from core.files import read_bounded, write_durably
from core.gates import Verdict, evaluate
from core.lock import operation_lock
from core.logs import logger
from core.receipts import Action, Draft, Phase, Sealed
from core.report import Report
from core.rollout import RolloutState
from core.site import Facts, Site

log = logger(__name__)

_SERIES = "guard.json"
_MAX_SERIES_BYTES = 64 << 10
_WAIT_SECONDS = 1.0
"""How long a look waits for an operation under way; the next look is a minute away."""


def watch(site: Site) -> tuple[Sealed | Unfrozen, ...]:
    """Lift what has expired, record when the running router is first seen at its stage, alarm a drift once and its end.

    Raises:
        AnrError: something cannot be read or recorded; the next look tries again.
    """
    news: list[Sealed | Unfrozen] = []
    with contextlib.suppress(OperationBusy):
        if lifted := lift_expired(site):
            news.append(lifted)
        if _drafts(site, site.facts(whole=False)):
            with operation_lock(site.target.run_dir, "watch", site.clock(), wait_s=_WAIT_SECONDS):
                facts = site.facts()
                if site.brake.read() == facts.brake and not site.brake.unrecorded():  # no brake is on its way
                    news.extend(site.journal.append(draft) for draft in _drafts(site, facts))
    return tuple(news)


def _drafts(site: Site, facts: Facts) -> list[Draft]:
    """Return what is to be recorded of these facts; nothing while an operation has no outcome."""
    state, now = facts.state, site.clock()
    if state.stage is None or state.unsettled is not None:
        return []
    drafts, found, alarmed = [], facts.difference, state.drift
    if _is_first_sighting(facts, state):
        drafts.append(site.draft(operation=state.began, ts=now, action=Action.SEEN, **_event(state), router_seen=facts.seen))
    if found is not None and (alarmed is None or alarmed.text != clean_text(found.text)):
        story = alarmed.operation if alarmed else uuid.uuid4().hex
        drafts.append(
            site.draft(
                operation=story,
                ts=now,
                action=Action.DRIFT,
                note=clean_text(found.text),
                settings_observed=dict(facts.settings.values),
                router_seen=facts.seen,
                **_event(state),
            )
        )
    if found is None and alarmed is not None:
        drafts.append(site.draft(operation=alarmed.operation, ts=now, action=Action.AGREED, **_event(state)))
    return drafts


def _is_first_sighting(facts: Facts, state: RolloutState) -> bool:
    if state.observed_since is not None or not state.stage or facts.seen is None or state.since is None:
        return False
    return facts.seen.shows(state.stage) and facts.seen.at >= state.since and facts.settings.stage == state.stage


def _event(state: RolloutState) -> dict[str, Any]:
    return {"phase": Phase.EVENT, "actor": SCHEDULER, "stage_before": state.stage, "stage_after": state.stage}


def guard_look(site: Site) -> Braked | Sealed | None:
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


def _short_report(site: Site, now: datetime, minutes: int) -> Report:
    bounds = site.target.gates.model_copy(update={"decisions_min": site.target.guard.decisions_min})
    metrics = site.figures(now, minutes)
    return Report(metrics, evaluate(metrics, site.router.slots(), bounds))


def _tripped(site: Site, state: RolloutState, trip: guard.Trip, report: Report) -> Braked | Sealed | None:
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


def told(news: Sealed | Unfrozen | Braked) -> str:
    """Return what a look found, as a sentence."""
    match news:
        case Unfrozen(lifted=lifted):
            return f"{len(lifted)} hold(s) ended. The router stays in its safe settings."
        case Braked(safe=safe, note=note):
            return f"{note.reason} {'The router is in its safe settings.' if safe else 'THE ROUTER MAY NOT BE SAFE.'}"
    receipt = news.receipt
    words = {
        Action.SEEN: f"The running router was seen to serve {receipt.stage_after} %.",
        Action.DRIFT: f"Drift: {receipt.note} Promotion is blocked.",
        Action.AGREED: "The drift is over: router and journal agree.",
        Action.GUARD: f"The guard would have frozen: {receipt.note}",
    }
    return words[receipt.action]


def failing_looks(site: Site) -> guard.Series:
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
