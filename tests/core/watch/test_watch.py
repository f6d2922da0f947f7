from datetime import timedelta

import pytest

from core.brake import brake
from core.operations import daily, propose
from core.operations.results import Refused
from core.receipts.receipt import Action
from core.rollout.refusals import Code
from core.rollout.schedule import PromotionMode
from core.settings.target import TargetSettings
from core.target.lock import operation_lock
from core.target.order import Order
from core.target.target import Target
from core.watch.watch import watch
from tests.support.promoting import promoted
from tests.support.rig import Rig


def actions(rig: Rig) -> list[str]:
    return [str(sealed.receipt.action) for sealed in rig.target.journal.receipts()]


def set_by_hand(rig: Rig, **settings: str) -> None:
    """Somebody edits the router's settings file."""
    file = rig.settings.settings_file
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.partition("=")[0] not in settings]
    file.write_text("\n".join([*lines, *(f"{name}={value}" for name, value in settings.items()), ""]), encoding="utf-8")


def soaking(rig: Rig, **hours: float) -> Rig:
    """The same house with a soak, stage by stage (`s10=48`)."""
    soak = {int(stage[1:]): lasts for stage, lasts in hours.items()}
    target = rig.settings.model_copy(update={"soak_hours": {**rig.settings.soaks, **soak}})
    return Rig(Target.at(target, rig.target.access, rig.clock), rig.clock, rig.statuses, rig.people)


def test_the_soak_begins_when_the_running_router_is_first_seen_and_blocks_until_it_is_over(begun: Rig) -> None:
    """Neither a person nor the daily run gets past it; the hours count from the sighting, over restarts."""
    rig = soaking(begun, s10=48)
    asked = propose.propose(rig.target, Order(rig.people["olivia"]))
    assert isinstance(asked, Refused)
    assert asked.refusal.code is Code.SOAKING
    assert "not seen" in asked.refusal.text
    rig.clock.pass_(minutes=3)
    rig.write_ledger()
    watch(rig.target)
    seen_at = rig.clock.now
    assert actions(rig) == ["init", "seen"]
    watch(rig.target)
    assert actions(rig) == ["init", "seen"]
    rig.clock.now = seen_at + timedelta(hours=48, seconds=-1)
    rig.write_ledger()
    for result in (
        propose.propose(rig.target, Order(rig.people["olivia"])),
        daily.daily(rig.target, rig.clock.now.date(), PromotionMode.AUTO, dry_run=True),
    ):
        assert isinstance(result, Refused)
        assert result.refusal.code in {Code.SOAKING, Code.PERSON_MUST_ASK}
    rig.clock.now = seen_at + timedelta(hours=48)
    rig.write_ledger()
    promoted(rig)
    assert rig.setting("NOVA_ANR_PILOT") == "0.25"


def test_a_rollback_restarts_the_soak(begun: Rig) -> None:
    """Back at a stage where it had soaked before, the router has to be served there anew."""
    rig = soaking(begun, s10=48)
    rig.clock.pass_(minutes=3)
    rig.write_ledger()
    watch(rig.target)
    rig.clock.pass_(hours=50)
    brake.rollback(rig.target, rig.people["olivia"], "errors")
    rig.write_ledger(live=None)
    promoted(rig)
    rig.clock.pass_(minutes=10)
    rig.write_ledger()
    watch(rig.target)
    rig.clock.pass_(hours=47)
    rig.write_ledger()
    result = propose.propose(rig.target, Order(rig.people["olivia"]))
    assert isinstance(result, Refused)
    assert result.refusal.code is Code.SOAKING


def test_the_soak_is_part_of_the_policy_to_which_an_approval_is_bound(begun: Rig) -> None:
    """Whoever shortens a soak makes every open request stale."""
    assert soaking(begun, s10=48).settings.policy_digest != begun.settings.policy_digest


def test_a_drift_is_alarmed_once_and_its_end_is_noted(begun: Rig) -> None:
    """One receipt for the alarm however often it is looked, also after a restart; one when both agree again."""
    watch(begun.target)
    set_by_hand(begun, NOVA_ANR_PILOT="0.50")
    for _ in range(3):
        watch(begun.target)
    watch(Target.at(begun.settings, begun.target.access, begun.clock))
    assert actions(begun) == ["init", "seen", "drift"]
    alarm = begun.target.journal.receipts()[-1].receipt
    assert alarm.note == "The router's settings say 50%, but the journal says 10%."
    set_by_hand(begun, NOVA_ANR_PILOT="0.10")
    watch(begun.target)
    watch(begun.target)
    assert actions(begun) == ["init", "seen", "drift", "agreed"]
    assert begun.target.journal.receipts()[-1].receipt.operation == alarm.operation


def test_a_drift_that_becomes_another_is_told_in_the_same_story(begun: Rig) -> None:
    """The alarm's message shows what is so now; it is no second alarm."""
    set_by_hand(begun, NOVA_ANR_PILOT="0.50")
    watch(begun.target)
    set_by_hand(begun, NOVA_ANR_PILOT="0.75")
    watch(begun.target)
    told = [sealed.receipt for sealed in begun.target.journal.receipts() if sealed.receipt.action is Action.DRIFT]
    assert [message.note.split(",")[0] for message in told] == [
        "The router's settings say 50%",
        "The router's settings say 75%",
    ]
    assert told[0].operation == told[1].operation


