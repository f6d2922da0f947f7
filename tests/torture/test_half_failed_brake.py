"""A brake that half failed leaves no way up: each test is an attack that raised live traffic once, or left it raised.

What counts is what a simulated router's process has loaded (tests/support/simulated_routers.py), not what a file says.
"""

import errno
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from core.brake import brake as braking
from core.brake import second_look
from core.brake.brake import Braked
from core.operations import propose, requests, results
from core.operations.results import Moved
from core.receipts.receipt import Action, Phase, Result
from core.rollout.refusals import Code
from core.settings.target import TargetSettings
from core.target.order import Order
from core.target.overview import look
from core.target.target import Target
from core.watch import recover, watch
from tests.support.rig import Rig
from tests.support.simulated_routers import Routers, simulated_routers
from tests.torture.faults import Failing, Killed, run
from tests.torture.ways_up import ACCESS, OLIVIA, PRIYA, Field, advised, nobody_raises, settled_safe

pytestmark = pytest.mark.torture

SETTINGS = "*/env/*"


@pytest.fixture(scope="module")
def routers() -> Iterator[Routers]:
    with simulated_routers() as running:
        yield running


@pytest.fixture
def field(rig: Rig, routers: Routers, tmp_path_factory: pytest.TempPathFactory) -> Field:
    """A router that serves 25%."""
    return Field.of(rig, routers, tmp_path_factory.mktemp("kept") / "files")


def freeze(target: TargetSettings, now: datetime) -> object:
    return braking.freeze(Target.at(target, ACCESS, lambda: now), OLIVIA, "errors")


def rollback(target: TargetSettings, now: datetime) -> object:
    return braking.rollback(Target.at(target, ACCESS, lambda: now), OLIVIA, "errors")


def lower(target: TargetSettings, now: datetime) -> object:
    return propose.propose(Target.at(target, ACCESS, lambda: now), Order(OLIVIA, "less"), wanted=10)


def approve(target: TargetSettings, now: datetime, request: str) -> object:
    return requests.approve(Target.at(target, ACCESS, lambda: now), PRIYA, request)


BRAKES = (freeze, rollback)


@pytest.mark.parametrize("work", BRAKES, ids=lambda work: work.__name__)
def test_a_settings_file_that_could_not_be_written_leaves_no_way_up(field: Field, work: Callable[..., Any]) -> None:
    """Immutable, full or broken: until somebody makes the router safe nothing else is written, and then it is recorded."""
    for error in (errno.EPERM, errno.ENOSPC, errno.EIO):
        where = f"{work.__name__} met {errno.errorcode[error]}"
        field.again()
        ended = run(work, field.settings, field.clock.now, fault=Failing(error, SETTINGS))
        assert isinstance(ended.returned, Braked), ended.raised
        assert (ended.returned.safe, bool(ended.failed)) == (False, True)
        target = field.target()
        state, seen = target.journal.state(), look(target)
        target.journal.close()
        assert (state.stage, state.brake_failed) == (25, True)
        assert [blocker.code for blocker in seen.blockers][:1] == [Code.BRAKE_FAILED]
        assert not advised("reapply", seen.blockers, seen.problems)
        nobody_raises(field, where)
        settled_safe(field, where, tried=True)
        field.again()
        run(work, field.settings, field.clock.now, fault=Failing(error, SETTINGS))
        settled_safe(field, where)
        nobody_raises(field, f"{where}, and was settled")


def test_the_second_look_that_makes_the_router_safe_is_recorded(field: Field) -> None:
    """The first try failed as a whole, the second one did not: the answer says so, the record says stage 0."""
    target = field.target()
    ended = run(freeze, field.settings, field.clock.now, fault=Failing(errno.EIO, SETTINGS))
    assert not ended.returned.safe
    again = second_look.stay_safe(target, field.clock.now, failed=True)
    assert again is not None
    assert again.problems == ()
    assert again.sealed is not None
    receipt = again.sealed.receipt
    assert (receipt.action, receipt.result, receipt.stage_before, receipt.stage_after) == (Action.ROLLBACK, Result.APPLIED, 25, 0)
    assert receipt.operation == ended.returned.sealed.receipt.operation
    assert second_look.stay_safe(target, field.clock.now) is None
    assert target.journal.state().brake_failed is False
    target.journal.close()
    settled_safe(field, "the second look")
    nobody_raises(field, "the second look")


