"""Everything that stands in the way of the next promotion, all at once, each with its owner and how to lift it.

And what follows from that: the earliest possible promotion, and what the next scheduled run will do.

Pure. Excluded: deciding. What stands in the way is what decisions.py says; here it only gets its owner and its way out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.actors import SCHEDULER, Actor, ActorKind, Role
from core.canonical import rfc3339
from core.gates.policy import GateName
from core.gates.report import Verdict
from core.rollout.decisions import Preconditions, obstacles
from core.rollout.refusals import Code, Refuse
from core.rollout.schedule import PromotionMode
from core.text import Sentence, spoken

_ANY_OPERATOR = Actor(kind=ActorKind.OS, id="operator", roles=frozenset({Role.OPERATE}))
_ONLY_SCHEDULED = frozenset({Code.SKIPPED, Code.PERSON_MUST_ASK, Code.PROMOTION_OFF, Code.SCHEDULE_PAUSED})
"""What stands in the way of the scheduled run alone; a person may ask all the same."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that stands in the way of the next promotion.

    Attributes:
        code: the reason code with which an operation would refuse.
        text: what it is, as a sentence.
        owner: who or what it belongs to.
        lift: how to lift it.
        until: when it lifts itself; None if it does not, or if nobody can say.
        scheduled_only: it stops the scheduled run; a person may ask.
    """

    code: Code
    text: str
    owner: Actor | str
    lift: str
    until: datetime | None = None
    scheduled_only: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the blocker's JSON."""
        return {
            "code": self.code,
            "text": self.text,
            "owner": self.owner.model_dump(mode="json") if isinstance(self.owner, Actor) else self.owner,
            "lift": self.lift,
            "until": rfc3339(self.until) if self.until else None,
            "scheduled_only": self.scheduled_only,
        }


@dataclass(frozen=True, slots=True)
class Question:
    """What blockers are looked for in.

    Attributes:
        standing: what the next step depends on; None if nobody can know.
        approvers: ids of those who may approve.
        mode: what the scheduled run does with a GO.
        unreadable: what could not be read, each a sentence; each blocks.
    """

    standing: Preconditions | None
    approvers: frozenset[str] = frozenset()
    mode: PromotionMode = PromotionMode.AUTO
    unreadable: tuple[str, ...] = ()


def codes(found: Sequence[Blocker]) -> str:
    """Return the reason codes in plain words, each once."""
    return ", ".join(dict.fromkeys(blocker.code.replace("_", " ") for blocker in found))


def blockers(question: Question) -> tuple[Blocker, ...]:
    """Return everything that stands in the way of the next promotion, in the order in which it is said."""
    unreadable = (
        Blocker(Code.UNREADABLE, text, "whoever runs anr", "make it readable; `anr doctor` says more")
        for text in question.unreadable
    )
    standing = question.standing
    if standing is None:
        return tuple(unreadable)
    everybody = obstacles(standing, _ANY_OPERATOR)
    scheduled = [refuse for refuse in obstacles(standing, SCHEDULER) if refuse not in everybody]
    found = (blocker for refuse in (*everybody, *scheduled) for blocker in _blockers_of(refuse, standing, question.approvers))
    return (*unreadable, *found)


def _blockers_of(refuse: Refuse, standing: Preconditions, approvers: frozenset[str]) -> Iterator[Blocker]:
    state, now = standing.state, standing.now
    match refuse.code:
        case Code.FROZEN:
            for hold in state.holds:
                ends = (", until ", hold.expires_at) if hold.expires_at else ()
                frozen = Sentence(f"Frozen for {spoken(now - hold.since)}", *ends, f": {hold.reason or 'no reason given'}")
                yield Blocker(refuse.code, frozen, hold.actor, f"`unfreeze {hold.short_id}`", hold.expires_at)
        case Code.GATES_NOT_PASSED if standing.gates is not None:
            for gate in standing.gates.blocking:
                text = f"Gate {gate.name} says {gate.verdict}: {gate.reason}"
                ways_out = _GATES_WITHOUT_DATA if gate.verdict is Verdict.NO_DATA else _GATES
                yield Blocker(refuse.code, text, *ways_out[gate.name])
        case Code.SOAKING:
            soak = standing.soak
            if soak is not None and soak.killed:
                yield Blocker(
                    refuse.code, refuse.text, "operators", "let the router observe again: ENABLED=1, PILOT=0.00, KILL=0"
                )
            else:
                yield Blocker(refuse.code, refuse.text, "time", "wait", soak.ends if soak else None)
        case _:
            owner, lift = _owner_and_lift(refuse.code, standing, approvers)
            yield Blocker(refuse.code, refuse.text, owner, lift, scheduled_only=refuse.code in _ONLY_SCHEDULED)


