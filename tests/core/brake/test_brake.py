import os
import threading

import pytest
from filelock import FileLock

from core.actors import ActorKind
from core.brake import brake as braking
from core.brake import lift, second_look
from core.operations import propose, requests, results
from core.receipts.receipt import Action, Result
from core.rollout.refusals import Code, Refuse
from core.router.control import SAFE_SETTINGS, settings_for
from core.router.marks import BrakeNote, BrakeReading
from core.target.order import Order
from core.target.target import Target
from core.watch import recover
from tests.support.rig import Rig
from tests.support.sweeps import sweep


def is_safe(rig: Rig) -> bool:
    return rig.target.router.settings().carries(SAFE_SETTINGS)


def braked(result: object) -> braking.Braked:
    assert isinstance(result, braking.Braked), result
    return result


def test_a_freeze_refuses_promotion_until_it_is_lifted_and_lifting_does_not_promote(begun: Rig) -> None:
    """Unfreezing leaves the router at zero, and the next step is a person's."""
    braking.freeze(begun.target, begun.people["max"], "errors")
    refused = propose.propose(begun.target, Order(begun.people["olivia"]))
    assert isinstance(refused, results.Refused)
    assert refused.refusal.code is Code.FROZEN
    assert isinstance(propose.unfreeze(begun.target, Order(begun.people["max"])), results.Refused)
    lifted = propose.unfreeze(begun.target, Order(begun.people["olivia"], "found it"))
    assert isinstance(lifted, lift.Unfrozen)
    assert is_safe(begun)
    assert begun.target.brake.read().frozen_by == ()


def test_a_brake_between_the_look_and_the_write_wins(begun: Rig) -> None:
    """Whoever writes with an old look at the marks puts the router back to safe."""
    before = begun.target.brake.read()
    braking.freeze(begun.target, begun.people["max"], "errors")
    assert begun.target.router.serve(25, before).overtaken
    assert is_safe(begun)


