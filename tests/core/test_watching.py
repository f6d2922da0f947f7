import json
from datetime import timedelta

import pytest

from core import braking, operations
from core.actors import Role
from core.actuation import Order
from core.brake import BrakeNote
from core.braking import Braked
from core.decisions import Code
from core.gates import Verdict
from core.guard import GuardMode, GuardPolicy
from core.holding import hold_promotions
from core.lock import operation_lock
from core.outcomes import Moved, Refused
from core.realigning import accept, reapply
from core.receipts import Action, Result, Sealed
from core.rollout import OpenDrift
from core.schedule import PromotionMode
from core.site import Site
from core.watching import failing_looks, guard_look, watch
from tests.core.conftest import House, decision
from tests.core.promoting import promoted


def actions(house: House) -> list[str]:
    return [str(one.receipt.action) for one in house.site.journal.receipts()]


def set_by_hand(house: House, **settings: str) -> None:
    """Somebody edits the router's settings file."""
    file = house.target.settings_file
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.partition("=")[0] not in settings]
    file.write_text("\n".join([*lines, *(f"{name}={value}" for name, value in settings.items()), ""]), encoding="utf-8")


def soaking(house: House, **hours: float) -> House:
    """The same house with a soak, stage by stage (`s10=48`)."""
    soak = {int(stage[1:]): lasts for stage, lasts in hours.items()}
    target = house.target.model_copy(update={"soak_hours": soak})
    return House(Site.at(target, house.site.access, house.clock), house.clock, house.statuses, house.people)


def guarding(house: House, mode: GuardMode) -> House:
    target = house.target.model_copy(update={"guard": GuardPolicy(mode=mode)})
    return House(Site.at(target, house.site.access, house.clock), house.clock, house.statuses, house.people)


def test_the_soak_begins_when_the_running_router_is_first_seen_and_blocks_until_it_is_over(begun: House) -> None:
    """Neither a person nor the daily run gets past it; the hours count from the sighting, over restarts."""
    house = soaking(begun, s10=48)
    asked = operations.propose(house.site, Order(house.people["olivia"]))
    assert isinstance(asked, Refused)
    assert asked.refusal.code is Code.SOAKING
    assert "not seen" in asked.refusal.text
    house.clock.pass_(minutes=3)
    house.write_ledger()
    watch(house.site)
    seen_at = house.clock.now
    assert actions(house) == ["init", "seen"]
    watch(house.site)
    assert actions(house) == ["init", "seen"]
    house.clock.now = seen_at + timedelta(hours=48, seconds=-1)
    house.write_ledger()
    for result in (
        operations.propose(house.site, Order(house.people["olivia"])),
        operations.daily(house.site, house.clock.now.date(), PromotionMode.AUTO, dry_run=True),
    ):
        assert isinstance(result, Refused)
        assert result.refusal.code in {Code.SOAKING, Code.PERSON_MUST_ASK}
    house.clock.now = seen_at + timedelta(hours=48)
    house.write_ledger()
    promoted(house)
    assert house.setting("NOVA_ANR_PILOT") == "0.25"


def test_a_rollback_restarts_the_soak(begun: House) -> None:
    """Back at a stage where it had soaked before, the router has to be served there anew."""
    house = soaking(begun, s10=48)
    house.clock.pass_(minutes=3)
    house.write_ledger()
    watch(house.site)
    house.clock.pass_(hours=50)
    braking.rollback(house.site, house.people["olivia"], "errors")
    house.write_ledger(live=None)
    promoted(house)
    house.clock.pass_(minutes=10)
    house.write_ledger()
    watch(house.site)
    house.clock.pass_(hours=47)
    house.write_ledger()
    result = operations.propose(house.site, Order(house.people["olivia"]))
    assert isinstance(result, Refused)
    assert result.refusal.code is Code.SOAKING


def test_the_soak_is_part_of_the_policy_to_which_an_approval_is_bound(begun: House) -> None:
    """Whoever shortens a soak makes every open request stale."""
    assert soaking(begun, s10=48).target.policy_digest != begun.target.policy_digest


def test_a_drift_is_alarmed_once_and_its_end_is_noted(begun: House) -> None:
    """One receipt for the alarm however often it is looked, also after a restart; one when both agree again."""
    watch(begun.site)
    set_by_hand(begun, NOVA_ANR_PILOT="0.50")
    for _ in range(3):
        watch(begun.site)
    watch(Site.at(begun.target, begun.site.access, begun.clock))
    assert actions(begun) == ["init", "seen", "drift"]
    alarm = begun.site.journal.receipts()[-1].receipt
    assert alarm.note == "The router's settings say 50 %, but the journal says 10 %."
    set_by_hand(begun, NOVA_ANR_PILOT="0.10")
    watch(begun.site)
    watch(begun.site)
    assert actions(begun) == ["init", "seen", "drift", "agreed"]
    assert begun.site.journal.receipts()[-1].receipt.operation == alarm.operation


