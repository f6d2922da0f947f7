"""How far receipts may be pruned, given their age and what still needs them.

Pure. Excluded: pruning them (core/journal/journal.py, core/upkeep/backup.py).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from core.receipts.plain import PlainReceipt
from core.rollout.state import RolloutState


@dataclass(frozen=True, slots=True)
class PruneLimit:
    """How far receipts may be pruned.

    Attributes:
        through: number of the last receipt that may go; 0 if none may.
        held_back_by: what keeps older receipts than the policy would, a sentence; None if nothing does.
    """

    through: int
    held_back_by: str | None = None


def prunable(old: Sequence[PlainReceipt], later: Collection[str], state: RolloutState, waiting: Collection[str]) -> PruneLimit:
    """Say how many of the oldest receipts may go: of those that are old enough all that nothing still needs.

    What an open hold, a request that waits or an intent without an outcome needs stays, with everything after it, because
    only the beginning of a chain can be sealed. No story is cut in two.

    Args:
        old: the receipts up to the first that stays for its age, in order of number.
        later: the operations of the others.
        state: what all receipts add up to.
        waiting: ids of the requests that wait for an answer.
    """
    end = len(old)
    held = {hold.id for hold in state.holds}
    why = None
    for index, receipt in enumerate(old):
        needed_by = _needed_by(receipt, state, held, waiting)
        if needed_by is not None:
            end, why = index, f"Receipt #{receipt.seq} and those after it stay: {needed_by}."
            break
    return PruneLimit(_without_cut_stories(old, end, later), why)


def _needed_by(receipt: PlainReceipt, state: RolloutState, held: set[str], waiting: Collection[str]) -> str | None:
    if state.unsettled is not None and receipt.operation == state.unsettled.operation:
        return f"operation #{state.unsettled.seq} has no outcome yet"
    if holds := [hold.id for hold in receipt.holds_added if hold.id in held]:
        return f"hold {holds[0]} is in force"
    if receipt.approval_id in waiting:
        return f"request {receipt.approval_id} waits for an answer"
    return None


def _without_cut_stories(receipts: Sequence[PlainReceipt], end: int, goes_on: Collection[str]) -> int:
    """Return the number of the last receipt before `end` at which no story goes on; some do after all of these."""
    later = {*goes_on, *(receipt.operation for receipt in receipts[end:])}
    first = end
    for index in range(end - 1, -1, -1):
        if receipts[index].operation in later:
            later.update(receipt.operation for receipt in receipts[index:first])
            first = index
    return receipts[first - 1].seq if first else 0
