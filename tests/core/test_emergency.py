"""To act alone: promotion against failing gates and its review; brakes where the settings want an approval for them."""

from typing import Any

import pytest

from core import approving, braking, emergency, operations, outcomes
from core.actors import Actor, ActorKind, Approvable, ApprovalRule, Role
from core.actuation import Order
from core.approvals import ApprovalStatus, nobody_eligible
from core.braking import Braked
from core.decisions import Code, Refuse
from core.errors import JournalUnavailable
from core.lock import operation_lock
from core.receipts import Action, Phase
from core.site import Site
from tests.core.conftest import House

WHY = "the canary is wrong, see the incident"
OTHER_ROUTE: dict[str, Any] = {"live": {"route": "R3", "pilot": 0.10}}
"""A ledger in which no live decision took shadow's route: RSI fails."""


def ruled(house: House, action: Approvable, needed: int) -> Site:
    access = house.site.access.model_copy(update={"rules": {action: ApprovalRule(needed=needed)}})
    return Site.at(house.target, access, house.clock)


def broken(house: House, who: str = "aaron", reason: str = WHY, cause: str | None = None) -> outcomes.Moved | outcomes.Refused:
    return emergency.break_glass(house.site, Order(house.people[who], reason, cause))


def code_of(result: object) -> Code:
    assert isinstance(result, outcomes.Refused), result
    return result.refusal.code


def test_an_approver_alone_promotes_against_a_failing_gate_and_the_receipt_says_so(begun: House) -> None:
    """Stage, settings and both receipts: which gates failed, and who was not waited for."""
    begun.write_ledger(**OTHER_ROUTE)
    moved = broken(begun)
    assert isinstance(moved, outcomes.Moved)
    assert moved.applied
    assert begun.setting("NOVA_ANR_PILOT") == "0.25"
    intent, outcome = (one.receipt for one in begun.site.journal.receipts()[-2:])
    assert (intent.phase, outcome.phase) == (Phase.INTENT, Phase.OUTCOME)
    for receipt in (intent, outcome):
        assert receipt.break_glass is not None
        assert receipt.break_glass.gates == ("rsi",)
        assert receipt.break_glass.skipped == ("UPRIYA",)
        assert (receipt.actor.id, receipt.reason) == ("UAARON", WHY)
    assert begun.site.journal.verify()[1] == ()


@pytest.mark.parametrize(
    ("who", "reason", "spoil", "code"),
    [
        ("olivia", WHY, OTHER_ROUTE, Code.NOT_ALLOWED),
        ("max", WHY, OTHER_ROUTE, Code.NOT_ALLOWED),
        ("aaron", "  because  ", OTHER_ROUTE, Code.NO_REASON),
        ("aaron", WHY, {}, Code.NOT_FAILING),
        ("aaron", WHY, {"live": None}, Code.GATES_NOT_PASSED),
    ],
    ids=["an-operator", "a-member", "a-word-is-no-reason", "gates-that-pass", "a-gate-without-data"],
)
def test_the_glass_is_not_broken(begun: House, who: str, reason: str, spoil: dict[str, Any], code: Code) -> None:
    """Only an approver, with a reason, and only against gates that fail; nothing is recorded otherwise."""
    begun.write_ledger(**spoil)
    before = len(begun.site.journal.receipts())
    assert code_of(broken(begun, who, reason)) is code
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"
    assert len(begun.site.journal.receipts()) == before


def test_no_data_beside_a_failing_gate_stops_the_glass_too(begun: House) -> None:
    """Passing over what fails does not pass over what nobody can see."""
    begun.write_ledger(**OTHER_ROUTE)
    begun.clock.pass_(hours=1)  # the newest entry is an hour old
    result = broken(begun)
    assert code_of(result) is Code.GATES_NOT_PASSED
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"


def test_a_freeze_is_not_passed_over(begun: House) -> None:
    """The brake is stronger than any glass."""
    begun.write_ledger(**OTHER_ROUTE)
    braking.freeze(begun.site, begun.people["max"], "errors")
    assert code_of(broken(begun)) is Code.FROZEN
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"


