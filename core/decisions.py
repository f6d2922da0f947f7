"""What may happen next: frozen, tagged answers, each refusal with a closed reason code.

Pure. Excluded: answering a request for approval (core/approvals.py) and carrying anything out (core/operations.py).
"""

from dataclasses import dataclass
from enum import StrEnum

from core.actors import Actor, Role
from core.gates import GateReport
from core.rollout import RolloutState, next_stage


class Code(StrEnum):
    """Every reason for which something is refused."""

    NOT_INITIALISED = "not_initialised"
    ALREADY_INITIALISED = "already_initialised"
    STAGE_UNKNOWN = "stage_unknown"
    UNSETTLED = "unsettled"
    FROZEN = "frozen"
    BRAKE_ENGAGED = "brake_engaged"
    DRIFT = "drift"
    NOT_ON_LADDER = "not_on_ladder"
    NOT_NEXT_STAGE = "not_next_stage"
    ALREADY_THERE = "already_there"
    TOP_OF_LADDER = "top_of_ladder"
    GATES_NOT_PASSED = "gates_not_passed"
    NO_APPROVERS = "no_approvers"
    NOT_ALLOWED = "not_allowed"
    NOT_APPROVER = "not_approver"
    SELF_APPROVAL = "self_approval"
    IDENTITY_UNPROVEN = "identity_unproven"
    APPROVAL_PENDING = "approval_pending"
    APPROVAL_UNKNOWN = "approval_unknown"
    APPROVAL_OVER = "approval_over"
    APPROVAL_EXPIRED = "approval_expired"
    APPROVAL_STALE = "approval_stale"
    PERSON_MUST_ASK = "person_must_ask"
    PROMOTION_OFF = "promotion_off"
    NOT_FROZEN = "not_frozen"
    HOLD_UNKNOWN = "hold_unknown"
    ALREADY_DONE = "already_done"


@dataclass(frozen=True, slots=True)
class Raise:
    """One step up the ladder is asked for; gates and approval decide."""

    from_stage: int
    to_stage: int


@dataclass(frozen=True, slots=True)
class Lower:
    """A move down the ladder: it reduces exposure and happens at once."""

    from_stage: int
    to_stage: int


@dataclass(frozen=True, slots=True)
class Proceed:
    """The promotion may be carried out now."""

    from_stage: int
    to_stage: int


@dataclass(frozen=True, slots=True)
class NeedsApproval:
    """The promotion may be carried out once somebody else has approved it."""

    from_stage: int
    to_stage: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """It is not done. `text` says why and what to do next; `blockers` lists the evidence."""

    code: Code
    text: str
    blockers: tuple[str, ...] = ()


def plan_move(state: RolloutState, stages: tuple[int, ...], wanted: int | None, drift: str | None) -> Raise | Lower | Refuse:
    """Say which move on the ladder is asked for, and refuse what no gate or approval could allow.

    Args:
        state: what the receipts add up to.
        stages: the ladder.
        wanted: the stage that was named, or None for the next one.
        drift: how the router's settings differ from the state, or None if they agree.
    """
    if wanted is not None and wanted not in stages:
        ladder = ", ".join(str(stage) for stage in stages)
        return Refuse(Code.NOT_ON_LADDER, f"{wanted} is not a stage. Nothing was changed; the stages are {ladder}.")
    if refusal := _out_of_order(state, drift):
        return refusal
    stage = state.stage
    if stage is None:
        return _nothing_known(state)
    target = next_stage(stage, stages) if wanted is None else wanted
    if target is None:
        return Refuse(Code.TOP_OF_LADDER, f"The router already serves {stage} %, the top of the ladder. Nothing was changed.")
    if target == stage:
        return Refuse(Code.ALREADY_THERE, f"The router already serves {stage} %. Nothing was changed.")
    if target < stage:
        return Lower(stage, target)
    upward = next_stage(stage, stages)
    if target != upward:
        return Refuse(
            Code.NOT_NEXT_STAGE,
            f"From {stage} % the next stage is {upward} %; {target} % would skip a stage. Nothing was changed.",
        )
    return Raise(stage, target)