@sweep(20, 200)
def test_races_between_promotion_and_brake_all_end_safe(begun: Rig, rounds: int) -> None:
    """However rollback and promotion interleave in two threads, the end state is the safe one."""
    router, brake = begun.target.router, begun.target.brake
    text = begun.settings.settings_file.read_text(encoding="utf-8")
    unsafe, raced = 0, []
    for _ in range(rounds):
        begun.settings.settings_file.write_text(text, encoding="utf-8")
        reading = brake.read()
        barrier = threading.Barrier(2)

        def promote(reading: BrakeReading = reading, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            raced.append(router.serve(25, reading))

        racer = threading.Thread(target=promote)
        racer.start()
        barrier.wait()
        braking.rollback(begun.target, begun.people["max"], "race")
        racer.join()
        unsafe += not is_safe(begun)
    assert unsafe == 0
    assert len(raced) == rounds
    assert all(written.overtaken or written.observed.stage == 25 for written in raced)


def test_a_promotion_killed_right_after_its_write_does_not_outlive_the_brake(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looked before the brake, wrote after it, and died holding the lock: the brake looks once more when the lock is free."""
    monkeypatch.setattr(second_look, "_CONFIRM_SECONDS", 60.0)  # a slow machine may take its time
    lock = FileLock(begun.settings.run_dir / "operation.lock")
    begun.settings.run_dir.mkdir(parents=True, exist_ok=True)
    lock.acquire()
    assert braked(braking.rollback(begun.target, begun.people["max"], "errors")).safe
    text = begun.settings.settings_file.read_text(encoding="utf-8")
    begun.settings.settings_file.write_text(text.replace("=0.00", "=0.25").replace("KILL=1", "KILL=0"), encoding="utf-8")
    assert not is_safe(begun)
    lock.release()
    for thread in threading.enumerate():
        if thread.name == "anr-after-brake":
            thread.join()
    assert is_safe(begun)


def test_a_member_without_the_role_cannot_brake(rig: Rig) -> None:
    """A guest has no role at all."""
    guest = rig.people["max"].model_copy(update={"roles": frozenset()})
    assert isinstance(braking.rollback(rig.target, guest, ""), Refuse)
    assert not is_safe(rig)


def test_the_same_cause_brakes_once(begun: Rig) -> None:
    """A redelivered rollback does nothing the second time."""
    braking.rollback(begun.target, begun.people["max"], "", "slash:7")
    again = braking.rollback(begun.target, begun.people["max"], "", "slash:7")
    assert isinstance(again, Refuse)
    assert again.code is Code.ALREADY_DONE


def test_a_brake_works_before_the_journal_was_ever_begun(rig: Rig) -> None:
    """Nothing has to be initialised before the brake works."""
    assert braked(braking.rollback(rig.target, rig.people["max"], "")).problems == ()
    assert rig.target.journal.state().stage == 0


@pytest.mark.parametrize(
    ("written", "result", "stage"),
    [
        pytest.param(False, Result.NOT_APPLIED, 10, id="killed-before-the-write"),
        pytest.param(True, Result.NOT_APPLIED, 10, id="killed-after-the-write-and-never-seen"),
    ],
)
def test_an_intent_without_outcome_is_settled_by_what_is_observed(
    begun: Rig,
    monkeypatch: pytest.MonkeyPatch,
    written: bool,  # noqa: FBT001 - a table's column
    result: Result,
    stage: int,
) -> None:
    """A promotion that died half-way blocks the next one, until `recover` settles it; it is never finished hours later."""
    request = propose.propose(begun.target, Order(begun.people["olivia"]))
    assert isinstance(request, results.Asked)

    class KilledError(BaseException):
        """As if the process had died here."""

    def die(*_: object, **__: object) -> None:
        raise KilledError

    if written:
        monkeypatch.setattr("core.operations.apply.Target.written", die)
    else:
        monkeypatch.setattr("core.router.control.Router.serve", die)
    with pytest.raises(KilledError):
        requests.approve(begun.target, begun.people["aaron"], request.approval.id)
    monkeypatch.undo()
    assert begun.setting("NOVA_ANR_PILOT") == settings_for(25 if written else 10, 0.15)["NOVA_ANR_PILOT"]
    refused = propose.propose(begun.target, Order(begun.people["olivia"]))
    assert isinstance(refused, results.Refused)
    assert refused.refusal.code is Code.UNSETTLED
    settled = recover.recover(begun.target).settled
    assert settled is not None
    assert (settled.receipt.result, settled.receipt.stage_after) == (result, stage)
    assert begun.setting("NOVA_ANR_PILOT") == "0.10"
    assert begun.target.journal.state().unsettled is None


def test_receipts_and_settings_are_not_readable_for_everybody(begun: Rig) -> None:
    """Files that this program makes are not open to the world."""
    braking.rollback(begun.target, begun.people["max"], "")
    assert os.name != "posix" or all(path.stat().st_mode & 0o007 == 0 for path in begun.settings.receipts_dir.iterdir())


def test_a_mark_that_cannot_be_understood_becomes_a_hold_and_is_never_dropped(begun: Rig) -> None:
    """A freeze that nobody could record, on a disk that garbled its mark, still holds every promotion after `recover`."""
    begun.target.brake.engage(
        BrakeNote(id="f" * 32, action=Action.FREEZE, actor=begun.people["max"], reason="errors", cause=None, at=begun.clock.now)
    )
    begun.target.router.make_safe()
    (begun.settings.run_dir / "brake" / f"note-{'f' * 32}.json").write_bytes(b"\0" * 40)
    recover.recover(begun.target)
    (hold,) = begun.target.journal.state().holds
    assert (hold.id, hold.actor.kind) == ("f" * 32, ActorKind.RECOVERY)
    assert begun.target.brake.read().frozen_by == ("f" * 32,)
    assert recover.recover(begun.target) == recover.Recovered((), None, 0)
    propose.unfreeze(begun.target, Order(begun.people["olivia"], "found out"))
    assert begun.target.brake.read().frozen_by == ()


def test_a_freeze_that_an_older_copy_of_the_journal_does_not_have_is_still_in_force(begun: Rig) -> None:
    """The journal is put back as it was before the freeze; its mark on disk brings the hold back."""
    begun.target.journal.close()
    copy = begun.settings.journal.read_bytes()
    braking.freeze(begun.target, begun.people["max"], "errors")
    begun.target.journal.close()
    for file in begun.settings.journal.parent.glob(f"{begun.settings.journal.name}-*"):
        file.unlink()
    begun.settings.journal.write_bytes(copy)
    target = Target.at(begun.settings, begun.target.access, begun.clock)
    assert target.journal.state().holds == ()
    recover.recover(target)
    (hold,) = target.journal.state().holds
    assert (hold.actor.id, hold.reason) == ("UMAX", "errors")
    assert len(target.brake.read().frozen_by) == 1