def test_a_drift_that_becomes_another_is_told_in_the_same_story(begun: House) -> None:
    """The alarm's message shows what is so now; it is no second alarm."""
    set_by_hand(begun, NOVA_ANR_PILOT="0.50")
    watch(begun.site)
    set_by_hand(begun, NOVA_ANR_PILOT="0.75")
    watch(begun.site)
    told = [one.receipt for one in begun.site.journal.receipts() if one.receipt.action is Action.DRIFT]
    assert [one.note.split(",")[0] for one in told] == ["The router's settings say 50 %", "The router's settings say 75 %"]
    assert told[0].operation == told[1].operation


def test_a_running_router_that_does_not_follow_its_settings_blocks_the_next_promotion(begun: House) -> None:
    """The file says 25 %, the ledger goes on showing 10 %: nothing is promoted on figures of another stage."""
    promoted(begun)
    begun.clock.pass_(minutes=6)
    begun.write_ledger(live={"route": "R2", "pilot": 0.10})
    result = operations.propose(begun.site, Order(begun.people["olivia"]))
    assert isinstance(result, Refused)
    assert result.refusal.code is Code.DRIFT
    assert "did not follow" in result.refusal.text
    watch(begun.site)
    assert actions(begun)[-1] == "drift"


@pytest.mark.parametrize("stage", ["under-way", "braked-and-not-recorded"])
def test_what_changes_the_router_right_now_is_no_drift(begun: House, stage: str) -> None:
    """An operation that holds the lock, and a brake that has acted and not yet recorded, are not alarmed."""
    if stage == "under-way":
        set_by_hand(begun, NOVA_ANR_PILOT="0.25")
        with operation_lock(begun.target.run_dir, "promote", begun.clock.now):
            assert watch(begun.site) == ()
    else:
        from core.brake import BrakeNote  # noqa: PLC0415 - beside its only use

        note = BrakeNote(
            id="abc123", action=Action.ROLLBACK, actor=begun.people["olivia"], reason="", cause=None, at=begun.clock.now
        )
        begun.site.brake.engage(note)
        begun.site.router.make_safe()
        assert watch(begun.site) == ()
    assert "drift" not in actions(begun)


def test_an_approver_puts_the_journals_settings_back(begun: House) -> None:
    """Re-applying less traffic than is shown needs no gates; the router is seen to have it, and the story ends."""
    set_by_hand(begun, NOVA_ANR_PILOT="0.50")
    watch(begun.site)
    begun.target.ledger.unlink()
    result = reapply(begun.site, Order(begun.people["aaron"], "nobody asked for 50"))
    assert isinstance(result, Moved)
    assert result.applied
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"
    state = begun.site.journal.state()
    assert (state.stage, state.drift, state.unsettled) == (10, None, None)
    alarm = next(one.receipt for one in begun.site.journal.receipts() if one.receipt.action is Action.DRIFT)
    assert result.sealed.receipt.operation == alarm.operation


def test_an_approver_adopts_what_the_router_shows(begun: House) -> None:
    """Accepting less traffic needs no gates; nothing is written, and the next promotion needs a person."""
    promoted(begun)
    set_by_hand(begun, NOVA_ANR_PILOT="0.10")
    begun.target.ledger.unlink()
    before = begun.target.settings_file.read_bytes()
    result = accept(begun.site, Order(begun.people["aaron"], "I pulled it down"))
    assert isinstance(result, Moved)
    state = begun.site.journal.state()
    assert (state.stage, state.person_required, state.drift) == (10, True, None)
    assert begun.target.settings_file.read_bytes() == before


@pytest.mark.parametrize("end", [reapply, accept], ids=["reapply", "accept"])
def test_whatever_leaves_more_traffic_needs_passing_gates(begun: House, end: object) -> None:
    """Neither way around a drift is a way around the gates."""
    if end is reapply:
        promoted(begun)
    set_by_hand(begun, NOVA_ANR_PILOT="0.10" if end is reapply else "0.25")
    begun.statuses["slot09"] = "sick"
    result = end(begun.site, Order(begun.people["aaron"]))  # type: ignore[operator]
    assert isinstance(result, Refused)
    assert result.refusal.code is Code.GATES_NOT_PASSED
    assert begun.setting("NOVA_ANR_PILOT") == ("0.10" if end is reapply else "0.25")
    begun.statuses["slot09"] = "healthy"
    assert isinstance(end(begun.site, Order(begun.people["aaron"])), Moved)  # type: ignore[operator]
    assert begun.setting("NOVA_ANR_PILOT") == "0.25"
    assert begun.site.journal.state().stage == 25


