"""Whether the receipts hold: the chain by itself, each against its row and file, and all against the marks outside.

A chain that holds by itself proves nothing against whoever may write it: they can cut its end off, or write another. What
proves it is a mark in other hands.

Excluded: the chain's own rules (core/receipts/chain.py), reading it (core/journal/journal.py), and where marks are kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.journal.journal import Journal
from core.journal.marks import Mark, Marks, contradiction, left_behind, newest_of
from core.receipts.chain import Flaw, Sealed
from core.system.progress import OnProgress

if TYPE_CHECKING:
    from core.journal.inspection.inspect import Readable


@dataclass(frozen=True, slots=True)
class Compared:
    """What one place outside had to say.

    Attributes:
        source: which place.
        marks: how many marks of this journal it holds.
        newest: the newest of them that is in the chain; None if none is.
        outside: whether it is in other hands than the journal.
    """

    source: str
    marks: int
    newest: Mark | None
    outside: bool

    def __str__(self) -> str:
        """Return it for people."""
        held = f"{self.marks} mark(s), the newest in the chain {self.newest}" if self.newest else "no mark that is in the chain"
        return f"{self.source}: {held}{'' if self.outside else ' (in the same hands as the journal: proves nothing)'}"


@dataclass(frozen=True, slots=True)
class Verification:
    """The receipts that can be read, everything that does not hold, and what they were compared with.

    Attributes:
        readable: what can be read.
        flaws: what does not hold; empty if all is well.
        compared: each place that holds marks, or should.
        proven: number of the newest receipt that a mark outside confirms, and with it all before it; 0 if none does.
    """

    readable: "Readable"
    flaws: tuple[Flaw, ...]
    compared: tuple[Compared, ...] = ()
    proven: int = 0

    @property
    def head(self) -> Sealed | None:
        """The newest receipt."""
        return self.readable.head

    @property
    def unproven(self) -> str | None:
        """Say why this proves nothing although there may be no flaw; None if a mark outside confirms it."""
        if not self.readable:
            return "There are no receipts, so that nothing was verified."
        if not self.proven:
            return "No mark outside was compared: whoever may write the journal could have cut its end off, or written another."
        checkpoint = self.readable.checkpoint
        if checkpoint is not None and self.proven < checkpoint.receipt.seq:
            return (
                f"#{checkpoint.receipt.seq} is a checkpoint that no mark outside confirms: what it says of what was "
                f"pruned is not proven. The newest mark that is in the chain is that of #{self.proven}."
            )
        return None

    @property
    def unseen(self) -> str | None:
        """Say which receipts are newer than every mark outside, or None if none is."""
        newest = self.head.receipt.seq if self.head else 0
        if not self.proven or self.proven >= newest:
            return None
        return f"Marks outside prove #1 to #{self.proven}; what came after it, up to #{newest}, was not seen outside yet."

    def holds(self, *, alone: bool = False) -> bool:
        """Whether nothing is wrong and there is something; unless it is taken alone, also whether a mark outside confirms it."""
        return not self.flaws and bool(self.readable) and (alone or self.unproven is None)


def verify(journal: Journal, marks: Sequence[Marks] = (), on_progress: OnProgress | None = None) -> Verification:
    """Check that no receipt was altered, removed, swapped or forked off.

    Args:
        journal: the receipts.
        marks: what every place outside holds, or why it cannot be read.
        on_progress: told how many bytes of how many were looked at.

    Raises:
        JournalUnavailable: the journal cannot be read.
    """
    readable, flaws = journal.verify(on_progress)
    chain = readable.digests
    found = [*flaws, *_contradictions(marks, chain)]
    compared = tuple(_compared(mark, chain) for mark in marks)
    proven = max(
        (comparison.newest.seq for comparison in compared if comparison.newest is not None and comparison.outside), default=0
    )
    return Verification(readable, tuple(found), compared, proven)


def given(text: str) -> tuple[Marks, ...]:
    """Return the mark that somebody read in a message, as one more place; nothing if they named none."""
    if not text:
        return ()
    source, mark = "the mark that was given", Mark.typed(text)
    if mark is None:
        return (Marks(source, problem=f"{text!r} is no mark; messages show them as #12 0c6082f58fd0"),)
    return (Marks(source, (mark,)),)


def _contradictions(places: Sequence[Marks], chain: Mapping[int, str]) -> Iterator[Flaw]:
    for place in places:
        if place.problem:
            yield Flaw(0, f"{place.source}: {place.problem}")
        for mark in sorted(place.marks, key=lambda placed: placed.seq):
            if problem := contradiction(mark, chain):
                yield Flaw(mark.seq, f"{place.source}: {problem}")
    if problem := left_behind(places, chain):
        yield Flaw(min(chain), f"the chain cannot be held against any mark: {problem}")


def _compared(place: Marks, chain: Mapping[int, str]) -> Compared:
    confirmed = [mark for mark in place.marks if chain.get(mark.seq, "").startswith(mark.digest)]
    return Compared(place.source, len(place.marks), newest_of(confirmed), place.outside)
