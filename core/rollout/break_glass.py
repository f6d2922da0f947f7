"""Break-glass: one approver promotes alone, against gates that fail, and says why; somebody else reviews it afterwards.

Pure. Excluded: carrying it out (core/operations/approved_brake.py). It passes over failing gates and over the other approvers,
and nothing else: not a freeze, not a drift, not a stage, and never a gate that has no data.
"""

from core.actors import AccessPolicy, Actor, ActorKind, Approvable
from core.gates.report import GateReport
from core.receipts.evidence import BreakGlass
from core.rollout.decisions import Proceed, Raise
from core.rollout.refusals import Code, Refuse, no_person, not_allowed
from core.rollout.state import RolloutState

SHORTEST_REASON = 10
"""Fewer characters explain nothing to whoever reviews it."""


def may_break_glass(actor: Actor, state: RolloutState, access: AccessPolicy) -> Refuse | None:
    """Say why this actor may not break the glass, before anything is measured; None if they may."""
    if actor.kind is ActorKind.ACCOUNT:
        return no_person("break the glass")
    if not actor.is_person or not access.may_approve(actor, Approvable.PROMOTE):
        return not_allowed(actor, "break the glass", "approvers")
    if state.unreviewed is not None:
        last = state.unreviewed
        return Refuse(
            Code.NOT_REVIEWED,
            f"The last break-glass (receipt #{last.seq}) was not reviewed by anybody else yet. Nothing was changed; another "
            "approver reviews it with the button on its message or `anr review`.",
        )
    return None


def too_short(reason: str) -> Refuse | None:
    """Refuse a reason that explains nothing; None if it may do."""
    if len(reason) >= SHORTEST_REASON:
        return None
    text = f"A break-glass needs a reason of at least {SHORTEST_REASON} characters. Nothing was changed."
    return Refuse(Code.NO_REASON, text)


def decide_break_glass(move: Raise, gates: GateReport) -> Proceed | Refuse:
    """Decide on a step up against failing gates. Missing, stale or too little data stops it."""
    if gates.go:
        return Refuse(
            Code.NOT_FAILING,
            "The gates pass, so there is no glass to break. Nothing was changed; ask for the promotion with `promote`.",
        )
    if blind := [gate for gate in gates.blocking if gate.blind]:
        text = "There is too little data to judge by; only gates that fail can be passed over. Nothing was changed."
        return Refuse(Code.GATES_NOT_PASSED, text, tuple(f"{gate.name}: {gate.reason}" for gate in blind))
    return Proceed(move.from_stage, move.to_stage)


def passed_over(action: Approvable, actor: Actor, access: AccessPolicy, gates: GateReport | None = None) -> BreakGlass:
    """Return what an actor who does not wait for the others passes over.

    Args:
        action: what is done alone.
        actor: who does it.
        access: who would have to approve it.
        gates: the gates as they are; None if the action asks none.
    """
    skipped = tuple(sorted(access.rule(action).approvers - (actor.names - actor.groups)))  # a group has other members
    return BreakGlass(gates=tuple(gate.name for gate in gates.blocking) if gates else (), skipped=skipped)


def may_review(state: RolloutState, actor: Actor, access: AccessPolicy, operation: str = "") -> Refuse | None:
    """Say why this actor may not review the last break-glass, or None if they may.

    Args:
        state: the rollout's state, with the break-glass that waits for its review.
        actor: who wants to review it.
        access: who may approve promotions.
        operation: the story that is meant; empty for the last one.
    """
    last = state.unreviewed
    if last is None or operation not in {"", last.operation}:
        return Refuse(Code.NOTHING_TO_REVIEW, "This waits for no review. Nothing was changed.")
    if actor.kind is ActorKind.ACCOUNT:
        return no_person("review it")
    if not actor.is_person or not access.may_approve(actor, Approvable.PROMOTE):
        return Refuse(Code.NOT_APPROVER, "Only an approver can review a break-glass. Nothing was changed.")
    if actor.is_same_as(last.actor):
        return Refuse(Code.SELF_APPROVAL, "You broke the glass yourself, so somebody else has to review it. Nothing was changed.")
    if actor.kind is not last.actor.kind:
        return Refuse(
            Code.IDENTITY_UNPROVEN,
            "The glass was broken in one place and is reviewed in another, and nobody can tell whether both are one person. "
            "Nothing was changed; name the terminal user's Slack id under `people` in the settings.",
        )
    return None
