import pytest

from core.actors import SCHEDULER, Actor, ActorKind
from core.operations import daily
from core.operations.daily import Scheduled, pause, resume
from core.operations.results import Refused
from core.rollout.refusals import Code
from core.rollout.schedule import PromotionMode
from core.target.order import Order
from core.target.target import Target
from tests.support.promoting import promoted
from tests.support.rig import Rig


def test_a_paused_schedule_reports_and_promotes_nothing_until_it_is_resumed(begun: Rig) -> None:
    """The report of a paused day says who paused it; the day after the resume promotes again."""
    promoted(begun)
    begun.clock.pass_(hours=24)
    begun.write_ledger()
    paused = pause(begun.target, Order(begun.people["olivia"], "the fair"))
    assert isinstance(paused, Scheduled)
    assert paused.paused
    day = begun.clock.now.date()
    ran = daily.daily(begun.target, day, PromotionMode.AUTO)
    assert isinstance(ran, daily.DailyRun)
    assert isinstance(ran.outcome, Refused)
    assert ran.outcome.refusal.code is Code.SCHEDULE_PAUSED
    assert "UOLIVIA (the fair)" in ran.sealed.receipt.note
    assert begun.setting("NOVA_ANR_PILOT") == "0.25"
    going_on = resume(begun.target, Order(begun.people["olivia"]))
    assert isinstance(going_on, Scheduled)
    assert not going_on.paused
    begun.clock.pass_(hours=24)
    begun.write_ledger()
    daily.daily(begun.target, begun.clock.now.date(), PromotionMode.AUTO)
    assert begun.setting("NOVA_ANR_PILOT") == "0.50"


def test_a_pause_outlives_the_process(begun: Rig) -> None:
    """It stands in the journal: another process, or the same one after a restart, knows it."""
    pause(begun.target, Order(begun.people["olivia"]))
    again = Target.at(begun.settings, begun.target.access, begun.clock)
    assert again.journal.state().paused is not None


def test_a_person_may_promote_while_the_schedule_is_paused(begun: Rig) -> None:
    """The pause is the schedule's; people ask and approve as always."""
    pause(begun.target, Order(begun.people["olivia"]))
    promoted(begun)
    assert begun.setting("NOVA_ANR_PILOT") == "0.25"


@pytest.mark.parametrize(("who", "may"), [("olivia", True), ("aaron", True), ("max", False)])
def test_every_member_may_pause_but_only_operators_resume(begun: Rig, who: str, may: bool) -> None:  # noqa: FBT001 - a column
    """A pause only keeps promotions back; to let them go on takes an operator."""
    assert isinstance(pause(begun.target, Order(begun.people[who])), Scheduled)
    result = resume(begun.target, Order(begun.people[who]))
    assert isinstance(result, Scheduled) is may
    if isinstance(result, Refused):
        assert result.refusal.code is Code.NOT_ALLOWED


def test_somebody_without_a_role_changes_nothing(begun: Rig) -> None:
    """Neither pause nor resume, and nothing is recorded."""
    guest = Order(Actor(kind=ActorKind.SLACK, id="UGUEST"))
    before = len(begun.target.journal.receipts())
    for change in (pause, resume):
        result = change(begun.target, guest)
        assert isinstance(result, Refused)
        assert result.refusal.code is Code.NOT_ALLOWED
    assert isinstance(resume(begun.target, Order(SCHEDULER)), Refused)
    assert len(begun.target.journal.receipts()) == before


def test_what_is_so_already_is_not_recorded_again(begun: Rig) -> None:
    """Two pauses are one; a resume without a pause is none."""
    olivia = Order(begun.people["olivia"])
    assert isinstance(resume(begun.target, olivia), Refused)
    pause(begun.target, olivia)
    again = pause(begun.target, olivia)
    assert isinstance(again, Refused)
    assert again.refusal.code is Code.ALREADY_DONE
    assert [sealed.receipt.action for sealed in begun.target.journal.receipts()] == ["init", "pause"]
