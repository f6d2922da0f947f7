"""What may happen next: frozen, tagged answers, each refusal with a closed reason code.

Pure. Excluded: answering a request for approval (core/rollout/approvals.py) and carrying anything out
(core/operations/propose.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import overload

from core.actors import SCHEDULER, Actor, Role
from core.gates.report import GateReport
from core.rollout.ladder import Soak, next_stage, soak_of
from core.rollout.refusals import Code, Refuse, may_operate, not_allowed
from core.rollout.state import RolloutState, learning_of
from core.text import Sentence


@dataclass(frozen=True, slots=True)
class Raise:
    """One step up the ladder is asked for; gates and approval decide.

    Attributes:
        from_stage: percent of live traffic now.
        to_stage: percent that is wanted.
    """

    from_stage: int
    to_stage: int


@dataclass(frozen=True, slots=True)
class Lower:
    """A move down the ladder: it reduces exposure and happens at once.

    Attributes:
        from_stage: percent of live traffic now.
        to_stage: percent that is wanted.
    """

    from_stage: int
    to_stage: int


@dataclass(frozen=True, slots=True)
class Proceed:
    """The promotion may be carried out now.

    Attributes:
        from_stage: percent of live traffic now.
        to_stage: percent that is wanted.
    """

    from_stage: int
    to_stage: int


@dataclass(frozen=True, slots=True)
class NeedsApproval:
    """The promotion may be carried out once somebody else has approved it.

    Attributes:
        from_stage: percent of live traffic now.
        to_stage: percent that is wanted.
    """

    from_stage: int
    to_stage: int


def decide_move(preconditions: "Preconditions", actor: Actor, wanted: int | None) -> Raise | Lower | Refuse:
    """Say which move on the ladder is asked for, and refuse what no gate or approval could allow.

    Args:
        preconditions: everything on which it depends.
        actor: who asks.
        wanted: the stage that was named, in percent, or None for the next one.
    """
    state, stages = preconditions.state, preconditions.stages
    if wanted is not None and wanted not in stages:
        ladder = ", ".join(str(stage) for stage in stages)
        return Refuse(Code.NOT_ON_LADDER, f"{wanted} is not a stage. Nothing was changed; the stages are {ladder}.")
    if wanted is None or state.stage is None or wanted >= state.stage or state.rolled_back:
        return decide_step_up(preconditions, actor, wanted=wanted)
    # where a hold left the router at its stage, less exposure is still to be had
    unordered = next(
        (
            refusal
            for refusal in _out_of_order(state, preconditions.drift, braked=preconditions.braked)
            if refusal.code is not Code.FROZEN
        ),
        None,
    )
    if unordered is not None:
        return unordered
    return Lower(state.stage, wanted) if Role.BRAKE in actor.roles else not_allowed(actor, "move the router down", "operators")


def _at_the_top(stage: int) -> Refuse:
    return Refuse(Code.TOP_OF_LADDER, f"The router already serves {stage}%, the top of the ladder. Nothing was changed.")


def _nothing_known(state: RolloutState) -> Refuse:
    if state.revision == 0:
        return Refuse(
            Code.NOT_INITIALISED,
            "The journal is empty, so nobody has said at which stage the router is. Nothing was changed; run `anr init` once.",
        )
    return Refuse(
        Code.STAGE_UNKNOWN,
        "Nobody can say at which stage the router is: the last operation ended unclear. Nothing was changed; "
        "`rollback` makes it 0%.",
    )


def _out_of_order(state: RolloutState, drift: str | None, *, braked: bool = False) -> Iterator[Refuse]:
    if state.brake_failed:
        yield brake_failed()
    if state.frozen:
        yield Refuse(
            Code.FROZEN,
            "The rollout is frozen. Nothing was changed; lift the holds with `unfreeze` first.",
            tuple(f"{hold.reason or 'no reason given'} ({hold.actor.id})" for hold in state.holds),
        )
    if state.unsettled:
        begun = state.unsettled
        yield Refuse(
            Code.UNSETTLED,
            f"Operation #{begun.seq} ({begun.from_stage}% → {begun.to_stage}%) has no known outcome. "
            "Nothing was changed; `anr recover` settles it.",
        )
    if state.stage is not None and drift and braked:
        yield Refuse(
            Code.BRAKED,
            f"{drift} Nothing was changed; `rollback` or `anr recover` records it, then a person may ask for the way up again.",
        )
    elif state.stage is not None and drift:
        yield Refuse(
            Code.DRIFT,
            f"{drift} Nothing was changed; find out who changed it, then an approver puts the journal's settings back "
            "(`drift reapply`) or adopts what the router shows (`drift accept`), or anybody uses `rollback`.",
        )


@dataclass(frozen=True, slots=True)
class Veto:
    """Somebody skipped the scheduled run of one local date.

    Attributes:
        actor: who.
        reason: why.
        day: that date.
    """

    actor: Actor
    reason: str
    day: date


@dataclass(frozen=True, slots=True)
class Preconditions:
    """Everything on which the next step up depends, apart from who asks.

    Attributes:
        state: what the receipts add up to.
        stages: the ladder.
        now: the reference time.
        drift: how the router differs from the journal, or None if it does not.
        braked: whether that difference is a brake of which the journal has no receipt.
        brake_marks: ids of the brakes whose marks are on disk: freezes, and whatever the journal does not have yet.
        soak_hours: how long each stage has to be served, in hours; a stage that is not named does not soak.
        pilot_untold: whether the running router serves live traffic and its ledger never says how much.
        approvers_set: whether the settings name anybody who could approve.
        schedule_promotes: whether the settings let the scheduled run promote or ask.
        veto: who skipped the scheduled run that this is about; None if nobody did.
        waiting: ids of the requests that wait for an answer.
        gates: a fresh report; None before anything was measured.
    """

    state: RolloutState
    stages: tuple[int, ...]
    now: datetime
    drift: str | None = None
    braked: bool = False
    brake_marks: Sequence[str] = ()
    soak_hours: Mapping[int, float] = field(default_factory=dict)
    pilot_untold: bool = False
    approvers_set: bool = True
    schedule_promotes: bool = True
    veto: Veto | None = None
    waiting: Sequence[str] = ()
    gates: GateReport | None = None

    @property
    def soak(self) -> Soak | None:
        """The soak of the present stage; None where no stage is known."""
        return soak_of(self.state, self.soak_hours, pilot_untold=self.pilot_untold)


def obstacles(standing: Preconditions, actor: Actor) -> tuple[Refuse, ...]:
    """Return everything that stands in the way of this actor's next step up, in the order in which it is said.

    Operations refuse with the first, `why` shows them all: there is no second opinion.
    """
    found = [*_obstacles(standing, actor)]
    stage, gates = standing.state.stage, standing.gates
    if gates is not None and not gates.go and stage is not None:
        found.append(_no_go(stage, next_stage(stage, standing.stages), gates))
    return tuple(found)


def _obstacles(standing: Preconditions, actor: Actor, wanted: int | None = None) -> Iterator[Refuse]:
    """Everything but the gates."""
    state, scheduled = standing.state, actor.is_same_as(SCHEDULER)
    if standing.veto is not None and scheduled:
        yield _skipped(standing.veto)
    yield from _impossible(standing, wanted)
    if scheduled and not standing.schedule_promotes:
        yield Refuse(Code.PROMOTION_OFF, "Scheduled promotion is switched off in the settings.")
    yield from _not_to_be_asked(actor, state, scheduled=scheduled, approvers_set=standing.approvers_set)
    yield from _soaking(standing)
    if standing.waiting:
        text = f"Request {standing.waiting[0]} already waits for an answer. Nothing was asked again; approve or deny that one."
        yield Refuse(Code.APPROVAL_PENDING, text)


def _impossible(standing: Preconditions, wanted: int | None = None) -> Iterator[Refuse]:
    """What makes a step up to a stage (None for the next one) impossible, whoever asks for it."""
    state = standing.state
    yield from _out_of_order(state, standing.drift, braked=standing.braked)
    if refusal := brake_engaged(state, standing.brake_marks):
        yield refusal
    if state.stage is None:
        yield _nothing_known(state)
        return
    upward = next_stage(state.stage, standing.stages)
    if wanted is None:
        if upward is None:
            yield _at_the_top(state.stage)
    elif wanted == state.stage:
        yield Refuse(Code.ALREADY_THERE, f"The router already serves {state.stage}%. Nothing was changed.")
    elif wanted != upward:
        yield Refuse(
            Code.NOT_NEXT_STAGE,
            f"From {state.stage}% the next stage is {upward}%; {wanted}% would skip a stage. Nothing was changed.",
        )


@overload
def decide_step_up(preconditions: Preconditions, actor: Actor, *, wanted: int | None = None) -> Raise | Refuse: ...
@overload
def decide_step_up(
    preconditions: Preconditions, actor: Actor, gates: GateReport, *, wanted: int | None = None
) -> Proceed | NeedsApproval | Refuse: ...
def decide_step_up(
    preconditions: Preconditions, actor: Actor, gates: GateReport | None = None, *, wanted: int | None = None
) -> Raise | Proceed | NeedsApproval | Refuse:
    """Decide on one step up the ladder. Everything that may stand in its way is asked here, once.

    Args:
        preconditions: everything on which it depends but the gates.
        actor: who asks; a person, or the scheduler.
        gates: a fresh report. Without one the step is refused for everything else, or it is a `Raise` on which the gates are to
            be asked (`decide_on_gates`).
        wanted: the stage that was named, in percent, or None for the next one.
    """
    stage = preconditions.state.stage
    if refusal := next(_obstacles(preconditions, actor, wanted), None):
        return refusal
    above = None if stage is None else next_stage(stage, preconditions.stages)
    if stage is None or above is None:
        raise AssertionError("an unknown stage and the top of the ladder are obstacles")
    move = Raise(stage, above)
    return move if gates is None else decide_on_gates(move, actor, gates)


def decide_on_gates(move: Raise, actor: Actor, gates: GateReport) -> Proceed | NeedsApproval | Refuse:
    """Decide on a step up that nothing but the gates can refuse.

    A person's needs an approval, the scheduler's does not (runbook: auto-promotion).
    """
    if not gates.go:
        return _no_go(move.from_stage, move.to_stage, gates)
    return (Proceed if actor.is_same_as(SCHEDULER) else NeedsApproval)(move.from_stage, move.to_stage)


def decide_approved(preconditions: Preconditions, wanted: int | None) -> Raise | Refuse:
    """Say whether a step up that was asked for, and is approved now, is still the next one; who asked may not be known here."""
    stage = preconditions.state.stage
    if refusal := next(_impossible(preconditions, wanted), None):
        return refusal
    if stage is None or wanted is None or wanted <= stage:
        return Refuse(Code.APPROVAL_STALE, "The move asked for is no longer a step up.")
    return Raise(stage, wanted)


def brake_failed() -> Refuse:
    """Refuse whatever is not the safe settings: a brake was used, and as far as is recorded the router never got them."""
    text = (
        "The last brake did not put the router in its safe settings, as far as is recorded. Nothing was changed; `rollback` or "
        "`anr recover` tries again, and nothing else is written until one of them has."
    )
    return Refuse(Code.BRAKE_FAILED, text)


def brake_engaged(state: RolloutState, marks: Sequence[str]) -> Refuse | None:
    """Say that a brake is in force of which the journal does not know yet, or None if it knows of every mark on disk."""
    if {hold.id for hold in state.holds}.issuperset(marks):
        return None
    text = "The brake is engaged: its mark is on disk. Nothing was changed; `anr recover` records it, `unfreeze` lifts it."
    return Refuse(Code.BRAKE_ENGAGED, text)


def _skipped(veto: Veto) -> Refuse:
    why = f": {veto.reason}" if veto.reason else ""
    text = f"The promotion of {veto.day} was skipped by {veto.actor.id}{why}. The next day's run goes on as always."
    return Refuse(Code.SKIPPED, text)


def _soaking(standing: Preconditions) -> Iterator[Refuse]:
    soak = standing.soak
    if soak is None or soak.is_over(standing.now) or next_stage(soak.stage, standing.stages) is None:
        return
    asked = f"{soak.stage}% has to be served for {soak.hours:g} h before the next step"
    if soak.killed:
        begins = f"the {soak.hours:g} h begin once `anr shadow` has lifted KILL"
        text = f"{asked}, and KILL stands, so that only R4 learns. Nothing was changed; {begins}."
    elif soak.ends is None:
        text = f"{asked}, and the running router was not seen to serve it yet. Nothing was changed; the soak begins when it is."
    else:
        left = (soak.ends - standing.now).total_seconds() / 3600
        since = ", counted from when it was written, for the ledger does not say the pilot" if soak.from_write else ""
        text = Sentence(f"{asked}{since}; {left:.1f} h are left, until ", soak.ends, ". Nothing was changed.")
    yield Refuse(Code.SOAKING, text)


def may_restore(state: RolloutState) -> Refuse | None:
    """Say why the bandit's state may not be put back or reset now, or None if it may: also while the rollout is frozen."""
    if state.unsettled:
        text = f"Operation #{state.unsettled.seq} has no known outcome. Nothing was changed; `anr recover` settles it."
        return Refuse(Code.UNSETTLED, text)
    return _nothing_known(state) if state.stage is None else None


