"""The rollout: the ladder of stages, the holds, the soak, and the state that the receipts add up to.

Pure. Excluded: where receipts are kept, and what the router really has (core/router/control.py).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import assert_never

from pydantic import BaseModel, ConfigDict

from core.actors import Actor
from core.alerts.payload import AlertStatus
from core.canonical import Moment
from core.receipts.chain import newest_checkpoint
from core.receipts.effect import EFFECT, Changes, News, Notes, Unrelated, replaces_state
from core.receipts.evidence import Hold
from core.receipts.observation import TOLERANCE, Observation
from core.receipts.plain import PlainReceipt
from core.receipts.receipt import Action, Phase, Receipt, Result
from core.text import Sentence


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
    """A difference between router and journal that was alarmed and is not over; `operation` joins its receipts.

    Attributes:
        running: the running router showed it, so that nothing but the running router can end it.
    """

    model_config = ConfigDict(frozen=True)

    operation: str
    text: str
    since: Moment
    running: bool = False


class BrokenGlass(BaseModel):
    """An emergency in which somebody acted alone, and that nobody else has reviewed yet; `operation` joins its receipts."""

    model_config = ConfigDict(frozen=True)

    seq: int
    operation: str
    actor: Actor
    since: Moment


class AlertDrills(BaseModel):
    """When an alert was last seen to arrive, and whether one did not since.

    Attributes:
        arrived: when the newest drill was held whose alert arrived; None if none ever did.
        failed: when the newest drill was held, if its alert did not arrive.
    """

    model_config = ConfigDict(frozen=True)

    arrived: Moment | None = None
    failed: Moment | None = None


class Past(BaseModel):
    """A span of time that is over, in which the router was at one stage; it began where the one before it ended.

    Attributes:
        ends: when something changed.
        stage: percent of live traffic until then; None while nobody knew, or what is no longer known.
        held: whether any hold was in force.
    """

    model_config = ConfigDict(frozen=True)

    ends: Moment
    stage: int | None
    held: bool


RULES = 1
"""How receipts add up to a state: raised with every change by which the same receipts add up to something else, or to the same
in another form. A state that was added up by other rules is added up anew (core/journal/snapshots.py)."""
REMEMBERED = timedelta(days=32)
"""How far back a state says which stage was served when: as far as the home's chart, and longer than any window."""


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
        overtaken: intents that a brake overtook, and of which no outcome was recorded yet: they bind nobody.
        brake_failed: a brake was used, or a restore begun, and no receipt says since then that the safe settings stand: nothing
            but those may be written.
        settings: the router's settings as they were last read back, by name; None if they never were.
        observation: what was last seen of the running router, for the settings that were written last; None if nobody looked.
        acted: number of the receipt with which those were written.
        acted_in: operation of that receipt.
        unkilled: when `NOVA_ANR_KILL=1` was last taken back; what was learned before does not count. None if it never was.
        ran: when the newest daily run that was made was due; None if none was made.
        paused: who paused the schedule; None if it runs.
        drift: the difference between router and journal that was alarmed; None if there is none.
        epoch: how often the bandit's state was put back; what was asked for in an earlier one is void.
        unreviewed: the last break-glass, until somebody else has reviewed it.
        resolved: causes of holds whose alert has ended; the holds stay until a person lifts them.
        alert_drills: what the drills of the alert path found.
        router_version: of the router as its endpoint told it last; None if it never did.
        past: which stage was served until when, over `REMEMBERED` before the newest change.
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
    overtaken: tuple[UnsettledIntent, ...] = ()
    brake_failed: bool = False
    settings: Mapping[str, str] | None = None
    observation: Observation | None = None
    acted: int = 0
    acted_in: str = ""
    unkilled: Moment | None = None
    ran: Moment | None = None
    paused: Pause | None = None
    drift: OpenDrift | None = None
    epoch: int = 0
    unreviewed: BrokenGlass | None = None
    resolved: tuple[str, ...] = ()
    alert_drills: AlertDrills = AlertDrills()
    router_version: str | None = None
    past: tuple[Past, ...] = ()

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
    def safe_only(self) -> bool:
        """Whether the safe settings, and nothing else, may stand at the router."""
        return self.rolled_back or self.brake_failed

    @property
    def firing(self) -> tuple[Hold, ...]:
        """The holds whose alert, as far as anybody has heard, still fires."""
        return tuple(hold for hold in self.holds if hold.is_alert and hold.cause not in self.resolved)