def test_a_running_router_that_does_not_follow_its_settings_blocks_the_next_promotion(begun: Rig) -> None:
    """The file says 25%, the ledger goes on showing 10%: nothing is promoted on figures of another stage."""
    promoted(begun)
    begun.clock.pass_(minutes=6)
    begun.write_ledger(live={"route": "R2", "pilot": 0.10})
    result = propose.propose(begun.target, Order(begun.people["olivia"]))
    assert isinstance(result, Refused)
    assert result.refusal.code is Code.DRIFT
    assert "did not follow" in result.refusal.text
    watch(begun.target)
    assert actions(begun)[-1] == "drift"


@pytest.mark.parametrize("stage", ["under-way", "braked-and-not-recorded"])
def test_what_changes_the_router_right_now_is_no_drift(begun: Rig, stage: str) -> None:
    """An operation that holds the lock, and a brake that has acted and not yet recorded, are not alarmed."""
    if stage == "under-way":
        set_by_hand(begun, NOVA_ANR_PILOT="0.25")
        with operation_lock(begun.settings.run_dir, "promote", begun.clock.now):
            assert watch(begun.target) == ()
    else:
        from core.router.marks import BrakeNote  # noqa: PLC0415 - beside its only use

        note = BrakeNote(
            id="abc123", action=Action.ROLLBACK, actor=begun.people["olivia"], reason="", cause=None, at=begun.clock.now
        )
        begun.target.brake.engage(note)
        begun.target.router.make_safe()
        assert watch(begun.target) == ()
    assert "drift" not in actions(begun)


def test_the_daily_report_reminds_of_every_hold_in_force(begun: Rig) -> None:
    """A forgotten freeze is told every day, with what is needed to say whose it is and how old."""
    brake.freeze(begun.target, begun.people["max"], "deploy")
    ages = []
    for _ in range(2):
        begun.clock.pass_(hours=24)
        begun.write_ledger()
        ran = daily.daily(begun.target, begun.clock.now.date(), PromotionMode.AUTO)
        assert isinstance(ran, daily.DailyRun)
        (hold,) = ran.sealed.receipt.holds_in_force
        assert (hold.actor.id, hold.reason) == ("UMAX", "deploy")
        ages.append(ran.sealed.receipt.ts - hold.since)
    assert ages == [timedelta(hours=24), timedelta(hours=48)]


def test_a_hold_ends_by_itself_and_nothing_is_promoted(begun: Rig) -> None:
    """When its time is over the hold is lifted by a receipt; the router stays safe and waits for a person."""
    brake.freeze(begun.target, begun.people["max"], "deploy", lasts=timedelta(hours=2))
    brake.freeze(begun.target, begun.people["olivia"], "errors")
    first, second = begun.target.journal.state().holds
    assert first.expires_at == begun.clock.now + timedelta(hours=2)
    begun.clock.pass_(hours=2, seconds=-1)
    watch(begun.target)
    assert len(begun.target.journal.state().holds) == 2
    begun.clock.pass_(seconds=1)
    watch(begun.target)
    state = begun.target.journal.state()
    assert [hold.id for hold in state.holds] == [second.id]
    lifted = begun.target.journal.receipts()[-1].receipt
    assert (lifted.action, lifted.holds_lifted) == (Action.UNFREEZE, (first.id,))
    assert begun.target.brake.read().frozen_by == (second.id,)
    assert begun.setting("NOVA_ANR_KILL") == "1"
    propose.unfreeze(begun.target, Order(begun.people["olivia"]), frozenset({second.id[:8]}))
    assert not begun.target.journal.state().frozen
    assert begun.target.journal.state().person_required
    assert begun.setting("NOVA_ANR_KILL") == "1"


def unpiloted(rig: Rig) -> None:
    """A good day of a router that never writes its pilot down."""
    rig.write_ledger(live={"route": "R2"})


def test_a_ledger_without_pilot_does_not_make_a_soak_wait_for_ever(rig: Rig) -> None:
    """From the write and the restart on: refused with its end while it lasts, and over after 23 hours."""
    rig = soaking(rig, s10=0, s25=23)
    unpiloted(rig)
    propose.init(rig.target, rig.people["olivia"], "begin")
    promoted(rig)
    written_at = rig.clock.now
    rig.clock.pass_(hours=22)
    unpiloted(rig)
    waits = propose.propose(rig.target, Order(rig.people["olivia"]))
    assert isinstance(waits, Refused)
    assert waits.refusal.code is Code.SOAKING
    assert "counted from when it was written" in waits.refusal.text
    assert f"{written_at + timedelta(hours=23):%Y-%m-%d %H:%M} UTC" in waits.refusal.text
    rig.clock.pass_(hours=1)
    unpiloted(rig)
    promoted(rig)
    assert rig.setting("NOVA_ANR_PILOT") == "0.50"


def test_a_stage_soaks_for_23_hours_unless_something_else_is_said(rig: Rig) -> None:
    """Of a router that was at 10% for a day before anybody used anr, that day counts; the next stage has to be served anew."""
    target = rig.settings.model_copy(update={"soak_hours": TargetSettings().soak_hours})
    rig = Rig(Target.at(target, rig.target.access, rig.clock), rig.clock, rig.statuses, rig.people)
    propose.init(rig.target, rig.people["olivia"], "begin")
    promoted(rig)
    rig.clock.pass_(minutes=1)
    rig.write_ledger()
    watch(rig.target)
    seen_at = rig.clock.now
    for hours, over in ((22.9, False), (23, True)):
        rig.clock.now = seen_at + timedelta(hours=hours)
        rig.write_ledger()
        asked = propose.propose(rig.target, Order(rig.people["olivia"]))
        assert isinstance(asked, Refused) is not over, hours
        if isinstance(asked, Refused):
            assert asked.refusal.code is Code.SOAKING
