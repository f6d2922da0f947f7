"""Back to observing: a router that was rolled back learns in shadow again, and serves nothing.

Under the safe settings R4 is forced, in shadow too, so that only R4 learns. Gathers, decides and applies under the lock.

Excluded: lifting holds (core/operations/propose.py), and live traffic, which somebody asks for.
"""

from dataclasses import dataclass

from core.brake.lift import Unfrozen
from core.operations.apply import observe_in_shadow
from core.operations.propose import unfreeze
from core.operations.results import Asked, Moved, Refused
from core.rollout.decisions import decide_shadow
from core.rollout.drift import DriftKind
from core.target.gather import Gathered, decide_locked
from core.target.order import Order
from core.target.target import Target


@dataclass(frozen=True, slots=True)
class UnfrozenInShadow:
    """Holds were lifted, and the router was to observe again.

    Attributes:
        unfrozen: the holds.
        shadow: what came of letting it observe.
    """

    unfrozen: Unfrozen
    shadow: Moved | Refused


def shadow(target: Target, order: Order) -> Moved | Refused:
    """Write the settings of stage 0 in shadow and restart the router: enabled, pilot 0.00, R4 not forced.

    Raises:
        AnrError: something that the decision needs cannot be read; nothing was changed.
    """
    return decide_locked(target, "shadow", lambda gathered: _shadow(target, order, gathered))


def _shadow(target: Target, order: Order, gathered: Gathered) -> Moved | Refused:
    facts = target.facts(gathered.evidence)
    if done := target.done_before(order.cause):
        return Refused(done)
    marks, drift = (*facts.brake.frozen_by, *facts.brake.waiting), facts.difference
    braked = drift is not None and drift.kind is DriftKind.BRAKED
    if refusal := decide_shadow(facts.state, order.actor, marks, drift.text if drift else None, braked=braked):
        return Refused(refusal)
    return Moved(observe_in_shadow(target, facts, order))


def unfreeze_in_shadow(
    target: Target, order: Order, hold_ids: frozenset[str] = frozenset(), *, while_firing: bool = False
) -> Unfrozen | UnfrozenInShadow | Asked | Refused:
    """Lift holds, and let the router observe again once none is left.

    Args:
        target: the router that is meant.
        order: who asks, and why.
        hold_ids: as `unfreeze` takes them.
        while_firing: as above.

    Raises:
        AnrError: what it says was not done.
    """
    lifted = unfreeze(target, order, hold_ids, while_firing=while_firing)
    if not isinstance(lifted, Unfrozen) or lifted.left:
        return lifted
    return UnfrozenInShadow(lifted, shadow(target, Order(order.actor, order.reason)))
