import pytest

from core import approving, braking, operations, outcomes
from core.actors import Approvable, ApprovalRule
from core.actuation import Order
from core.approvals import ApprovalStatus
from core.braking import Unfrozen
from core.decisions import Code
from core.receipts import Action
from core.site import Site
from tests.core.conftest import House


def ruled(house: House, action: Approvable, rule: ApprovalRule) -> Site:
    access = house.site.access.model_copy(update={"rules": {action: rule}})
    return Site.at(house.target, access, house.clock)


def test_of_two_approvals_that_are_needed_the_first_promotes_nothing(begun: House) -> None:
    """The second person's approval carries it out, and the receipt names both."""
    site = ruled(begun, Approvable.PROMOTE, ApprovalRule(needed=2))
    asked = operations.propose(site, Order(begun.people["olivia"], "good day"))
    assert isinstance(asked, outcomes.Asked)
    first = approving.approve(site, begun.people["aaron"], asked.approval.id)
    assert isinstance(first, outcomes.Signed)
    assert first.approval.missing == 1
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"
    again = approving.approve(site, begun.people["aaron"], asked.approval.id)
    assert isinstance(again, outcomes.Refused)
    assert again.refusal.code is Code.ALREADY_DONE
    second = approving.approve(site, begun.people["priya"], asked.approval.id)
    assert isinstance(second, outcomes.Moved)
    assert begun.setting("NOVA_ANR_PILOT") == "0.25"
    intent = site.journal.receipts()[-2].receipt
    assert [signature.actor.id for signature in intent.approvals] == ["UAARON", "UPRIYA"]


def test_a_request_that_too_few_could_approve_is_not_made(begun: House) -> None:
    """Who asks is told at once that nobody could answer, not after an hour."""
    site = ruled(begun, Approvable.PROMOTE, ApprovalRule(needed=2))
    refused = operations.propose(site, Order(begun.people["aaron"]))
    assert isinstance(refused, outcomes.Refused)
    assert refused.refusal.code is Code.NO_APPROVERS
    assert site.journal.pending() == ()


def test_where_unfreezing_needs_an_approval_it_waits_for_one(begun: House) -> None:
    """The hold stays until another person approves, and is lifted under the request's id."""
    site = ruled(begun, Approvable.UNFREEZE, ApprovalRule(needed=1))
    braking.freeze(site, begun.people["max"], "errors")
    asked = operations.unfreeze(site, Order(begun.people["olivia"], "found it"))
    assert isinstance(asked, outcomes.Asked)
    assert site.journal.state().frozen
    refused = approving.approve(site, begun.people["olivia"], asked.approval.id)
    assert isinstance(refused, outcomes.Refused)
    assert refused.refusal.code is Code.SELF_APPROVAL
    lifted = approving.approve(site, begun.people["aaron"], asked.approval.id)
    assert isinstance(lifted, Unfrozen)
    assert (site.journal.state().frozen, site.brake.read().frozen_by) == (False, ())
    receipt = lifted.sealed.receipt
    assert (receipt.action, receipt.operation, receipt.actor.id) == (Action.UNFREEZE, asked.approval.id, "UOLIVIA")
    assert [signature.actor.id for signature in receipt.approvals] == ["UAARON"]
    approval = site.journal.approval(asked.approval.id)
    assert approval is not None
    assert approval.status is ApprovalStatus.APPROVED


@pytest.mark.parametrize("answer", ["approve", "sweep"])
def test_a_request_to_lift_a_hold_that_another_lifted_is_stale(begun: House, answer: str) -> None:
    """What it was about is gone, so nothing is lifted in its place."""
    site = ruled(begun, Approvable.UNFREEZE, ApprovalRule(needed=1))
    braking.freeze(site, begun.people["max"], "errors")
    asked = operations.unfreeze(site, Order(begun.people["olivia"]))
    assert isinstance(asked, outcomes.Asked)
    operations.unfreeze(begun.site, Order(begun.people["olivia"]))
    braking.freeze(site, begun.people["max"], "more errors")
    if answer == "approve":
        ended = approving.approve(site, begun.people["aaron"], asked.approval.id)
    else:
        (ended,) = approving.sweep(site)
    assert isinstance(ended, outcomes.Ended)
    assert ended.approval.status is ApprovalStatus.STALE
    assert [hold.reason for hold in site.journal.state().holds] == ["more errors"]


def asked_of(house: House) -> outcomes.Asked:
    asked = operations.propose(house.site, Order(house.people["olivia"], "good day"))
    assert isinstance(asked, outcomes.Asked)
    return asked


def test_a_waiting_request_whose_gates_still_pass_goes_on_waiting(begun: House) -> None:
    """It is looked at, and nothing is recorded."""
    asked = asked_of(begun)
    before = len(begun.site.journal.receipts())
    (found,) = approving.reexamine(begun.site)
    assert (found.approval.id, found.against, found.ended) == (asked.approval.id, None, None)
    assert found.report.gates.go
    assert len(begun.site.journal.receipts()) == before


def test_a_waiting_request_whose_gates_fail_turns_stale_by_itself(begun: House) -> None:
    """Nobody has to click to find out; the receipt has the gates that failed, and it happens once."""
    asked = asked_of(begun)
    begun.statuses["slot09"] = "down"
    (found,) = approving.reexamine(begun.site)
    assert found.ended is not None
    receipt = found.ended.sealed.receipt
    assert (receipt.action, receipt.operation, receipt.go) == (Action.STALE, asked.approval.id, False)
    assert "slot09" in receipt.note
    assert approving.reexamine(begun.site) == ()
    again = approving.approve(begun.site, begun.people["aaron"], asked.approval.id)
    assert isinstance(again, outcomes.Refused)
    assert again.refusal.code is Code.APPROVAL_OVER
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"


def test_a_gate_without_data_ends_no_waiting_request(begun: House) -> None:
    """The ledger pauses for a while: the request waits on, and says what would refuse it now."""
    asked_of(begun)
    begun.clock.pass_(minutes=30)
    (found,) = approving.reexamine(begun.site)
    assert found.ended is None
    assert found.against is not None
    assert found.against.code is Code.GATES_NOT_PASSED
    assert len(begun.site.journal.pending()) == 1