def _owner_and_lift(code: Code, standing: Preconditions, approvers: frozenset[str]) -> tuple[Actor | str, str]:
    state, waiting = standing.state, standing.waiting
    entitled = f"approvers: {', '.join(sorted(approvers)) or 'nobody'}"
    if code is Code.APPROVAL_PENDING:
        return entitled, f"`approve {waiting[0]}` or `deny {waiting[0]}`"
    owner, lift = _WAYS_OUT.get(code, ("nobody", "there is nothing to lift"))
    if code is Code.UNSETTLED and state.unsettled is not None:
        return state.unsettled.actor, lift
    if code is Code.SCHEDULE_PAUSED and state.paused is not None:
        return state.paused.actor, lift
    if code is Code.SKIPPED and standing.veto is not None:
        return standing.veto.actor, lift
    return entitled if code is Code.DRIFT else owner, lift


_WAYS_OUT: dict[Code, tuple[str, str]] = {
    Code.NOT_INITIALISED: ("operators", "`anr init`"),
    Code.STAGE_UNKNOWN: ("operators", "`rollback`, then `promote`"),
    Code.UNSETTLED: ("operators", "`anr recover`"),
    Code.DRIFT: ("approvers", "`drift reapply` or `drift accept`; anybody: `rollback`"),
    Code.BRAKE_FAILED: ("anybody", "`rollback`, or `anr recover`"),
    Code.BRAKED: ("anybody", "`rollback`, or `anr recover`"),
    Code.BRAKE_ENGAGED: ("operators", "`anr recover`, then `unfreeze`"),
    Code.NO_APPROVERS: ("an administrator", "set `approvers` in the settings"),
    Code.SCHEDULE_PAUSED: ("operators", "`schedule resume`"),
    Code.SKIPPED: ("operators", "`promote`, or wait for the run of the next day"),
    Code.PERSON_MUST_ASK: ("operators", "`promote`"),
    Code.PROMOTION_OFF: ("an administrator", "set `schedule.promotion` in the settings"),
}


_GATES: dict[GateName, tuple[str, str]] = {
    GateName.RSI: ("the router's team", "wait until the window is good again, or find out why routes differ"),
    GateName.ROLLBACKS: ("the router's team", "wait until the rollbacks have left the window"),
    GateName.TRI: ("the router's team", "wait until the window is good again"),
    GateName.FAST_CAP: ("the router's team", "find out why R3 was above its cap, and wait until that has left the window"),
    GateName.SLOTS: ("whoever runs the slots", "make every critical slot healthy"),
    GateName.DECISIONS: ("the router's traffic", "wait for more decisions"),
    GateName.READING: ("whoever runs the router", "find out what writes lines that cannot be counted"),
    GateName.SPAN: ("whoever runs the router", "keep the rotated ledgers beside the ledger, or wait until it reaches back"),
    GateName.FRESHNESS: ("whoever runs the router", "see whether the router runs and writes its ledger"),
    GateName.ALERT_PATH: ("whoever runs Alertmanager", "see why the Watchdog alert does not reach the bot's webhook"),
}

_UNWRITTEN = ("whoever runs the router", "see whether the router runs and writes this figure to its ledger")

_GATES_WITHOUT_DATA: dict[GateName, tuple[str, str]] = {
    **_GATES,
    GateName.RSI: _UNWRITTEN,
    GateName.ROLLBACKS: _UNWRITTEN,
    GateName.TRI: _UNWRITTEN,
    GateName.FAST_CAP: _UNWRITTEN,
    GateName.SLOTS: ("whoever runs the slots", "see why the health of the slots cannot be told"),
    GateName.READING: ("whoever runs the router", "see whether the router writes its ledger, and that all of it can be counted"),
    GateName.SPAN: ("whoever runs the router", "wait until the ledger reaches back, or put its rotated files back beside it"),
}
"""What is to do where a gate saw nothing: nothing was too high or too low as far as anybody knows."""
