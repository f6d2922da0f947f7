"""A chain of receipts that was verified up to a receipt, with what it adds up to: what comes next goes on from there.

Reading a receipt costs a hundred times what hashing its bytes costs. So each is read once; whether all of them are still the
same bytes is asked of one digest over all their digests.

A journal whose newest receipts were cut off is whole in itself. So whoever has seen a receipt remembers it, and does not go back.

Pure. Excluded: the chain's own rules (core/receipts/receipt.py) and reading rows (core/journal/journal.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from core.canonical import MARK_DIGITS
from core.receipts.chain import Flaw, flaws_in_chain, unseal
from core.rollout.state import RolloutState, fold

Row = tuple[int, bytes, str]
"""A receipt's number, bytes and recorded digest."""

Seen = tuple[int, str]
"""Number and digest of the newest receipt that this process has read or recorded; the number is 0 if there was none."""
UNSEEN: Seen = (0, "")


class ChainBroken(ValueError):
    """The receipts do not verify; `flaw` is the first thing that does not hold."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.problem)
        self.flaw = flaw


@dataclass(frozen=True, slots=True)
class VerifiedChain:
    """Receipts that verified.

    Attributes:
        target: whose chain it is.
        seq: number of its newest receipt; 0 if it has none.
        digest: that receipt's digest; empty if it has none.
        state: what the receipts add up to.
        seal: one digest over the digests of all its receipts, in order.
    """

    target: str
    seq: int = 0
    digest: str = ""
    state: RolloutState = field(default_factory=RolloutState)
    seal: bytes = b""

    @classmethod
    def of(cls, rows: Sequence[Row], target: str) -> "VerifiedChain":
        """Verify a whole chain.

        Raises:
            ChainBroken: it does not hold.
            ValueError: it goes on from a checkpoint that cannot be understood.
        """
        if flaws := flaws_in_chain(rows, target=target):
            raise ChainBroken(flaws[0])
        return _joined(cls(target), rows, None)

    def followed_by(self, rows: Sequence[Row]) -> "VerifiedChain":
        """Verify the receipts that follow on this chain.

        Raises:
            ChainBroken: they do not follow on it, or do not hold.
        """
        if flaws := flaws_in_chain(rows, target=self.target, after=(self.seq, self.digest)):
            raise ChainBroken(flaws[0])
        return _joined(self, rows, self.state)

    def ends_with(self, row: Row) -> bool:
        """Whether this row is still the newest receipt of this chain."""
        seq, data, digest = row
        return (seq, digest) == (self.seq, self.digest) and sha256(data).hexdigest() == digest

    def is_made_of(self, rows: Iterable[Row]) -> bool:
        """Whether these are its receipts, all of them and unchanged to the byte."""
        seal, digest = b"", ""
        for _, data, recorded in rows:
            found = sha256(data)
            if (digest := found.hexdigest()) != recorded:
                return False
            seal = _sealed(seal, found.digest())
        return (seal, digest) == (self.seal, self.digest)


def gone_back(seen: Seen, rows: Sequence[Row]) -> Flaw | None:
    """Return the flaw of a journal that no longer has a receipt that was seen in it, or None if it has.

    Args:
        seen: the newest receipt that was seen before these rows were read.
        rows: what the journal has from there on, or from before; a receipt that is older than all of them was pruned.
    """
    seq, digest = seen
    if not seq or (rows and rows[0][0] > seq) or any((number, recorded) == seen for number, _, recorded in rows):
        return None
    return Flaw(
        seq,
        f"#{seq} {digest[:MARK_DIGITS]} was in it while this process ran and is no longer: its newest receipts were cut off or "
        "replaced. If an older journal was put back on purpose, restart what says this",
    )


def _joined(chain: VerifiedChain, rows: Sequence[Row], state: RolloutState | None) -> VerifiedChain:
    if not rows:
        return chain
    seal = chain.seal
    for _, _, digest in rows:
        seal = _sealed(seal, bytes.fromhex(digest))
    added_up = fold((unseal(data).receipt for _, data, _ in rows), state)
    return replace(chain, seq=rows[-1][0], digest=rows[-1][2], state=added_up, seal=seal)


def _sealed(before: bytes, digest: bytes) -> bytes:
    return sha256(before + digest).digest()
