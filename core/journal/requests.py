"""Whether the requests in the journal are those that the chain tells of: a row is only a copy, which anybody could change.

Since receipts carry the digest of the request that they are about, a row is bound to the byte; an older one by what its
receipts say of it. Pure. Excluded: reading rows and receipts (core/journal/journal.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256

from pydantic import ValidationError

from core.receipts.chain import Flaw
from core.receipts.receipt import Action, Receipt
from core.rollout.approvals import Approval, ApprovalStatus

RequestRow = tuple[object, object, bytes]
"""Id, status and bytes of a request, as the database holds them."""
_ENDS = {
    Action.DENY: ApprovalStatus.DENIED,
    Action.EXPIRE: ApprovalStatus.EXPIRED,
    Action.STALE: ApprovalStatus.STALE,
}


def flaws_in_requests(rows: Sequence[RequestRow], receipts: Sequence[Receipt]) -> Iterator[Flaw]:
    """Hold every request against the receipts of its story, and every story against its request.

    Args:
        rows: all requests of the target.
        receipts: the receipts that can be read, in order of number.
    """
    told: dict[str, list[Receipt]] = {}
    for receipt in receipts:
        if receipt.approval_id is not None:
            told.setdefault(receipt.approval_id, []).append(receipt)
    for name, status, data in rows:
        yield from _flaws_in_request(name, status, data, told)
    kept = {name for name, _, _ in rows}
    for name, story in told.items():
        if story[0].action is Action.REQUEST and name not in kept:
            yield Flaw(story[-1].seq, f"request {name}, which #{story[0].seq} tells of, is gone")


def difference(data: bytes, story: Sequence[Receipt]) -> str | None:
    """Say how the bytes of a request differ from what its story tells, or None.

    Args:
        data: the row's bytes.
        story: the receipts about this request, in order of number.
    """
    if not story:
        return "no receipt tells of it"
    digests = [receipt.request_digest for receipt in story if receipt.request_digest is not None]
    if digests and sha256(data).hexdigest() == digests[-1]:
        return None
    try:
        request = Approval.model_validate_json(data)
    except ValidationError:
        return "it cannot be understood"
    differing = [what for what, (row, chain) in _told(request, story).items() if row != chain]
    if differing:
        return f"its {', '.join(differing)} is not what the receipts say"
    return "it is not what the receipts were about" if digests else None


def _flaws_in_request(name: object, status: object, data: bytes, told: Mapping[str, Sequence[Receipt]]) -> Iterator[Flaw]:
    story = told.get(str(name), ())
    if not story:
        yield Flaw(0, f"request {name}: no receipt tells of it")
        return
    if problem := difference(data, story):
        yield Flaw(story[-1].seq, f"request {name} was altered: {problem}")
        return
    request = Approval.model_validate_json(data)
    if (name, status) != (request.id, request.status):
        yield Flaw(
            story[-1].seq,
            f"request {name} was altered: its row calls it {name}, {status}, its bytes {request.id}, {request.status}",
        )


def _told(request: Approval, story: Sequence[Receipt]) -> dict[str, tuple[object, object]]:
    """Return what the row and the chain say of a request, by name, as far as receipts of any age say it."""
    found: dict[str, tuple[object, object]] = {}
    asked = story[0]
    if asked.action is Action.REQUEST:
        found = {
            "id": (request.id, asked.approval_id),
            "requester": (request.requester.model_dump(), asked.actor.model_dump()),
            "reason": (request.reason, asked.reason),
            "stage": ((request.from_stage, request.to_stage), (asked.stage_before, asked.stage_after)),
            "time": (request.asked_at, asked.ts),
        }
    signed = next((receipt.approvals for receipt in reversed(story) if receipt.approvals), ())
    found["signatures"] = (request.signatures, signed)
    if (status := _ENDS.get(story[-1].action)) is not None:
        found["status"] = (request.status, status)
    elif story[-1].action is Action.REQUEST:
        found["status"] = (request.status, ApprovalStatus.PENDING)
    return found