def decide_shadow(
    state: RolloutState, actor: Actor, marks: Sequence[str], drift: str | None, *, braked: bool = False
) -> Refuse | None:
    """Say why the router may not go back to observing in shadow, or None if it may: it serves nothing, so no gate is asked.

    Args:
        state: what the receipts add up to.
        actor: who asks.
        marks: ids of the freezes whose marks are on disk.
        drift: how the router differs from the state, or None if it does not.
        braked: whether that difference is a brake of which the journal has no receipt.
    """
    if refusal := may_operate(actor, "let the router observe"):
        return refusal
    if refusal := next(_out_of_order(state, drift, braked=braked), None) or brake_engaged(state, marks):
        return refusal
    if state.stage is None:
        return _nothing_known(state)
    if state.stage:
        text = f"The router serves {state.stage}% and learns with it. Nothing was changed; `rollback` comes before `shadow`."
        return Refuse(Code.NOT_AT_ZERO, text)
    if not learning_of(state).killed:
        return Refuse(Code.ALREADY_THERE, "The router observes in shadow already. Nothing was changed.")
    return None


def _no_go(from_stage: int, to_stage: int | None, gates: GateReport) -> Refuse:
    failing = tuple(f"{gate.name}: {gate.reason}" for gate in gates.blocking)
    step = f"{from_stage}% → {to_stage}%" if to_stage is not None else f"the step after {from_stage}%"
    return Refuse(Code.GATES_NOT_PASSED, f"NO-GO for {step}. Nothing was changed.", failing)


