from dataclasses import replace

import pytest

from core.actors import Role
from core.brake import brake
from core.brake.hold import hold_promotions
from core.operations import requests
from core.operations.end_drift import accept, reapply
from core.operations.results import Asked, Ended, Moved, Refused
from core.receipts.receipt import Action, Result
from core.rollout.approvals import ApprovalStatus
from core.rollout.refusals import Code
from core.rollout.state import OpenDrift
from core.router.marks import BrakeNote
from core.target.order import Order
from core.watch.watch import watch
from tests.core.watch.test_watch import actions, set_by_hand
from tests.support.promoting import promoted
from tests.support.rig import Rig


def code_of(result: object) -> Code:
    assert isinstance(result, Refused), result
    return result.refusal.code


def test_an_approver_puts_the_journals_settings_back(begun: Rig) -> None:
    """Re-applying less traffic than is shown needs no gates; the router is seen to have it, and the story ends."""
    set_by_hand(begun, NOVA_ANR_PILOT="0.50")
    watch(begun.target)
    begun.settings.ledger.unlink()
    result = reapply(begun.target, Order(begun.people["aaron"], "nobody asked for 50"))
    assert isinstance(result, Moved)
    assert result.applied
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"
    state = begun.target.journal.state()
    assert (state.stage, state.drift, state.unsettled) == (10, None, None)
    alarm = next(
        sealed_receipt.receipt
        for sealed_receipt in begun.target.journal.receipts()
        if sealed_receipt.receipt.action is Action.DRIFT
    )
    assert result.sealed.receipt.operation == alarm.operation


def test_an_approver_adopts_what_the_router_shows(begun: Rig) -> None:
    """Accepting less traffic needs no gates; nothing is written, and the next promotion needs a person."""
    promoted(begun)
    set_by_hand(begun, NOVA_ANR_PILOT="0.10")
    begun.settings.ledger.unlink()
    before = begun.settings.settings_file.read_bytes()
    result = accept(begun.target, Order(begun.people["aaron"], "I pulled it down"))
    assert isinstance(result, Moved)
    state = begun.target.journal.state()
    assert (state.stage, state.person_required, state.drift) == (10, True, None)
    assert begun.settings.settings_file.read_bytes() == before


@pytest.mark.parametrize("end", [reapply, accept], ids=["reapply", "accept"])
def test_whatever_leaves_more_traffic_needs_passing_gates(begun: Rig, end: object) -> None:
    """Neither way around a drift is a way around the gates."""
    if end is reapply:
        promoted(begun)
    set_by_hand(begun, NOVA_ANR_PILOT="0.10" if end is reapply else "0.25")
    begun.statuses["slot09"] = "sick"
    result = end(begun.target, Order(begun.people["aaron"]))  # type: ignore[operator]
    assert isinstance(result, Refused)
    assert result.refusal.code is Code.GATES_NOT_PASSED
    assert begun.setting("NOVA_ANR_PILOT") == ("0.10" if end is reapply else "0.25")
    begun.statuses["slot09"] = "healthy"
    asked = end(begun.target, Order(begun.people["aaron"]))  # type: ignore[operator]
    assert isinstance(asked, Asked)
    assert begun.setting("NOVA_ANR_PILOT") == ("0.10" if end is reapply else "0.25")
    own = requests.approve(begun.target, begun.people["aaron"], asked.approval.id)
    assert isinstance(own, Refused)
    assert own.refusal.code is Code.SELF_APPROVAL
    (gathered,) = requests.reexamine(begun.target)
    assert (gathered.against, gathered.report.gates.verdict_digest) == (None, asked.approval.verdict_digest)
    ended = requests.approve(begun.target, begun.people["priya"], asked.approval.id)
    assert isinstance(ended, Moved)
    assert begun.setting("NOVA_ANR_PILOT") == "0.25"
    state = begun.target.journal.state()
    assert (state.stage, state.drift, begun.target.facts().drift) == (25, None, None)
    receipt = next(
        sealed_receipt.receipt
        for sealed_receipt in begun.target.journal.of_request(asked.approval.id)
        if sealed_receipt.receipt.action != "request"
    )
    assert [signature.actor.id for signature in receipt.approvals] == ["UPRIYA"]


