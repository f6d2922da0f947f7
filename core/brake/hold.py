"""A freeze that keeps the stage: every promotion is held, and the router is left as it is.

It is an ordinary operation: it waits for the lock, and it holds only once the journal says so. Whoever cannot wait uses
`freeze`, which rolls back and needs neither (core/brake/brake.py). Excluded: lifting holds (core/brake/brake.py).
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from core.actors import Role
from core.receipts.chain import Sealed
from core.receipts.drafts.brakes import hold_placed
from core.receipts.drafts.origin import Origin
from core.receipts.evidence import Hold
from core.rollout.refusals import Refuse, not_allowed
from core.target.lock import operation_lock
from core.target.order import Order
from core.target.target import Target, observed
from core.text import clean_text

WAIT_SECONDS = 3.0
"""How long it waits for an operation under way: somebody who freezes does not want to wait."""


@dataclass(frozen=True, slots=True)
class Held:
    """Promotions are held; the router was not touched.

    Attributes:
        stage: percent of live traffic that goes on; None if the journal does not know.
    """

    sealed: Sealed
    hold: Hold
    stage: int | None


def hold_promotions(target: Target, order: Order, *, lasts: timedelta | None = None) -> Held | Refuse:
    """Hold every promotion until the hold is lifted, or has lasted its time. The router keeps its stage.

    Raises:
        OperationBusy, LockUnavailable, JournalError: nothing is held; a freeze that rolls back does not need them.
    """
    now = target.clock()
    if order.actor.is_person and Role.BRAKE not in order.actor.roles:
        return not_allowed(order.actor, "freeze", "operators")
    with operation_lock(target.settings.run_dir, "freeze and keep the stage", now, wait_s=WAIT_SECONDS):
        if done := target.done_before(order.cause):
            return done
        state = target.journal.state()
        settings, _ = observed(target)
        hold = Hold(
            id=uuid.uuid4().hex,
            actor=order.actor,
            reason=clean_text(order.reason),
            since=now,
            cause=order.cause,
            expires_at=now + lasts if lasts else None,
            keeps_stage=True,
        )
        origin = Origin(hold.id, now, order.actor, order.reason, order.cause)
        draft = target.draft(hold_placed(origin, hold, state.stage, settings.values if settings else None), hold.id)
        return Held(target.journal.append(draft), hold, state.stage)
