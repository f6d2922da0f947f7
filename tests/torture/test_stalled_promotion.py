"""A promotion stands still before it writes, somebody brakes meanwhile, and it goes on, or dies: the router ends safe at once.

What counts is what a simulated router's process has loaded. Nobody calls `recover` before it is looked at: a brake that found
the operation lock taken looks again by itself (core/brake/second_look.py).
"""

import itertools
import threading
from collections.abc import Iterator
from datetime import datetime

import pytest

from core.brake import brake as braking
from core.operations import propose, requests, results
from core.operations.results import Moved
from core.receipts.receipt import Result
from core.settings.target import TargetSettings
from core.target.order import Order
from core.target.target import Target
from tests.support.rig import Rig
from tests.support.simulated_routers import Routers, simulated_routers
from tests.torture.faults import Stalled, run, stalled
from tests.torture.ways_up import ACCESS, OLIVIA, PRIYA, Field, nobody_raises, settled_safe

pytestmark = pytest.mark.torture

SAFE = {"enabled": False, "pilot": 0.0, "kill": True}


@pytest.fixture(scope="module")
def routers() -> Iterator[Routers]:
    with simulated_routers() as running:
        yield running


@pytest.fixture
def asked(rig: Rig, routers: Routers, tmp_path_factory: pytest.TempPathFactory) -> tuple[Field, str]:
    """A router that serves 25%, and a request for 50% that waits for its second person."""
    field = Field.of(rig, routers, tmp_path_factory.mktemp("kept") / "files")
    target = field.target()
    waiting = propose.propose(target, Order(OLIVIA, "up"))
    assert isinstance(waiting, results.Asked), waiting
    target.journal.close()
    return field.kept_as_it_is(), waiting.approval.id


def approve(target: TargetSettings, now: datetime, request: str) -> object:
    return requests.approve(Target.at(target, ACCESS, lambda: now), PRIYA, request)


def looked_again() -> None:
    """Wait until nobody looks after the brake any more."""
    while looking := [thread for thread in threading.enumerate() if thread.name in {"anr-after-brake", "anr-long-after-brake"}]:
        for thread in looking:
            thread.join()


def test_a_promotion_that_stalled_before_its_write_and_dies_after_it_leaves_the_router_safe(
    asked: tuple[Field, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: wherever it dies after the freeze, at each of its later writes or never, the router has the safe settings loaded."""
    monkeypatch.setattr("core.brake.second_look._CONFIRM_SECONDS", 0.05)
    field, request = asked
    whole = run(approve, field.settings, field.clock.now, request)
    assert isinstance(whole.returned, Moved), whole.raised or whole.returned
    assert field.serves == 0.50
    renames = f"os.rename {field.settings.settings_file}"
    before = next(at for at, boundary in enumerate(whole.boundaries, 1) if boundary == renames)
    outcomes: list[Result | None] = []
    for killed_at in itertools.count(before + 1):
        where = f"killed before boundary {killed_at}"
        field.again()
        with stalled(approve, field.settings, field.clock.now, request, fault=Stalled(before, killed_at)) as goes_on:
            target = field.target()
            braked = braking.freeze(target, OLIVIA, "errors")
            assert isinstance(braked, braking.Braked)
            assert (braked.safe, field.routers.loaded(field.settings.settings_file)) == (True, SAFE), where
            ended = goes_on()
        looked_again()
        target.journal.close()
        assert field.routers.loaded(field.settings.settings_file) == SAFE, where
        outcomes.append(ended.returned.sealed.receipt.result if isinstance(ended.returned, Moved) else None)
        settled_safe(field, where)
        if killed_at % 5 == 0 or not ended.killed:
            nobody_raises(field, where)
        if not ended.killed:
            break
    assert outcomes[-1] is Result.OVERTAKEN
    assert len(outcomes) > 10
