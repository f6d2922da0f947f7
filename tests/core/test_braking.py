import os
import sqlite3
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from core import approving, braking, operations, outcomes, recovery
from core.actuation import Order
from core.brake import BrakeReading
from core.decisions import Code, Refuse
from core.lock import operation_lock
from core.receipts import Action, Result
from core.router import SAFE_SETTINGS, settings_for
from core.site import Site
from tests.core.conftest import House


def is_safe(house: House) -> bool:
    return house.site.router.settings().carries(SAFE_SETTINGS)


def braked(result: object) -> braking.Braked:
    assert isinstance(result, braking.Braked), result
    return result


def test_a_rollback_acts_while_another_operation_holds_the_lock(begun: House) -> None:
    """A stuck operation does not delay the brake."""
    with operation_lock(begun.target.run_dir, "stuck", begun.clock()):
        done = braked(braking.rollback(begun.site, begun.people["max"], "errors"))
    assert done.problems == ()
    assert is_safe(begun)
    assert begun.site.journal.state().stage == 0


def test_a_rollback_acts_with_a_corrupt_journal_and_is_recorded_late(begun: House) -> None:
    """The router is safe, the person is told that nothing was recorded, and `recover` records it."""
    good = begun.target.journal.read_bytes()
    begun.target.journal.write_bytes(b"not a database" * 100)
    for suffix in ("-wal", "-shm"):
        Path(f"{begun.target.journal}{suffix}").unlink(missing_ok=True)
    site = Site.at(begun.target, begun.site.access, begun.clock)
    done = braked(braking.rollback(site, begun.people["max"], "errors"))
    assert done.sealed is None
    assert done.safe
    assert "not in the journal yet" in done.problems[0]
    assert is_safe(begun)
    begun.target.journal.write_bytes(good)
    (late,) = recovery.recover(Site.at(begun.target, begun.site.access, begun.clock)).late
    assert (late.receipt.late, late.receipt.reason, late.receipt.actor.id) == (True, "errors", "UMAX")