def adds(receipt: PlainReceipt) -> bool:
    """Whether a receipt may change the state; of one that cannot nothing has to be read but what binds it to its neighbours."""
    seen = receipt.observation
    tells_version = receipt.router_version or (seen and seen.version)
    return bool(tells_version) or not isinstance(EFFECT[Action(receipt.action)], Unrelated)


def fold(receipts: Iterable[Receipt], state: RolloutState | None = None) -> RolloutState:
    """Return the state after these receipts, starting from `state`, from their newest checkpoint or from nothing.

    Raises:
        ValueError: a checkpoint's state cannot be understood.
    """
    all_of_them = tuple(receipts)
    checkpoint = newest_checkpoint(all_of_them)
    current = state or (RolloutState.model_validate(checkpoint.state) if checkpoint else RolloutState())
    for receipt in all_of_them:
        before, current = current, _after(current, receipt)
        if (before.stage, before.frozen) != (current.stage, current.frozen):
            current = current.model_copy(update={"past": _past(before, receipt.ts)})
        version = receipt.router_version or (receipt.observation.version if receipt.observation is not None else None)
        if version is not None and version != current.router_version:
            current = current.model_copy(update={"router_version": version})
    return current


def _past(before: RolloutState, now: datetime) -> tuple[Past, ...]:
    """Return what is over once something has changed; what was long ago is no longer known."""
    kept = tuple(past for past in before.past if past.ends > now - REMEMBERED)
    forgotten = before.past[: len(before.past) - len(kept)]
    gone = (Past(ends=forgotten[-1].ends, stage=None, held=False),) if forgotten else ()
    return (*gone, *kept, Past(ends=now, stage=before.stage, held=before.frozen))


_BEFORE_EVERYTHING = datetime(1970, 1, 1, tzinfo=UTC)


def _after(state: RolloutState, receipt: Receipt) -> RolloutState:
    match EFFECT[receipt.action]:
        case Unrelated():
            return state
        case Notes(news=news):
            return state.model_copy(update=_noted(state, receipt, news))
        case Changes() as effect:
            intent = receipt.phase is Phase.INTENT
            return state.model_copy(update=_begun(state, receipt, effect) if intent else _changed(state, receipt, effect))
        case never:
            assert_never(never)


def _changed(state: RolloutState, receipt: Receipt, effect: Changes) -> dict[str, object]:
    change: dict[str, object] = {"revision": receipt.seq}
    if receipt.phase is Phase.OUTCOME:
        change["overtaken"] = tuple(overtaken for overtaken in state.overtaken if overtaken.operation != receipt.operation)
    own_intent = state.unsettled is not None and receipt.operation == state.unsettled.operation
    restoring = state.unsettled is not None and replaces_state(state.unsettled.action)
    if own_intent or effect.at_once:
        change |= _written(receipt, state, effect)
        if own_intent or not restoring:  # a brake says nothing about the bandit's state
            change["unsettled"] = None
            if not own_intent and state.unsettled is not None:
                change["overtaken"] = (*state.overtaken, state.unsettled)
        change["brake_failed"] = _brake_failed(state, receipt, effect)
        if receipt.stage_after != state.stage or effect.begins_anew:
            observed = _observed_since(receipt, _earliest_sighting(receipt, state))
            change |= {"stage": receipt.stage_after, "since": receipt.ts, "began": receipt.operation}
            change["observed_since"] = observed
    elif _overtaken(receipt, state):
        change["settings"] = receipt.settings_observed
    lifted = set(receipt.holds_lifted)
    added = {hold.id for hold in receipt.holds_added}
    kept = (hold for hold in state.holds if hold.id not in lifted | added)
    change["holds"] = holds = (*kept, *receipt.holds_added)
    change["resolved"] = tuple(cause for cause in state.resolved if cause in {hold.cause for hold in holds})
    if effect.needs_person:
        change["person_required"] = True
    elif own_intent and receipt.action is Action.PROMOTE and receipt.result is Result.APPLIED and receipt.actor.is_person:
        # nobody approved a break-glass: the scheduler does not build on it
        change["person_required"] = receipt.break_glass is not None
    if effect.ends_drift and receipt.result is Result.APPLIED:
        # what the running router showed is over when it shows something else: settings that were written prove nothing
        change["drift"] = state.drift if state.drift is not None and state.drift.running else None
    return change


