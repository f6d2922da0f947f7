from datetime import timedelta

import pytest

from core.actors import SCHEDULER, AccessPolicy, Actor, ActorKind, Approvable, ApprovalRule
from core.receipts.evidence import Signature
from core.receipts.receipt import Action, Phase, Receipt
from core.rollout.approvals import Approval, ApprovalStatus
from core.rollout.refusals import Code, Refuse
from core.rollout.requested import as_recorded, by_rules_of_now, tampered
from tests.support.rig import NOW

OLIVIA, AARON, PRIYA = (Actor(kind=ActorKind.SLACK, id=name) for name in ("UOLIVIA", "UAARON", "UPRIYA"))
ASKED = Approval(
    id="qg65uqr79h",
    requester=OLIVIA,
    reason="good day",
    from_stage=10,
    to_stage=25,
    revision=3,
    policy_digest="a" * 64,
    verdict_digest="b" * 64,
    asked_at=NOW,
    expires_at=NOW + timedelta(hours=1),
    needed=2,
)
LISTS = AccessPolicy(operators=frozenset({"UOLIVIA"}), approvers=frozenset({"UAARON", "UPRIYA"}))


def receipt(action: Action, **said: object) -> Receipt:
    everywhere = {"operation": ASKED.id, "id": "r", "target": "production", "seq": 1, "prev": "0" * 64, "ts": NOW}
    return Receipt.model_validate(
        {**everywhere, "action": action, "phase": Phase.EVENT, "actor": OLIVIA, "approval_id": ASKED.id, **said}
    )


REQUEST = receipt(Action.REQUEST, reason="good day", stage_before=10, stage_after=25, terms=ASKED.terms)


def signature(actor: Actor) -> Signature:
    return Signature(actor=actor, at=NOW, decision="approved")


def test_a_request_is_read_back_from_its_receipts() -> None:
    """As it was asked, with the signatures so far; receipts of other requests say nothing of it."""
    other = REQUEST.model_copy(update={"approval_id": "other", "stage_after": 100})
    assert as_recorded([other, REQUEST], ASKED.id) == ASKED
    signed = receipt(Action.APPROVE, actor=AARON, approvals=(signature(AARON),))
    assert as_recorded([REQUEST, signed], ASKED.id) == ASKED.model_copy(update={"signatures": (signature(AARON),)})


@pytest.mark.parametrize("end", [Action.DENY, Action.EXPIRE, Action.STALE, Action.PROMOTE, Action.ACCEPT, Action.RESTORE])
def test_a_request_that_its_receipts_ended_waits_no_more(end: Action) -> None:
    """Whatever came after request and approvals was its end."""
    assert as_recorded([REQUEST, receipt(end)], ASKED.id) is None


def test_the_row_as_it_was_asked_is_not_tampered_with() -> None:
    """How many are needed may differ: that is asked of the rules of now."""
    assert tampered(ASKED, [REQUEST]) is None
    assert tampered(ASKED.model_copy(update={"needed": 0}), [REQUEST]) is None


@pytest.mark.parametrize(
    "change",
    [
        {"requester": AARON},
        {"to_stage": 100},
        {"from_stage": 0},
        {"action": Approvable.RESTORE},
        {"subject": ("accept", "25")},
        {"revision": 9},
        {"epoch": 1},
        {"policy_digest": "c" * 64},
        {"verdict_digest": "c" * 64},
        {"expires_at": NOW + timedelta(days=9)},
        {"signatures": (signature(PRIYA),)},
        {"status": ApprovalStatus.APPROVED},
        {"reason": "another"},
        {"id": "another"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_row_that_says_anything_else_is_refused(change: dict[str, object]) -> None:
    """Nothing beside the chain says what is carried out."""
    refusal = tampered(ASKED.model_copy(update=change), [REQUEST])
    assert isinstance(refusal, Refuse)
    assert refusal.code is Code.TAMPERED


def test_a_request_from_before_receipts_had_terms_is_asked_for_again() -> None:
    """Nobody can say what it was bound to."""
    refusal = tampered(ASKED, [REQUEST.model_copy(update={"terms": None})])
    assert refusal is not None
    assert "ask again" in refusal.text


def renewed(approval: Approval, access: AccessPolicy) -> Approval | Refuse:
    return by_rules_of_now(approval, access.as_now, access)


def test_who_asked_and_may_not_any_more_has_asked_for_nothing() -> None:
    """An operator who left the list between asking and the click."""
    gone = renewed(ASKED, LISTS.model_copy(update={"operators": frozenset()}))
    assert isinstance(gone, Refuse)
    assert gone.code is Code.APPROVAL_STALE
    assert isinstance(renewed(ASKED.model_copy(update={"requester": SCHEDULER}), LISTS), Approval)


def test_who_signed_and_may_not_any_more_has_not_signed() -> None:
    """Their signature does not count, and as many as are needed now are missing."""
    signed = ASKED.model_copy(update={"signatures": (signature(AARON), signature(PRIYA))})
    two = LISTS.model_copy(update={"rules": {Approvable.PROMOTE: ApprovalRule(needed=2)}})
    kept = renewed(signed, two)
    assert isinstance(kept, Approval)
    assert kept.missing == 0
    left = renewed(signed, two.model_copy(update={"approvers": frozenset({"UPRIYA"})}))
    assert isinstance(left, Approval)
    assert ([approver.actor.id for approver in left.signatures], left.missing) == (["UPRIYA"], 1)


def test_as_many_are_needed_as_the_rules_of_now_say() -> None:
    """Two when it was asked, one by now, and never none."""
    fewer = renewed(ASKED, LISTS)
    assert isinstance(fewer, Approval)
    assert fewer.needed == 1


def test_people_that_turn_out_to_be_one_are_one() -> None:
    """`people` names by now whose terminal account it was that asked or signed: nobody counts twice."""
    terminal = Actor(kind=ActorKind.OS, id="aaron")
    lists = LISTS.model_copy(update={"people": {"aaron": "UAARON"}})
    own = renewed(ASKED.model_copy(update={"requester": terminal, "signatures": (signature(AARON),)}), lists)
    assert isinstance(own, Approval)
    assert (own.requester.kind, own.requester.id, own.signatures) == (ActorKind.SLACK, "UAARON", ())
    twice = renewed(ASKED.model_copy(update={"signatures": (signature(AARON), signature(terminal))}), lists)
    assert isinstance(twice, Approval)
    assert len(twice.signatures) == 1