def test_a_drift_upwards_is_ended_by_one_stage_that_has_soaked(begun: Rig) -> None:
    """Who edits the file two stages up, or before the soak is over, gets nothing accepted; nor put back what was taken down."""
    begun.target = replace(begun.target, settings=begun.settings.model_copy(update={"soak_hours": 48}))
    approver = Order(begun.people["aaron"])
    set_by_hand(begun, NOVA_ANR_PILOT="0.25")
    assert code_of(accept(begun.target, approver)) is Code.SOAKING
    begun.target = replace(begun.target, settings=begun.settings.model_copy(update={"soak_hours": 0}))
    set_by_hand(begun, NOVA_ANR_PILOT="0.50")
    assert code_of(accept(begun.target, approver)) is Code.NOT_NEXT_STAGE
    set_by_hand(begun, NOVA_ANR_PILOT="0.10")
    promoted(begun)
    set_by_hand(begun, NOVA_ANR_PILOT="0.10")
    begun.target = replace(begun.target, settings=begun.settings.model_copy(update={"soak_hours": 48}))
    assert code_of(reapply(begun.target, approver)) is Code.SOAKING


def test_a_request_to_end_a_drift_is_void_once_the_drift_is_another(begun: Rig) -> None:
    """What was asked for is bound to the stage that the router showed."""
    set_by_hand(begun, NOVA_ANR_PILOT="0.25")
    asked = accept(begun.target, Order(begun.people["aaron"]))
    assert isinstance(asked, Asked)
    set_by_hand(begun, NOVA_ANR_PILOT="0.50")
    ended = requests.approve(begun.target, begun.people["priya"], asked.approval.id)
    assert isinstance(ended, Ended)
    assert ended.approval.status is ApprovalStatus.STALE
    assert begun.target.journal.state().stage == 10


@pytest.mark.parametrize("who", ["olivia", "max"])
def test_only_an_approver_ends_a_drift(begun: Rig, who: str) -> None:
    """An operator who does not approve, and a member, change nothing."""
    assert Role.APPROVE not in begun.people[who].roles
    set_by_hand(begun, NOVA_ANR_PILOT="0.50")
    for end in (reapply, accept):
        result = end(begun.target, Order(begun.people[who]))
        assert isinstance(result, Refused)
        assert result.refusal.code is Code.NOT_ALLOWED
    assert begun.setting("NOVA_ANR_PILOT") == "0.50"


def test_the_buttons_of_a_drift_that_is_over_do_nothing(begun: Rig) -> None:
    """A click on an old alarm does not end the drift of today."""
    set_by_hand(begun, NOVA_ANR_PILOT="0.50")
    watch(begun.target)
    old = begun.target.journal.state().drift
    assert isinstance(old, OpenDrift)
    set_by_hand(begun, NOVA_ANR_PILOT="0.10")
    watch(begun.target)
    for end in (reapply, accept):
        result = end(begun.target, Order(begun.people["aaron"]), old.operation)
        assert isinstance(result, Refused)
        assert result.refusal.code is Code.NO_DRIFT
    set_by_hand(begun, NOVA_ANR_PILOT="0.75")
    watch(begun.target)
    result = accept(begun.target, Order(begun.people["aaron"]), old.operation)
    assert isinstance(result, Refused)
    assert result.refusal.code is Code.NO_DRIFT


def test_under_a_freeze_only_the_safe_settings_can_be_put_back(begun: Rig) -> None:
    """Somebody opened the router by hand while it was frozen: accepting is refused, re-applying makes it safe."""
    brake.freeze(begun.target, begun.people["olivia"], "errors")
    set_by_hand(begun, NOVA_ANR_KILL="0", NOVA_ANR_ENABLED="1", NOVA_ANR_PILOT="0.10")
    refused = accept(begun.target, Order(begun.people["aaron"]))
    assert isinstance(refused, Refused)
    assert refused.refusal.code is Code.FROZEN
    result = reapply(begun.target, Order(begun.people["aaron"]))
    assert isinstance(result, Moved)
    assert result.applied
    assert (begun.setting("NOVA_ANR_KILL"), begun.setting("NOVA_ANR_ENABLED")) == ("1", "0")
    assert begun.target.journal.state().frozen


