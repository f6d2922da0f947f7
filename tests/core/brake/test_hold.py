from datetime import timedelta

import pytest

from core.actors import Actor, ActorKind
from core.brake import brake, hold
from core.errors import OperationBusy
from core.operations import propose, requests, results
from core.receipts.receipt import Action
from core.rollout.refusals import Code, Refuse
from core.target.lock import operation_lock
from core.target.order import Order
from core.watch import recover
from tests.support.rig import Rig


def held(rig: Rig, name: str = "max", reason: str = "the fair", cause: str | None = None) -> hold.Held:
    result = hold.hold_promotions(rig.target, Order(rig.people[name], reason, cause))
    assert isinstance(result, hold.Held), result
    return result


def test_a_hold_that_keeps_the_stage_leaves_the_router_alone_and_says_so(begun: Rig) -> None:
    """Not a byte of the settings changes; state and receipt say that the stage is the one before."""
    before = begun.settings.settings_file.read_bytes()
    done = held(begun)
    assert begun.settings.settings_file.read_bytes() == before
    state, receipt = begun.target.journal.state(), done.sealed.receipt
    assert (state.stage, state.frozen, state.rolled_back, state.person_required) == (10, True, False, True)
    assert (receipt.action, receipt.stage_before, receipt.stage_after) == (Action.HOLD, 10, 10)
    assert (receipt.settings_written, receipt.pilot_after) == (None, "0.10")
    assert done.stage == 10


def test_a_hold_that_keeps_the_stage_stops_every_promotion(begun: Rig) -> None:
    """Nobody can ask for the next stage, and whoever tries reads the reason."""
    held(begun)
    result = propose.propose(begun.target, Order(begun.people["olivia"]))
    assert isinstance(result, results.Refused)
    assert result.refusal.code is Code.FROZEN
    assert "the fair (UMAX)" in result.refusal.blockers


def test_a_hold_that_keeps_the_stage_survives_a_restart_without_a_rollback(begun: Rig) -> None:
    """Recovery at start makes a router safe that was rolled back, not one whose stage was kept."""
    held(begun)
    recover.recover(begun.target)
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"
    assert begun.target.journal.state().stage == 10
    assert begun.target.brake.read().frozen_by == ()


def test_a_rollback_beside_a_hold_that_keeps_the_stage_wins(begun: Rig) -> None:
    """The hold does not protect the stage against the brake, and a restart keeps the router safe."""
    held(begun)
    brake.freeze(begun.target, begun.people["max"], "errors")
    recover.recover(begun.target)
    assert begun.setting("NOVA_ANR_PILOT") == "0.00"
    assert (begun.target.journal.state().stage, len(begun.target.journal.state().holds)) == (0, 2)


def test_a_step_down_is_possible_while_the_stage_is_held(begun: Rig) -> None:
    """Less exposure is never refused because somebody held promotions."""
    held(begun)
    moved = propose.propose(begun.target, Order(begun.people["olivia"]), wanted=0)
    assert isinstance(moved, results.Moved)
    assert begun.target.journal.state().stage == 0


def test_a_lifted_hold_leaves_the_stage_as_it_was(begun: Rig) -> None:
    """Unfreezing promotes nothing and rolls nothing back."""
    held(begun)
    propose.unfreeze(begun.target, Order(begun.people["olivia"], "over"))
    assert (begun.target.journal.state().stage, begun.target.journal.state().frozen) == (10, False)
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"


def test_after_a_hold_a_person_has_to_ask_for_the_next_promotion(begun: Rig) -> None:
    """Like after any freeze the scheduled run does not go on by itself, although the stage was kept."""
    asked = propose.propose(begun.target, Order(begun.people["olivia"]))
    assert isinstance(asked, results.Asked)
    requests.approve(begun.target, begun.people["aaron"], asked.approval.id)
    assert not begun.target.journal.state().person_required
    held(begun)
    propose.unfreeze(begun.target, Order(begun.people["olivia"], "over"))
    assert begun.target.journal.state().person_required
    assert begun.target.journal.state().stage == 25


def test_one_cause_holds_once(begun: Rig) -> None:
    """A submission that is delivered twice leaves one hold, and the second says so."""
    held(begun, cause="view:V1")
    again = hold.hold_promotions(begun.target, Order(begun.people["max"], "the fair", "view:V1"))
    assert isinstance(again, Refuse)
    assert again.code is Code.ALREADY_DONE
    assert len(begun.target.journal.state().holds) == 1


def test_somebody_without_the_brake_holds_nothing(begun: Rig) -> None:
    """Guests and strangers have no role, whatever they ask for."""
    nobody = Actor(kind=ActorKind.SLACK, id="UGUEST")
    refused = hold.hold_promotions(begun.target, Order(nobody))
    assert isinstance(refused, Refuse)
    assert refused.code is Code.NOT_ALLOWED
    assert not begun.target.journal.state().frozen


def test_a_hold_with_a_time_says_when_it_ends(begun: Rig) -> None:
    """The end is the moment of asking and the time that was asked for."""
    result = hold.hold_promotions(begun.target, Order(begun.people["max"]), lasts=timedelta(hours=4))
    assert isinstance(result, hold.Held)
    assert begun.target.journal.state().holds[0].expires_at == begun.clock() + timedelta(hours=4)


def test_a_busy_operation_is_not_overtaken_by_a_hold_that_keeps_the_stage(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that nothing is held; a freeze that rolls back does not wait."""
    monkeypatch.setattr("core.brake.hold.WAIT_SECONDS", 0.05)
    with operation_lock(begun.settings.run_dir, "promote", begun.clock()), pytest.raises(OperationBusy):
        hold.hold_promotions(begun.target, Order(begun.people["max"]))
    assert not begun.target.journal.state().frozen
