"""The rollout as it went: over which spans of time the router was at which stage, and over which it was frozen.

Pure. Excluded: drawing it (bot/stories/chart.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.receipts.chain import newest_checkpoint
from core.receipts.receipt import Receipt
from core.rollout.state import RolloutState, fold


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


def spells(receipts: Iterable[Receipt], begins: datetime, ends: datetime) -> tuple[Stretch, ...]:
    """Return the spells that fill the span from `begins` to `ends` without a gap.

    Args:
        receipts: all that a target's journal has, in order of number; those after `ends` do not count.
        begins: where the span begins.
        ends: where it ends; before its begin it holds nothing.
    """
    if ends <= begins:
        return ()
    receipts = tuple(receipts)
    state = _sealed(receipts)
    found: list[Stretch] = []
    since = begins
    for receipt in receipts:
        if receipt.ts > ends:
            continue
        after = fold([receipt], state)
        if (after.stage, after.frozen) != (state.stage, state.frozen) and receipt.ts > since:
            found.append(Stretch(since, receipt.ts, state.stage, state.frozen))
            since = receipt.ts
        state = after
    found.append(Stretch(since, ends, state.stage, state.frozen))
    return tuple(found)


def _sealed(receipts: Sequence[Receipt]) -> RolloutState:
    """Return the state with which receipts begin: what pruned ones add up to, or nothing."""
    checkpoint = newest_checkpoint(receipts)
    return RolloutState.model_validate(checkpoint.state) if checkpoint else RolloutState()
