import json
from datetime import timedelta

import pytest

from core.brake.brake import Braked
from core.brake.hold import hold_promotions
from core.gates.guard import GuardMode, GuardPolicy
from core.gates.report import Verdict
from core.receipts.chain import Sealed
from core.receipts.receipt import Action
from core.target.order import Order
from core.target.target import Target
from core.watch.guard import failing_looks, guard_look
from tests.core.watch.test_watch import actions
from tests.support.promoting import promoted
from tests.support.rig import Rig, decision


def guarding(rig: Rig, mode: GuardMode) -> Rig:
    target = rig.settings.model_copy(update={"guard": GuardPolicy(mode=mode)})
    return Rig(Target.at(target, rig.target.access, rig.clock), rig.clock, rig.statuses, rig.people)


def bad(rig: Rig) -> None:
    """An hour in which every live decision takes another route than shadow would have taken."""
    shadow = {**decision(rig.clock.now)["shadow"], "argmax": "R1"}
    lines = [
        json.dumps({**decision(rig.clock.now - timedelta(minutes=number)), "shadow": shadow}) for number in range(55, -1, -1)
    ]
    rig.settings.ledger.write_text("\n".join(lines) + "\n", encoding="utf-8")


def looked(rig: Rig, times: int) -> list[Braked | Sealed | None]:
    """Let the guard look every five minutes at a bad hour."""
    found = []
    for _ in range(times):
        rig.clock.pass_(minutes=5)
        bad(rig)
        found.append(guard_look(rig.target))
    return found


def test_a_sustained_failure_freezes_where_the_guard_may_act(begun: Rig) -> None:
    """Three looks in a row: the router is in its safe settings, held by the guard, with what failed as the reason."""
    rig = guarding(begun, GuardMode.ACT)
    rig.clock.pass_(hours=1)
    first, second, third = looked(rig, 3)
    assert (first, second) == (None, None)
    assert isinstance(third, Braked)
    assert third.safe
    assert rig.setting("NOVA_ANR_KILL") == "1"
    (hold,) = rig.target.journal.state().holds
    assert hold.actor.id == "guard"
    assert "3 looks in a row failed" in hold.reason
    assert "rsi: " in hold.reason
    assert looked(rig, 4) == [None] * 4
    assert actions(rig).count("freeze") == 1


def test_a_freeze_that_keeps_the_stage_is_guarded_too(begun: Rig) -> None:
    """Promotions are held, live traffic goes on: a sustained failure still brakes."""
    rig = guarding(begun, GuardMode.ACT)
    rig.clock.pass_(hours=1)
    hold_promotions(rig.target, Order(rig.people["olivia"], "the fair"))
    assert isinstance(looked(rig, 3)[-1], Braked)
    assert rig.setting("NOVA_ANR_KILL") == "1"


def test_an_observing_guard_says_once_that_it_would_have_frozen(begun: Rig) -> None:
    """One receipt per row of failures, none of which touches the router; the count survives a restart."""
    rig = guarding(begun, GuardMode.OBSERVE)
    rig.clock.pass_(hours=1)
    assert looked(rig, 2) == [None, None]
    rig = guarding(begun, GuardMode.OBSERVE)
    assert len(failing_looks(rig.target).failing) == 2
    (noted,) = looked(rig, 1)
    assert isinstance(noted, Sealed)
    assert noted.receipt.action is Action.GUARD
    assert looked(rig, 3) == [None] * 3
    assert rig.setting("NOVA_ANR_PILOT") == "0.10"
    assert not rig.target.journal.state().frozen


def test_the_guard_looks_every_five_minutes_and_not_when_it_is_off(begun: Rig) -> None:
    """Two looks within five minutes are one; switched off there is none."""
    rig = guarding(begun, GuardMode.ACT)
    rig.clock.pass_(hours=1)
    looked(rig, 1)
    bad(rig)
    for _ in range(5):
        guard_look(rig.target)
    assert len(failing_looks(rig.target).failing) == 1
    off = guarding(begun, GuardMode.OFF)
    looked(off, 5)
    assert not off.target.journal.state().frozen


def test_what_failed_before_a_step_does_not_count_after_it(begun: Rig) -> None:
    """The window never reaches back before the stage began, so that a promotion is not frozen for its past."""
    rig = guarding(begun, GuardMode.ACT)
    rig.clock.pass_(hours=1)
    looked(rig, 2)
    rig.write_ledger()
    promoted(rig)
    bad(rig)
    rig.clock.pass_(minutes=5)
    assert guard_look(rig.target) is None
    assert failing_looks(rig.target).failing == ()


def test_a_guard_without_a_ledger_has_no_data_and_looks_again_in_its_time(begun: Rig) -> None:
    """An unreadable ledger neither counts nor clears, and is not tried at every tick."""
    rig = guarding(begun, GuardMode.ACT)
    rig.clock.pass_(hours=1)
    looked(rig, 2)
    rig.settings.ledger.unlink()
    rig.clock.pass_(minutes=5)
    assert guard_look(rig.target) is None
    series = failing_looks(rig.target)
    assert (len(series.failing), series.last and series.last.verdict) == (2, Verdict.NO_DATA)
    assert isinstance(looked(rig, 1)[0], Braked)


def test_a_guard_whose_memory_is_garbage_counts_anew(begun: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and no failure is made up."""
    rig = guarding(begun, GuardMode.ACT)
    rig.clock.pass_(hours=1)
    rig.settings.run_dir.mkdir(exist_ok=True)
    (rig.settings.run_dir / "guard.json").write_text("garbage", encoding="utf-8")
    assert looked(rig, 2) == [None, None]
    assert "begins to count anew" in caplog.text
    (third,) = looked(rig, 1)
    assert isinstance(third, Braked)
