"""What each action does to the rollout's state when the receipts are added up: one table, total over the actions.

Pure. Excluded: adding up (core/rollout/state.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto

from core.receipts.receipt import Action


class News(StrEnum):
    """What a receipt says about the rollout without changing it."""

    SIGHTING = auto()
    RAN = auto()
    PAUSED = auto()
    RESUMED = auto()
    DRIFT_FOUND = auto()
    DRIFT_OVER = auto()
    REVIEWED = auto()
    ALERT_STATUS = auto()
    ALERT_DRILLED = auto()


@dataclass(frozen=True, slots=True)
class Unrelated:
    """The state stays as it is, whatever the receipt says."""


@dataclass(frozen=True, slots=True)
class Notes:
    """Something is known that was not; an open request stays valid, because the revision stays."""

    news: News


@dataclass(frozen=True, slots=True)
class Changes:
    """The rollout changes: the revision goes up, so that an approval given for an earlier one is void.

    Attributes:
        at_once: it says at which stage the router is without an intent before it, and ends whatever intent is open: an outcome
            that comes after the brake no longer counts.
        begins_anew: its stage begins anew, and so does the soak, even if the stage is the same.
        needs_person: afterwards a person has to ask for the next promotion.
        brakes: it writes the safe settings without the lock: what it wrote counts, not what was read back beside it.
        replaces_state: it puts another state, or none, in the place of the bandit's: frozen from its intent on.
        ends_drift: applied, it ends a difference between the router's settings and the journal.
    """

    at_once: bool = False
    begins_anew: bool = False
    needs_person: bool = False
    brakes: bool = False
    replaces_state: bool = False
    ends_drift: bool = False


Effect = Unrelated | Notes | Changes

_BRAKE = Changes(at_once=True, begins_anew=True, needs_person=True, brakes=True)
_STATE_CHANGE = Changes(needs_person=True, replaces_state=True)

EFFECT: Mapping[Action, Effect] = {
    Action.INIT: Changes(at_once=True, begins_anew=True),
    Action.DAILY: Notes(News.RAN),
    Action.REQUEST: Unrelated(),
    Action.APPROVE: Unrelated(),
    Action.DENY: Unrelated(),
    Action.EXPIRE: Unrelated(),
    Action.STALE: Unrelated(),
    Action.PROMOTE: Changes(),
    Action.LOWER: Changes(needs_person=True),
    Action.ROLLBACK: _BRAKE,
    Action.FREEZE: _BRAKE,
    Action.HOLD: Changes(needs_person=True),
    Action.UNFREEZE: Changes(),
    Action.SEEN: Notes(News.SIGHTING),
    Action.OBSERVED: Notes(News.SIGHTING),
    Action.SHADOW: Changes(),
    Action.PAUSE: Notes(News.PAUSED),
    Action.RESUME: Notes(News.RESUMED),
    Action.DRIFT: Notes(News.DRIFT_FOUND),
    Action.AGREED: Notes(News.DRIFT_OVER),
    Action.REAPPLY: Changes(begins_anew=True, ends_drift=True),
    Action.ACCEPT: Changes(at_once=True, begins_anew=True, needs_person=True, ends_drift=True),
    Action.GUARD: Unrelated(),
    Action.BACKUP: Unrelated(),
    Action.RESTORE: _STATE_CHANGE,
    Action.RESET: _STATE_CHANGE,
    Action.ADOPT: Unrelated(),
    Action.DRILL: Unrelated(),
    Action.ALERT_DRILL: Notes(News.ALERT_DRILLED),
    Action.PRUNE: Unrelated(),
    Action.ARCHIVE: Unrelated(),
    Action.PREFLIGHT: Unrelated(),
    Action.SKIP: Unrelated(),
    Action.REVIEW: Notes(News.REVIEWED),
    Action.ALERT: Notes(News.ALERT_STATUS),
    Action.ACKNOWLEDGE: Unrelated(),
    Action.SILENCE: Unrelated(),
}


def unlisted(table: Mapping[Action, Effect]) -> frozenset[Action]:
    """Return the actions of which a table does not say what they do."""
    return frozenset(Action) - frozenset(table)


if _FORGOTTEN := unlisted(EFFECT):
    raise NotImplementedError(f"what these receipts do to the rollout is not stated in EFFECT: {', '.join(sorted(_FORGOTTEN))}")


def replaces_state(action: Action) -> bool:
    """Whether it puts another state, or none, in the place of the bandit's."""
    effect = EFFECT[action]
    return isinstance(effect, Changes) and effect.replaces_state