def test_the_next_break_glass_waits_until_somebody_else_reviewed_the_last(begun: House) -> None:
    """Not the one who broke it, not an operator, and once."""
    begun.write_ledger(**OTHER_ROUTE)
    broken(begun)
    begun.write_ledger(**OTHER_ROUTE)
    assert code_of(broken(begun)) is Code.NOT_REVIEWED
    assert code_of(broken(begun, "priya")) is Code.NOT_REVIEWED
    assert code_of(emergency.review(begun.site, begun.people["aaron"])) is Code.SELF_APPROVAL
    assert code_of(emergency.review(begun.site, begun.people["olivia"])) is Code.NOT_APPROVER
    terminal = Actor(kind=ActorKind.OS, id="priya", roles=frozenset(Role))
    access = begun.site.access.model_copy(update={"approvers": frozenset({"UAARON", "UPRIYA", "os:priya"})})
    elsewhere = Site.at(begun.target, access, begun.clock)
    assert code_of(emergency.review(elsewhere, terminal)) is Code.IDENTITY_UNPROVEN
    reviewed = emergency.review(begun.site, begun.people["priya"], "it was right")
    assert isinstance(reviewed, emergency.Reviewed)
    receipt = reviewed.sealed.receipt
    assert (receipt.action, receipt.actor.id, receipt.reason) == (Action.REVIEW, "UPRIYA", "it was right")
    assert receipt.operation == begun.site.journal.receipts()[-2].receipt.operation
    assert code_of(emergency.review(begun.site, begun.people["priya"])) is Code.NOTHING_TO_REVIEW
    assert isinstance(broken(begun), outcomes.Moved)
    assert begun.setting("NOVA_ANR_PILOT") == "0.50"


def test_the_scheduled_run_does_not_build_on_a_break_glass(begun: House) -> None:
    """What one person decided alone is followed by a step that a person asks for, and another approves."""
    request = operations.propose(begun.site, Order(begun.people["olivia"]))
    assert isinstance(request, outcomes.Asked)
    approving.approve(begun.site, begun.people["aaron"], request.approval.id)
    assert not begun.site.journal.state().person_required
    begun.write_ledger(**OTHER_ROUTE)
    moved = broken(begun)
    assert isinstance(moved, outcomes.Moved)
    assert moved.applied
    assert begun.site.journal.state().person_required


def test_the_same_cause_breaks_the_glass_once(begun: House) -> None:
    """A modal that is delivered twice promotes once."""
    begun.write_ledger(**OTHER_ROUTE)
    broken(begun, cause="view:1")
    begun.write_ledger(**OTHER_ROUTE)
    assert code_of(broken(begun, cause="view:1")) is Code.ALREADY_DONE
    assert begun.setting("NOVA_ANR_PILOT") == "0.25"


def test_without_a_setting_a_brake_asks_nobody(begun: House) -> None:
    """Rollback and freeze happen at once."""
    assert isinstance(emergency.brake(begun.site, Approvable.ROLLBACK, Order(begun.people["max"], "errors")), Braked)
    assert isinstance(emergency.brake(begun.site, Approvable.FREEZE, Order(begun.people["max"], "errors")), Braked)
    assert begun.site.journal.pending() == ()
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"


