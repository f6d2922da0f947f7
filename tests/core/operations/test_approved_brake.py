import inspect

import pytest

from core.actors import Actor, ActorKind, Approvable, ApprovalRule, Role
from core.brake.brake import Braked
from core.errors import JournalUnavailable
from core.operations import approved_brake, propose, requests, results
from core.receipts.receipt import Action
from core.rollout.approvals import ApprovalStatus, nobody_eligible
from core.rollout.refusals import Code, Refuse
from core.target.lock import operation_lock
from core.target.order import Order
from core.target.target import Target
from tests.core.operations.test_break_glass import code_of
from tests.support.rig import Rig


def ruled(rig: Rig, action: Approvable, needed: int) -> Target:
    access = rig.target.access.model_copy(update={"rules": {action: ApprovalRule(needed=needed)}})
    return Target.at(rig.settings, access, rig.clock)


def test_without_a_setting_a_brake_asks_nobody(begun: Rig) -> None:
    """Rollback and freeze happen at once."""
    assert isinstance(approved_brake.brake(begun.target, Approvable.ROLLBACK, Order(begun.people["max"], "errors")), Braked)
    assert isinstance(approved_brake.brake(begun.target, Approvable.FREEZE, Order(begun.people["max"], "errors")), Braked)
    assert begun.target.journal.pending() == ()
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"


@pytest.mark.parametrize("action", [Approvable.ROLLBACK, Approvable.FREEZE])
def test_where_a_brake_needs_an_approval_it_waits_and_then_acts_first(begun: Rig, action: Approvable) -> None:
    """The approval makes the router safe although another operation holds the lock; the request ends, once."""
    target = ruled(begun, action, 1)
    asked = approved_brake.brake(target, action, Order(begun.people["max"], "errors"))
    assert isinstance(asked, results.Asked)
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"
    refused = requests.approve(target, begun.people["olivia"], asked.approval.id)
    assert code_of(refused) is Code.NOT_APPROVER
    begun.clock.pass_(minutes=2)
    braked = requests.approve(target, begun.people["aaron"], asked.approval.id)
    assert isinstance(braked, Braked)
    assert (braked.safe, braked.problems) == (True, ())
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"
    assert target.journal.state().frozen == (action is Approvable.FREEZE)
    assert braked.sealed is not None
    receipt = braked.sealed.receipt
    assert (receipt.operation, receipt.actor.id, receipt.reason) == (asked.approval.id, "UMAX", "errors")
    ended = target.journal.approval(asked.approval.id)
    assert ended is not None
    assert (ended.status, ended.signatures[0].actor.id) == (ApprovalStatus.APPROVED, "UAARON")
    assert code_of(requests.approve(target, begun.people["priya"], asked.approval.id)) is Code.APPROVAL_OVER
    assert [sealed_receipt.receipt.action for sealed_receipt in target.journal.receipts()].count(Action(action)) == 1


