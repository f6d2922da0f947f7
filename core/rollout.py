"""The rollout: the ladder of stages, the holds, and the state that the receipts add up to.

Pure. Excluded: where receipts are kept, and what the router really has (core/router.py).
"""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from core.actors import Actor
from core.canonical import Moment
from core.receipts import Action, Hold, Phase, Receipt, Result


class UnsettledIntent(BaseModel):
    """An intent whose outcome nobody knows yet: an operation under way, or one that died."""

    model_config = ConfigDict(frozen=True)

    seq: int
    operation: str
    action: Action
    actor: Actor
    from_stage: int
    to_stage: int
    since: Moment


class RolloutState(BaseModel):
    """What the receipts add up to.

    Attributes:
        stage: percent of live traffic; None if no receipt ever said so, or nobody can know.
        since: when that stage began.
        revision: number of the last receipt that changed the state. An approval is bound to it.
        holds: the causes for which the rollout is frozen; frozen while there is any.
        person_required: after a brake a person has to ask for the next promotion; the scheduler does not.
        unsettled: an intent without an outcome.
    """

    model_config = ConfigDict(frozen=True)

    stage: int | None = None
    since: Moment | None = None
    revision: int = 0
    holds: tuple[Hold, ...] = ()
    person_required: bool = True
    unsettled: UnsettledIntent | None = None

    @property
    def frozen(self) -> bool:
        """Whether any hold is in force."""
        return bool(self.holds)


def fold(receipts: Iterable[Receipt], state: RolloutState | None = None) -> RolloutState:
    """Return the state after these receipts, starting from `state` or from nothing."""
    current = state or RolloutState()
    for receipt in receipts:
        current = _after(current, receipt)
    return current


_BRAKES = frozenset({Action.ROLLBACK, Action.FREEZE, Action.LOWER})
_AT_ONCE = frozenset({Action.INIT, Action.ROLLBACK, Action.FREEZE})
"""They say at which stage the router is without an intent before them, and end whatever intent is open: an outcome that
comes after the brake no longer counts."""
_WITHOUT_EFFECT = frozenset({Action.REQUEST, Action.APPROVE, Action.DENY, Action.EXPIRE, Action.STALE, Action.DAILY})


def _after(state: RolloutState, receipt: Receipt) -> RolloutState:
    if receipt.action in _WITHOUT_EFFECT:
        return state
    if receipt.phase is Phase.INTENT:
        return state.model_copy(update={"revision": receipt.seq, "unsettled": _intent(receipt)})
    change: dict[str, object] = {"revision": receipt.seq}
    own_intent = state.unsettled is not None and receipt.operation == state.unsettled.operation
    if own_intent or receipt.action in _AT_ONCE:
        change["unsettled"] = None
        if receipt.stage_after != state.stage or receipt.action in _AT_ONCE:
            change |= {"stage": receipt.stage_after, "since": receipt.ts}
    lifted = set(receipt.holds_lifted)
    added = {hold.id for hold in receipt.holds_added}
    kept = (hold for hold in state.holds if hold.id not in lifted | added)
    change["holds"] = (*kept, *receipt.holds_added)
    if receipt.action in _BRAKES:
        change["person_required"] = True
    elif own_intent and receipt.result is Result.APPLIED and receipt.actor.is_person:
        change["person_required"] = False
    return state.model_copy(update=change)


def _intent(receipt: Receipt) -> UnsettledIntent | None:
    if receipt.stage_before is None or receipt.stage_after is None:
        return None
    return UnsettledIntent(
        seq=receipt.seq,
        operation=receipt.operation,
        action=receipt.action,
        actor=receipt.actor,
        from_stage=receipt.stage_before,
        to_stage=receipt.stage_after,
        since=receipt.ts,
    )


def next_stage(stage: int, stages: tuple[int, ...]) -> int | None:
    """Return the stage above `stage`, or None at the top of the ladder."""
    return next((above for above in stages if above > stage), None)
