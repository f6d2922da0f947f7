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
    """

    stage: int
    hours: float
    begun: datetime | None

    @property
    def ends(self) -> datetime | None:
        """When the stage has soaked; None while nobody can say."""
        return None if self.begun is None else self.begun + timedelta(hours=self.hours)

    def is_over(self, now: datetime) -> bool:
        """Whether the stage has soaked. A stage without a soak needs not even be seen."""
        return self.hours == 0 or (self.ends is not None and now >= self.ends)


def soak_of(state: RolloutState, soak_hours: Mapping[int, float]) -> Soak | None:
    """Return the soak of the present stage; None where no stage is known.

    It is counted from the observed start. At stage 0 no decision is live, so that nothing can be observed: there it is
    counted from the receipt.
    """
    if state.stage is None:
        return None
    begun = state.since if state.stage == 0 else state.observed_since
    return Soak(state.stage, soak_hours.get(state.stage, 0), begun)
