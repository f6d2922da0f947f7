import json
from datetime import timedelta

import pytest

from core.brake.brake import Braked
from core.brake.hold import hold_promotions
from core.gates.guard import GuardMode, GuardPolicy
from core.gates.report import Verdict
from core.operations.guard import failing_looks, guard_look
from core.receipts.chain import Sealed
from core.receipts.receipt import Action
from core.target.order import Order
from core.target.target import Site
from tests.core.operations.test_watch import actions
from tests.support.promoting import promoted
from tests.support.rig import House, decision


def guarding(house: House, mode: GuardMode) -> House:
    target = house.target.model_copy(update={"guard": GuardPolicy(mode=mode)})
    return House(Site.at(target, house.site.access, house.clock), house.clock, house.statuses, house.people)


def bad(house: House) -> None:
    """An hour in which every live decision takes another route than shadow would have taken."""
    shadow = {**decision(house.clock.now)["shadow"], "argmax": "R1"}
    lines = [
        json.dumps({**decision(house.clock.now - timedelta(minutes=number)), "shadow": shadow}) for number in range(55, -1, -1)
    ]
    house.target.ledger.write_text("\n".join(lines) + "\n", encoding="utf-8")


def looked(house: House, times: int) -> list[Braked | Sealed | None]:
    """Let the guard look every five minutes at a bad hour."""
    found = []
    for _ in range(times):
        house.clock.pass_(minutes=5)
        bad(house)
        found.append(guard_look(house.site))
    return found


def test_a_sustained_failure_freezes_where_the_guard_may_act(begun: House) -> None:
    """Three looks in a row: the router is in its safe settings, held by the guard, with what failed as the reason."""
    house = guarding(begun, GuardMode.ACT)
    house.clock.pass_(hours=1)
    first, second, third = looked(house, 3)
    assert (first, second) == (None, None)
    assert isinstance(third, Braked)
    assert third.safe
    assert house.setting("NOVA_ANR_KILL") == "1"
    (hold,) = house.site.journal.state().holds
    assert hold.actor.id == "guard"
    assert "3 looks in a row failed" in hold.reason
    assert "rsi: " in hold.reason
    assert looked(house, 4) == [None] * 4
    assert actions(house).count("freeze") == 1


def test_a_freeze_that_keeps_the_stage_is_guarded_too(begun: House) -> None:
    """Promotions are held, live traffic goes on: a sustained failure still brakes."""
    house = guarding(begun, GuardMode.ACT)
    house.clock.pass_(hours=1)
    hold_promotions(house.site, Order(house.people["olivia"], "the fair"))
    assert isinstance(looked(house, 3)[-1], Braked)
    assert house.setting("NOVA_ANR_KILL") == "1"


def test_an_observing_guard_says_once_that_it_would_have_frozen(begun: House) -> None:
    """One receipt per row of failures, none of which touches the router; the count survives a restart."""
    house = guarding(begun, GuardMode.OBSERVE)
    house.clock.pass_(hours=1)
    assert looked(house, 2) == [None, None]
    house = guarding(begun, GuardMode.OBSERVE)
    assert len(failing_looks(house.site).failing) == 2
    (noted,) = looked(house, 1)
    assert isinstance(noted, Sealed)
    assert noted.receipt.action is Action.GUARD
    assert looked(house, 3) == [None] * 3
    assert house.setting("NOVA_ANR_PILOT") == "0.10"
    assert not house.site.journal.state().frozen


def test_the_guard_looks_every_five_minutes_and_not_when_it_is_off(begun: House) -> None:
    """Two looks within five minutes are one; switched off there is none."""
    house = guarding(begun, GuardMode.ACT)
    house.clock.pass_(hours=1)
    looked(house, 1)
    bad(house)
    for _ in range(5):
        guard_look(house.site)
    assert len(failing_looks(house.site).failing) == 1
    off = guarding(begun, GuardMode.OFF)
    looked(off, 5)
    assert not off.site.journal.state().frozen


def test_what_failed_before_a_step_does_not_count_after_it(begun: House) -> None:
    """The window never reaches back before the stage began, so that a promotion is not frozen for its past."""
    house = guarding(begun, GuardMode.ACT)
    house.clock.pass_(hours=1)
    looked(house, 2)
    house.write_ledger()
    promoted(house)
    bad(house)
    house.clock.pass_(minutes=5)
    assert guard_look(house.site) is None
    assert failing_looks(house.site).failing == ()


def test_a_guard_without_a_ledger_has_no_data_and_looks_again_in_its_time(begun: House) -> None:
    """An unreadable ledger neither counts nor clears, and is not tried at every tick."""
    house = guarding(begun, GuardMode.ACT)
    house.clock.pass_(hours=1)
    looked(house, 2)
    house.target.ledger.unlink()
    house.clock.pass_(minutes=5)
    assert guard_look(house.site) is None
    series = failing_looks(house.site)
    assert (len(series.failing), series.last and series.last.verdict) == (2, Verdict.NO_DATA)
    assert isinstance(looked(house, 1)[0], Braked)


def test_a_guard_whose_memory_is_garbage_counts_anew(begun: House, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and no failure is made up."""
    house = guarding(begun, GuardMode.ACT)
    house.clock.pass_(hours=1)
    house.target.run_dir.mkdir(exist_ok=True)
    (house.target.run_dir / "guard.json").write_text("garbage", encoding="utf-8")
    assert looked(house, 2) == [None, None]
    assert "begins to count anew" in caplog.text
    (third,) = looked(house, 1)
    assert isinstance(third, Braked)