@pytest.mark.parametrize("action", [Approvable.ROLLBACK, Approvable.FREEZE])
def test_where_a_brake_needs_an_approval_it_waits_and_then_acts_first(begun: House, action: Approvable) -> None:
    """The approval makes the router safe although another operation holds the lock; the request ends, once."""
    site = ruled(begun, action, 1)
    asked = emergency.brake(site, action, Order(begun.people["max"], "errors"))
    assert isinstance(asked, outcomes.Asked)
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"
    refused = approving.approve(site, begun.people["olivia"], asked.approval.id)
    assert code_of(refused) is Code.NOT_APPROVER
    begun.clock.pass_(minutes=2)
    braked = approving.approve(site, begun.people["aaron"], asked.approval.id)
    assert isinstance(braked, Braked)
    assert (braked.safe, braked.problems) == (True, ())
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"
    assert site.journal.state().frozen == (action is Approvable.FREEZE)
    assert braked.sealed is not None
    receipt = braked.sealed.receipt
    assert (receipt.operation, receipt.actor.id, receipt.reason) == (asked.approval.id, "UMAX", "errors")
    ended = site.journal.approval(asked.approval.id)
    assert ended is not None
    assert (ended.status, ended.signatures[0].actor.id) == (ApprovalStatus.APPROVED, "UAARON")
    assert code_of(approving.approve(site, begun.people["priya"], asked.approval.id)) is Code.APPROVAL_OVER
    assert [one.receipt.action for one in site.journal.receipts()].count(Action(action)) == 1


def test_an_approved_brake_waits_for_no_operation_under_way(begun: House) -> None:
    """The lock is held: the router is safe all the same, and the request is ended by the next sweep."""
    site = ruled(begun, Approvable.ROLLBACK, 1)
    asked = emergency.brake(site, Approvable.ROLLBACK, Order(begun.people["max"], "errors"))
    assert isinstance(asked, outcomes.Asked)
    with operation_lock(begun.target.run_dir, "something long", begun.clock()):
        braked = approving.approve(site, begun.people["aaron"], asked.approval.id)
    assert isinstance(braked, Braked)
    assert braked.safe
    assert "still open" in braked.problems[-1]
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"
    (ended,) = approving.sweep(site)
    assert ended.approval.status is ApprovalStatus.APPROVED
    assert site.journal.pending() == ()


def test_of_two_approvals_of_a_brake_the_second_acts(begun: House) -> None:
    """The first is recorded and the same person cannot give both."""
    site = ruled(begun, Approvable.ROLLBACK, 2)
    asked = emergency.brake(site, Approvable.ROLLBACK, Order(begun.people["max"], "errors"))
    assert isinstance(asked, outcomes.Asked)
    assert isinstance(approving.approve(site, begun.people["aaron"], asked.approval.id), outcomes.Signed)
    assert code_of(approving.approve(site, begun.people["aaron"], asked.approval.id)) is Code.ALREADY_DONE
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"
    assert isinstance(approving.approve(site, begun.people["priya"], asked.approval.id), Braked)
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"


def test_a_request_for_a_brake_stays_valid_when_the_rollout_moves(begun: House) -> None:
    """The safe settings are right at any stage: a promotion meanwhile does not make the rollback stale."""
    site = ruled(begun, Approvable.ROLLBACK, 1)
    asked = emergency.brake(site, Approvable.ROLLBACK, Order(begun.people["max"], "errors"))
    assert isinstance(asked, outcomes.Asked)
    promotion = operations.propose(site, Order(begun.people["olivia"]))
    assert isinstance(promotion, outcomes.Asked)
    assert isinstance(approving.approve(site, begun.people["aaron"], promotion.approval.id), outcomes.Moved)
    assert approving.sweep(site) == ()
    assert isinstance(approving.approve(site, begun.people["priya"], asked.approval.id), Braked)
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"


def test_at_once_passes_over_the_approvers_and_names_them(begun: House) -> None:
    """Whoever may brake may break the glass of a brake; the receipt is marked."""
    site = ruled(begun, Approvable.FREEZE, 1)
    braked = emergency.brake(site, Approvable.FREEZE, Order(begun.people["max"], "errors"), at_once=True)
    assert isinstance(braked, Braked)
    assert braked.sealed is not None
    assert braked.sealed.receipt.break_glass is not None
    assert braked.sealed.receipt.break_glass.skipped == ("UAARON", "UPRIYA")
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"


def test_what_is_no_person_brakes_at_once_whatever_the_settings_say(begun: House) -> None:
    """An alert asks nobody."""
    site = ruled(begun, Approvable.FREEZE, 1)
    alert = Actor(kind=ActorKind.SCHEDULER, id="alert", roles=frozenset({Role.BRAKE}))
    assert isinstance(emergency.brake(site, Approvable.FREEZE, Order(alert, "errors")), Braked)
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"