def test_a_freeze_acts_with_a_locked_journal(begun: House) -> None:
    """A transaction that another process never ends does not keep the router live; the mark blocks promotion meanwhile."""
    holder = sqlite3.connect(begun.target.journal, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        done = braked(braking.freeze(begun.site, begun.people["max"], "errors"))
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    assert done.safe
    assert done.sealed is None
    assert begun.site.brake.read().frozen_by == (done.note.id,)
    recovery.recover(begun.site)
    assert [hold.id for hold in begun.site.journal.state().holds] == [done.note.id]


def test_a_freeze_refuses_promotion_until_it_is_lifted_and_lifting_does_not_promote(begun: House) -> None:
    """Unfreezing leaves the router at zero, and the next step is a person's."""
    braking.freeze(begun.site, begun.people["max"], "errors")
    refused = operations.propose(begun.site, Order(begun.people["olivia"]))
    assert isinstance(refused, outcomes.Refused)
    assert refused.refusal.code is Code.FROZEN
    assert isinstance(operations.unfreeze(begun.site, Order(begun.people["max"])), outcomes.Refused)
    lifted = operations.unfreeze(begun.site, Order(begun.people["olivia"], "found it"))
    assert isinstance(lifted, braking.Unfrozen)
    assert is_safe(begun)
    assert begun.site.brake.read().frozen_by == ()


def test_a_brake_between_the_look_and_the_write_wins(begun: House) -> None:
    """Whoever writes with an old look at the marks puts the router back to safe."""
    before = begun.site.brake.read()
    braking.freeze(begun.site, begun.people["max"], "errors")
    assert begun.site.router.serve(25, before).overtaken
    assert is_safe(begun)


def test_two_hundred_races_between_promotion_and_brake_all_end_safe(begun: House) -> None:
    """However rollback and promotion interleave in two threads, the end state is the safe one."""
    router, brake = begun.site.router, begun.site.brake
    text = begun.target.settings_file.read_text(encoding="utf-8")
    unsafe, raced = 0, []
    for _ in range(200):
        begun.target.settings_file.write_text(text, encoding="utf-8")
        reading = brake.read()
        barrier = threading.Barrier(2)

        def promote(reading: BrakeReading = reading, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            raced.append(router.serve(25, reading))

        racer = threading.Thread(target=promote)
        racer.start()
        barrier.wait()
        braking.rollback(begun.site, begun.people["max"], "race")
        racer.join()
        unsafe += not is_safe(begun)
    assert unsafe == 0
    assert len(raced) == 200
    assert all(written.overtaken or written.observed.stage == 25 for written in raced)


def test_a_promotion_killed_right_after_its_write_does_not_outlive_the_brake(begun: House) -> None:
    """It looked before the brake, wrote after it, and died holding the lock: the brake looks once more when the lock is free."""
    lock = FileLock(begun.target.run_dir / "operation.lock")
    begun.target.run_dir.mkdir(parents=True, exist_ok=True)
    lock.acquire()
    applied: list[object] = []
    brake = threading.Thread(target=lambda: applied.append(braking.rollback(begun.site, begun.people["max"], "errors")))
    brake.start()
    while not any(one.receipt.action is Action.ROLLBACK for one in begun.site.journal.receipts()):
        continue
    text = begun.target.settings_file.read_text(encoding="utf-8")
    begun.target.settings_file.write_text(text.replace("=0.00", "=0.25").replace("KILL=1", "KILL=0"), encoding="utf-8")
    assert not is_safe(begun)
    lock.release()
    brake.join()
    assert is_safe(begun)
    assert braked(applied[0]).safe


def test_a_member_without_the_role_cannot_brake(house: House) -> None:
    """A guest has no role at all."""
    guest = house.people["max"].model_copy(update={"roles": frozenset()})
    assert isinstance(braking.rollback(house.site, guest, ""), Refuse)
    assert not is_safe(house)


def test_the_same_cause_brakes_once(begun: House) -> None:
    """A redelivered rollback does nothing the second time."""
    braking.rollback(begun.site, begun.people["max"], "", "slash:7")
    again = braking.rollback(begun.site, begun.people["max"], "", "slash:7")
    assert isinstance(again, Refuse)
    assert again.code is Code.ALREADY_DONE


def test_a_brake_works_before_the_journal_was_ever_begun(house: House) -> None:
    """Nothing has to be initialised before the brake works."""
    assert braked(braking.rollback(house.site, house.people["max"], "")).problems == ()
    assert house.site.journal.state().stage == 0


def test_a_settings_file_that_cannot_be_written_is_shouted(begun: House) -> None:
    """The brake says that the router may not be safe, and what went wrong."""
    directory = begun.target.settings_file
    directory.unlink()
    directory.mkdir()
    done = braked(braking.rollback(begun.site, begun.people["max"], ""))
    assert not done.safe
    assert any("could not be written" in problem for problem in done.problems)


@pytest.mark.parametrize(
    ("written", "result", "stage"),
    [
        pytest.param(False, Result.NOT_APPLIED, 10, id="killed-before-the-write"),
        pytest.param(True, Result.NOT_APPLIED, 10, id="killed-after-the-write-and-never-seen"),
    ],
)
def test_an_intent_without_outcome_is_settled_by_what_is_observed(
    begun: House,
    monkeypatch: pytest.MonkeyPatch,
    written: bool,  # noqa: FBT001 - a table's column
    result: Result,
    stage: int,
) -> None:
    """A promotion that died half-way blocks the next one, until `recover` settles it; it is never finished hours later."""
    request = operations.propose(begun.site, Order(begun.people["olivia"]))
    assert isinstance(request, outcomes.Asked)

    class KilledError(BaseException):
        """As if the process had died here."""

    def die(*_: object, **__: object) -> None:
        raise KilledError

    if written:
        monkeypatch.setattr("core.actuation.Site.await_sighting", die)
    else:
        monkeypatch.setattr("core.router.Router.serve", die)
    with pytest.raises(KilledError):
        approving.approve(begun.site, begun.people["aaron"], request.approval.id)
    monkeypatch.undo()
    assert begun.setting("NOVA_ANR_PILOT") == settings_for(25 if written else 10, 0.15)["NOVA_ANR_PILOT"]
    refused = operations.propose(begun.site, Order(begun.people["olivia"]))
    assert isinstance(refused, outcomes.Refused)
    assert refused.refusal.code is Code.UNSETTLED
    settled = recovery.recover(begun.site).settled
    assert settled is not None
    assert (settled.receipt.result, settled.receipt.stage_after) == (result, stage)
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"
    assert begun.site.journal.state().unsettled is None


def test_receipts_and_settings_are_not_readable_for_everybody(begun: House) -> None:
    """Files that this program makes are not open to the world."""
    braking.rollback(begun.site, begun.people["max"], "")
    assert os.name != "posix" or all(path.stat().st_mode & 0o007 == 0 for path in begun.target.receipts_dir.iterdir())