def _not_to_be_asked(actor: Actor, state: RolloutState, *, scheduled: bool, approvers_set: bool) -> Iterator[Refuse]:
    if not approvers_set:
        yield Refuse(
            Code.NO_APPROVERS,
            "Nobody is set as an approver, so nothing can be promoted. Set `approvers` in the settings.",
        )
    if not scheduled:
        if refusal := may_operate(actor, "ask for a promotion"):
            yield refusal
        return
    if state.paused is not None:
        paused = state.paused
        yield Refuse(
            Code.SCHEDULE_PAUSED,
            Sentence(
                "The schedule is paused since ",
                paused.since,
                f" by {paused.actor.id}{f' ({paused.reason})' if paused.reason else ''}. Nothing was changed; ",
                "`schedule resume` lets it go on.",
            ),
        )
    if state.stage == 0:
        yield Refuse(Code.PERSON_MUST_ASK, "The scheduled run never leaves stage 0; a person has to ask with `promote`.")
    elif state.person_required:
        yield Refuse(
            Code.PERSON_MUST_ASK,
            "After a rollback, a freeze, a step down or a break-glass a person has to ask for the next promotion with `promote`.",
        )


_SHORTEST_ID = 6
"""As many characters of a hold's id are enough to name it, if no other begins like that."""


