"""Ending a drift: the journal's settings are put back, or what the router shows is adopted.

Whichever of the two leaves more live traffic than the other is a promotion: by one stage, soaked, with passing gates, asked for
by an approver and approved by another. Whichever leaves less is one approver's, at once. Excluded: finding a drift
(core/rollout/drift.py), alarming it (core/watch/watch.py), and answering the request (core/operations/requests.py).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.actors import ActorKind, Approvable
from core.gates.report import Report
from core.operations.apply import make_safe_again, serve_again
from core.operations.ask import Proposal, ask
from core.operations.results import Asked, Moved, Refused
from core.receipts.chain import Sealed
from core.receipts.drafts.moves import drift_accepted
from core.receipts.drafts.origin import Consent
from core.receipts.evidence import RouterSighting
from core.rollout.approvals import Approval
from core.rollout.decisions import brake_engaged, brake_failed, decide_approved, decide_step_up
from core.rollout.drift import Drift, DriftKind, running_drift
from core.rollout.ladder import next_stage
from core.rollout.refusals import Code, Refuse, no_person, not_allowed
from core.router.control import SAFE_SETTINGS
from core.target.gather import Gathered, decide_locked
from core.target.order import Order
from core.target.target import Facts, Target

ACCEPT, REAPPLY = "accept", "reapply"


def reapply(target: Target, order: Order, drift_id: str = "") -> Moved | Asked | Refused:
    """Write the settings that the journal says once more, and reload the router; or ask for it, if that raises live traffic.

    Args:
        target: the router that is meant.
        order: who asks, and why.
        drift_id: the drift that is meant, as its message carries it; empty for the present one.

    Raises:
        AnrError: something that the decision needs cannot be read; nothing was changed.
    """
    shown = shown_since(target)
    return decide_locked(target, "drift reapply", lambda gathered: _reapply(target, order, drift_id, gathered, shown))


def _reapply(target: Target, order: Order, drift_id: str, gathered: Gathered, shown: "Shown") -> Moved | Asked | Refused:
    facts = target.facts_and_requests(gathered.evidence)
    drift = _drift_meant(target, order, facts, drift_id)
    if isinstance(drift, Refuse):
        return Refused(drift)
    if drift.kind is DriftKind.BRAKED:
        return Refused(_braked(drift))
    drift = _that_a_restart_ends(facts, drift)
    stage = facts.state.stage or 0
    if stage and (drift.shown is None or stage > drift.shown):
        if refusal := _not_a_step_back(target, facts, drift, shown, gathered.now):
            return Refused(refusal)
        return _ask(target, facts, Proposal(Approvable.PROMOTE, (REAPPLY, str(drift.shown)), stage), order, gathered)
    again = replace(order, operation=_story(facts, order.operation))
    if stage or not _was_safe(facts):
        return Moved(serve_again(target, facts, stage, again, None))
    return Moved(make_safe_again(target, facts, again))


def accept(target: Target, order: Order, drift_id: str = "") -> Moved | Asked | Refused:
    """Record what the router's settings show as the new state, or ask for that, if it is more; nothing is written to the router.

    The next promotion has to be asked for by a person, and the soak begins anew.

    Args:
        target: the router that is meant.
        order: who asks, and why.
        drift_id: the drift that is meant, as its message carries it; empty for the present one.

    Raises:
        AnrError: something that the decision needs cannot be read; nothing was changed.
    """
    return decide_locked(target, "drift accept", lambda gathered: _accept(target, order, drift_id, gathered))


def _accept(target: Target, order: Order, drift_id: str, gathered: Gathered) -> Moved | Asked | Refused:
    facts = target.facts_and_requests(gathered.evidence)
    drift = _drift_meant(target, order, facts, drift_id)
    if isinstance(drift, Refuse):
        return Refused(drift)
    if refusal := _not_acceptable(target, facts, drift):
        return Refused(refusal)
    shown = drift.shown or 0
    if shown > (facts.state.stage or 0):
        # what stands in the way of this promotion is everything but the drift that it ends
        standing = replace(target.preconditions(facts, gathered.now), drift=None)
        step = decide_step_up(standing, order.actor, wanted=shown)
        if isinstance(step, Refuse):
            return Refused(step)
        return _ask(target, facts, Proposal(Approvable.PROMOTE, (ACCEPT, str(shown)), shown), order, gathered)
    return Moved(_adopt(target, facts, drift, order, gathered.now))


def _ask(target: Target, facts: Facts, proposal: Proposal, order: Order, gathered: Gathered) -> Asked | Refused:
    stage = proposal.to_stage or 0
    report = gathered.report(target, leaving_zero=_less(facts, proposal.subject) == 0)
    if refusal := _gates_refuse(report, stage):
        return Refused(refusal, report)
    return ask(target, facts, proposal, order, gathered.now, report)


def _less(facts: Facts, subject: tuple[str, ...]) -> int | None:
    """Return the lower of the two stages between which a drift is to be ended upwards."""
    end, shown = subject
    return int(shown) if end == REAPPLY else facts.state.stage


@dataclass(frozen=True, slots=True)
class Shown:
    """What the router shows in place of its stage, and since when its ledger shows it, as far back as its soak asks.

    Attributes:
        stage: percent of live traffic; None if nobody can say, or if there is no drift.
        since: None if the ledger does not show it.
    """

    stage: int | None = None
    since: RouterSighting | None = None


def shown_since(target: Target) -> Shown:
    """Look since when the router shows less than the journal says. Its ledger is read, so nobody waits for a lock meanwhile.

    Raises:
        AnrError: something cannot be read.
    """
    facts = target.facts(whole=False)
    drift, stage = facts.difference, facts.state.stage or 0
    drift = _that_a_restart_ends(facts, drift) if drift is not None else None
    if drift is None or drift.shown is None or drift.shown >= stage:
        return Shown()
    return Shown(drift.shown, target.served_since(drift.shown, target.clock()))


def against_ending(target: Target, facts: Facts, approval: Approval, shown: Shown, now: datetime) -> Refuse | None:
    """Say why a drift may not be ended upwards any more as it was asked for, apart from the gates; None if it may.

    Args:
        target: the router that is meant; the caller holds its lock.
        facts: what was read under the lock.
        approval: the request.
        shown: what the router showed a moment ago.
        now: the operation's one reading of the clock.
    """
    drift = facts.difference
    if drift is not None and approval.ends_drift == REAPPLY:
        drift = _that_a_restart_ends(facts, drift)
    if drift is None or str(drift.shown) != approval.subject[1]:
        return Refuse(Code.NO_DRIFT, "This drift is over: router and journal agree, or differ otherwise. Nothing was changed.")
    if facts.state.brake_failed:
        return brake_failed()
    if drift.kind is DriftKind.BRAKED:
        return _braked(drift)
    if approval.ends_drift == REAPPLY:
        engaged = brake_engaged(facts.state, (*facts.brake.frozen_by, *facts.brake.waiting))
        return engaged or _not_a_step_back(target, facts, drift, shown, now)
    if refusal := _not_acceptable(target, facts, drift):
        return refusal
    standing = replace(target.preconditions(facts, now, answers=True), drift=None)
    step = decide_approved(standing, approval.to_stage)
    return step if isinstance(step, Refuse) else None


def end_approved(target: Target, facts: Facts, approval: Approval, report: Report, now: datetime) -> Sealed:
    """End a drift upwards, as it was asked for and approved, and return the receipt.

    Args:
        target: the router that is meant; the caller holds its lock.
        facts: what was read under the lock.
        approval: the request, with every signature and its end.
        report: the gates that let it pass.
        now: the operation's one reading of the clock.

    Raises:
        JournalError: nothing was changed, or the outcome could not be recorded (`recover` settles it).
    """
    order = Order(approval.requester, approval.reason, operation=_story(facts, approval.id))
    if approval.ends_drift == REAPPLY:
        return serve_again(target, facts, approval.to_stage or 0, order, report, approval)
    drift = facts.difference
    if drift is None:
        raise AssertionError("against_ending refuses where there is no drift")
    return _adopt(target, facts, drift, order, now, report=report, approval=approval)


def _adopt(
    target: Target,
    facts: Facts,
    drift: Drift,
    order: Order,
    now: datetime,
    *,
    report: Report | None = None,
    approval: Approval | None = None,
) -> Sealed:
    consent: Consent | None = approval.consent if approval is not None else None
    statement = drift_accepted(
        replace(order.origin(now), operation=_story(facts, order.operation)),
        (facts.state.stage or 0, drift.shown or 0),
        drift.text,
        facts.settings.values,
        seen=facts.seen,
        report=report,
        consent=consent,
    )
    return target.journal.append(target.draft(statement), approval)


def _that_a_restart_ends(facts: Facts, drift: Drift) -> Drift:
    """Return the drift that putting settings back ends: what the running router shows, where that is less than its file says.

    A file that somebody changed hides that nobody has loaded it; to put it back restarts the router, which serves more then.
    """
    running = running_drift(facts.state, facts.seen, facts.observation)
    if running is None or not running.is_less or drift.shown is None:
        return drift
    return running if running.shown is None or running.shown < drift.shown else drift


def _story(facts: Facts, otherwise: str) -> str:
    """Return the operation of the alarm that is ended; that of the order, where none was raised yet."""
    return facts.state.drift.operation if facts.state.drift else otherwise


def _drift_meant(target: Target, order: Order, facts: Facts, drift_id: str) -> Drift | Refuse:
    """Return the drift that is to be ended, or why this actor may not end it now."""
    if order.actor.kind is ActorKind.ACCOUNT:
        return no_person("end a drift")
    if not order.actor.is_person or not target.access.may_approve(order.actor, Approvable.PROMOTE):
        return not_allowed(order.actor, "end a drift", "approvers")
    if done := target.done_before(order.cause):
        return done
    if facts.state.unsettled is not None:
        text = "An operation has no known outcome. Nothing was changed; `anr recover` settles it first."
        return Refuse(Code.UNSETTLED, text)
    if refusal := brake_engaged(facts.state, (*facts.brake.frozen_by, *facts.brake.waiting)):
        return refusal  # its safe settings are what the journal takes for a drift
    if facts.state.brake_failed:
        return brake_failed()
    alarmed = facts.state.drift
    drift = facts.difference
    if drift is None or (drift_id and (alarmed is None or alarmed.operation != drift_id)):
        return Refuse(Code.NO_DRIFT, "This drift is over: router and journal agree, or differ otherwise. Nothing was changed.")
    return drift


def _braked(drift: Drift) -> Refuse:
    text = f"{drift.text} Nothing was changed; `rollback` or `anr recover` records it, and only `promote` leads up again."
    return Refuse(Code.BRAKED, text)


def _not_acceptable(target: Target, facts: Facts, drift: Drift) -> Refuse | None:
    raises = (drift.shown or 0) > (facts.state.stage or 0)
    if facts.state.rolled_back or facts.brake.frozen_by or (facts.state.frozen and raises):
        text = "The rollout is frozen, so this cannot be accepted. Use `drift reapply` or `rollback`."
        return Refuse(Code.FROZEN, f"{text} Nothing was changed.")
    if drift.kind is DriftKind.RUNNING:
        text = "Settings and journal agree, only the running router does not follow. Nothing was changed; use `drift reapply`."
        return Refuse(Code.NOTHING_TO_ACCEPT, text)
    if drift.shown not in target.settings.stages:
        text = "What the router's settings show is no stage of the ladder, so nothing can be accepted. Nothing was changed."
        return Refuse(Code.NOT_ON_LADDER, text)
    return None


def _not_a_step_back(target: Target, facts: Facts, drift: Drift, shown: Shown, now: datetime) -> Refuse | None:
    """Say why the journal's stage may not be put back where the router shows less; None if it is one step that has soaked."""
    stage = facts.state.stage or 0
    if facts.state.frozen:
        return Refuse(Code.FROZEN, "The rollout is frozen, and this would raise live traffic. Nothing was changed.")
    if drift.shown is None or next_stage(drift.shown, target.settings.stages) != stage:
        there = "what nobody can understand" if drift.shown is None else f"{drift.shown}%"
        text = f"The router shows {there}, and {stage}% is not the next stage. Nothing was changed; "
        way = "`rollback` makes it 0%" if drift.shown not in target.settings.stages else "`drift accept` takes what it shows"
        return Refuse(Code.NOT_NEXT_STAGE, f"{text}{way}, then `promote`.")
    hours = target.settings.soaks.get(drift.shown, 0)
    since = shown.since if shown.stage == drift.shown else None
    if hours and (since is None or now < since.at + timedelta(hours=hours)):
        return Refuse(
            Code.SOAKING,
            f"{drift.shown}% has to be served for {hours:g} h before the next step, and the ledger does not show that. "
            "Nothing was changed; `drift accept` takes what the router shows, and its soak begins.",
        )
    return None


def _gates_refuse(report: Report, stage: int) -> Refuse | None:
    if report.gates.go:
        return None
    failing = tuple(f"{gate.name}: {gate.reason}" for gate in report.gates.blocking)
    text = f"This would leave {stage}% of live traffic, more than otherwise, and the gates do not pass. Nothing was changed."
    return Refuse(Code.GATES_NOT_PASSED, text, failing)


def _was_safe(facts: Facts) -> bool:
    """Whether stage 0 means the safe settings, not a router that only learns."""
    if facts.state.rolled_back or facts.brake.frozen_by:
        return True
    return all((facts.state.settings or SAFE_SETTINGS).get(name) == value for name, value in SAFE_SETTINGS.items())
