"""A chain of receipts that was verified up to a receipt, with what it adds up to: what comes next goes on from there.

Reading a receipt costs a hundred times what hashing its bytes costs. So each is read once; whether all of them are still the
same bytes is asked of one digest over all their digests.

A journal whose newest receipts were cut off is whole in itself. So whoever has seen a receipt remembers it, and does not go back.

Pure. Excluded: the chain's own rules (core/receipts/receipt.py) and reading rows (core/journal/journal.py).
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256

from core.canonical import MARK_DIGITS
from core.journal.snapshots import contradicts, state_in
from core.receipts.chain import GENESIS, Flaw, flaws_in_chain, unseal
from core.receipts.evidence import Checkpoint
from core.receipts.plain import PlainReceipt, plain
from core.receipts.receipt import Receipt
from core.rollout.state import RolloutState, adds, fold

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
        seal: one digest over the digests of all its receipts, in order; None of a chain that goes on from a snapshot, whose
            receipts before it were not read.
    """

    target: str
    seq: int = 0
    digest: str = ""
    state: RolloutState = field(default_factory=RolloutState)
    seal: bytes | None = b""

    @classmethod
    def of(cls, rows: Iterable[Row], target: str, checkpoint: Checkpoint | None = None) -> "VerifiedChain":
        """Verify a whole chain.

        Args:
            rows: its receipts.
            target: whose chain it is.
            checkpoint: the newest, after which it has to go on; None if it has to begin with the first receipt.

        Raises:
            ChainBroken: it does not hold.
            ValueError: it goes on from a checkpoint that cannot be understood.
        """
        begin = cls(target, digest=GENESIS)
        if checkpoint is not None:
            state = RolloutState.model_validate(checkpoint.state)
            begin = cls(target, checkpoint.last, checkpoint.digest, state)
        found = begin.followed_by(rows)
        return cls(target) if found is begin else found

    @classmethod
    def from_snapshot(cls, rows: Sequence[Row], target: str, snapshot: tuple[int, bytes]) -> "VerifiedChain | None":
        """Verify the end of a chain, from the receipt on that states a snapshot; None if nothing may be built on that.

        Args:
            rows: from that receipt to the newest.
            target: whose chain it is.
            snapshot: the number of that receipt, and the bytes of the state before it.
        """
        seq, data = snapshot
        if not rows or rows[0][0] != seq:
            return None
        with suppress(ValueError):  # ChainBroken, too: whoever reads the whole chain names what is wrong with it
            receipt = unseal(rows[0][1]).receipt
            if (state := state_in(data, receipt.adds_up)) is not None:
                return cls(target, seq - 1, receipt.prev, state, None).followed_by(rows)
        return None

    def followed_by(self, rows: Iterable[Row]) -> "VerifiedChain":
        """Verify the receipts that follow on this chain.

        Raises:
            ChainBroken: they do not follow on it, or do not hold, or one states another sum than that of those before it.
        """
        seq, prev, state, seal = self.seq, self.digest, self.state, self.seal
        for row in rows:
            number, data, digest = row
            found = sha256(data)
            receipt = _following(row, (seq, prev), self.target, found.hexdigest())
            if receipt.adds_up and contradicts(unseal(data).receipt.adds_up, state):
                raise ChainBroken(Flaw(number, f"#{number} states a sum of the receipts before it that they do not add up to"))
            if adds(receipt):
                state = fold([Receipt.model_validate_json(data)], state)
            seq, prev, seal = number, digest, None if seal is None else sha256(seal + found.digest()).digest()
        return self if seq == self.seq else replace(self, seq=seq, digest=prev, state=state, seal=seal)

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
            seal = sha256(seal + found.digest()).digest()
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


def _following(row: Row, after: tuple[int, str], target: str, actual: str) -> PlainReceipt:
    """Return what the receipt says that follows on another.

    Args:
        row: the receipt.
        after: number and digest of the other.
        target: whose chain it is.
        actual: the digest of its bytes.

    Raises:
        ChainBroken: it does not follow on it, or does not hold.
    """
    seq, data, digest = row
    try:
        receipt = plain(data)
    except ValueError:
        pass
    else:
        if (actual, seq, receipt.seq, receipt.prev, receipt.target) == (digest, after[0] + 1, seq, after[1], target):
            return receipt
    raise ChainBroken(flaws_in_chain([row], target=target, after=after)[0])
