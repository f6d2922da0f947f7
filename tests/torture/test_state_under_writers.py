"""Backups, looks, restores and resets beside a router that goes on learning, once for each of its two writers."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.actors import UPKEEP
from core.doctor.check import Health
from core.doctor.own_checks import check_up
from core.errors import StateFileError
from core.operations import propose, requests, results
from core.operations.restore import Restored
from core.receipts.receipt import Result
from core.receipts.state_content import StateSeen
from core.router.backups import Backups
from core.target.order import Order
from core.upkeep import backup
from tests.core.doctor.test_own_checks import changed
from tests.support.rig import NOW, Rig
from tests.support.state_routers import LOCKED, UNLOCKED, StateRouter

pytestmark = pytest.mark.torture

WRITERS = pytest.mark.parametrize("writer", [LOCKED, UNLOCKED])


@contextmanager
def learning(router: StateRouter) -> Iterator[StateRouter]:
    router.start()
    try:
        router.learned()
        yield router
    finally:
        router.stop()


def take_all(folder: Path, writer: str, count: int) -> Counter[str]:
    """Back up so often beside a router that rewrites its state 20 times a second; each backup that is made is whole."""
    kept = Backups(folder / "anr_state.json", folder / "backups", keep=7)
    became: Counter[str] = Counter()
    with learning(StateRouter(folder / "anr_state.json", writer)):
        before = 0
        for _ in range(count):
            try:
                taken = kept.take(NOW)
            except StateFileError:
                became["failed"] += 1
                continue
            state = json.loads((folder / "backups" / taken.name).read_bytes())
            traces = sum(state["A"][route][0][0] for route in state["arms"])
            assert state["count"] >= before  # never older than the one before
            assert 0 <= traces - len(state["arms"]) <= state["count"]  # matrices and count are of one moment
            before = state["count"]
            kept.delete((taken.name,))
            became["made"] += 1
    return became


@WRITERS
def test_a_backup_beside_either_writer_is_made_and_never_torn(tmp_path: Path, writer: str) -> None:
    """Twenty rewrites a second, with a lock or without: each backup is a state as it stood at one moment."""
    assert take_all(tmp_path, writer, 40) == {"made": 40}


@pytest.mark.torture
@WRITERS
def test_a_thousand_backups_beside_either_writer(tmp_path: Path, writer: str, figure: Callable[[str], None]) -> None:
    """At most one in a thousand is not made, and none is torn."""
    became = take_all(tmp_path, writer, 1000)
    assert became["made"] >= 999, became
    figure(f"backups beside the {writer} writer at 20 rewrites/s: {dict(became)}, none torn")


@WRITERS
def test_the_doctor_does_not_say_corrupt_for_what_is_whole_a_moment_later(begun: Rig, writer: str) -> None:
    """Thirty examinations beside either writer: the state is valid each time."""
    with learning(StateRouter(begun.settings.state_file, writer, per_second=200)):
        found = {
            (check.health, check.text.partition(",")[0])
            for _ in range(30)
            for check in check_up(begun.target)
            if check.name == "state file" and check.health is Health.FAIL
        }
    assert found == set()


def test_looking_makes_no_lock(begun: Rig) -> None:
    """Neither the doctor nor the list of backups leaves a lock that the router would find."""
    begun.settings.state_file.write_text('{"R1": {}}', encoding="utf-8")
    check_up(begun.target)
    begun.target.backups.present()
    begun.target.backups.found()
    assert not Path(f"{begun.settings.state_file}.lock").exists()


def exchanged(rig: Rig, writer: str, *, resets: bool) -> tuple[Result | None, StateSeen | None]:
    """Let a router learn, back up, let it learn on, and restore or reset beside it; say how it ended, after a check of it."""
    router = StateRouter(rig.settings.state_file, writer, per_second=100)
    with learning(router):
        target = changed(rig, stop_command=router.stop_command, start_command=router.start_command, observe_timeout_s=5).target
        made = backup.back_up(target, UPKEEP)
        assert isinstance(made, backup.BackedUp)
        copy = made.sealed.receipt.backup
        assert copy is not None
        then = json.loads((target.settings.backups_dir / copy.name).read_bytes())
        went_on = router.learned(30, since=then["count"])
        olivia, aaron = rig.people["olivia"], rig.people["aaron"]
        asked = propose.reset_state(target, Order(olivia)) if resets else propose.restore(target, Order(olivia), copy.name)
        assert isinstance(asked, results.Asked), asked
        done = requests.approve(target, aaron, asked.approval.id)
        assert isinstance(done, Restored), done
        assert router.is_running
        # what the running router has loaded, and not only its file: it starts from there and writes that
        begins = 0 if resets else then["count"]
        assert router.began_with == begins
        router.learned(3, since=begins)
        kept = done.sealed.receipt.backup
        assert kept is not None
        assert json.loads((target.settings.backups_dir / kept.name).read_bytes())["count"] >= went_on["count"]
    rig.clock.pass_(hours=1)
    propose.unfreeze(target, Order(aaron))
    change = done.sealed.receipt.state_change
    return done.sealed.receipt.result, change.seen if change else None


WORKS = pytest.mark.parametrize("resets", [False, True], ids=["restore", "reset"])
LOADED = (Result.APPLIED, StateSeen.CONTINUED)


@WORKS
@WRITERS
def test_a_router_under_traffic_goes_on_from_what_was_put_there(begun: Rig, writer: str, *, resets: bool) -> None:
    """Three of three: the running router has the state that was restored, or a new one, and its receipt says it was seen."""
    assert Counter(exchanged(begun, writer, resets=resets) for _ in range(3)) == {LOADED: 3}


@pytest.mark.torture
@WORKS
@WRITERS
def test_twenty_of_twenty_restores_and_resets_are_loaded(
    begun: Rig, writer: str, figure: Callable[[str], None], *, resets: bool
) -> None:
    """Under traffic, each time."""
    ended = Counter(exchanged(begun, writer, resets=resets) for _ in range(20))
    assert ended == {LOADED: 20}
    figure(f"{'reset' if resets else 'restore'} beside the {writer} writer: 20 of 20 loaded by the running router")


@WORKS
@WRITERS
def test_a_router_that_was_not_really_stopped_is_never_called_restored(begun: Rig, writer: str, *, resets: bool) -> None:
    """Its stop ends with 0 and stops nothing: it writes its old state over the new one, and the receipt says so."""
    router = StateRouter(begun.settings.state_file, writer, per_second=50)
    with learning(router):
        target = changed(begun, observe_timeout_s=5).target
        made = backup.back_up(target, UPKEEP)
        assert isinstance(made, backup.BackedUp)
        assert made.sealed.receipt.backup is not None
        router.learned(40, since=router.learned()["count"])
        olivia = begun.people["olivia"]
        asked = (
            propose.reset_state(target, Order(olivia))
            if resets
            else propose.restore(target, Order(olivia), made.sealed.receipt.backup.name)
        )
        assert isinstance(asked, results.Asked), asked
        done = requests.approve(target, begun.people["aaron"], asked.approval.id)
    assert isinstance(done, Restored)
    receipt = done.sealed.receipt
    assert receipt.state_change is not None
    if receipt.state_change.written:
        assert (receipt.result, receipt.state_change.seen) == (Result.UNKNOWN, StateSeen.OVERWRITTEN)
        assert "was written again after it was replaced" in receipt.note
    else:  # the writer without a lock came between the replacement and the look at it
        assert receipt.result is Result.NOT_APPLIED
        assert "Something else writes it" in receipt.note
