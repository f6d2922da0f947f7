"""A machine's clock that is set ahead, or back, or jumps between request, approval and run: it makes nobody a second person."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from core.operations import daily, propose, requests
from core.operations.results import Asked, Ended, Moved, Refused
from core.rollout.approvals import ApprovalStatus
from core.rollout.refusals import Code
from core.rollout.schedule import PromotionMode, Schedule, begin_of
from core.target.order import Order
from core.target.target import Target
from tests.support.rig import Rig

pytestmark = pytest.mark.torture


def asked_of(rig: Rig) -> str:
    asked = propose.propose(rig.target, Order(rig.people["olivia"], "good"))
    assert isinstance(asked, Asked)
    return asked.approval.id


def code(result: object) -> Code:
    assert isinstance(result, Refused), result
    return result.refusal.code


def stage(rig: Rig) -> int | None:
    return rig.target.journal.state().stage


def test_an_expired_request_and_a_clock_that_is_set_back(begun: Rig) -> None:
    """What was recorded after its expiry says that its hour is over, whatever the clock says by then."""
    request = asked_of(begun)
    begun.clock.pass_(minutes=61)
    daily.pause(begun.target, Order(begun.people["olivia"], "noted after the hour"))
    begun.clock.pass_(minutes=-30)
    begun.write_ledger()
    ended = requests.approve(begun.target, begun.people["aaron"], request)
    assert isinstance(ended, Ended)
    assert ended.approval.status is ApprovalStatus.EXPIRED
    assert stage(begun) == 10


def test_a_request_from_the_future_waits_until_the_clock_is_right_and_can_be_denied(begun: Rig) -> None:
    """Nobody can tell how old it is: it would be answerable for a day and an hour."""
    request = asked_of(begun)
    begun.clock.pass_(days=-1)
    begun.write_ledger()
    assert code(requests.approve(begun.target, begun.people["aaron"], request)) is Code.APPROVAL_STALE
    assert stage(begun) == 10
    begun.clock.pass_(days=1)
    begun.write_ledger()
    assert isinstance(requests.approve(begun.target, begun.people["aaron"], request), Moved)
    other = asked_of(begun)
    begun.clock.pass_(days=-1)
    denied = requests.deny(begun.target, begun.people["aaron"], other)
    assert isinstance(denied, Ended)
    assert denied.approval.status is ApprovalStatus.DENIED


def test_two_machines_whose_clocks_are_minutes_apart_ask_and_approve(begun: Rig) -> None:
    """That is no clock that was set back."""
    request = asked_of(begun)
    begun.clock.pass_(minutes=-4)
    begun.write_ledger()
    assert isinstance(requests.approve(begun.target, begun.people["aaron"], request), Moved)


@pytest.fixture
def learned(begun: Rig) -> Rig:
    """A house at 25%, whose last step a person asked for, so that the schedule may take the next one."""
    assert isinstance(requests.approve(begun.target, begun.people["aaron"], asked_of(begun)), Moved)
    return begun


def run_of(rig: Rig, target: Target) -> list[object]:
    """Try the run of every date around, as any bot and any timer could."""
    days = (rig.clock.now.date() + timedelta(days=ahead) for ahead in (-1, 0, 1))
    return [daily.daily(target, day, PromotionMode.AUTO) for day in days]


@pytest.mark.parametrize("jump_h", [-48, -25, -24, -12, -1, 1, 12, 19])
def test_the_run_was_made_and_the_clock_jumps(learned: Rig, jump_h: int) -> None:
    """Ahead by less than a day or back by any time: what was due is made, and the clock passes its time again in vain."""
    made = daily.daily(learned.target, learned.clock.now.date(), PromotionMode.AUTO)
    assert isinstance(made, daily.DailyRun)
    assert stage(learned) == 50
    learned.clock.pass_(hours=jump_h)
    while learned.clock.now < made.sealed.receipt.ts + timedelta(hours=20):
        learned.write_ledger()
        assert {code(result) for result in run_of(learned, learned.target)} <= {Code.NOT_DUE, Code.ALREADY_DONE}
        learned.clock.pass_(hours=4)
    assert stage(learned) == 50


@pytest.mark.parametrize(
    ("zone", "at", "begins"),
    [
        pytest.param("Europe/Zurich", "02:30", datetime(2025, 10, 26, 0, 0, tzinfo=UTC), id="an-hour-that-comes-twice"),
        pytest.param("Europe/Zurich", "02:30", datetime(2026, 3, 29, 0, 0, tzinfo=UTC), id="an-hour-that-is-skipped"),
        pytest.param("Australia/Lord_Howe", "01:45", datetime(2026, 4, 4, 14, 0, tzinfo=UTC), id="half-an-hour-that-comes-twice"),
        pytest.param("Pacific/Apia", "09:05", datetime(2011, 12, 29, 0, 0, tzinfo=UTC), id="a-date-that-never-was"),
        pytest.param("America/Sao_Paulo", "00:00", datetime(2018, 11, 3, 12, 0, tzinfo=UTC), id="a-midnight-that-is-skipped"),
    ],
)
def test_two_bots_look_every_quarter_of_an_hour_around_a_change_of_the_clocks(
    learned: Rig, zone: str, at: str, begins: datetime
) -> None:
    """Each local date has one run at most, and what is due within twenty hours of another run is not made."""
    target = replace(learned.target, settings=learned.settings.model_copy(update={"schedule": Schedule(zone=zone, at=at)}))
    bots = (target, replace(target, journal=target.journal.with_patience(1)))
    learned.clock.now = begins
    made: list[date] = []
    for _ in range(4 * 60):
        today = learned.clock.now.astimezone(ZoneInfo(zone)).date()
        for bot in bots:
            for ahead in (-1, 0, 1):
                day = today + timedelta(days=ahead)
                if isinstance(daily.daily(bot, day, PromotionMode.OFF), daily.DailyRun):
                    made.append(day)
        learned.clock.pass_(minutes=15)
    assert len(set(made)) == len(made)
    assert 2 <= len(made) <= 3
    due = [begin_of(day, target.settings.schedule) for day in made]
    assert all(later - earlier >= timedelta(hours=20) for earlier, later in pairwise(due))