def test_a_brake_of_which_nothing_could_be_kept_is_no_drift_to_reapply(field: Field) -> None:
    """Journal and marks were on a dead disk, the safe settings were written: nobody is offered the old stage."""
    root = field.settings.journal.parent
    ended = run(rollback, field.settings, field.clock.now, fault=Failing(errno.EIO, f"{root}/[!e]*"))
    assert (ended.returned.safe, ended.returned.sealed) == (True, None)
    for path in (root / "env" / "anr.env.brake").glob("note-*"):
        path.unlink()  # as if that disk had failed, too
    target = field.target()
    seen = look(target)
    assert seen.state is not None
    assert seen.state.stage == 25
    assert Code.BRAKED in {blocker.code for blocker in seen.blockers}
    assert not advised("reapply", seen.blockers, seen.problems)
    target.journal.close()
    nobody_raises(field, "nothing was kept")
    settled_safe(field, "nothing was kept", tried=True)


def test_settings_raised_under_a_freeze_are_put_right_by_whoever_looks(field: Field) -> None:
    """A promotion that was killed after its write, or a hand: the next look makes the router safe and records what it found."""
    target = field.target()
    braking.freeze(target, OLIVIA, "errors")
    text = (field.kept / "env" / "anr.env").read_text(encoding="utf-8")
    field.settings.settings_file.write_text(text, encoding="utf-8")
    field.routers.start(field.settings.settings_file)
    assert field.serves == 0.25
    (found,) = watch.watch(target)
    assert field.serves == 0
    assert (found.receipt.action, found.receipt.stage_after) == (Action.ROLLBACK, 0)  # type: ignore[union-attr]
    assert "They said 25% before." in found.receipt.reason  # type: ignore[union-attr]
    assert watch.watch(target) == ()
    target.journal.close()


def test_a_step_down_that_died_between_write_and_reload_is_reloaded_by_recover(field: Field) -> None:
    """The file said 10%, the router served 25% on: recover restarts it, and what is expected of it since is looked for."""
    whole = run(lower, field.settings, field.clock.now)
    assert isinstance(whole.returned, Moved)
    number = next(at for at, boundary in enumerate(whole.boundaries, 1) if boundary.startswith("subprocess.Popen"))
    field.again()
    ended = run(lower, field.settings, field.clock.now, fault=Killed(number))
    target = field.target()
    assert ended.killed
    assert (target.router.settings().stage, field.serves) == (10, 0.25)
    done = recover.recover(target)
    assert field.serves == 0.10
    assert done.settled is not None
    assert (done.settled.receipt.result, done.settled.receipt.stage_after) == (Result.APPLIED, 10)
    assert done.expected is not None
    assert (done.expected.stage, done.expected.restarted) == (10, True)
    assert target.journal.state().stage == 10
    target.journal.close()


def test_an_intent_that_died_under_a_brake_gets_its_outcome(field: Field) -> None:
    """A step down died half-way, then somebody braked: the story of the step has its end, and the stage stays the brake's."""
    whole = run(lower, field.settings, field.clock.now)
    number = next(at for at, boundary in enumerate(whole.boundaries, 1) if boundary.startswith("subprocess.Popen"))
    field.again()
    assert run(lower, field.settings, field.clock.now, fault=Killed(number)).killed
    target = field.target()
    braking.rollback(target, OLIVIA, "errors")
    assert len(target.journal.state().overtaken) == 1
    done = recover.recover(target)
    (outcome,) = done.overtaken
    assert (outcome.receipt.action, outcome.receipt.phase) == (Action.LOWER, Phase.OUTCOME)
    assert (outcome.receipt.result, outcome.receipt.stage_after) == (Result.OVERTAKEN, 0)
    assert (target.journal.state().overtaken, target.journal.state().stage) == ((), 0)
    assert recover.recover(target).overtaken == ()
    target.journal.close()


def test_an_approved_promotion_whose_outcome_cannot_be_recorded_says_what_the_router_serves(field: Field) -> None:
    """The disk of the journal died after the restart: nobody reads that nothing was changed."""
    target = field.target()
    asked = propose.propose(target, Order(OLIVIA, "up"))
    assert isinstance(asked, results.Asked), asked
    target.journal.close()
    field = field.kept_as_it_is()
    whole = run(approve, field.settings, field.clock.now, asked.approval.id)
    assert isinstance(whole.returned, Moved), whole.raised or whole.returned
    restart = next(at for at, boundary in enumerate(whole.boundaries, 1) if boundary.startswith("subprocess.Popen"))
    wal = next(
        at
        for at, boundary in enumerate(whole.boundaries, 1)
        if at > restart and boundary.startswith("sqlite") and boundary.endswith("-wal")
    )
    field.again()
    ended = run(approve, field.settings, field.clock.now, asked.approval.id, fault=Failing(errno.EIO, at=wal))
    assert field.serves == 0.50
    assert ended.raised is not None, ended.returned
    assert "THE ROUTER'S SETTINGS SERVE 50%" in ended.raised[1]
    assert "`rollback` takes live traffic away" in ended.raised[1]
