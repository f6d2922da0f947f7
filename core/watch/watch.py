"""What is looked at between the daily runs: holds whose time is over, the running router, drift, and the guard's gates.

Each look records only what is new, so that a restart repeats nothing. Excluded: how often it is looked (bot/jobs.py), and
what drift and failing gates are (core/rollout/drift.py, core/gates/guard.py).
"""

import contextlib
import uuid
from contextlib import closing

from core.actors import SCHEDULER
from core.brake.brake import Braked
from core.brake.lift import Unfrozen, lift_expired
from core.brake.second_look import make_safe_and_record
from core.errors import CauseAlreadyRecorded, OperationBusy
from core.receipts.cause import Observed
from core.receipts.chain import Sealed
from core.receipts.drafts.origin import Origin
from core.receipts.drafts.sightings import drift_found, drift_over, stage_seen
from core.receipts.observation import acted
from core.receipts.receipt import Action, Draft
from core.rollout.drift import DriftKind
from core.rollout.state import RolloutState
from core.target.lock import operation_lock
from core.target.target import Facts, Target, observed
from core.text import clean_text
from core.watch.observe import Observer

_WAIT_SECONDS = 1.0
"""How long a look waits for an operation under way; the next look is a minute away."""


def watch(target: Target) -> tuple[Sealed | Unfrozen, ...]:
    """Lift what has expired, record what is seen of the running router, alarm a drift once and its end.

    Raises:
        AnrError: something cannot be read or recorded; the next look tries again.
    """
    news: list[Sealed | Unfrozen] = []
    if safe := _kept_safe(target):
        news.append(safe)
    with closing(Observer(target)) as observer:
        if turned := observer.look():
            news.append(turned)
    with contextlib.suppress(OperationBusy):
        if lifted := lift_expired(target):
            news.append(lifted)
        evidence = target.evidence()
        if _drafts(target, target.facts(evidence, whole=False)):
            with operation_lock(target.settings.run_dir, "watch", target.clock(), wait_s=_WAIT_SECONDS):
                facts = target.facts(evidence)
                if target.brake.read() == facts.brake and not target.brake.unrecorded():  # no brake is on its way
                    for draft in _drafts(target, facts):
                        with contextlib.suppress(CauseAlreadyRecorded):
                            news.append(target.journal.append(draft))
    return tuple(news)


def _kept_safe(target: Target) -> Sealed | None:
    """Make a router safe again whose safe settings a brake asked for, and that has others: whoever sees it does so (rule 2)."""
    state = target.journal.state()
    if not state.safe_only or state.unsettled is not None or (not state.brake_failed and _stands_safe(target)):
        return None
    with contextlib.suppress(OperationBusy), operation_lock(target.settings.run_dir, "watch", target.clock(), wait_s=0):
        state = target.journal.state()
        if state.safe_only and state.unsettled is None and (state.brake_failed or not _stands_safe(target)):
            return make_safe_and_record(target, "The safe settings were written once more: a brake asked for them.").sealed
    return None


def _stands_safe(target: Target) -> bool:
    settings, _ = observed(target)
    return settings is not None and settings.stage == 0


def _drafts(target: Target, facts: Facts) -> list[Draft]:
    """Return what is to be recorded of these facts; nothing while an operation has no outcome."""
    state, now = facts.state, target.clock()
    if state.stage is None or state.unsettled is not None:
        return []
    statements, found, alarmed = [], facts.difference, state.drift
    if _is_first_sighting(facts, state):
        turn = Observed(state.acted, 1)
        statements.append(stage_seen(Origin(state.began, now, SCHEDULER), state.stage, turn, facts.seen))
    if found is not None and (alarmed is None or alarmed.text != clean_text(found.text)):
        statements.append(
            drift_found(
                Origin(alarmed.operation if alarmed else uuid.uuid4().hex, now, SCHEDULER),
                state.stage,
                found.text,
                facts.settings.values,
                seen=facts.seen,
                observation=facts.observation if found.kind is DriftKind.RUNNING else None,
            ),
        )
    if found is None and alarmed is not None:
        statements.append(drift_over(Origin(alarmed.operation, now, SCHEDULER), state.stage))
    return [target.draft(statement) for statement in statements]


def _is_first_sighting(facts: Facts, state: RolloutState) -> bool:
    if state.observed_since is not None or not state.stage or facts.seen is None or state.since is None:
        return False
    if state.observation is not None:
        return False  # the observer records it: it knows when the router was restarted
    return facts.seen.shows(state.stage) and facts.seen.at >= state.since and facts.settings.stage == state.stage


def told(news: Sealed | Unfrozen | Braked) -> str:
    """Return what a look found, as a sentence."""
    match news:
        case Unfrozen(lifted=lifted):
            return f"{len(lifted)} hold(s) ended. The router's settings stay as they are."
        case Braked(safe=safe, note=note, observation=seen):
            done = acted(seen) if seen is not None else "Settings written."
            return f"{note.reason} {f'{done} Not yet seen.' if safe else 'THE ROUTER MAY NOT BE SAFE.'}"
    receipt = news.receipt
    words = {
        Action.SEEN: f"The running router was seen to serve {receipt.stage_after}%.",
        Action.OBSERVED: receipt.note,
        Action.DRIFT: f"Drift: {receipt.note} Promotion is blocked.",
        Action.AGREED: "The drift is over: router and journal agree.",
        Action.ROLLBACK: "The safe settings were written once more: a brake had asked for them, and they did not stand.",
        Action.GUARD: f"The guard would have frozen: {receipt.note}",
    }
    return words[receipt.action]
