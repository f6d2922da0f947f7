"""What the scheduled run will do, said beforehand; and the veto with which somebody skips it."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.operations import daily, propose, requests, results
from core.receipts.chain import Sealed
from core.receipts.receipt import Action
from core.rollout.refusals import Code
from core.rollout.schedule import PromotionMode, Schedule, begin_of, due, last_missable, preflight_due
from core.target.order import Order
from tests.support.rig import Rig

DAY = date(2025, 10, 1)


def promoted_by_people(rig: Rig) -> None:
    asked = propose.propose(rig.target, Order(rig.people["olivia"]))
    assert isinstance(asked, results.Asked)
    assert isinstance(requests.approve(rig.target, rig.people["aaron"], asked.approval.id), results.Moved)


def foreseen(rig: Rig, mode: PromotionMode = PromotionMode.AUTO) -> Sealed:
    sealed = daily.preflight(rig.target, DAY, mode)
    assert sealed is not None
    return sealed


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (PromotionMode.AUTO, "It reports, and promotes 25% → 50% if the gates still pass."),
        (PromotionMode.APPROVE, "It reports, and asks for an approval of 25% → 50% if the gates still pass."),
        (PromotionMode.OFF, "It reports and promotes nothing. Scheduled promotion is switched off"),
    ],
)
def test_it_is_said_beforehand_what_the_run_will_do(begun: Rig, mode: PromotionMode, said: str) -> None:
    """Once per date, with the gates as they are, and without any effect on the router."""
    promoted_by_people(begun)
    receipt = foreseen(begun, mode).receipt
    assert receipt.note.startswith(said)
    assert (receipt.action, receipt.go, len(receipt.gates)) == (Action.PREFLIGHT, True, 9)
    assert daily.preflight(begun.target, DAY, mode) is None
    assert begun.setting("NOVA_ANR_PILOT") == "0.25"


def test_it_says_which_gate_stands_in_the_way(begun: Rig) -> None:
    """Half an hour is enough to do something about a slot that is down."""
    promoted_by_people(begun)
    begun.statuses["slot09"] = "down"
    receipt = foreseen(begun).receipt
    assert receipt.note.startswith("It reports and promotes nothing. NO-GO for 25% → 50%")
    assert "slot09" in receipt.note


def test_what_was_foreseen_is_what_the_run_does(begun: Rig) -> None:
    """One opinion: the pre-flight asks the same decision as the run."""
    promoted_by_people(begun)
    foreseen(begun)
    begun.clock.pass_(minutes=1)
    run = daily.daily(begun.target, DAY, PromotionMode.AUTO)
    assert isinstance(run, daily.DailyRun)
    assert isinstance(run.outcome, results.Moved)
    assert begun.setting("NOVA_ANR_PILOT") == "0.50"


def test_a_run_that_was_skipped_reports_and_promotes_nothing(begun: Rig) -> None:
    """The veto has its own receipt with who and why, the report says so, and the next day is not touched."""
    promoted_by_people(begun)
    skipped = daily.skip(begun.target, begun.people["olivia"], DAY, "migration at ten")
    assert isinstance(skipped, daily.Skipped)
    receipt = skipped.sealed.receipt
    assert (receipt.action, receipt.actor.id, receipt.reason) == (Action.SKIP, "UOLIVIA", "migration at ten")
    assert "skipped by UOLIVIA: migration at ten" in foreseen(begun).receipt.note
    run = daily.daily(begun.target, DAY, PromotionMode.AUTO)
    assert isinstance(run, daily.DailyRun)
    assert isinstance(run.outcome, results.Refused)
    assert run.outcome.refusal.code is Code.SKIPPED
    assert run.sealed.receipt.go is True
    assert begun.setting("NOVA_ANR_PILOT") == "0.25"
    begun.clock.pass_(days=1)
    begun.write_ledger()
    tomorrow = daily.daily(begun.target, DAY + timedelta(days=1), PromotionMode.AUTO)
    assert isinstance(tomorrow, daily.DailyRun)
    assert isinstance(tomorrow.outcome, results.Moved)


def test_only_operators_skip_and_only_before_the_run(begun: Rig) -> None:
    """A member is refused, a second veto changes nothing, and after the run there is nothing to skip."""
    refused = daily.skip(begun.target, begun.people["max"], DAY, "no")
    assert isinstance(refused, results.Refused)
    assert refused.refusal.code is Code.NOT_ALLOWED
    assert isinstance(daily.skip(begun.target, begun.people["olivia"], DAY, "no"), daily.Skipped)
    again = daily.skip(begun.target, begun.people["aaron"], DAY, "no")
    assert isinstance(again, results.Refused)
    assert again.refusal.code is Code.ALREADY_DONE
    next_day = DAY + timedelta(days=1)
    begun.clock.pass_(days=1)
    daily.daily(begun.target, next_day, PromotionMode.OFF)
    late = daily.skip(begun.target, begun.people["olivia"], next_day, "no")
    assert isinstance(late, results.Refused)
    assert "already made" in late.refusal.text


zones = st.sampled_from(["UTC", "Europe/Zurich", "America/St_Johns", "Pacific/Kiritimati", "Australia/Lord_Howe"])
moments = st.timedeltas(timedelta(0), timedelta(days=730)).map(lambda span: datetime(2025, 1, 1, tzinfo=UTC) + span)
times = st.builds(time, st.integers(0, 23), st.integers(0, 59))


@given(moments, zones, times, st.integers(0, 720))
def test_the_pre_flight_is_due_in_the_minutes_before_the_run_and_never_with_it(
    now: datetime, zone: str, at: time, minutes: int
) -> None:
    """The date that is announced is one whose run begins within those minutes and has not begun."""
    schedule = Schedule(zone=zone, at=at, preflight_minutes=minutes)
    day = preflight_due(now, schedule)
    if day is not None:
        assert timedelta(0) < begin_of(day, schedule) - now <= timedelta(minutes=minutes)
        assert due(now, schedule) != day
    if minutes == 0:
        assert day is None


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2025, 10, 1, 8, 34, 59, tzinfo=UTC), None),
        (datetime(2025, 10, 1, 8, 35, tzinfo=UTC), DAY),
        (datetime(2025, 10, 1, 9, 4, 59, tzinfo=UTC), DAY),
        (datetime(2025, 10, 1, 9, 5, tzinfo=UTC), None),
    ],
    ids=["before", "at-08:35", "last-second", "at-09:05"],
)
def test_the_standard_pre_flight_is_at_08_35(now: datetime, day: date | None) -> None:
    """Half an hour before the run of 09:05."""
    assert preflight_due(now, Schedule()) == day


def test_near_midnight_tomorrows_run_is_announced_today() -> None:
    """A run ten minutes after midnight is announced the evening before."""
    assert preflight_due(datetime(2025, 9, 30, 23, 50, tzinfo=UTC), Schedule(at=time(0, 10))) == DAY


def test_a_run_that_nobody_made_leaves_a_receipt_once(begun: Rig) -> None:
    """The bot was down from before the run until its grace was over; another clock's mistake must not veto a run that is due."""
    begun.clock.now = datetime(2025, 10, 2, 15, 4, tzinfo=UTC)
    daily.daily(begun.target, DAY, PromotionMode.OFF)
    assert daily.note_missed(begun.target) is None, "yesterday was made, and today's grace is not over"
    begun.clock.now = datetime(2025, 10, 2, 15, 5, tzinfo=UTC)
    missed = daily.note_missed(begun.target)
    assert missed is not None
    receipt = missed.sealed.receipt
    assert (receipt.action, receipt.actor.is_person, receipt.cause) == (Action.SKIP, False, "missed:2025-10-02")
    assert "within its grace of 6 hours" in receipt.reason
    assert daily.note_missed(begun.target) is None
    begun.clock.now = datetime(2025, 10, 2, 9, 30, tzinfo=UTC)
    run = daily.daily(begun.target, DAY + timedelta(days=1), PromotionMode.OFF)
    assert isinstance(run, daily.DailyRun)
    assert isinstance(run.outcome, results.Refused)
    assert run.outcome.refusal.code is Code.PROMOTION_OFF


