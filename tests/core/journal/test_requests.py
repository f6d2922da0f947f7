"""Whether a request's row is what its receipts say, also where they are from before they carried its digest."""

import json
from hashlib import sha256
from typing import Any

import pytest

from core.canonical import canonical_bytes
from core.journal.requests import flaws_in_requests
from core.receipts.chain import GENESIS, seal
from core.receipts.evidence import Signature
from core.receipts.receipt import Action, Receipt
from core.rollout.approvals import Approval, ApprovalStatus
from tests.core.journal.test_journal import AARON, OLIVIA, draft, request
from tests.support.rig import NOW

ASKED = request("a1")
SIGNED = ASKED.signed(AARON, NOW).ended(ApprovalStatus.APPROVED, NOW, by=AARON)


def bytes_of(approval: Approval) -> bytes:
    return canonical_bytes(approval.model_dump(mode="json"))


def story(*, bound: bool) -> list[Receipt]:
    """Asked and approved: receipts that carry the request's digest, or older ones."""
    told = {"operation": "a1", "approval_id": "a1"}
    first = draft(0, Action.REQUEST, **told, reason="ready ü", stage_before=10, stage_after=25, ts=NOW)
    signatures = (Signature(actor=AARON, at=NOW, decision="approved"),)
    second = draft(1, Action.PROMOTE, **told, approvals=signatures)
    found = []
    for number, (unsealed, row) in enumerate(((first, ASKED), (second, SIGNED)), 1):
        digest = sha256(bytes_of(row)).hexdigest() if bound else None
        found.append(
            seal(unsealed.model_copy(update={"request_digest": digest}), target="production", seq=number, prev=GENESIS).receipt
        )
    return found


def problems(row: tuple[object, object, bytes] | None, *, bound: bool) -> list[str]:
    return [flaw.problem for flaw in flaws_in_requests([] if row is None else [row], story(bound=bound))]


@pytest.mark.parametrize("bound", [True, False], ids=["with-digest", "from-before"])
def test_a_row_that_is_as_it_was_has_no_flaw(bound: bool) -> None:  # noqa: FBT001 - a table's column
    """The request as the newest receipt left it."""
    assert problems(("a1", "approved", bytes_of(SIGNED)), bound=bound) == []


CHANGES: list[tuple[str, dict[str, Any], bool]] = [
    ("requester", {"requester": {"kind": "slack", "id": "UMALLORY"}}, True),
    ("reason", {"reason": "another"}, True),
    ("stage", {"to_stage": 100}, True),
    ("time", {"asked_at": "2025-10-02T00:00:00.000000Z"}, True),
    ("signatures", {"signatures": []}, True),
    ("needed", {"needed": 0}, False),
    ("expiry", {"expires_at": "2030-01-01T00:00:00.000000Z"}, False),
    ("policy", {"policy_digest": "0" * 64}, False),
    ("status", {"status": "pending"}, False),
    ("subject", {"subject": ["x"]}, False),
]


@pytest.mark.parametrize(("facts", "told"), [pytest.param(facts, told, id=name) for name, facts, told in CHANGES])
def test_whatever_is_changed_is_found(facts: dict[str, Any], told: bool) -> None:  # noqa: FBT001 - a table's column
    """By the digest everything; in journals from before receipts had it, what they tell."""
    data = canonical_bytes({**json.loads(bytes_of(SIGNED)), **facts})
    status = facts.get("status", "approved")
    assert len(problems(("a1", status, data), bound=True)) == 1
    assert len(problems(("a1", status, data), bound=False)) == int(told)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        pytest.param(None, "is gone", id="no-row"),
        pytest.param(("a1", "approved", b"{}"), "cannot be understood", id="no-request"),
        pytest.param(("a1", "pending", bytes_of(SIGNED)), "its row calls it a1, pending", id="status-column"),
        pytest.param(("a2", "approved", bytes_of(SIGNED)), "no receipt tells of it", id="id-column"),
        pytest.param(("a1", "approved", bytes_of(ASKED)), "was altered", id="an-older-state-of-it"),
    ],
)
def test_rows_that_are_no_request_of_the_chain(row: tuple[object, object, bytes] | None, problem: str) -> None:
    """Gone, unreadable, in another column, or put back."""
    assert any(problem in problem_found for problem_found in problems(row, bound=True))


def test_a_requesters_name_is_told() -> None:
    """People read which part was changed."""
    changed = bytes_of(ASKED.model_copy(update={"requester": AARON}))
    (found,) = flaws_in_requests([("a1", "pending", changed)], story(bound=False)[:1])
    assert found.problem == "request a1 was altered: its requester is not what the receipts say"
    assert ASKED.requester == OLIVIA
