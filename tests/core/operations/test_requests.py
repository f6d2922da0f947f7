import pytest

from core.actors import Approvable, ApprovalRule
from core.brake import brake
from core.brake.lift import Unfrozen
from core.operations import propose, requests, results
from core.receipts.receipt import Action
from core.rollout.approvals import ApprovalStatus
from core.rollout.refusals import Code
from core.target.order import Order
from core.target.target import Target
from tests.support.rig import Rig


def ruled(rig: Rig, action: Approvable, rule: ApprovalRule) -> Target:
    access = rig.target.access.model_copy(update={"rules": {action: rule}})
    return Target.at(rig.settings, access, rig.clock)


def test_of_two_approvals_that_are_needed_the_first_promotes_nothing(begun: Rig) -> None:
    """The second person's approval carries it out, and the receipt names both."""
    target = ruled(begun, Approvable.PROMOTE, ApprovalRule(needed=2))
    asked = propose.propose(target, Order(begun.people["olivia"], "good day"))
    assert isinstance(asked, results.Asked)
    first = requests.approve(target, begun.people["aaron"], asked.approval.id)
    assert isinstance(first, results.Signed)
    assert first.approval.missing == 1
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"
    again = requests.approve(target, begun.people["aaron"], asked.approval.id)
    assert isinstance(again, results.Refused)
    assert again.refusal.code is Code.ALREADY_DONE
    second = requests.approve(target, begun.people["priya"], asked.approval.id)
    assert isinstance(second, results.Moved)
    assert begun.setting("NOVA_ANR_PILOT") == "0.25"
    intent = target.journal.receipts()[-2].receipt
    assert [signature.actor.id for signature in intent.approvals] == ["UAARON", "UPRIYA"]


def test_a_request_that_too_few_could_approve_is_not_made(begun: Rig) -> None:
    """Who asks is told at once that nobody could answer, not after an hour."""
    target = ruled(begun, Approvable.PROMOTE, ApprovalRule(needed=2))
    refused = propose.propose(target, Order(begun.people["aaron"]))
    assert isinstance(refused, results.Refused)
    assert refused.refusal.code is Code.NO_APPROVERS
    assert target.journal.pending() == ()


def test_where_unfreezing_needs_an_approval_it_waits_for_one(begun: Rig) -> None:
    """The hold stays until another person approves, and is lifted under the request's id."""
    target = ruled(begun, Approvable.UNFREEZE, ApprovalRule(needed=1))
    brake.freeze(target, begun.people["max"], "errors")
    asked = propose.unfreeze(target, Order(begun.people["olivia"], "found it"))
    assert isinstance(asked, results.Asked)
    assert target.journal.state().frozen
    refused = requests.approve(target, begun.people["olivia"], asked.approval.id)
    assert isinstance(refused, results.Refused)
    assert refused.refusal.code is Code.SELF_APPROVAL
    lifted = requests.approve(target, begun.people["aaron"], asked.approval.id)
    assert isinstance(lifted, Unfrozen)
    assert (target.journal.state().frozen, target.brake.read().frozen_by) == (False, ())
    receipt = lifted.sealed.receipt
    assert (receipt.action, receipt.operation, receipt.actor.id) == (Action.UNFREEZE, asked.approval.id, "UOLIVIA")
    assert [signature.actor.id for signature in receipt.approvals] == ["UAARON"]
    approval = target.journal.approval(asked.approval.id)
    assert approval is not None
    assert approval.status is ApprovalStatus.APPROVED


@pytest.mark.parametrize("answer", ["approve", "sweep"])
def test_a_request_to_lift_a_hold_that_another_lifted_is_stale(begun: Rig, answer: str) -> None:
    """What it was about is gone, so nothing is lifted in its place."""
    target = ruled(begun, Approvable.UNFREEZE, ApprovalRule(needed=1))
    brake.freeze(target, begun.people["max"], "errors")
    asked = propose.unfreeze(target, Order(begun.people["olivia"]))
    assert isinstance(asked, results.Asked)
    propose.unfreeze(begun.target, Order(begun.people["olivia"]))
    brake.freeze(target, begun.people["max"], "more errors")
    if answer == "approve":
        ended = requests.approve(target, begun.people["aaron"], asked.approval.id)
    else:
        (ended,) = requests.sweep(target)
    assert isinstance(ended, results.Ended)
    assert ended.approval.status is ApprovalStatus.STALE
    assert [hold.reason for hold in target.journal.state().holds] == ["more errors"]


def asked_of(rig: Rig) -> results.Asked:
    asked = propose.propose(rig.target, Order(rig.people["olivia"], "good day"))
    assert isinstance(asked, results.Asked)
    return asked


def test_a_waiting_request_whose_gates_still_pass_goes_on_waiting(begun: Rig) -> None:
    """It is looked at, and nothing is recorded."""
    asked = asked_of(begun)
    before = len(begun.target.journal.receipts())
    (found,) = requests.reexamine(begun.target)
    assert (found.approval.id, found.against, found.ended) == (asked.approval.id, None, None)
    assert found.report.gates.go
    assert len(begun.target.journal.receipts()) == before


def test_a_waiting_request_whose_gates_fail_turns_stale_by_itself(begun: Rig) -> None:
    """Nobody has to click to find out; the receipt has the gates that failed, and it happens once."""
    asked = asked_of(begun)
    begun.statuses["slot09"] = "down"
    (found,) = requests.reexamine(begun.target)
    assert found.ended is not None
    receipt = found.ended.sealed.receipt
    assert (receipt.action, receipt.operation, receipt.go) == (Action.STALE, asked.approval.id, False)
    assert "slot09" in receipt.note
    assert requests.reexamine(begun.target) == ()
    again = requests.approve(begun.target, begun.people["aaron"], asked.approval.id)
    assert isinstance(again, results.Refused)
    assert again.refusal.code is Code.APPROVAL_OVER
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"


def test_a_gate_without_data_ends_no_waiting_request(begun: Rig) -> None:
    """The ledger pauses for a while: the request waits on, and says what would refuse it now."""
    asked_of(begun)
    begun.clock.pass_(minutes=30)
    (found,) = requests.reexamine(begun.target)
    assert found.ended is None
    assert found.against is not None
    assert found.against.code is Code.GATES_NOT_PASSED
    assert len(begun.target.journal.pending()) == 1
