"""Everything that is believed of a journal, held against the chain: each column of each row, each request, each file.

Whole blocks are proven at once, by several processes (core/journal/inspection/blocks.py). What a block does not prove is looked
at receipt by receipt, so that what is wrong gets its name. A journal is never in memory as a whole.

Excluded: the chain's own rules (core/receipts/chain.py), and what was shown elsewhere (core/journal/verification.py).
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from core.journal.inspection.blocks import Good, all_looked_at
from core.journal.inspection.digests import Digests
from core.journal.requests import flaws_in_requests
from core.journal.snapshots import contradicts
from core.receipts.chain import (
    CHECKPOINT,
    GENESIS,
    MAX_RECEIPT_BYTES,
    Flaw,
    Sealed,
    flaws_in_receipt,
    newest_checkpoint_in,
    number_in_name,
    unseal,
)
from core.receipts.receipt import Receipt
from core.rollout.state import RolloutState, adds, fold
from core.system.files import read_bounded
from core.system.progress import OnProgress

if TYPE_CHECKING:
    from core.journal.tables import ReceiptRow, Rows


@dataclass(slots=True)
class Readable:
    """The receipts of a journal that can be read.

    Attributes:
        count: how many.
        head: the newest; None if there is none.
        checkpoint: the newest that seals what was pruned; None if none does.
        digests: the digest of each by its number, and of the last one that was pruned.
    """

    count: int = 0
    head: Sealed | None = None
    checkpoint: Sealed | None = None
    digests: Digests = field(default_factory=Digests)

    def __len__(self) -> int:
        return self.count


def inspect(
    rows: "Rows", target: str, receipts_dir: Path, helpers: int = 0, on_progress: OnProgress | None = None
) -> tuple[Readable, tuple[Flaw, ...]]:
    """Return what can be read, and everything that does not hold.

    Args:
        rows: of the target, in one transaction.
        target: whose chain it is.
        receipts_dir: where each receipt is also kept as a file.
        helpers: how many processes help.
        on_progress: told how many bytes of how many were looked at, as far as it can be told from the first ones.
    """
    flaws = [Flaw(0, problem) for problem in rows.strange_in_schema()]
    elsewhere = [Flaw(0, f"a receipt of {target!r} is filed under {name!r}") for name in rows.filed_elsewhere()]
    walk, count, read, seen = _Walk(rows, target, receipts_dir), rows.count(), 0, 0
    for block, good in all_looked_at(rows.everything(), target, receipts_dir, helpers):
        walk.go_on(block, good)
        read += sum(len(row.data) for row in block if isinstance(row.data, bytes))
        seen += len(block)
        if on_progress is not None:
            on_progress(read, read * count // seen)
    flaws += [*walk.unnumbered, *elsewhere, *walk.in_chain, *walk.in_columns]
    flaws += flaws_in_requests(rows.all_requests(), walk.about_requests)
    flaws += walk.in_files
    flaws += _flaws_in_snapshots(rows)
    flaws += walk.flaws_in_strays()
    return walk.readable, tuple(sorted(flaws, key=lambda flaw: flaw.seq))


class _Walk:
    """Goes along a chain, block by block.

    Attributes:
        readable: what could be read.
        about_requests: the receipts about requests.
        unnumbered, in_chain, in_columns, in_files: what does not hold.
    """

    def __init__(self, rows: "Rows", target: str, receipts_dir: Path) -> None:
        self._rows, self._target, self._receipts_dir = rows, target, receipts_dir
        self.readable = Readable()
        self.about_requests: list[Receipt] = []
        self.unnumbered, self.in_chain, self.in_columns, self.in_files = list[Flaw](), list[Flaw](), list[Flaw](), list[Flaw]()
        self._with_file = 0
        self._followed: dict[str, int] = {}
        checkpoint = newest_checkpoint_in(rows.receipts(saying=CHECKPOINT))
        self._expected = (checkpoint.last + 1, checkpoint.digest) if checkpoint else (1, GENESIS)
        self._state: RolloutState | None = RolloutState()
        if checkpoint is not None:
            self._state = None
            with suppress(ValueError):  # without it the sums that receipts state cannot be held against anything
                self._state = RolloutState.model_validate(checkpoint.state)

    def go_on(self, block: "list[ReceiptRow]", good: Good | None) -> None:
        """Take the next block; one that is good by itself and follows on the last one holds nothing that is wrong."""
        if good is None or (good.first, good.prev) != self._expected:
            for row in block:
                self._look_at(row)
            return
        self._begin(good.first, good.prev)
        self.readable.count += len(block)
        self.readable.digests.add(good.first, good.digests)
        self.readable.head = unseal(good.newest)
        self._with_file += len(block)
        self._expected = (good.last + 1, good.digest)
        for data in good.telling:
            self._add(Receipt.model_validate_json(data), data)

    def _begin(self, seq: int, prev: str) -> None:
        if not self.readable.count and prev != GENESIS:
            self.readable.digests.add(seq - 1, bytes.fromhex(prev))

    def _add(self, receipt: Receipt, data: bytes) -> None:
        if receipt.approval_id is not None:
            self.about_requests.append(receipt)
        if receipt.checkpoint is not None:
            self.readable.checkpoint = unseal(data)
        if self._state is None or self.in_chain:
            return
        if contradicts(receipt.adds_up, self._state):
            problem = f"#{receipt.seq} states a sum of the receipts before it that they do not add up to"
            self.in_chain.append(Flaw(receipt.seq, problem))
        if adds(receipt):
            self._state = fold([receipt], self._state)

    def _look_at(self, found: "ReceiptRow") -> None:
        """Look at one receipt, and name what is wrong with it."""
        if (row := _numbered(found)) is None:
            self.unnumbered.append(Flaw(0, "a receipt's row has a number that is none"))
            return
        seq, data, _ = row
        self.in_chain += flaws_in_receipt(row, self._expected, self._target, self._first_to_follow)
        actual = sha256(data)
        self._expected = (seq + 1, actual.hexdigest())
        try:
            sealed = unseal(data)
        except ValueError:
            return
        receipt = sealed.receipt
        self._begin(receipt.seq, receipt.prev)
        self.readable.count += 1
        self.readable.digests.add(receipt.seq, actual.digest())
        self.readable.head = sealed
        for name in ("id", "cause", "operation"):
            if getattr(found, name) != getattr(receipt, name):
                self.in_columns.append(Flaw(seq, f"#{seq}: the row's {name} is not what the receipt says"))
        in_file = list(_flaws_in_file(self._receipts_dir, sealed))
        self.in_files += in_file
        self._with_file += not any(flaw.missing_file for flaw in in_file)
        self._add(receipt, data)

    def _first_to_follow(self, prev: str, seq: int) -> int:
        if prev != self._expected[1] and (before := self.readable.digests.number_of(prev)) is not None and before + 1 != seq:
            return before + 1
        return self._followed.setdefault(prev, seq)

    def flaws_in_strays(self) -> Iterator[Flaw]:
        """Name the files that no receipt in the journal accounts for."""
        try:
            names = sorted(name for name in os.listdir(self._receipts_dir) if number_in_name(name) is not None)  # noqa: PTH208 - a million names
        except OSError:
            return  # each receipt's file was missed already
        if len(names) == self._with_file:
            return
        expected, numbers, unreadable = set[str](), set[int](), set[int]()
        for row in filter(None, map(_numbered, self._rows.everything())):
            try:
                sealed = unseal(row[1])
            except ValueError:
                unreadable.add(row[0])
            else:
                expected.add(sealed.file_name)
                numbers.add(sealed.receipt.seq)
        yield from self._strays(names, expected, numbers, unreadable)

    def _strays(self, names: list[str], expected: set[str], numbers: set[int], unreadable: set[int]) -> Iterator[Flaw]:
        sealing = self.readable.checkpoint
        pruned = sealing.receipt.checkpoint.last if sealing is not None and sealing.receipt.checkpoint is not None else 0
        for name in names:
            number = number_in_name(name)
            if name in expected or number is None or number in unreadable - numbers:
                continue
            if number <= pruned:
                yield Flaw(number, f"the file {name} is there, although its receipt was pruned")
            elif number in numbers:
                yield Flaw(number, f"the file {name} is a second #{number}: the chain was forked")
            else:
                yield Flaw(number, f"the file {name} has no receipt in the journal: its tail was cut off")


def _numbered(found: "ReceiptRow") -> tuple[int, bytes, str] | None:
    """Return number, bytes and digest of a row, of which somebody may have made text; None if its number is none."""
    data = found.data if isinstance(found.data, bytes) else str(found.data).encode("utf-8", "surrogatepass")
    return (found.seq, data, str(found.digest)) if isinstance(found.seq, int) else None


def _flaws_in_file(receipts_dir: Path, sealed: Sealed) -> Iterator[Flaw]:
    seq, name = sealed.receipt.seq, sealed.file_name
    try:
        if read_bounded(receipts_dir / name, MAX_RECEIPT_BYTES) != sealed.data:
            yield Flaw(seq, f"the file {name} differs from the journal")
    except FileNotFoundError:
        yield Flaw(seq, f"the file {name} is missing; `anr recover` writes it again", missing_file=True)
    except OSError as error:
        yield Flaw(seq, f"the file {name} cannot be read ({error.strerror or error})")


def _flaws_in_snapshots(rows: "Rows") -> Iterator[Flaw]:
    """Name the snapshots that are not what a receipt states: nobody goes on from them, and somebody put them there."""
    for seq, data in rows.snapshots():
        stated = None
        if isinstance(seq, int):
            with suppress(ValueError):
                stated = next(
                    (unseal(kept).receipt.adds_up for at, kept, _ in rows.receipts(after=seq - 1, first=1) if at == seq), None
                )
        if stated is None or sha256(data).hexdigest() != stated.digest:
            number = seq if isinstance(seq, int) else 0
            yield Flaw(number, f"the snapshot before #{seq} is not what that receipt states; nobody goes on from it")
