"""The chain that binds receipts: each is hashed with the digest of the one before it.

Pure. Excluded: what a receipt says (core/receipts/receipt.py), and keeping it (core/journal/journal.py).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from pydantic import ValidationError

from core.canonical import MARK_DIGITS, canonical_bytes, rfc3339
from core.receipts.evidence import Checkpoint
from core.receipts.receipt import Draft, Receipt

GENESIS = "0" * 64
"""The digest that the first receipt names as its predecessor."""
CHECKPOINT = b'"checkpoint":{'
"""What stands in the bytes of a receipt that seals what was pruned, in canonical form."""
LIFTS = b'"holds_lifted":["'
"""What stands in the bytes of a receipt that lifts holds."""
MAX_RECEIPT_BYTES = 1 << 20
_FILE_NAME = re.compile(r"anr_\d{8}T\d{6}Z_(\d{6,9})_[a-z]{1,20}\.json", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A receipt with the bytes that stand for it.

    Attributes:
        receipt: what it says.
        data: its bytes, in canonical form.
        digest: their SHA-256, in hex.
    """

    receipt: Receipt
    data: bytes
    digest: str

    @property
    def mark(self) -> str:
        """Number and first hex digits, as messages show them: `#12 3f9a…`."""
        return f"#{self.receipt.seq} {self.digest[:MARK_DIGITS]}"

    @property
    def file_name(self) -> str:
        """Name of the receipt's file: time, number and action, so that no two share one."""
        return file_name(self.receipt.seq, rfc3339(self.receipt.ts), self.receipt.action)


def file_name(seq: int, ts: str, action: str) -> str:
    """Return the name of a receipt's file, of its number, its time in RFC 3339 and its action."""
    return f"anr_{ts[:19].replace('-', '').replace(':', '')}Z_{seq:06d}_{action}.json"