def test_an_approved_brake_waits_for_no_operation_under_way(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is held: the router is safe all the same, and the request is ended by the next sweep."""
    monkeypatch.setitem(inspect.unwrap(operation_lock).__kwdefaults__, "wait_s", 0.1)  # what is recorded afterwards waits
    target = ruled(begun, Approvable.ROLLBACK, 1)
    asked = approved_brake.brake(target, Approvable.ROLLBACK, Order(begun.people["max"], "errors"))
    assert isinstance(asked, results.Asked)
    with operation_lock(begun.settings.run_dir, "something long", begun.clock()):
        braked = requests.approve(target, begun.people["aaron"], asked.approval.id)
    assert isinstance(braked, Braked)
    assert braked.safe
    assert "still open" in braked.problems[-1]
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"
    (ended,) = requests.sweep(target)
    assert ended.approval.status is ApprovalStatus.APPROVED
    assert target.journal.pending() == ()


def test_of_two_approvals_of_a_brake_the_second_acts(begun: Rig) -> None:
    """The first is recorded and the same person cannot give both."""
    target = ruled(begun, Approvable.ROLLBACK, 2)
    asked = approved_brake.brake(target, Approvable.ROLLBACK, Order(begun.people["max"], "errors"))
    assert isinstance(asked, results.Asked)
    assert isinstance(requests.approve(target, begun.people["aaron"], asked.approval.id), results.Signed)
    assert code_of(requests.approve(target, begun.people["aaron"], asked.approval.id)) is Code.ALREADY_DONE
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"
    assert isinstance(requests.approve(target, begun.people["priya"], asked.approval.id), Braked)
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"


def test_a_request_for_a_brake_stays_valid_when_the_rollout_moves(begun: Rig) -> None:
    """The safe settings are right at any stage: a promotion meanwhile does not make the rollback stale."""
    target = ruled(begun, Approvable.ROLLBACK, 1)
    asked = approved_brake.brake(target, Approvable.ROLLBACK, Order(begun.people["max"], "errors"))
    assert isinstance(asked, results.Asked)
    promotion = propose.propose(target, Order(begun.people["olivia"]))
    assert isinstance(promotion, results.Asked)
    assert isinstance(requests.approve(target, begun.people["aaron"], promotion.approval.id), results.Moved)
    assert requests.sweep(target) == ()
    assert isinstance(requests.approve(target, begun.people["priya"], asked.approval.id), Braked)
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"


def test_at_once_passes_over_the_approvers_and_names_them(begun: Rig) -> None:
    """Whoever may brake may break the glass of a brake; the receipt is marked."""
    target = ruled(begun, Approvable.FREEZE, 1)
    braked = approved_brake.brake(target, Approvable.FREEZE, Order(begun.people["max"], "errors"), at_once=True)
    assert isinstance(braked, Braked)
    assert braked.sealed is not None
    assert braked.sealed.receipt.break_glass is not None
    assert braked.sealed.receipt.break_glass.skipped == ("UAARON", "UPRIYA")
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"


def test_what_is_no_person_brakes_at_once_whatever_the_settings_say(begun: Rig) -> None:
    """An alert asks nobody."""
    target = ruled(begun, Approvable.FREEZE, 1)
    alert = Actor(kind=ActorKind.SCHEDULER, id="alert", roles=frozenset({Role.BRAKE}))
    assert isinstance(approved_brake.brake(target, Approvable.FREEZE, Order(alert, "errors")), Braked)
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"


def test_a_brake_that_cannot_be_asked_for_acts_at_once(begun: Rig) -> None:
    """Nobody could approve it, or the journal cannot keep the request: only somebody's no may hold a brake back."""
    access = begun.target.access.model_copy(update={"rules": {Approvable.ROLLBACK: ApprovalRule(needed=5)}})
    target = Target.at(begun.settings, access, begun.clock)
    assert isinstance(approved_brake.brake(target, Approvable.ROLLBACK, Order(begun.people["max"], "errors")), Braked)
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"


def test_a_brake_whose_request_the_journal_cannot_keep_acts_at_once(begun: Rig) -> None:
    """A broken journal stops no brake; the receipt waits in the brake's notes."""
    target = ruled(begun, Approvable.ROLLBACK, 1)
    begun.settings.journal.rename(begun.settings.journal.with_suffix(".away"))
    begun.settings.journal.mkdir()
    with pytest.raises(JournalUnavailable):
        target.journal.pending()
    braked = approved_brake.brake(target, Approvable.ROLLBACK, Order(begun.people["max"], "errors"))
    assert isinstance(braked, Braked)
    assert braked.safe
    assert braked.sealed is None
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"


def test_who_may_not_brake_may_not_ask_for_it_either(begun: Rig) -> None:
    """Somebody without the role gets the refusal, and nothing waits."""
    target = ruled(begun, Approvable.ROLLBACK, 1)
    nobody = Actor(kind=ActorKind.SLACK, id="UGUEST")
    refused = approved_brake.brake(target, Approvable.ROLLBACK, Order(nobody, "errors"))
    assert isinstance(refused, Refuse)
    assert refused.code is Code.NOT_ALLOWED
    assert target.journal.pending() == ()


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


def test_a_button_for_now_with_the_id_of_another_request_brakes_and_ends_no_other(begun: Rig) -> None:
    """What the button carries is outside text: the brake acts, the promotion that has this id goes on waiting."""
    asked = propose.propose(begun.target, Order(begun.people["olivia"]))
    assert isinstance(asked, results.Asked)
    braked = approved_brake.brake_now(begun.target, Approvable.ROLLBACK, begun.people["max"], asked.approval.id)
    assert isinstance(braked, Braked)
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"
    waiting = begun.target.journal.approval(asked.approval.id)
    assert waiting is not None
    assert (waiting.status, waiting.note) == (ApprovalStatus.PENDING, "")