def test_what_was_switched_off_by_hand_climbs_again_by_one_stage(begun: Rig) -> None:
    """From nothing to 25% is more than a step, whatever the journal says."""
    promoted(begun)
    begun.clock.pass_(minutes=3)
    set_by_hand(begun, NOVA_ANR_ENABLED="0")
    begun.write_ledger(live=None)
    assert code_of(reapply(begun.target, Order(begun.people["aaron"]))) is Code.NOT_NEXT_STAGE
    assert begun.target.router.settings().stage == 0


@pytest.mark.parametrize("action", [Action.ROLLBACK, Action.FREEZE])
@pytest.mark.parametrize("end", [reapply, accept])
def test_a_brake_that_is_not_recorded_yet_is_no_drift_to_end(begun: Rig, end: object, action: Action) -> None:
    """What it wrote looks like a drift to the journal; nobody may put the traffic back from there, or take it for a stage."""
    assert callable(end)
    promoted(begun)
    target = begun.target
    mark = BrakeNote(id="b" * 32, action=action, actor=begun.people["max"], reason="errors", cause=None, at=begun.clock.now)
    target.brake.engage(mark)
    target.router.make_safe()
    begun.clock.pass_(minutes=3)
    result = end(target, Order(begun.people["aaron"], "put it back"))
    assert isinstance(result, Refused)
    assert result.refusal.code is Code.BRAKE_ENGAGED
    assert target.router.settings().stage == 0
    assert actions(begun)[-1] == "promote"


def test_a_guardrail_changed_by_hand_is_put_back_or_accepted(begun: Rig) -> None:
    """A raised fast cap is a drift although the stage is the same."""
    promoted(begun)
    set_by_hand(begun, NOVA_ANR_MAX_FAST_PROB="0.90")
    watch(begun.target)
    assert "NOVA_ANR_MAX_FAST_PROB is 0.90" in begun.target.journal.receipts()[-1].receipt.note
    result = reapply(begun.target, Order(begun.people["aaron"]))
    assert isinstance(result, Moved)
    assert begun.setting("NOVA_ANR_MAX_FAST_PROB") == "0.15"
    set_by_hand(begun, NOVA_ANR_MAX_FAST_PROB="0.10")
    assert isinstance(accept(begun.target, Order(begun.people["aaron"])), Moved)
    assert begun.target.facts().drift is None


def test_accepting_what_is_no_stage_is_refused(begun: Rig) -> None:
    """Nobody adopts a pilot that is not on the ladder, or a router that merely does not follow."""
    set_by_hand(begun, NOVA_ANR_PILOT="0.33")
    result = accept(begun.target, Order(begun.people["aaron"]))
    assert isinstance(result, Refused)
    assert result.refusal.code is Code.NOT_ON_LADDER
    set_by_hand(begun, NOVA_ANR_PILOT="0.10")
    begun.clock.pass_(minutes=6)
    begun.write_ledger(live={"route": "R2", "pilot": 0.25})
    result = accept(begun.target, Order(begun.people["aaron"]))
    assert isinstance(result, Refused)
    assert result.refusal.code is Code.NOTHING_TO_ACCEPT


def test_under_a_hold_no_way_around_a_drift_raises_traffic(begun: Rig) -> None:
    """Re-applying or accepting more than is shown is a promotion in disguise, and promotions are held."""
    promoted(begun)
    hold_promotions(begun.target, Order(begun.people["olivia"], "the fair"))
    for pilot, end in (("0.10", reapply), ("0.50", accept)):
        set_by_hand(begun, NOVA_ANR_PILOT=pilot)
        result = end(begun.target, Order(begun.people["aaron"]))
        assert isinstance(result, Refused)
        assert result.refusal.code is Code.FROZEN
        assert begun.setting("NOVA_ANR_PILOT") == pilot
    assert isinstance(reapply(begun.target, Order(begun.people["aaron"])), Moved)
    assert begun.setting("NOVA_ANR_PILOT") == "0.25"


def test_a_reapplication_that_failed_says_so_and_leaves_the_drift_open(begun: Rig) -> None:
    """The reload failed: the outcome is not applied, and nobody takes the drift for ended."""
    set_by_hand(begun, NOVA_ANR_PILOT="0.50")
    watch(begun.target)
    begun.target.router._target = begun.settings.model_copy(update={"reload_command": ("/nonexistent/reload",)})
    result = reapply(begun.target, Order(begun.people["aaron"]))
    assert isinstance(result, Moved)
    assert result.sealed.receipt.result is Result.NOT_APPLIED
    assert begun.target.journal.state().drift is not None
