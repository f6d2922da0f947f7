"""The memory of alerts under two threads, as the webhook drives it: one brakes while the other records."""

import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from core.alerts.payload import AlertFacts, AlertStatus
from core.brake.alert_memory import AlertMemory, Instance
from core.brake.respond import AlertResponder
from core.brake.turns import RecordResult
from core.receipts.receipt import Action
from core.router.control import SAFE_SETTINGS
from tests.support.alert_payloads import alert, heard
from tests.support.rig import Rig
from tests.support.sweeps import sweep

CAUSES = 40
"""Alerts that page, each in a group of its own: to find the story of its group a repeat walks through all that came after."""
NEWS_EVERY, NEWS = 100, 15
"""Among the pages so many alerts come that only have to be shown: the recording thread adds them while the pages walk."""


@pytest.fixture
def switching_every_microsecond() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def page(cause: int) -> tuple[AlertFacts, ...]:
    return heard(alert(f"{cause:x}"), group=f"{{}}:{{page={cause}}}")


def news(number: int) -> tuple[AlertFacts, ...]:
    shown = [alert(f"a{number:x}b{index:x}", severity="info") for index in range(NEWS)]
    return heard(*shown, group=f"{{}}:{{news={number}}}")


@pytest.mark.usefixtures("switching_every_microsecond")
@sweep(2_000, 20_000)
def test_no_page_is_lost_while_another_thread_records(begun: Rig, rounds: int) -> None:
    """2,000 deliveries, and 20,000 with the torture, through both public methods: every one is held and safe, each cause once."""
    responder = AlertResponder(begun.target)
    pages = [page(cause) for cause in range(CAUSES)]
    recorded: list[Future[RecordResult]] = []
    with ThreadPoolExecutor(1) as braking, ThreadPoolExecutor(1) as recording:
        for number in range(rounds):
            acted = braking.submit(responder.act, pages[number % CAUSES]).result()
            assert (acted.held, acted.safe, acted.problems) == (True, True, ()), f"page {number}"
            if acted.notes:
                recorded.append(recording.submit(responder.note_down, acted))
            if number % NEWS_EVERY == 0:
                acted = braking.submit(responder.act, news(number)).result()
                recorded.append(recording.submit(responder.note_down, acted))
        noted = [future.result() for future in recorded]
    assert all(result.kept and not result.problems for result in noted)
    assert begun.target.router.settings().carries(SAFE_SETTINGS)
    assert {hold.cause for hold in begun.target.journal.state().holds} == {page(cause)[0].cause for cause in range(CAUSES)}
    actions = [sealed.receipt.action for sealed in begun.target.journal.receipts()]
    assert (actions.count(Action.FREEZE), actions.count(Action.ALERT)) == (CAUSES, rounds // NEWS_EVERY * NEWS)
    responder.close()


def test_the_oldest_instances_are_forgotten_first() -> None:
    """The memory is bounded; what falls out is asked of the journal again."""
    memory = AlertMemory(max_instances=2)
    first, second, third = (heard(alert(name))[0] for name in ("a", "b", "c"))
    for facts in (first, second, third):
        memory.remember("story", facts)
    assert [memory.find(facts.cause) for facts in (first, second, third)] == [
        None,
        Instance("story", noted=second),
        Instance("story", noted=third),
    ]


def test_an_instance_keeps_its_story_and_its_hold() -> None:
    """What is heard of it later changes neither; only the hold that was lifted counts as lifted."""
    memory = AlertMemory()
    firing = heard(alert("a"))[0]
    over = firing.model_copy(update={"status": AlertStatus.RESOLVED})
    memory.remember("story", firing, hold="hold")
    memory.remember("another", over)
    memory.lift(firing.cause, "another hold")
    assert memory.find(firing.cause) == Instance("story", "hold", over, changes=1)
    memory.lift(firing.cause, "hold")
    assert memory.find(firing.cause) == Instance("story", "hold", over, changes=1, lifted=True)


def test_walking_through_a_group_sees_the_moment_at_which_the_walk_began() -> None:
    """What another thread adds meanwhile does not disturb it; the newest comes first, of this group only."""
    memory = AlertMemory()
    one, two, three = (heard(alert(name))[0] for name in ("a", "b", "c"))
    memory.remember("g1", one)
    memory.remember("g2", two)
    walk = memory.of_group("g")
    memory.remember("g3", three)
    assert [cause for cause, _ in walk] == [two.cause, one.cause]
    assert [cause for cause, _ in memory.of_group("g1")] == [one.cause]