def test_a_run_before_the_journal_began_was_nobodys(begun: Rig) -> None:
    """Who starts in the afternoon is not told that the morning was missed."""
    begun.clock.pass_(hours=7)
    assert daily.note_missed(begun.target) is None
    begun.clock.pass_(days=1)
    assert daily.note_missed(begun.target) is not None


@given(moments, zones, times, st.floats(0.1, 23))
def test_what_was_missed_can_no_longer_be_due(now: datetime, zone: str, at: time, grace: float) -> None:
    """And it is the newest such date: the day after it is due now, or lies ahead."""
    schedule = Schedule(zone=zone, at=at, grace_hours=grace)
    day = last_missable(now, schedule)
    over = begin_of(day, schedule) + timedelta(hours=grace)
    assert over <= now < begin_of(day + timedelta(days=1), schedule) + timedelta(hours=grace)
    assert due(now, schedule) != day


def test_a_run_that_is_due_and_not_made_yet_is_the_one_that_is_skipped(begun: Rig) -> None:
    """While the run is late (the bot was down, the ledger unreadable), a veto is about today's, not tomorrow's."""
    begun.clock.pass_(minutes=30)
    assert begun.target.day_ahead() == DAY
    daily.daily(begun.target, DAY, PromotionMode.AUTO)
    assert begun.target.day_ahead() == DAY + timedelta(days=1)
    begun.clock.pass_(days=1, hours=-2)
    assert begun.target.day_ahead() == DAY + timedelta(days=1)