def _overtaken(receipt: Receipt, state: RolloutState) -> bool:
    """Whether a move that a brake overtook ends in the safe settings: what else it left in the file is no drift."""
    mine = any(intent.operation == receipt.operation for intent in state.overtaken)
    return mine and receipt.result is Result.OVERTAKEN and state.stage == 0 and _kills(receipt.settings_observed)


def _begun(state: RolloutState, receipt: Receipt, effect: Changes) -> dict[str, object]:
    begun: dict[str, object] = {"revision": receipt.seq, "unsettled": _intent(receipt)}
    if effect.replaces_state:  # frozen, and in its new epoch, from its intent on: it may die at any moment
        added = {hold.id for hold in receipt.holds_added}
        kept = (hold for hold in state.holds if hold.id not in added)
        begun |= {"epoch": state.epoch + 1, "holds": (*kept, *receipt.holds_added), "person_required": True}
    if receipt.action is Action.PROMOTE and receipt.break_glass is not None:
        begun["unreviewed"] = _broken(receipt)
    return begun


def _noted(state: RolloutState, receipt: Receipt, news: News) -> dict[str, object]:
    match news:
        case News.SIGHTING:
            return _observed(state, receipt)
        case News.RAN:
            return {"ran": receipt.due_at or receipt.ts}
        case News.PAUSED:
            return {"paused": Pause(actor=receipt.actor, reason=receipt.reason, since=receipt.ts)}
        case News.RESUMED:
            return {"paused": None}
        case News.DRIFT_FOUND:
            running = receipt.observation is not None and receipt.observation.sight.contradicts
            return {"drift": OpenDrift(operation=receipt.operation, text=receipt.note, since=receipt.ts, running=running)}
        case News.DRIFT_OVER:
            return {"drift": None}
        case News.REVIEWED:
            ours = state.unreviewed is not None and state.unreviewed.operation == receipt.operation
            return {"unreviewed": None} if ours else {}
        case News.ALERT_STATUS:
            return {"resolved": _resolved(state, receipt)}
        case News.ALERT_DRILLED:
            return {"alert_drills": _alert_drills(state.alert_drills, receipt)}
        case never:
            assert_never(never)


def _brake_failed(state: RolloutState, receipt: Receipt, effect: Changes) -> bool:
    """Whether the safe settings are still owed after a receipt that says how the router's settings are."""
    if receipt.stage_after == 0:
        return False
    return effect.brakes or effect.replaces_state or state.brake_failed


def _earliest_sighting(receipt: Receipt, state: RolloutState) -> datetime:
    """From when on a sighting counts: what the ledger shows before the journal begins was served by the same router."""
    if receipt.action is Action.INIT:
        return _BEFORE_EVERYTHING
    return state.unsettled.since if state.unsettled else receipt.ts


def _written(receipt: Receipt, state: RolloutState, effect: Changes) -> dict[str, object]:
    """Return what a receipt that says how the router's settings are changes: from here on it is observed anew."""
    settings = _read_back(receipt, state.settings, brakes=effect.brakes)
    taken_back = _kills(state.settings) and not _kills(settings)
    return {
        "settings": settings,
        "observation": receipt.observation,
        "acted": receipt.seq,
        "acted_in": receipt.operation,
        "unkilled": receipt.ts if taken_back else state.unkilled,
    }


