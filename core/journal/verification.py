"""Whether the receipts hold: the chain by itself, each against its file, and all against the marks that were shown elsewhere.

Excluded: the chain's own rules (core/receipts/receipt.py) and reading it (core/journal/journal.py).
"""

from dataclasses import dataclass

from core.canonical import MARK_DIGITS
from core.errors import WitnessUnreadable
from core.journal.journal import Journal
from core.journal.witness import Witness
from core.receipts.chain import Flaw, Sealed, newest_checkpoint


@dataclass(frozen=True, slots=True)
class Verification:
    """The receipts that can be read, and everything that does not hold.

    Attributes:
        sealed: the receipts that can be read, in order of number.
        flaws: what does not hold; empty if all is well.
    """

    sealed: tuple[Sealed, ...]
    flaws: tuple[Flaw, ...]

    @property
    def head(self) -> Sealed | None:
        """The newest receipt."""
        return self.sealed[-1] if self.sealed else None


def verify(journal: Journal, witness: Witness, expect: str = "") -> Verification:
    """Check that no receipt was altered, removed, swapped or forked off.

    Args:
        journal: the receipts.
        witness: the newest mark that was shown elsewhere.
        expect: a mark from a message, as `#12 0c6082f58fd0` or `12:0c6082f58fd0`; it has to be in the chain.

    Raises:
        JournalUnavailable: the journal cannot be read.
    """
    sealed, flaws = journal.verify()
    found = list(flaws)
    if expect and (problem := not_confirmed(sealed, expect)):
        found.append(Flaw(0, problem))
    try:
        shown = witness.newest()
    except WitnessUnreadable as error:
        found.append(Flaw(0, str(error)))
    else:
        if shown is not None and (problem := not_confirmed(sealed, f"#{shown.seq} {shown.digest[:MARK_DIGITS]}")):
            found.append(Flaw(shown.seq, f"The newest mark that was posted: {problem}"))
    return Verification(sealed, tuple(found))


def not_confirmed(sealed: tuple[Sealed, ...], mark: str) -> str | None:
    """Say why a mark cannot be confirmed, or None if its receipt is in the chain, or is the last one that was pruned."""
    seq, _, digest = mark.strip().removeprefix("#").replace(":", " ").partition(" ")
    marks = {str(one.receipt.seq): one.digest for one in sealed}
    checkpoint = newest_checkpoint(one.receipt for one in sealed)
    if checkpoint is not None:
        marks[str(checkpoint.last)] = checkpoint.digest
    if len(digest) >= MARK_DIGITS and marks.get(seq, "").startswith(digest):
        return None
    if checkpoint is not None and seq.isdecimal() and int(seq) < checkpoint.last:
        last = f"#{checkpoint.last}"
        return f"{mark} cannot be confirmed: #1 to {last} were pruned, and of them only the mark of {last} is kept"
    return f"{mark} is not in the chain: receipts were cut off or replaced"
