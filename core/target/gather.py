"""Looks before it locks: health, endpoint and ledger are asked while nobody waits, and their answers are carried in.

Whoever holds the operation lock keeps everybody else's operation waiting. So nothing is asked under it that may take long: the
health of the slots and the endpoint take as long as their time limits let them, a ledger takes minutes. The decision is made
under the lock, on marks, settings and journal as they are read there, and on answers that this very operation got a moment ago.

Excluded: deciding (core/operations), and the brake, which neither locks nor looks (core/brake/brake.py).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from core.errors import AnrError, OperationBusy
from core.gates.report import Report, SlotsHealth
from core.ledger.figures import WindowMetrics
from core.receipts.observation import Evidence
from core.router.health import ask_slots
from core.target.lock import operation_lock
from core.target.target import Target

_Decided = TypeVar("_Decided")

FRESH_SECONDS = 5.0
"""How old an answer may be when the lock is had: older ones are asked for again, without it."""
_LOOKS = 4
"""How often is looked at most: once to see whether gates are asked, once for them, and again after waits for the lock."""


class Unmeasured(Exception):
    """The decision needs the gates, and nobody has measured them yet. It reaches nobody outside of this module."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What an operation was answered before it took the lock.

    Attributes:
        evidence: what shows the running router.
        metrics: the window's figures, or why there are none; None if nobody has asked for them so far.
        slots: the health of the router's slots, likewise.
        ended_s: when the last answer came, by the monotonic clock.
    """

    evidence: Evidence
    metrics: WindowMetrics | AnrError | None = None
    slots: SlotsHealth | None = None
    ended_s: float = field(default_factory=time.monotonic)

    @property
    def now(self) -> datetime:
        """The moment that all of this is about."""
        return self.evidence.now

    @property
    def is_fresh(self) -> bool:
        """Whether this was answered just now."""
        return time.monotonic() - self.ended_s <= FRESH_SECONDS

    def report(self, target: Target, *, leaving_zero: bool) -> Report:
        """Hold the figures against the gates. Whoever asks must not have changed anything yet.

        Raises:
            Unmeasured: there are none; `decide_locked` measures, and decides again.
            LedgerUnreadable, OperationTimedOut: they cannot be measured; nothing was changed.
        """
        if isinstance(self.metrics, AnrError):
            raise self.metrics
        if self.metrics is None or self.slots is None:
            raise Unmeasured
        return Report(self.metrics, target.held_against_gates(self.metrics, self.slots, leaving_zero=leaving_zero))


def decide_locked(target: Target, operation: str, decide: Callable[[Gathered], _Decided], *, measured: bool = False) -> _Decided:
    """Gather, then take the lock and decide.

    Args:
        target: the router that is meant.
        operation: what others are told who find the lock held.
        decide: decides and acts under the lock. Where it turns out to need the gates, the lock is let go, they are measured, and
            it decides again.
        measured: it will probably need them: they are measured at once, so that it is decided only once. That they cannot be
            measured is said only where they are asked.

    Raises:
        OperationBusy: the lock is held, or whenever it was had the answers were too old.
        LedgerUnreadable, OperationTimedOut: the gates cannot be measured; nothing was changed.
    """
    gathered = _gather(target, measured=measured)
    for _ in range(_LOOKS):
        try:
            with operation_lock(target.settings.run_dir, operation, gathered.now):
                if gathered.is_fresh:
                    return decide(gathered)
        except Unmeasured:
            measured = True
        gathered = _gather(target, measured=measured, known=gathered.metrics)
    raise OperationBusy(
        "Other operations came in between whenever the router and its ledger had been looked at. Nothing was changed; try again."
    )


def _gather(target: Target, *, measured: bool, known: WindowMetrics | AnrError | None = None) -> Gathered:
    """Ask for everything; what takes longest first, and the figures, which hardly change in seconds, once."""
    if not measured:
        return Gathered(target.evidence(with_version=True))
    try:
        metrics = known or target.figures(target.clock(), target.settings.window_minutes)
    except AnrError as error:
        return Gathered(target.evidence(with_version=True), error)
    slots = ask_slots(target.settings)
    return Gathered(target.evidence(with_version=True), metrics, slots)
