"""Pausing the schedule and letting it go on (runbook: `schtasks … /DISABLE`, `/ENABLE`).

While it is paused the daily run still reports, so that nobody forgets it, and promotes nothing. Excluded: the brake.
"""

from dataclasses import dataclass

from core.actors import Role
from core.actuation import Order
from core.canonical import clean_text
from core.decisions import Code, Refuse, not_allowed
from core.lock import operation_lock
from core.outcomes import Refused
from core.receipts import Action, Phase, Sealed
from core.site import Site


@dataclass(frozen=True, slots=True)
class Scheduled:
    """The schedule was paused, or goes on."""

    sealed: Sealed

    @property
    def paused(self) -> bool:
        """Whether it is paused now."""
        return self.sealed.receipt.action is Action.PAUSE


def pause(site: Site, order: Order) -> Scheduled | Refused:
    """Pause the schedule. Whoever may brake may pause: it only keeps a promotion back.

    Raises:
        OperationBusy, LockUnavailable, JournalError: the schedule is as it was.
    """
    if order.actor.is_person and Role.BRAKE not in order.actor.roles:
        return Refused(not_allowed("pause the schedule", "operators"))
    return _record(site, order, Action.PAUSE)


def resume(site: Site, order: Order) -> Scheduled | Refused:
    """Let the schedule go on. A day whose run was made while it was paused is not made up for.

    Raises:
        OperationBusy, LockUnavailable, JournalError: the schedule is as it was.
    """
    if Role.OPERATE not in order.actor.roles:
        return Refused(not_allowed("resume the schedule", "operators"))
    return _record(site, order, Action.RESUME)


def _record(site: Site, order: Order, action: Action) -> Scheduled | Refused:
    with operation_lock(site.target.run_dir, f"schedule {action}", site.clock()):
        state = site.journal.state()
        if (state.paused is not None) == (action is Action.PAUSE):
            so = "paused" if state.paused else "not paused"
            return Refused(Refuse(Code.ALREADY_DONE, f"The schedule is {so} already. Nothing was changed."))
        draft = site.draft(
            operation=order.operation,
            ts=site.clock(),
            action=action,
            phase=Phase.EVENT,
            actor=order.actor,
            reason=clean_text(order.reason),
            cause=order.cause,
            stage_before=state.stage,
            stage_after=state.stage,
        )
        return Scheduled(site.journal.append(draft))
