"""The rollout: the ladder of stages, the holds, the soak, and the state that the receipts add up to.

Pure. Excluded: where receipts are kept, and what the router really has (core/router/control.py).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from core.actors import Actor
from core.alerts.payload import AlertStatus
from core.canonical import Moment
from core.receipts.chain import newest_checkpoint
from core.receipts.evidence import Hold
from core.receipts.receipt import Action, Phase, Receipt, Result


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


class Pause(BaseModel):
    """Who paused the schedule, why and when."""

    model_config = ConfigDict(frozen=True)

    actor: Actor
    reason: str
    since: Moment


class OpenDrift(BaseModel):
    """A difference between router and journal that was alarmed and is not over; `operation` joins its receipts."""

    model_config = ConfigDict(frozen=True)

    operation: str
    text: str
    since: Moment


class BrokenGlass(BaseModel):
    """An emergency in which somebody acted alone, and that nobody else has reviewed yet; `operation` joins its receipts."""

    model_config = ConfigDict(frozen=True)

    seq: int
    operation: str
    actor: Actor
    since: Moment


class RolloutState(BaseModel):
    """What the receipts add up to.

    Attributes:
        stage: percent of live traffic; None if no receipt ever said so, or nobody can know.
        since: when that stage began.
        began: operation of the receipt with which it began.
        observed_since: since when the running router was seen to serve it; None if it was not seen yet.
        revision: number of the last receipt that changed the state. An approval is bound to it.
        holds: the causes for which the rollout is frozen; frozen while there is any.
        person_required: after a brake a person has to ask for the next promotion; the scheduler does not.
        unsettled: an intent without an outcome.
        settings: the router's settings as they were last read back, by name; None if they never were.
        paused: who paused the schedule; None if it runs.
        drift: the difference between router and journal that was alarmed; None if there is none.
        epoch: how often the bandit's state was put back; what was asked for in an earlier one is void.
        unreviewed: the last break-glass, until somebody else has reviewed it.
        unkilled: when KILL was lifted last; what was learned before, under KILL, does not count.
        resolved: causes of holds whose alert has ended; the holds stay until a person lifts them.
    """

    model_config = ConfigDict(frozen=True)

    stage: int | None = None
    since: Moment | None = None
    began: str = ""
    observed_since: Moment | None = None
    revision: int = 0
    holds: tuple[Hold, ...] = ()
    person_required: bool = True
    unsettled: UnsettledIntent | None = None
    settings: Mapping[str, str] | None = None
    paused: Pause | None = None
    drift: OpenDrift | None = None
    epoch: int = 0
    unreviewed: BrokenGlass | None = None
    resolved: tuple[str, ...] = ()
    unkilled: Moment | None = None

    @property
    def killed(self) -> bool:
        """Whether KILL stands in the router's settings, so that only R4 learns."""
        return _kills(self.settings)

    @property
    def frozen(self) -> bool:
        """Whether any hold is in force."""
        return bool(self.holds)

    @property
    def rolled_back(self) -> bool:
        """Whether a hold is in force that asks for the safe settings."""
        return any(not hold.keeps_stage for hold in self.holds)

    @property
    def firing(self) -> tuple[Hold, ...]:
        """The holds whose alert, as far as anybody has heard, still fires."""
        return tuple(hold for hold in self.holds if hold.is_alert and hold.cause not in self.resolved)


def fold(receipts: Iterable[Receipt], state: RolloutState | None = None) -> RolloutState:
    """Return the state after these receipts, starting from `state`, from their newest checkpoint or from nothing.

    Raises:
        ValueError: a checkpoint's state cannot be understood.
    """
    all_of_them = tuple(receipts)
    checkpoint = newest_checkpoint(all_of_them)
    current = state or (RolloutState.model_validate(checkpoint.state) if checkpoint else RolloutState())
    for receipt in all_of_them:
        current = _after(current, receipt)
    return current


_BEFORE_EVERYTHING = datetime(1970, 1, 1, tzinfo=UTC)
STATE_CHANGES = frozenset({Action.RESTORE, Action.RESET})
"""What puts another state, or none, in the place of the bandit's."""
_BRAKES = frozenset({Action.ROLLBACK, Action.FREEZE, Action.HOLD, Action.LOWER}) | STATE_CHANGES
_AT_ONCE = frozenset({Action.INIT, Action.ROLLBACK, Action.FREEZE, Action.ACCEPT})
"""They say at which stage the router is without an intent before them, and end whatever intent is open: an outcome that
comes after the brake no longer counts."""
_WITHOUT_EFFECT = frozenset(
    {
        Action.REQUEST,
        Action.APPROVE,
        Action.DENY,
        Action.EXPIRE,
        Action.STALE,
        Action.DAILY,
        Action.GUARD,
        Action.BACKUP,
        Action.ADOPT,
        Action.DRILL,
        Action.PRUNE,
        Action.ARCHIVE,
        Action.PREFLIGHT,
        Action.SKIP,
        Action.ACKNOWLEDGE,
        Action.SILENCE,
    },
)
_BESIDE = frozenset({Action.SEEN, Action.PAUSE, Action.RESUME, Action.DRIFT, Action.AGREED, Action.REVIEW, Action.ALERT})
"""What they say does not touch an open request: the revision stays."""