@pytest.mark.parametrize("who", ["olivia", "max"])
def test_only_an_approver_ends_a_drift(begun: House, who: str) -> None:
    """An operator who does not approve, and a member, change nothing."""
    assert Role.APPROVE not in begun.people[who].roles
    set_by_hand(begun, NOVA_ANR_PILOT="0.50")
    for end in (reapply, accept):
        result = end(begun.site, Order(begun.people[who]))
        assert isinstance(result, Refused)
        assert result.refusal.code is Code.NOT_ALLOWED
    assert begun.setting("NOVA_ANR_PILOT") == "0.50"


def test_the_buttons_of_a_drift_that_is_over_do_nothing(begun: House) -> None:
    """A click on an old alarm does not end the drift of today."""
    set_by_hand(begun, NOVA_ANR_PILOT="0.50")
    watch(begun.site)
    old = begun.site.journal.state().drift
    assert isinstance(old, OpenDrift)
    set_by_hand(begun, NOVA_ANR_PILOT="0.10")
    watch(begun.site)
    for end in (reapply, accept):
        result = end(begun.site, Order(begun.people["aaron"]), old.operation)
        assert isinstance(result, Refused)
        assert result.refusal.code is Code.NO_DRIFT
    set_by_hand(begun, NOVA_ANR_PILOT="0.75")
    watch(begun.site)
    result = accept(begun.site, Order(begun.people["aaron"]), old.operation)
    assert isinstance(result, Refused)
    assert result.refusal.code is Code.NO_DRIFT


def test_under_a_freeze_only_the_safe_settings_can_be_put_back(begun: House) -> None:
    """Somebody opened the router by hand while it was frozen: accepting is refused, re-applying makes it safe."""
    braking.freeze(begun.site, begun.people["olivia"], "errors")
    set_by_hand(begun, NOVA_ANR_KILL="0", NOVA_ANR_ENABLED="1", NOVA_ANR_PILOT="0.10")
    refused = accept(begun.site, Order(begun.people["aaron"]))
    assert isinstance(refused, Refused)
    assert refused.refusal.code is Code.FROZEN
    result = reapply(begun.site, Order(begun.people["aaron"]))
    assert isinstance(result, Moved)
    assert result.applied
    assert (begun.setting("NOVA_ANR_KILL"), begun.setting("NOVA_ANR_ENABLED")) == ("1", "0")
    assert begun.site.journal.state().frozen


def test_putting_back_more_than_the_first_stage_needs_live_decisions(begun: House) -> None:
    """Only the step 0 → 10 may do without them: what was switched off by hand at 25 % stays off while nothing is measured."""
    promoted(begun)
    begun.clock.pass_(minutes=3)
    set_by_hand(begun, NOVA_ANR_ENABLED="0")
    begun.write_ledger(live=None)
    result = reapply(begun.site, Order(begun.people["aaron"]))
    assert isinstance(result, Refused)
    assert result.refusal.code is Code.GATES_NOT_PASSED
    assert begun.site.router.settings().stage == 0


@pytest.mark.parametrize("action", [Action.ROLLBACK, Action.FREEZE])
@pytest.mark.parametrize("end", [reapply, accept])
def test_a_brake_that_is_not_recorded_yet_is_no_drift_to_end(begun: House, end: object, action: Action) -> None:
    """What it wrote looks like a drift to the journal; nobody may put the traffic back from there, or take it for a stage."""
    assert callable(end)
    promoted(begun)
    site = begun.site
    mark = BrakeNote(id="b" * 32, action=action, actor=begun.people["max"], reason="errors", cause=None, at=begun.clock.now)
    site.brake.engage(mark)
    site.router.make_safe()
    begun.clock.pass_(minutes=3)
    result = end(site, Order(begun.people["aaron"], "put it back"))
    assert isinstance(result, Refused)
    assert result.refusal.code is Code.BRAKE_ENGAGED
    assert site.router.settings().stage == 0
    assert actions(begun)[-1] == "promote"


def test_a_guardrail_changed_by_hand_is_put_back_or_accepted(begun: House) -> None:
    """A raised fast cap is a drift although the stage is the same."""
    promoted(begun)
    set_by_hand(begun, NOVA_ANR_MAX_FAST_PROB="0.90")
    watch(begun.site)
    assert "NOVA_ANR_MAX_FAST_PROB is 0.90" in begun.site.journal.receipts()[-1].receipt.note
    result = reapply(begun.site, Order(begun.people["aaron"]))
    assert isinstance(result, Moved)
    assert begun.setting("NOVA_ANR_MAX_FAST_PROB") == "0.15"
    set_by_hand(begun, NOVA_ANR_MAX_FAST_PROB="0.10")
    assert isinstance(accept(begun.site, Order(begun.people["aaron"])), Moved)
    assert begun.site.facts().drift is None