def decide_unfreeze(
    state: RolloutState,
    actor: Actor,
    wanted: frozenset[str],
    reason: str = "",
    *,
    while_firing: bool = False,
) -> Refuse | tuple[str, ...]:
    """Return the ids of the holds to lift, or why none may be.

    Args:
        state: what the receipts add up to.
        actor: who asks.
        wanted: ids of holds, or the first characters of one (at least 6); empty for all of them.
        reason: why; it has to be said if an alert still fires.
        while_firing: the actor knows that an alert behind a hold still fires, and wants it all the same.
    """
    if refusal := may_operate(actor, "unfreeze"):
        return refusal
    if not state.holds:
        return Refuse(Code.NOT_FROZEN, "The rollout is not frozen. Nothing was changed.")
    named = {name: _holds_named(state, name) for name in wanted}
    if unknown := sorted(name for name, meant in named.items() if len(meant) != 1):
        held = ", ".join(hold.short_id for hold in state.holds)
        return Refuse(
            Code.HOLD_UNKNOWN, f"{', '.join(unknown)} names no one hold. Nothing was changed; the holds in force are {held}."
        )
    meant = {hold_id for ids in named.values() for hold_id in ids}
    chosen = tuple(hold.id for hold in state.holds if not wanted or hold.id in meant)
    firing = tuple(hold.reason for hold in state.firing if hold.id in chosen)
    if firing and not (while_firing and reason):
        text = "An alert behind a hold still fires. Nothing was changed; wait, or `unfreeze --while-firing` and say why."
        return Refuse(Code.STILL_FIRING, text, firing)
    return chosen


def _holds_named(state: RolloutState, name: str) -> set[str]:
    exact = {hold.id for hold in state.holds if hold.id == name}
    begins = {hold.id for hold in state.holds if len(name) >= _SHORTEST_ID and hold.id.startswith(name)}
    return exact or begins
