"""Everything that is believed of a journal, held against the chain: each column of each row, each request, each file.

Excluded: the chain's own rules (core/receipts/chain.py), and what was shown elsewhere (core/journal/verification.py).
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.journal.requests import flaws_in_requests
from core.receipts.chain import MAX_RECEIPT_BYTES, Flaw, Sealed, flaws_in_chain, newest_checkpoint, number_in_name, unseal
from core.system.files import read_bounded

if TYPE_CHECKING:
    from core.journal.tables import ReceiptRow, Rows


def inspect(rows: "Rows", target: str, receipts_dir: Path) -> tuple[tuple[Sealed, ...], tuple[Flaw, ...]]:
    """Return the receipts that can be read, and everything that does not hold.

    Args:
        rows: of the target, in one transaction.
        target: whose chain it is.
        receipts_dir: where each receipt is also kept as a file.
    """
    everything = rows.everything()
    found = [row for row in everything if row is not None]
    flaws = [Flaw(0, problem) for problem in rows.strange_in_schema()]
    flaws += [Flaw(0, "a receipt's row has a number that is none") for row in everything if row is None]
    flaws += [Flaw(0, f"a receipt of {target!r} is filed under {name!r}") for name in rows.filed_elsewhere()]
    flaws += flaws_in_chain([(row.seq, row.data, row.digest) for row in found], target=target)
    sealed = []
    for row in found:
        try:
            sealed.append(unseal(row.data))
        except ValueError:
            continue  # flaws_in_chain has named it
        flaws += _flaws_in_columns(row, sealed[-1])
    flaws += flaws_in_requests(rows.all_requests(), [sealed_receipt.receipt for sealed_receipt in sealed])
    expected = {sealed_receipt.file_name: sealed_receipt for sealed_receipt in sealed}
    for name, sealed_receipt in expected.items():
        flaws.extend(_flaws_in_file(receipts_dir, name, sealed_receipt))
    unreadable = {row.seq for row in found} - {sealed_receipt.receipt.seq for sealed_receipt in sealed}
    flaws.extend(_flaws_in_strays(receipts_dir, expected, unreadable, sealed))
    return tuple(sealed), tuple(sorted(flaws, key=lambda flaw: flaw.seq))


def _flaws_in_columns(row: "ReceiptRow", sealed: Sealed) -> Iterator[Flaw]:
    """Name the columns that say something else than the bytes: causes and stories are looked up by them."""
    receipt = sealed.receipt
    for name in ("id", "cause", "operation"):
        if getattr(row, name) != getattr(receipt, name):
            yield Flaw(row.seq, f"#{row.seq}: the row's {name} is not what the receipt says")


def _flaws_in_file(receipts_dir: Path, name: str, sealed: Sealed) -> Iterator[Flaw]:
    seq = sealed.receipt.seq
    try:
        if read_bounded(receipts_dir / name, MAX_RECEIPT_BYTES) != sealed.data:
            yield Flaw(seq, f"the file {name} differs from the journal")
    except FileNotFoundError:
        yield Flaw(seq, f"the file {name} is missing; `anr recover` writes it again", missing_file=True)
    except OSError as error:
        yield Flaw(seq, f"the file {name} cannot be read ({error.strerror or error})")


def _flaws_in_strays(
    receipts_dir: Path, expected: Collection[str], unreadable: set[int], sealed: Sequence[Sealed]
) -> Iterator[Flaw]:
    """Name the files that no receipt in the journal accounts for."""
    checkpoint = newest_checkpoint(sealed_receipt.receipt for sealed_receipt in sealed)
    for path in sorted(receipts_dir.glob("anr_*.json")):
        number = number_in_name(path.name)
        if path.name in expected or number is None or number in unreadable:
            continue
        if checkpoint is not None and number <= checkpoint.last:
            yield Flaw(number, f"the file {path.name} is there, although its receipt was pruned")
        elif number in {sealed_receipt.receipt.seq for sealed_receipt in sealed}:
            yield Flaw(number, f"the file {path.name} is a second #{number}: the chain was forked")
        else:
            yield Flaw(number, f"the file {path.name} has no receipt in the journal: its tail was cut off")
