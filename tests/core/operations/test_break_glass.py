"""To act alone: promotion against failing gates and its review; brakes where the settings want an approval for them."""

from typing import Any

import pytest

from core.actors import Actor, ActorKind, Role
from core.brake import brake
from core.operations import break_glass, propose, requests, results
from core.receipts.receipt import Action, Phase
from core.rollout.refusals import Code
from core.target.order import Order
from core.target.target import Target
from tests.support.rig import Rig

WHY = "the canary is wrong, see the incident"
OTHER_ROUTE: dict[str, Any] = {"live": {"route": "R3", "pilot": 0.10}}
"""A ledger in which no live decision took shadow's route: RSI fails."""


def broken(rig: Rig, who: str = "aaron", reason: str = WHY, cause: str | None = None) -> results.Moved | results.Refused:
    return break_glass.break_glass(rig.target, Order(rig.people[who], reason, cause))


def code_of(result: object) -> Code:
    assert isinstance(result, results.Refused), result
    return result.refusal.code


def test_an_approver_alone_promotes_against_a_failing_gate_and_the_receipt_says_so(begun: Rig) -> None:
    """Stage, settings and both receipts: which gates failed, and who was not waited for."""
    begun.write_ledger(**OTHER_ROUTE)
    moved = broken(begun)
    assert isinstance(moved, results.Moved)
    assert moved.applied
    assert begun.setting("NOVA_ANR_PILOT") == "0.25"
    intent, outcome = (sealed.receipt for sealed in begun.target.journal.receipts()[-2:])
    assert (intent.phase, outcome.phase) == (Phase.INTENT, Phase.OUTCOME)
    for receipt in (intent, outcome):
        assert receipt.break_glass is not None
        assert receipt.break_glass.gates == ("rsi",)
        assert receipt.break_glass.skipped == ("UPRIYA",)
        assert (receipt.actor.id, receipt.reason) == ("UAARON", WHY)
    assert begun.target.journal.verify()[1] == ()


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
def test_the_glass_is_not_broken(begun: Rig, who: str, reason: str, spoil: dict[str, Any], code: Code) -> None:
    """Only an approver, with a reason, and only against gates that fail; nothing is recorded otherwise."""
    begun.write_ledger(**spoil)
    before = len(begun.target.journal.receipts())
    assert code_of(broken(begun, who, reason)) is code
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"
    assert len(begun.target.journal.receipts()) == before


def test_no_data_beside_a_failing_gate_stops_the_glass_too(begun: Rig) -> None:
    """Passing over what fails does not pass over what nobody can see."""
    begun.write_ledger(**OTHER_ROUTE)
    begun.clock.pass_(hours=1)  # the newest entry is an hour old
    result = broken(begun)
    assert code_of(result) is Code.GATES_NOT_PASSED
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"


def test_a_freeze_is_not_passed_over(begun: Rig) -> None:
    """The brake is stronger than any glass."""
    begun.write_ledger(**OTHER_ROUTE)
    brake.freeze(begun.target, begun.people["max"], "errors")
    assert code_of(broken(begun)) is Code.FROZEN
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"


def test_the_next_break_glass_waits_until_somebody_else_reviewed_the_last(begun: Rig) -> None:
    """Not the one who broke it, not an operator, and once."""
    begun.write_ledger(**OTHER_ROUTE)
    broken(begun)
    begun.write_ledger(**OTHER_ROUTE)
    assert code_of(broken(begun)) is Code.NOT_REVIEWED
    assert code_of(broken(begun, "priya")) is Code.NOT_REVIEWED
    assert code_of(break_glass.review(begun.target, begun.people["aaron"])) is Code.SELF_APPROVAL
    assert code_of(break_glass.review(begun.target, begun.people["olivia"])) is Code.NOT_APPROVER
    terminal = Actor(kind=ActorKind.OS, id="priya", roles=frozenset(Role))
    access = begun.target.access.model_copy(update={"approvers": frozenset({"UAARON", "UPRIYA", "os:priya"})})
    elsewhere = Target.at(begun.settings, access, begun.clock)
    assert code_of(break_glass.review(elsewhere, terminal)) is Code.IDENTITY_UNPROVEN
    reviewed = break_glass.review(begun.target, begun.people["priya"], "it was right")
    assert isinstance(reviewed, break_glass.Reviewed)
    receipt = reviewed.sealed.receipt
    assert (receipt.action, receipt.actor.id, receipt.reason) == (Action.REVIEW, "UPRIYA", "it was right")
    assert receipt.operation == begun.target.journal.receipts()[-2].receipt.operation
    assert code_of(break_glass.review(begun.target, begun.people["priya"])) is Code.NOTHING_TO_REVIEW
    assert isinstance(broken(begun), results.Moved)
    assert begun.setting("NOVA_ANR_PILOT") == "0.50"


def test_the_scheduled_run_does_not_build_on_a_break_glass(begun: Rig) -> None:
    """What one person decided alone is followed by a step that a person asks for, and another approves."""
    request = propose.propose(begun.target, Order(begun.people["olivia"]))
    assert isinstance(request, results.Asked)
    requests.approve(begun.target, begun.people["aaron"], request.approval.id)
    assert not begun.target.journal.state().person_required
    begun.write_ledger(**OTHER_ROUTE)
    moved = broken(begun)
    assert isinstance(moved, results.Moved)
    assert moved.applied
    assert begun.target.journal.state().person_required


def test_the_same_cause_breaks_the_glass_once(begun: Rig) -> None:
    """A modal that is delivered twice promotes once."""
    begun.write_ledger(**OTHER_ROUTE)
    broken(begun, cause="view:1")
    begun.write_ledger(**OTHER_ROUTE)
    assert code_of(broken(begun, cause="view:1")) is Code.ALREADY_DONE
    assert begun.setting("NOVA_ANR_PILOT") == "0.25"
