"""The rollout as it went: over which spans of time the router was at which stage, and over which it was frozen.

Pure. Excluded: drawing it (bot/stories/chart.py).
"""

from dataclasses import dataclass
from datetime import datetime

from core.rollout.state import RolloutState


@dataclass(frozen=True, slots=True)
class Stretch:
    """A span of time over which nothing changed.

    Attributes:
        stage: percent of live traffic; None while nobody knew.
        frozen: whether any hold was in force.
    """

    begins: datetime
    ends: datetime
    stage: int | None
    frozen: bool


def spells(state: RolloutState, begins: datetime, ends: datetime) -> tuple[Stretch, ...]:
    """Return the spells that fill the span from `begins` to `ends` without a gap.

    Args:
        state: what the receipts add up to; what changed after `ends` does not count.
        begins: where the span begins.
        ends: where it ends; before its begin it holds nothing.
    """
    if ends <= begins:
        return ()
    found: list[Stretch] = []
    since = begins
    for past in state.past:
        if past.ends >= ends:
            return (*found, Stretch(since, ends, past.stage, past.held))
        if past.ends > since:
            found.append(Stretch(since, past.ends, past.stage, past.held))
            since = past.ends
    return (*found, Stretch(since, ends, state.stage, state.frozen))