def test_a_brake_that_cannot_be_asked_for_acts_at_once(begun: House) -> None:
    """Nobody could approve it, or the journal cannot keep the request: only somebody's no may hold a brake back."""
    access = begun.site.access.model_copy(update={"rules": {Approvable.ROLLBACK: ApprovalRule(needed=5)}})
    site = Site.at(begun.target, access, begun.clock)
    assert isinstance(emergency.brake(site, Approvable.ROLLBACK, Order(begun.people["max"], "errors")), Braked)
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"


def test_a_brake_whose_request_the_journal_cannot_keep_acts_at_once(begun: House) -> None:
    """A broken journal stops no brake; the receipt waits in the brake's notes."""
    site = ruled(begun, Approvable.ROLLBACK, 1)
    begun.target.journal.rename(begun.target.journal.with_suffix(".away"))
    begun.target.journal.mkdir()
    with pytest.raises(JournalUnavailable):
        site.journal.pending()
    braked = emergency.brake(site, Approvable.ROLLBACK, Order(begun.people["max"], "errors"))
    assert isinstance(braked, Braked)
    assert braked.safe
    assert braked.sealed is None
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"


def test_who_may_not_brake_may_not_ask_for_it_either(begun: House) -> None:
    """Somebody without the role gets the refusal, and nothing waits."""
    site = ruled(begun, Approvable.ROLLBACK, 1)
    nobody = Actor(kind=ActorKind.SLACK, id="UGUEST")
    refused = emergency.brake(site, Approvable.ROLLBACK, Order(nobody, "errors"))
    assert isinstance(refused, Refuse)
    assert refused.code is Code.NOT_ALLOWED
    assert site.journal.pending() == ()


@pytest.mark.parametrize(
    ("requester", "approvers", "needed", "said"),
    [
        ("U1", {"U1"}, 1, "the settings name nobody who may"),
        ("U1", {"U2"}, 1, None),
        ("U1", {"U2"}, 2, "2 other people have to, and the settings name U2 who may"),
        ("U1", {"S9"}, 2, None),
        ("os:ann", {"U2"}, 1, "U2 cannot: this was asked for from the terminal"),
        ("U1", {"os:bob"}, 1, "os:bob cannot: this was asked for from Slack"),
        ("os:ann", {"os:bob"}, 1, None),
    ],
    ids=["only-oneself", "another", "too-few", "a-group", "terminal-to-slack", "slack-to-terminal", "terminal-to-terminal"],
)
def test_it_is_said_at_once_when_nobody_could_approve(requester: str, approvers: set[str], needed: int, said: str | None) -> None:
    """Who may not, why, and what to change in the settings."""
    kind = ActorKind.OS if requester.startswith("os:") else ActorKind.SLACK
    actor = Actor(kind=kind, id=requester.removeprefix("os:"))
    refusal = nobody_eligible(actor, ApprovalRule(needed=needed, approvers=frozenset(approvers)))
    assert (refusal is None) == (said is None)
    if refusal is not None and said is not None:
        assert said in refusal.text
        assert "add somebody to `approvers` in the settings" in refusal.text
        assert ("`people`" in refusal.text) == ("cannot" in said)


def test_a_button_for_now_with_the_id_of_another_request_brakes_and_ends_no_other(begun: House) -> None:
    """What the button carries is outside text: the brake acts, the promotion that has this id goes on waiting."""
    asked = operations.propose(begun.site, Order(begun.people["olivia"]))
    assert isinstance(asked, outcomes.Asked)
    braked = emergency.brake_now(begun.site, Approvable.ROLLBACK, begun.people["max"], asked.approval.id)
    assert isinstance(braked, Braked)
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"
    waiting = begun.site.journal.approval(asked.approval.id)
    assert waiting is not None
    assert (waiting.status, waiting.note) == (ApprovalStatus.PENDING, "")