def _after(state: RolloutState, receipt: Receipt) -> RolloutState:
    if receipt.action in _WITHOUT_EFFECT:
        return state
    if receipt.action in _BESIDE:
        return state.model_copy(update=_noted(state, receipt))
    if receipt.phase is Phase.INTENT:
        return state.model_copy(update=_begun(state, receipt))
    change: dict[str, object] = {"revision": receipt.seq}
    own_intent = state.unsettled is not None and receipt.operation == state.unsettled.operation
    restoring = state.unsettled is not None and state.unsettled.action in STATE_CHANGES
    if own_intent or receipt.action in _AT_ONCE:
        change |= _settings_after(receipt, state)
        if own_intent or not restoring:  # a brake says nothing about the bandit's state
            change["unsettled"] = None
        if receipt.stage_after != state.stage or receipt.action in _AT_ONCE | {Action.REAPPLY}:
            observed = _observed_since(receipt, _earliest_sighting(receipt, state))
            change |= {"stage": receipt.stage_after, "since": receipt.ts, "began": receipt.operation}
            change["observed_since"] = observed
    lifted = set(receipt.holds_lifted)
    added = {hold.id for hold in receipt.holds_added}
    kept = (hold for hold in state.holds if hold.id not in lifted | added)
    change["holds"] = holds = (*kept, *receipt.holds_added)
    change["resolved"] = tuple(cause for cause in state.resolved if cause in {hold.cause for hold in holds})
    if receipt.action in _BRAKES | {Action.ACCEPT}:
        change["person_required"] = True
    elif own_intent and receipt.action is Action.PROMOTE and receipt.result is Result.APPLIED and receipt.actor.is_person:
        # nobody approved a break-glass: the scheduler does not build on it
        change["person_required"] = receipt.break_glass is not None
    if receipt.action in {Action.REAPPLY, Action.ACCEPT} and receipt.result is Result.APPLIED:
        change["drift"] = None
    return state.model_copy(update=change)


def _begun(state: RolloutState, receipt: Receipt) -> dict[str, object]:
    begun: dict[str, object] = {"revision": receipt.seq, "unsettled": _intent(receipt)}
    if receipt.action in STATE_CHANGES:  # frozen, and in its new epoch, from its intent on: it may die at any moment
        added = {hold.id for hold in receipt.holds_added}
        kept = (hold for hold in state.holds if hold.id not in added)
        begun |= {"epoch": state.epoch + 1, "holds": (*kept, *receipt.holds_added), "person_required": True}
    if receipt.action is Action.PROMOTE and receipt.break_glass is not None:
        begun["unreviewed"] = _broken(receipt)
    return begun


def _noted(state: RolloutState, receipt: Receipt) -> dict[str, object]:
    match receipt.action:
        case Action.SEEN:
            ours = state.unsettled is None and receipt.stage_after == state.stage and receipt.operation == state.began
            return {"observed_since": _observed_since(receipt, state.since or receipt.ts)} if ours else {}
        case Action.PAUSE:
            return {"paused": Pause(actor=receipt.actor, reason=receipt.reason, since=receipt.ts)}
        case Action.ALERT:
            return {"resolved": _resolved(state, receipt)}
        case Action.RESUME:
            return {"paused": None}
        case Action.DRIFT:
            return {"drift": OpenDrift(operation=receipt.operation, text=receipt.note, since=receipt.ts)}
        case Action.REVIEW:
            ours = state.unreviewed is not None and state.unreviewed.operation == receipt.operation
            return {"unreviewed": None} if ours else {}
        case _:
            return {"drift": None}


def _earliest_sighting(receipt: Receipt, state: RolloutState) -> datetime:
    """From when on a sighting counts: what the ledger shows before the journal begins was served by the same router."""
    if receipt.action is Action.INIT:
        return _BEFORE_EVERYTHING
    return state.unsettled.since if state.unsettled else receipt.ts


def _observed_since(receipt: Receipt, begun: datetime) -> datetime | None:
    seen = receipt.router_seen
    shows = seen is not None and receipt.stage_after is not None and seen.shows(receipt.stage_after)
    return seen.at if seen is not None and shows and seen.at >= begun else None


def _read_back(receipt: Receipt, before: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """A promotion that is being put back may show for a moment under a brake: what the brake wrote counts."""
    if receipt.settings_observed is None:
        return before
    braked = receipt.action in {Action.ROLLBACK, Action.FREEZE} and receipt.result is Result.APPLIED
    return {**receipt.settings_observed, **((receipt.settings_written or {}) if braked else {})}


def _settings_after(receipt: Receipt, state: RolloutState) -> dict[str, object]:
    settings = _read_back(receipt, state.settings)
    lifted = state.killed and not _kills(settings)
    return {"settings": settings, "unkilled": receipt.ts if lifted else state.unkilled}


def _kills(settings: Mapping[str, str] | None) -> bool:
    return settings is not None and settings.get("NOVA_ANR_KILL", "0") != "0"


def _broken(receipt: Receipt) -> BrokenGlass:
    return BrokenGlass(seq=receipt.seq, operation=receipt.operation, actor=receipt.actor, since=receipt.ts)


def _resolved(state: RolloutState, receipt: Receipt) -> tuple[str, ...]:
    """Return the causes that are over while their holds are not."""
    alert = receipt.alert
    if alert is None:
        return state.resolved
    others = set(state.resolved) - {alert.cause}
    held = any(hold.cause == alert.cause for hold in state.holds)
    over = {alert.cause} if held and alert.status is AlertStatus.RESOLVED else set()
    return tuple(sorted(others | over))


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
