import threading

import pytest

from core.brake import brake, second_look
from core.brake.second_look import make_safe_and_record, settle_overtaken, stay_safe
from core.operations import apply, propose
from core.receipts.receipt import Action, Phase, Result
from core.router.control import SAFE_SETTINGS
from core.target.lock import operation_lock
from core.target.order import Order
from tests.core.watch.test_watch import set_by_hand
from tests.support.rig import Rig


def test_where_the_safe_settings_stand_nothing_is_written_or_recorded(begun: Rig) -> None:
    """The look after a brake that took effect costs a glance."""
    brake.freeze(begun.target, begun.people["max"], "errors")
    before = begun.settings.settings_file.stat().st_ino
    assert stay_safe(begun.target, begun.clock.now) is None
    assert begun.settings.settings_file.stat().st_ino == before
    assert len(begun.target.journal.receipts()) == 2


def test_settings_that_were_raised_after_a_brake_are_made_safe_and_the_record_says_what_they_were(begun: Rig) -> None:
    """The journal says stage 0 all the while, and still has a receipt of what was found."""
    brake.rollback(begun.target, begun.people["max"], "errors")
    set_by_hand(begun, NOVA_ANR_ENABLED="1", NOVA_ANR_PILOT="0.10", NOVA_ANR_KILL="0")
    again = stay_safe(begun.target, begun.clock.now)
    assert again is not None
    assert again.sealed is not None
    assert begun.target.router.settings().carries(SAFE_SETTINGS)
    assert again.sealed.receipt.reason.endswith("They said 10% before.")


def test_a_router_that_is_made_safe_is_at_stage_0_in_the_record(begun: Rig) -> None:
    """Whoever made it safe, and why: the way up begins with a person's request."""
    made = make_safe_and_record(begun.target, "A hand.")
    assert made.problems == ()
    assert made.sealed is not None
    receipt = made.sealed.receipt
    assert (receipt.action, receipt.phase, receipt.result) == (Action.ROLLBACK, Phase.OUTCOME, Result.APPLIED)
    assert (receipt.stage_before, receipt.stage_after, receipt.settings_written) == (10, 0, SAFE_SETTINGS)
    state = begun.target.journal.state()
    assert (state.stage, state.person_required) == (0, True)
    assert make_safe_and_record(begun.target, "A hand.").sealed is None


def test_a_machine_without_a_thread_left_brakes_and_says_so(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody holds the lock the look after a brake needs a thread: without one the brake looks itself, and answers."""
    monkeypatch.setattr(second_look, "_CONFIRM_SECONDS", 0.01)

    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with operation_lock(begun.settings.run_dir, "promote", begun.clock.now):
        monkeypatch.setattr(threading.Thread, "start", no_thread)
        braked = brake.rollback(begun.target, begun.people["max"], "errors")
    assert isinstance(braked, brake.Braked)
    assert (braked.safe, braked.problems, braked.sealed is not None) == (True, (), True)


def test_a_look_after_the_brake_that_breaks_takes_nothing_from_its_answer(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw comes after the router is safe, and is said beside it."""

    def broken(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(second_look, "operation_lock", broken)
    braked = brake.freeze(begun.target, begun.people["max"], "errors")
    assert isinstance(braked, brake.Braked)
    assert (braked.safe, braked.sealed is not None) == (True, True)
    assert braked.problems == ("Whether the safe settings still stand could not be looked at again (MemoryError).",)


def test_what_cannot_be_made_safe_is_not_recorded_as_safe(begun: Rig) -> None:
    """A settings file that is gone: the problem is said, and the journal stays as it was."""
    begun.settings.settings_file.unlink()
    made = make_safe_and_record(begun.target, "A hand.")
    assert "does not exist" in made.problems[0]
    assert (made.sealed, begun.target.journal.state().stage) == (None, 10)


def test_a_move_that_died_under_a_brake_is_told_how_it_ended(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its outcome joins its own story, and changes nothing: the brake's stage stands."""

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(apply, "_carry_out", die)
        with pytest.raises(KeyboardInterrupt):
            propose.propose(begun.target, Order(begun.people["olivia"], "less"), wanted=0)
    intent = begun.target.journal.receipts(last=1)[0].receipt
    brake.rollback(begun.target, begun.people["max"], "errors")
    (outcome,) = settle_overtaken(begun.target)
    assert (outcome.receipt.operation, outcome.receipt.action) == (intent.operation, Action.LOWER)
    assert (outcome.receipt.result, outcome.receipt.stage_after) == (Result.OVERTAKEN, 0)
    assert settle_overtaken(begun.target) == ()
    assert begun.target.journal.state().stage == 0


def test_a_promotion_that_stalls_longer_than_the_answer_waits_is_put_right_when_it_dies(
    begun: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It held the lock before its rename while a freeze came and went, renamed, and was killed: nobody has to recover."""
    monkeypatch.setattr(second_look, "_CONFIRM_SECONDS", 0.05)
    held, ends = threading.Event(), threading.Event()

    def stalls() -> None:
        with operation_lock(begun.settings.run_dir, "promote", begun.clock.now):
            held.set()
            ends.wait(60)
            set_by_hand(begun, NOVA_ANR_ENABLED="1", NOVA_ANR_PILOT="0.25", NOVA_ANR_KILL="0")

    stalled = threading.Thread(target=stalls)
    stalled.start()
    held.wait(60)
    brake.freeze(begun.target, begun.people["max"], "errors")
    waiting = [thread for thread in threading.enumerate() if thread.name == "anr-after-brake"]
    for thread in waiting:
        thread.join(60)
    longer = [thread for thread in threading.enumerate() if thread.name == "anr-long-after-brake"]
    ends.set()
    stalled.join(60)
    for thread in longer:
        thread.join(60)
    assert (len(waiting), len(longer)) == (1, 1)
    assert begun.target.router.settings().carries(SAFE_SETTINGS)
    assert begun.target.journal.receipts(last=1)[0].receipt.reason.endswith("They said 25% before.")