def test_accepting_what_is_no_stage_is_refused(begun: House) -> None:
    """Nobody adopts a pilot that is not on the ladder, or a router that merely does not follow."""
    set_by_hand(begun, NOVA_ANR_PILOT="0.33")
    result = accept(begun.site, Order(begun.people["aaron"]))
    assert isinstance(result, Refused)
    assert result.refusal.code is Code.NOT_ON_LADDER
    set_by_hand(begun, NOVA_ANR_PILOT="0.10")
    begun.clock.pass_(minutes=6)
    begun.write_ledger(live={"route": "R2", "pilot": 0.25})
    result = accept(begun.site, Order(begun.people["aaron"]))
    assert isinstance(result, Refused)
    assert result.refusal.code is Code.NOTHING_TO_ACCEPT


def test_the_daily_report_reminds_of_every_hold_in_force(begun: House) -> None:
    """A forgotten freeze is told every day, with what is needed to say whose it is and how old."""
    braking.freeze(begun.site, begun.people["max"], "deploy")
    ages = []
    for _ in range(2):
        begun.clock.pass_(hours=24)
        begun.write_ledger()
        ran = operations.daily(begun.site, begun.clock.now.date(), PromotionMode.AUTO)
        assert isinstance(ran, operations.DailyRun)
        (hold,) = ran.sealed.receipt.holds_in_force
        assert (hold.actor.id, hold.reason) == ("UMAX", "deploy")
        ages.append(ran.sealed.receipt.ts - hold.since)
    assert ages == [timedelta(hours=24), timedelta(hours=48)]


def test_a_hold_ends_by_itself_and_nothing_is_promoted(begun: House) -> None:
    """When its time is over the hold is lifted by a receipt; the router stays safe and waits for a person."""
    braking.freeze(begun.site, begun.people["max"], "deploy", lasts=timedelta(hours=2))
    braking.freeze(begun.site, begun.people["olivia"], "errors")
    first, second = begun.site.journal.state().holds
    assert first.expires_at == begun.clock.now + timedelta(hours=2)
    begun.clock.pass_(hours=2, seconds=-1)
    watch(begun.site)
    assert len(begun.site.journal.state().holds) == 2
    begun.clock.pass_(seconds=1)
    watch(begun.site)
    state = begun.site.journal.state()
    assert [hold.id for hold in state.holds] == [second.id]
    lifted = begun.site.journal.receipts()[-1].receipt
    assert (lifted.action, lifted.holds_lifted) == (Action.UNFREEZE, (first.id,))
    assert begun.site.brake.read().frozen_by == (second.id,)
    assert begun.setting("NOVA_ANR_KILL") == "1"
    operations.unfreeze(begun.site, Order(begun.people["olivia"]), frozenset({second.id[:8]}))
    assert not begun.site.journal.state().frozen
    assert begun.site.journal.state().person_required
    assert begun.setting("NOVA_ANR_KILL") == "1"


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


def test_under_a_hold_no_way_around_a_drift_raises_traffic(begun: House) -> None:
    """Re-applying or accepting more than is shown is a promotion in disguise, and promotions are held."""
    promoted(begun)
    hold_promotions(begun.site, Order(begun.people["olivia"], "the fair"))
    for pilot, end in (("0.10", reapply), ("0.50", accept)):
        set_by_hand(begun, NOVA_ANR_PILOT=pilot)
        result = end(begun.site, Order(begun.people["aaron"]))
        assert isinstance(result, Refused)
        assert result.refusal.code is Code.FROZEN
        assert begun.setting("NOVA_ANR_PILOT") == pilot
    assert isinstance(reapply(begun.site, Order(begun.people["aaron"])), Moved)
    assert begun.setting("NOVA_ANR_PILOT") == "0.25"


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


def test_a_reapplication_that_failed_says_so_and_leaves_the_drift_open(begun: House) -> None:
    """The reload failed: the outcome is not applied, and nobody takes the drift for ended."""
    set_by_hand(begun, NOVA_ANR_PILOT="0.50")
    watch(begun.site)
    begun.site.router._target = begun.target.model_copy(update={"reload_command": ("/nonexistent/reload",)})
    result = reapply(begun.site, Order(begun.people["aaron"]))
    assert isinstance(result, Moved)
    assert result.sealed.receipt.result is Result.NOT_APPLIED
    assert begun.site.journal.state().drift is not None