def number_in_name(file_name: str) -> int | None:
    """Return the number of the receipt whose file has this name; None if no receipt of ours can have it.

    Sites that ran the old scripts have `anr_YYYYMMDD_HHMMSS.json` in the same folder: those are not ours.
    """
    found = _FILE_NAME.fullmatch(file_name)
    return None if found is None else int(found[1])


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that does not hold together in a chain of receipts.

    Attributes:
        missing_file: only a copy is gone; the receipt is in the journal.
    """

    seq: int
    problem: str
    missing_file: bool = False


def seal(draft: Draft, *, target: str, seq: int, prev: str) -> Sealed:
    """Number a draft, bind it to its predecessor, and fix its bytes.

    Args:
        draft: what was done.
        target: whose chain it is.
        seq: its number, one more than its predecessor's.
        prev: SHA-256 of its predecessor's bytes in hex; `GENESIS` for the first.
    """
    receipt = Receipt(**dict(draft), target=target, seq=seq, prev=prev)
    data = canonical_bytes(receipt.model_dump(mode="json"))
    return Sealed(receipt, data, sha256(data).hexdigest())


@lru_cache(maxsize=1024)  # the newest stories are read again and again, and the same bytes always say the same
def unseal(data: bytes) -> Sealed:
    """Read a receipt back from its bytes.

    Raises:
        ValueError: the bytes are no receipt, or not in canonical form.
    """
    if len(data) > MAX_RECEIPT_BYTES:
        raise ValueError(f"a receipt has at most {MAX_RECEIPT_BYTES:,} bytes, this has {len(data):,}")
    try:
        receipt = Receipt.model_validate_json(data)
        # a receipt from before a field was added does not have it, and keeps its bytes
        again = canonical_bytes(receipt.model_dump(mode="json", exclude_unset=True))
    except (ValidationError, RecursionError) as error:
        raise ValueError("the bytes are not a receipt") from error
    if again != data:
        raise ValueError("the bytes are not in canonical form")
    return Sealed(receipt, data, sha256(data).hexdigest())


def newest_checkpoint(receipts: Iterable[Receipt]) -> Checkpoint | None:
    """Return the checkpoint from which a chain goes on, or None if it begins with the first receipt."""
    return next((receipt.checkpoint for receipt in reversed(tuple(receipts)) if receipt.checkpoint is not None), None)


def flaws_in_chain(rows: Sequence[tuple[int, bytes, str]], *, target: str, after: tuple[int, str] | None = None) -> list[Flaw]:
    """Check a chain: rows of number, bytes and recorded digest, in order of number. Empty if it holds.

    A whole chain has to begin with the first receipt, or exactly after the last one that its newest checkpoint seals.

    Args:
        rows: the receipts.
        target: whose chain it is.
        after: number and digest of the receipt on which the first row has to follow; None if `rows` is the whole chain.
    """
    flaws: list[Flaw] = []
    followed: dict[str, int] = {}
    expected_seq, expected_prev = _beginning(rows) if after is None else (after[0] + 1, after[1])
    for row in rows:
        flaws += flaws_in_receipt(row, (expected_seq, expected_prev), target, followed.setdefault)
        expected_seq, expected_prev = row[0] + 1, sha256(row[1]).hexdigest()
    return flaws


def flaws_in_receipt(
    row: tuple[int, bytes, str], expected: tuple[int, str], target: str, first_to_follow: Callable[[str, int], int]
) -> list[Flaw]:
    """Check one receipt of a chain.

    Args:
        row: its number, bytes and recorded digest.
        expected: the number that it should have, and the digest of the one before it.
        target: whose chain it is.
        first_to_follow: is given the digest on which the receipt follows, and its number; returns the number of the first that
            was seen to follow on the same.
    """
    (seq, data, digest), (expected_seq, expected_prev) = row, expected
    flaws: list[Flaw] = []
    if seq > expected_seq:
        flaws.append(Flaw(expected_seq, f"receipts #{expected_seq} to #{seq - 1} are missing"))
    elif seq < expected_seq:
        flaws.append(Flaw(seq, f"#{seq} is still there, although a checkpoint says that it was pruned"))
    if sha256(data).hexdigest() != digest:
        flaws.append(Flaw(seq, f"#{seq} was altered: its bytes do not have the digest that was recorded"))
    flaws.extend(Flaw(seq, problem) for problem in _problems(data, seq, expected_prev, target, first_to_follow))
    return flaws


def newest_checkpoint_in(rows: Iterable[tuple[int, bytes, str]]) -> Checkpoint | None:
    """Return the checkpoint from which a chain goes on, or None if it begins with the first receipt."""
    return newest_checkpoint(_checkpoints_in(rows))


def _beginning(rows: Iterable[tuple[int, bytes, str]]) -> tuple[int, str]:
    """Return the number of the first receipt of a whole chain, and the digest on which it has to follow."""
    checkpoint = newest_checkpoint_in(rows)
    return (checkpoint.last + 1, checkpoint.digest) if checkpoint else (1, GENESIS)


def _checkpoints_in(rows: Iterable[tuple[int, bytes, str]]) -> Iterator[Receipt]:
    for _, data, _ in rows:
        if CHECKPOINT in data:  # in canonical form; to read every receipt only for this would take twice as long
            with suppress(ValueError):  # whoever looks for flaws names it
                yield unseal(data).receipt


def _problems(data: bytes, seq: int, prev: str, target: str, first_to_follow: Callable[[str, int], int]) -> list[str]:
    try:
        receipt = unseal(data).receipt
    except ValueError as error:
        return [f"#{seq}: {error}"]
    problems = []
    if receipt.seq != seq:
        problems.append(f"#{seq} calls itself #{receipt.seq}: receipts were swapped")
    if receipt.prev != prev:
        problems.append(f"#{seq} does not follow on the receipt before it")
    if (other := first_to_follow(receipt.prev, seq)) != seq:
        problems.append(f"#{other} and #{seq} follow on the same receipt: the chain was forked")
    if receipt.target != target:
        problems.append(f"#{seq} belongs to target {receipt.target!r}, not to {target!r}")
    return problems
