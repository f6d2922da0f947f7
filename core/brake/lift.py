"""Holds are lifted: by a person, or because their time is over. The router stays where it is.

Excluded: engaging the brake (core/brake/brake.py).
"""

from dataclasses import dataclass
from datetime import datetime

from core.actors import SCHEDULER
from core.receipts.chain import Sealed
from core.receipts.drafts.brakes import holds_lifted
from core.receipts.evidence import Hold
from core.rollout.approvals import Approval
from core.rollout.state import RolloutState
from core.system.logs import logger
from core.target.lock import operation_lock
from core.target.order import Order
from core.target.target import Target

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Unfrozen:
    """Holds were lifted; the router was not touched.

    Attributes:
        sealed: the receipt.
        lifted: the holds that are gone.
        left: those that are still in force.
    """

    sealed: Sealed
    lifted: tuple[Hold, ...]
    left: tuple[Hold, ...]


def lift(
    target: Target,
    state: RolloutState,
    hold_ids: tuple[str, ...],
    order: Order,
    now: datetime,
    approval: Approval | None = None,
) -> Unfrozen:
    """Lift holds that may be lifted; the caller holds the lock and has decided so. The router is not touched.

    Args:
        target: the router that is meant, whose operation lock the caller holds.
        state: the rollout's state, read under that lock.
        hold_ids: the holds to lift; all of them are in force.
        order: who asks, and why.
        now: the operation's one reading of the clock.
        approval: the request that was approved; None if nobody had to approve.

    Raises:
        JournalError: nothing was lifted.
    """
    left = tuple(hold for hold in state.holds if hold.id not in hold_ids)
    draft = target.draft(
        holds_lifted(order.origin(now), state.stage, hold_ids, left, approval.consent if approval else None),
    )
    sealed = target.journal.append(draft, approval)
    try:
        target.brake.release(hold_ids)
    except OSError as error:
        log.error("marks of lifted holds could not be removed (%s); recover tries again", error.strerror or error)  # noqa: TRY400 - no bug
    lifted = tuple(hold for hold in state.holds if hold.id in hold_ids)
    return Unfrozen(sealed, lifted, left)


def lift_expired(target: Target) -> Unfrozen | None:
    """Lift the holds whose time is over; None if there are none. Like every unfreezing it promotes nothing.

    Raises:
        OperationBusy, LockUnavailable, JournalError: nothing was lifted.
    """
    if not _expired(target.journal.state(), target.clock()):
        return None
    with operation_lock(target.settings.run_dir, "lift what has expired", target.clock()):
        now, state = target.clock(), target.journal.state()
        expired = _expired(state, now)
        order = Order(SCHEDULER, "The time of the hold is over.")
        return lift(target, state, expired, order, now) if expired else None


def _expired(state: RolloutState, now: datetime) -> tuple[str, ...]:
    return tuple(hold.id for hold in state.holds if hold.expires_at is not None and now >= hold.expires_at)