def _observed(state: RolloutState, receipt: Receipt) -> dict[str, object]:
    """Return what a look at the running router changes, if it was about the settings that were written last."""
    if state.unsettled is not None or receipt.stage_after != state.stage:
        return {}
    seen: dict[str, object] = {}
    if receipt.observation is not None and receipt.operation in {state.acted_in, state.began}:
        seen["observation"] = receipt.observation
    if receipt.action is Action.SEEN and receipt.operation == state.began:
        seen["observed_since"] = _observed_since(receipt, state.since or receipt.ts)
    return seen


def _observed_since(receipt: Receipt, begun: datetime) -> datetime | None:
    seen = receipt.router_seen
    shows = seen is not None and receipt.stage_after is not None and seen.shows(receipt.stage_after)
    return seen.at if seen is not None and shows and seen.at >= begun else None


def _read_back(receipt: Receipt, before: Mapping[str, str] | None, *, brakes: bool) -> Mapping[str, str] | None:
    """A promotion that is being put back may show for a moment under a brake: what the brake wrote counts."""
    if receipt.settings_observed is None:
        return before
    braked = brakes and receipt.result is Result.APPLIED
    return {**receipt.settings_observed, **((receipt.settings_written or {}) if braked else {})}


def _kills(settings: Mapping[str, str] | None) -> bool:
    return settings is not None and settings.get("NOVA_ANR_KILL", "0") != "0"


def _broken(receipt: Receipt) -> BrokenGlass:
    return BrokenGlass(seq=receipt.seq, operation=receipt.operation, actor=receipt.actor, since=receipt.ts)


def _alert_drills(before: AlertDrills, receipt: Receipt) -> AlertDrills:
    if receipt.result is Result.APPLIED:
        return AlertDrills(arrived=receipt.ts)
    return AlertDrills(arrived=before.arrived, failed=receipt.ts)


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


def expected_of(state: RolloutState) -> Observation | None:
    """Return what is to be seen of the running router, and what was seen of it last; None where nobody can say.

    At stage 0 the router is expected in its safe settings while `NOVA_ANR_KILL=1` is what was written, else in shadow.
    """
    if state.stage is None or state.since is None or state.unsettled is not None:
        return None
    if state.observation is not None:
        return state.observation
    safe = state.stage == 0 and (_kills(state.settings) or state.rolled_back)
    return Observation(stage=state.stage, safe=safe, since=state.since, counts_from=state.since + TOLERANCE)


@dataclass(frozen=True, slots=True)
class Learning:
    """Whether the router learns, and from when on what it learned and served counts.

    While `NOVA_ANR_KILL=1` stands R4 is forced, in shadow too: only R4 learns, and no decision says anything about a stage.

    Attributes:
        killed: it stands now, so that nothing counts.
        since: what is older was made under it, or before; None if it never stood.
    """

    killed: bool
    since: datetime | None


def learning_of(state: RolloutState) -> Learning:
    """Return from when on what the router learned and served counts. Pure; a soak that asks it has one source."""
    return Learning(_kills(state.settings), state.unkilled)


SPOKEN_OF = timedelta(days=8)
"""How long after R4 was forced it is said what does not count: longer than any window or soak that is in use."""


def not_counted(learning: Learning, now: datetime) -> str:
    """Say what does not count because R4 was forced, as a sentence; empty if that is long over or never was."""
    if learning.killed:
        counts = "only R4 learns, and what is learned and served now does not count"
        return f"KILL=1 stands: {counts}. `anr shadow` ends it; stage 0 soaks from then on."
    if learning.since is None or now - learning.since > SPOKEN_OF:
        return ""
    return Sentence("What was learned and served before ", learning.since, " does not count: KILL=1 stood.")
