"""Snapshots: the state that all receipts before one add up to, so that a start reads the newest and what follows on it.

A snapshot is a row that anybody who writes the database could change, so that nothing is believed of it but what the chain
says: the receipt that goes on from it states the digest of its bytes, and every later receipt is bound to that one. Whoever
forges a snapshot has to forge that receipt, and with it the rest of the chain, which every mark outside contradicts, as it does
every other forgery. One that is gone, is not the one that was stated, or was added up by other rules, costs time and nothing
else: the receipts are read from the beginning.

A look believes it. Whatever may raise traffic, and `anr verify`, adds all receipts up anew, and names a receipt that states
something else.

Pure. Excluded: when one is made and read (core/journal/journal.py).
"""

from hashlib import sha256

from pydantic import ValidationError

from core.canonical import canonical_bytes
from core.receipts.evidence import AddedUp
from core.rollout.state import RULES, RolloutState

EVERY = 256
"""After how many receipts the next one states a snapshot: to read these takes less time than a process needs to start."""
KEPT = 2
"""How many snapshots a journal has: one whose receipt a crash left unreadable has one before it."""


def snapshot_of(state: RolloutState) -> tuple[AddedUp, bytes]:
    """Return what a receipt states of the state that all before it add up to, and the bytes that are kept beside it."""
    data = canonical_bytes(state.model_dump(mode="json"))
    return AddedUp(rules=RULES, digest=sha256(data).hexdigest()), data


def state_in(data: bytes, stated: AddedUp | None) -> RolloutState | None:
    """Return the state of a snapshot; None if it is not the one that the receipt states, or was added up by other rules."""
    if stated is None or stated.rules != RULES or sha256(data).hexdigest() != stated.digest:
        return None
    try:
        return RolloutState.model_validate_json(data)
    except ValidationError:
        return None


def contradicts(stated: AddedUp | None, state: RolloutState) -> bool:
    """Whether a receipt states something else than what the receipts before it add up to; of other rules nobody can say."""
    return stated is not None and stated.rules == RULES and snapshot_of(state)[0].digest != stated.digest