def _nothing_known(state: RolloutState) -> Refuse:
    if state.revision == 0:
        return Refuse(
            Code.NOT_INITIALISED,
            "The journal is empty, so nobody has said at which stage the router is. Nothing was changed; run `anr init` once.",
        )
    return Refuse(
        Code.STAGE_UNKNOWN,
        "Nobody can say at which stage the router is: the last operation ended unclear. Nothing was changed; "
        "`rollback` makes it 0 %.",
    )


def _out_of_order(state: RolloutState, drift: str | None) -> Refuse | None:
    if state.frozen:
        return Refuse(
            Code.FROZEN,
            "The rollout is frozen. Nothing was changed; lift the holds with `unfreeze` first.",
            tuple(f"{hold.reason or 'no reason given'} ({hold.actor.id})" for hold in state.holds),
        )
    if state.unsettled:
        begun = state.unsettled
        return Refuse(
            Code.UNSETTLED,
            f"Operation #{begun.seq} ({begun.from_stage} → {begun.to_stage} %) has no known outcome. "
            "Nothing was changed; `anr recover` settles it.",
        )
    if state.stage is not None and drift:
        return Refuse(
            Code.DRIFT,
            f"{drift} Nothing was changed; find out who changed the settings, then put them back or `rollback`.",
        )
    return None


def decide_raise(
    move: Raise,
    actor: Actor,
    state: RolloutState,
    gates: GateReport,
    *,
    approvers_set: bool,
) -> Proceed | NeedsApproval | Refuse:
    """Decide on one step up the ladder: a person's needs an approval, the scheduler's does not (runbook: auto-promotion).

    Args:
        move: the step.
        actor: who asks; a person, or the scheduler.
        state: what the receipts add up to.
        gates: a fresh report.
        approvers_set: whether the settings name anybody who could approve.
    """
    if refusal := may_ask(actor, state, approvers_set=approvers_set):
        return refusal
    if not gates.go:
        failing = tuple(f"{gate.name}: {gate.reason}" for gate in gates.blocking)
        return Refuse(Code.GATES_NOT_PASSED, f"NO-GO for {move.from_stage} → {move.to_stage} %. Nothing was changed.", failing)
    if actor.is_person:
        return NeedsApproval(move.from_stage, move.to_stage)
    return Proceed(move.from_stage, move.to_stage)


def may_ask(actor: Actor, state: RolloutState, *, approvers_set: bool) -> Refuse | None:
    """Say why this actor may not ask for a step up, before anything is measured; None if they may."""
    if not approvers_set:
        return Refuse(
            Code.NO_APPROVERS,
            "Nobody is set as an approver, so nothing can be promoted. Set `approvers` in the settings.",
        )
    if actor.is_person:
        return None if Role.OPERATE in actor.roles else not_allowed("ask for a promotion", "operators")
    if state.stage == 0:
        return Refuse(Code.PERSON_MUST_ASK, "The scheduled run never leaves stage 0; a person has to ask with `promote`.")
    if state.person_required:
        return Refuse(
            Code.PERSON_MUST_ASK,
            "After a rollback, a freeze or a step down a person has to ask for the next promotion with `promote`.",
        )
    return None


def not_allowed(what: str, setting: str) -> Refuse:
    """Refuse somebody without the role."""
    return Refuse(Code.NOT_ALLOWED, f"You may not {what}. Nothing was changed; an administrator can add you to `{setting}`.")


def decide_unfreeze(state: RolloutState, actor: Actor, wanted: frozenset[str]) -> Refuse | tuple[str, ...]:
    """Return the ids of the holds to lift, or why none may be.

    Args:
        state: what the receipts add up to.
        actor: who asks.
        wanted: ids of holds; empty for all of them.
    """
    if Role.OPERATE not in actor.roles:
        return not_allowed("unfreeze", "operators")
    if not state.holds:
        return Refuse(Code.NOT_FROZEN, "The rollout is not frozen. Nothing was changed.")
    held = {hold.id for hold in state.holds}
    if unknown := wanted - held:
        return Refuse(Code.HOLD_UNKNOWN, f"There is no hold {', '.join(sorted(unknown))}. Nothing was changed.")
    return tuple(hold.id for hold in state.holds if hold.id in (wanted or held))
