"""The journal made again from the receipts' files: the same receipts to the byte, in one transaction, or nothing.

Requests have no files. Each is put together from its receipts, and its bytes are held against the digest that they carry.

Excluded: the chain's own rules (core/receipts/chain.py), and who may do this (core/upkeep/journal_copy.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from core.canonical import canonical_bytes
from core.errors import JournalCorrupt, JournalUnavailable
from core.journal.inspection.inspect import inspect
from core.journal.marks import Marks, contradiction
from core.journal.requests import flaws_in_requests
from core.journal.tables import Database
from core.receipts.chain import GENESIS, MAX_RECEIPT_BYTES, Sealed, flaws_in_chain, number_in_name, unseal
from core.receipts.receipt import Receipt
from core.rollout.requested import as_kept
from core.system.files import read_bounded

_BUSY_SECONDS = 10.0
_NOTHING = "Nothing was built, and nothing was changed"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A journal that was made again.

    Attributes:
        sealed: its receipts.
        requests: how many requests it has.
        unproven: ids of requests whose bytes no digest confirms, as from before receipts carried one; if they wait they have to
            be denied and asked for again.
    """

    sealed: tuple[Sealed, ...]
    requests: int
    unproven: tuple[str, ...]


def rebuild(journal: Path, target: str, receipts_dir: Path, marks: Iterable[Marks] = ()) -> Rebuilt:
    """Fill a journal that holds nothing of a target from the files of its receipts.

    Args:
        journal: the database; it is made if there is none.
        target: whose receipts.
        receipts_dir: where their files are.
        marks: what every place outside holds; what contradicts it is not built.

    Raises:
        JournalUnavailable: there is a journal with receipts of this target, or it cannot be written; nothing was changed.
        JournalCorrupt: the files are not one whole chain, or a mark outside is not in it; nothing was changed.
    """
    log = journal.with_name(f"{journal.name}-wal")
    if not journal.exists() and log.exists() and log.stat().st_size:
        raise JournalUnavailable(
            f"The journal {journal} is gone, but its log {log} is there, which may hold its newest receipts. {_NOTHING}; keep "
            "the log with what you have of the journal, in another folder, then give the command again."
        )
    sealed = _in_files(receipts_dir, target)
    if flaws := flaws_in_chain([(one.receipt.seq, one.data, one.digest) for one in sealed], target=target):
        raise JournalCorrupt(f"The files in {receipts_dir} are not one whole chain: {flaws[0].problem}. {_NOTHING}.")
    chain = _chain_of(sealed)
    for place in marks:
        for mark in place.marks:
            if problem := contradiction(mark, chain):
                raise JournalCorrupt(f"The files in {receipts_dir} lack what was shown: {problem} ({place.source}). {_NOTHING}.")
    requests = _requests_of([one.receipt for one in sealed])
    database = Database(journal, target, _BUSY_SECONDS, 0.0)
    try:
        with database.rows(write=True) as rows:
            if (head := rows.head()) is not None or rows.all_requests():
                held = "requests" if head is None else f"receipts up to #{head[0]}"
                raise JournalUnavailable(f"The journal {journal} is there, with {held} of {target}. {_NOTHING}.")
            for one in sealed:
                rows.insert(one)
            for request_id, (status, data, _) in requests.items():
                rows.put_request(request_id, status, data)
            doubtful = set(flaws_in_requests(rows.all_requests(), [one.receipt for one in sealed]))  # they are never carried out
            if grave := [flaw for flaw in inspect(rows, target, receipts_dir)[1] if flaw not in doubtful]:
                raise JournalCorrupt(f"What was built does not verify: {grave[0].problem}. {_NOTHING}.")
    finally:
        database.engine.dispose()
    unproven = tuple(request_id for request_id, (_, _, proven) in requests.items() if not proven)
    return Rebuilt(tuple(sealed), len(requests), unproven)


def _chain_of(sealed: Sequence[Sealed]) -> Mapping[int, str]:
    """Return the digest of each receipt by its number, and of the one on which the first of them follows."""
    chain = {one.receipt.seq: one.digest for one in sealed}
    if sealed[0].receipt.prev != GENESIS:
        chain.setdefault(sealed[0].receipt.seq - 1, sealed[0].receipt.prev)
    return chain


def _in_files(receipts_dir: Path, target: str) -> list[Sealed]:
    """Return the receipts in a folder, in order of number.

    Raises:
        JournalUnavailable: the folder or a file cannot be read.
        JournalCorrupt: a file is no receipt of this target, or two are the same one.
    """
    found: dict[int, Sealed] = {}
    try:
        for path in sorted(receipts_dir.iterdir()):
            if number_in_name(path.name) is None:
                continue
            sealed = _unsealed(path, read_bounded(path, MAX_RECEIPT_BYTES, follow=False))
            receipt = sealed.receipt
            if receipt.target != target:
                raise JournalCorrupt(f"The file {path} is a receipt of {receipt.target!r}, not of {target!r}. {_NOTHING}.")
            if (other := found.setdefault(receipt.seq, sealed)) is not sealed:
                raise JournalCorrupt(f"The files {other.file_name} and {path.name} both are #{receipt.seq}. {_NOTHING}.")
            if path.name != sealed.file_name:
                raise JournalCorrupt(f"The file {path} holds what belongs in {sealed.file_name}. {_NOTHING}.")
    except OSError as error:
        raise JournalUnavailable(
            f"The receipts in {receipts_dir} cannot be read ({error.strerror or error}). {_NOTHING}."
        ) from error
    if not found:
        raise JournalCorrupt(f"There are no receipts in {receipts_dir}. {_NOTHING}.")
    return [found[number] for number in sorted(found)]


def _unsealed(path: Path, data: bytes) -> Sealed:
    try:
        return unseal(data)
    except ValueError as error:
        raise JournalCorrupt(
            f"The file {path} cannot be understood ({error}): it was altered, or a newer anr wrote it. {_NOTHING}."
        ) from error


def _requests_of(receipts: Sequence[Receipt]) -> dict[str, tuple[str, bytes, bool]]:
    """Return status and bytes of each request that receipts tell of, by its id, and whether their digest proves the bytes."""
    told: dict[str, list[Receipt]] = {}
    for receipt in receipts:
        if receipt.approval_id is not None:
            told.setdefault(receipt.approval_id, []).append(receipt)
    found = {}
    for request_id, story in told.items():
        digest = next((receipt.request_digest for receipt in reversed(story) if receipt.request_digest), None)
        versions = [(str(request.status), canonical_bytes(request.model_dump(mode="json"))) for request in as_kept(story)]
        if not versions:
            continue
        status, data = next((one for one in versions if sha256(one[1]).hexdigest() == digest), versions[0])
        found[request_id] = (status, data, sha256(data).hexdigest() == digest)
    return found
