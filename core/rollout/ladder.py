"""The ladder: the stage after this one, and how long this one has to be served before it.

Pure. Excluded: whether the step may be taken (core/rollout/decisions.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.rollout.state import RolloutState


def next_stage(stage: int, stages: tuple[int, ...]) -> int | None:
    """Return the stage above `stage`, or None at the top of the ladder."""
    return next((above for above in stages if above > stage), None)


@dataclass(frozen=True, slots=True)
class Soak:
    """How long a stage has to be served before the next step up.

    Attributes:
        stage: percent of live traffic.
        hours: how long.
        begun: when the running router was first seen to serve the stage; None if it was not seen yet.
        from_write: whether it is counted from when the stage was written, because the ledger does not say the pilot.
        killed: whether KILL stands, under which nothing counts.
    """

    stage: int
    hours: float
    begun: datetime | None
    from_write: bool = False
    killed: bool = False

    @property
    def ends(self) -> datetime | None:
        """When the stage has soaked; None while nobody can say."""
        return None if self.begun is None else self.begun + timedelta(hours=self.hours)

    def is_over(self, now: datetime) -> bool:
        """Whether the stage has soaked. A stage without a soak needs not even be seen."""
        return self.hours == 0 or (self.ends is not None and now >= self.ends)


def soak_of(state: RolloutState, soak_hours: Mapping[int, float], *, pilot_untold: bool = False) -> Soak | None:
    """Return the soak of the present stage; None where no stage is known.

    It is counted from the observed start. Where the ledger does not say the pilot it is counted from the receipt: from when the
    stage was written and the router restarted. So it is at stage 0, where no decision is live, or from what the ledger showed
    before the journal began; what was learned under KILL does not count there.

    Args:
        state: what the receipts add up to.
        soak_hours: how long each stage has to be served, in hours; a stage that is not named does not soak.
        pilot_untold: whether the running router serves live traffic and its ledger never says how much.
    """
    if state.stage is None:
        return None
    hours = soak_hours.get(state.stage, 0)
    if state.stage == 0:
        begun = min((at for at in (state.since, state.observed_since) if at is not None), default=None)
        if begun is not None and state.unkilled is not None:
            begun = max(begun, state.unkilled)
        return Soak(0, hours, None if state.killed else begun, killed=state.killed)
    if state.observed_since is None and pilot_untold:
        return Soak(state.stage, hours, state.since, from_write=True)
    return Soak(state.stage, hours, state.observed_since)
