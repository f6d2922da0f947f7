"""Operations in a process that is killed with SIGKILL at every write and at random times, and what the next start makes of it."""

import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from core.actors import AccessPolicy, Actor, ActorKind
from core.brake import brake
from core.operations import propose, requests, results
from core.receipts.receipt import Action, Phase
from core.router.control import SAFE_SETTINGS
from core.settings.target import TargetSettings
from core.target.order import Order
from core.target.target import Target
from core.watch import recover
from tests.support.rig import Rig
from tests.torture.faults import Ended, killed_everywhere, run

pytestmark = pytest.mark.torture

ACCESS = AccessPolicy(operators=frozenset({"UOLIVIA"}), approvers=frozenset({"UAARON", "UPRIYA"}))
CAUSE = "slash:1"
NOTHING = recover.Recovered((), None, 0)
RANDOM_DEATHS = 50
"""For each of four operations."""


def actor(name: str) -> Actor:
    return Actor(kind=ActorKind.SLACK, id=name, roles=ACCESS.roles_of(name, full_member=True))


# --- what is killed: each is called in the process that dies, and again when its cause is delivered a second time ------


def target_of(target: TargetSettings, now: datetime) -> Target:
    return Target.at(target, ACCESS, lambda: now)


def promote(target: TargetSettings, now: datetime, _request: str) -> object:
    return propose.propose(target_of(target, now), Order(actor("UOLIVIA"), "ask", CAUSE))


def approve(target: TargetSettings, now: datetime, request: str) -> object:
    return requests.approve(target_of(target, now), actor("UAARON"), request)


def rollback(target: TargetSettings, now: datetime, _request: str) -> object:
    return brake.rollback(target_of(target, now), actor("UOLIVIA"), "errors", CAUSE)


def freeze(target: TargetSettings, now: datetime, _request: str) -> object:
    return brake.freeze(target_of(target, now), actor("UOLIVIA"), "errors", CAUSE)


def unfreeze(target: TargetSettings, now: datetime, _request: str) -> object:
    return propose.unfreeze(target_of(target, now), Order(actor("UAARON"), "found it"))


@dataclass
class Yard:
    """A place to which files are brought back before each death."""

    rig: Rig
    kept: Path
    request: str

    @property
    def target(self) -> TargetSettings:
        return self.rig.settings

    def again(self) -> tuple[TargetSettings, datetime, str]:
        """Bring every file back, and return the arguments of a work."""
        folder = self.target.journal.parent
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(self.kept, folder, dirs_exist_ok=True)
        return self.target, self.rig.clock.now, self.request


def yard_for(work: Callable[..., Any], rig: Rig, kept: Path) -> Yard:
    """Prepare what a work begins with: at 10%, with an open request if it answers one, frozen if it lifts."""
    propose.init(rig.target, rig.people["olivia"], "begin")
    request = ""
    if work is approve:
        asked = propose.propose(rig.target, Order(rig.people["olivia"]))
        assert isinstance(asked, results.Asked)
        request = asked.approval.id
    if work is unfreeze:
        brake.freeze(rig.target, rig.people["olivia"], "errors")
    rig.target.journal.close()
    shutil.copytree(rig.settings.journal.parent, kept)
    return Yard(rig, kept, request)


def settled(yard: Yard, work: Callable[..., Any], ended: Ended) -> Counter[str]:
    """Recover as the next start does, check everything that has to hold, and deliver the same cause again."""
    options, now = yard.target, yard.rig.clock.now
    where = f"{work.__name__}, killed at {ended.boundaries[-1:]}" if ended.killed else work.__name__
    target = target_of(options, now)
    came_of_it = recover.recover(target)
    if came_of_it != NOTHING:
        assert recover.recover(target) == NOTHING, where
    consistent(target, where)
    counts = Counter(late=len(came_of_it.late), settled=came_of_it.settled is not None, files=came_of_it.files)
    # Slack delivers once more, or the person tries again: one effect in all
    work(options, now, yard.request)
    consistent(target, where)
    effects(target, work, where)
    target.journal.close()
    return counts


