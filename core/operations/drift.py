"""Ending a drift: an approver puts the journal's settings back, or adopts what the router shows.

Whichever of the two leaves more live traffic than the other needs passing gates, as a promotion does; whichever leaves less
needs none. Excluded: finding a drift (core/rollout/drift.py) and alarming it (core/watch/watch.py).
"""

from dataclasses import replace

from core.actors import Approvable
from core.gates.report import Report
from core.operations.apply import make_safe_again, serve_again
from core.operations.results import Moved, Refused
from core.receipts.drafts.moves import drift_accepted
from core.rollout.decisions import brake_engaged
from core.rollout.drift import Drift, DriftKind
from core.rollout.ladder import next_stage
from core.rollout.refusals import Code, Refuse, not_allowed
from core.router.control import SAFE_SETTINGS
from core.target.look_first import Looked, look_first
from core.target.order import Order
from core.target.target import Facts, Target


def reapply(site: Target, order: Order, drift_id: str = "") -> Moved | Refused:
    """Write the settings that the journal says once more, and reload the router.

    Args:
        site: the target.
        order: who asks, and why.
        drift_id: the drift that is meant, as its message carries it; empty for the present one.

    Raises:
        AnrError: something that the decision needs cannot be read; nothing was changed.
    """
    return look_first(site, "drift reapply", lambda looked: _reapply(site, order, drift_id, looked))


def _reapply(site: Target, order: Order, drift_id: str, looked: Looked) -> Moved | Refused:
    facts = site.facts(looked.evidence)
    drift = _drift_meant(site, order, facts, drift_id)
    if isinstance(drift, Refuse):
        return Refused(drift)
    stage = facts.state.stage or 0
    report = None
    if stage and (drift.shown is None or stage > drift.shown):
        if facts.state.frozen:
            return Refused(Refuse(Code.FROZEN, "The rollout is frozen, and this would raise live traffic. Nothing was changed."))
        report = looked.report(site, leaving_zero=_leaves_zero(site, drift.shown, stage))
        if refusal := _gates_refuse(report, stage):
            return Refused(refusal, report)
    operation = facts.state.drift.operation if facts.state.drift else order.operation
    again = Order(order.actor, order.reason, order.cause, operation)
    if stage or not _was_safe(facts):
        return Moved(serve_again(site, facts, stage, again, report), report)
    return Moved(make_safe_again(site, facts, again))


def accept(site: Target, order: Order, drift_id: str = "") -> Moved | Refused:
    """Record what the router's settings show as the new state; nothing is written to the router.

    The next promotion has to be asked for by a person, and the soak begins anew.

    Args:
        site: the target.
        order: who asks, and why.
        drift_id: the drift that is meant, as its message carries it; empty for the present one.

    Raises:
        AnrError: something that the decision needs cannot be read; nothing was changed.
    """
    return look_first(site, "drift accept", lambda looked: _accept(site, order, drift_id, looked))


def _accept(site: Target, order: Order, drift_id: str, looked: Looked) -> Moved | Refused:
    facts = site.facts(looked.evidence)
    drift = _drift_meant(site, order, facts, drift_id)
    if isinstance(drift, Refuse):
        return Refused(drift)
    if refusal := _not_acceptable(site, facts, drift):
        return Refused(refusal)
    shown, before = drift.shown or 0, facts.state.stage or 0
    report = None
    if shown > before:
        report = looked.report(site, leaving_zero=_leaves_zero(site, before, shown))
        if refusal := _gates_refuse(report, shown):
            return Refused(refusal, report)
    draft = site.draft(
        drift_accepted(
            replace(order.origin(looked.now), operation=facts.state.drift.operation if facts.state.drift else order.operation),
            (before, shown),
            drift.text,
            facts.settings.values,
            seen=facts.seen,
            report=report,
        ),
    )
    return Moved(site.journal.append(draft), report)


def _drift_meant(site: Target, order: Order, facts: Facts, drift_id: str) -> Drift | Refuse:
    """Return the drift that is to be ended, or why this actor may not end it now."""
    if not site.access.may_approve(order.actor, Approvable.PROMOTE):
        return not_allowed("end a drift", "approvers")
    if done := site.done_before(order.cause):
        return done
    if facts.state.unsettled is not None:
        text = "An operation has no known outcome. Nothing was changed; `anr recover` settles it first."
        return Refuse(Code.UNSETTLED, text)
    if refusal := brake_engaged(facts.state, (*facts.brake.frozen_by, *facts.brake.waiting)):
        return refusal  # its safe settings are what the journal takes for a drift
    alarmed = facts.state.drift
    drift = facts.difference
    if drift is None or (drift_id and (alarmed is None or alarmed.operation != drift_id)):
        return Refuse(Code.NO_DRIFT, "This drift is over: router and journal agree, or differ otherwise. Nothing was changed.")
    return drift


def _not_acceptable(site: Target, facts: Facts, drift: Drift) -> Refuse | None:
    raises = (drift.shown or 0) > (facts.state.stage or 0)
    if facts.state.rolled_back or facts.brake.frozen_by or (facts.state.frozen and raises):
        text = "The rollout is frozen, so this cannot be accepted. Use `drift reapply` or `rollback`."
        return Refuse(Code.FROZEN, f"{text} Nothing was changed.")
    if drift.kind is DriftKind.RUNNING:
        text = "Settings and journal agree, only the running router does not follow. Nothing was changed; use `drift reapply`."
        return Refuse(Code.NOTHING_TO_ACCEPT, text)
    if drift.shown not in site.target.stages:
        text = "What the router's settings show is no stage of the ladder, so nothing can be accepted. Nothing was changed."
        return Refuse(Code.NOT_ON_LADDER, text)
    return None


def _leaves_zero(site: Target, less: int | None, more: int) -> bool:
    """Whether the difference is the first step of the ladder: only there may live decisions be missing."""
    return less == 0 and more == next_stage(0, site.target.stages)


def _gates_refuse(report: Report, stage: int) -> Refuse | None:
    if report.gates.go:
        return None
    failing = tuple(f"{gate.name}: {gate.reason}" for gate in report.gates.blocking)
    text = f"This would leave {stage} % of live traffic, more than otherwise, and the gates do not pass. Nothing was changed."
    return Refuse(Code.GATES_NOT_PASSED, text, failing)


def _was_safe(facts: Facts) -> bool:
    """Whether stage 0 means the safe settings, not a router that only learns."""
    if facts.state.rolled_back or facts.brake.frozen_by:
        return True
    return all((facts.state.settings or SAFE_SETTINGS).get(name) == value for name, value in SAFE_SETTINGS.items())