def consistent(target: Target, where: str) -> None:
    """The chain verifies, files match rows, the router is where the journal says, and the brake's marks are the holds."""
    sealed, flaws = target.journal.receipts(), target.journal.verify()[1]
    assert flaws == (), where
    assert len({sealed_receipt.receipt.id for sealed_receipt in sealed}) == len(sealed), where
    assert sorted(path.name for path in target.settings.receipts_dir.glob("anr_*.json")) == [
        sealed_receipt.file_name for sealed_receipt in sealed
    ], where
    state = target.journal.state()
    settings = target.router.settings()
    assert state.unsettled is None, where
    assert settings.stage == state.stage, where
    assert set(target.brake.read().frozen_by) == {hold.id for hold in state.holds}, where
    assert target.brake.unrecorded() == (), where
    last_brake = [
        sealed_receipt.receipt.action
        for sealed_receipt in sealed
        if sealed_receipt.receipt.action in {Action.ROLLBACK, Action.FREEZE, Action.PROMOTE}
    ]
    if last_brake and last_brake[-1] in {Action.ROLLBACK, Action.FREEZE}:
        assert settings.carries(SAFE_SETTINGS), where


def effects(target: Target, work: Callable[..., Any], where: str) -> None:
    """After it was delivered again, a work has had its effect exactly once."""
    receipts = [sealed.receipt for sealed in target.journal.receipts()]
    count = Counter((receipt.action, receipt.phase) for receipt in receipts)
    state = target.journal.state()
    if work is promote:
        assert count[Action.REQUEST, Phase.EVENT] == len(target.journal.pending()) == 1, where
    elif work is approve:
        assert count[Action.PROMOTE, Phase.INTENT] == count[Action.PROMOTE, Phase.OUTCOME] == 1, where
        assert target.journal.pending() == (), where
        assert state.stage in {10, 25}, where
    elif work is unfreeze:
        assert count[Action.UNFREEZE, Phase.EVENT] == 1, where
        assert not state.frozen, where
    else:
        assert count[Action(work.__name__), Phase.OUTCOME] == 1, where
        assert state.stage == 0, where
        assert state.frozen == (work is freeze), where


@pytest.mark.parametrize("work", [promote, approve, rollback, freeze], ids=lambda work: work.__name__)
def test_killed_at_every_write_the_next_start_settles_it(
    rig: Rig, tmp_path_factory: pytest.TempPathFactory, work: Callable[..., Any], figure: Callable[[str], None]
) -> None:
    """Whichever write dies: journal, files, router and marks agree after `recover`, and a second delivery changes nothing."""
    yard = yard_for(work, rig, tmp_path_factory.mktemp("kept") / "files")
    deaths, counts = 0, Counter[str]()
    for ended in killed_everywhere(yard.again, work):
        deaths += ended.killed
        assert ended.raised is None
        counts += settled(yard, work, ended)
    assert deaths > 20
    figure(f"{work.__name__}: killed at each of {deaths} writes, {said(counts)}")


def said(counts: Counter[str]) -> str:
    parts = (f"{counts['late']} recorded late", f"{counts['settled']} intents settled", f"{counts['files']} files written again")
    return f"every time consistent after recover ({', '.join(parts)})"


@pytest.mark.parametrize("work", [promote, approve, rollback, freeze], ids=lambda work: work.__name__)
def test_killed_at_random_times_the_next_start_settles_it(
    rig: Rig, tmp_path_factory: pytest.TempPathFactory, work: Callable[..., Any], figure: Callable[[str], None]
) -> None:
    """Between the writes, too, and while SQLite changes its shared memory."""
    yard = yard_for(work, rig, tmp_path_factory.mktemp("kept") / "files")
    dice = random.Random(work.__name__)
    deaths, lived, lasts, counts = 0, 0, 0.05, Counter[str]()
    while deaths < RANDOM_DEATHS:
        ended = run(work, *yard.again(), kill_after_s=dice.uniform(0, lasts))
        # the span follows how long the work takes on this machine; a death before its first write is none of its deaths
        if ended.killed and not ended.boundaries:
            lasts *= 1.1
            continue
        lasts *= 1.05 if ended.killed else 0.8
        deaths += ended.killed
        lived += not ended.killed
        counts += settled(yard, work, ended)
    figure(f"{work.__name__}: killed at {deaths} random times (and {lived} lived), {said(counts)}")
