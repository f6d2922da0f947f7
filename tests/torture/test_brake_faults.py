"""The brake under faults: whatever is broken around it, the router gets its safe settings at once, and nothing is lost.

Times are printed and not asserted: what is asserted is that nothing was waited for.
"""

import errno
import inspect
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from core.actors import AccessPolicy, Actor, ActorKind
from core.brake import brake as braking
from core.cli.output import FAILED
from core.cli.render import ending
from core.operations import propose, results
from core.receipts.chain import Sealed
from core.rollout.refusals import Code
from core.router.control import SAFE_SETTINGS
from core.settings.target import TargetSettings
from core.target.lock import operation_lock
from core.target.order import Order
from core.target.target import Target
from core.watch import recover
from tests.core.target.test_lock import another_process
from tests.support.rig import Rig
from tests.torture.faults import Failing, run

pytestmark = pytest.mark.torture

What = Literal["rollback", "freeze"]
BRAKES: tuple[What, ...] = ("rollback", "freeze")
ACCESS = AccessPolicy(operators=frozenset({"UOLIVIA"}), approvers=frozenset({"UAARON"}))
MAX = Actor(kind=ActorKind.SLACK, id="UMAX", roles=ACCESS.roles_of("UMAX", full_member=True))
DEADLINE = 300.0
"""Seconds after which an answer counts as one that waited for something: who waits here waits far longer for the lock."""


@dataclass
class Bench:
    """A target whose reload command keeps what the router was given, and when."""

    rig: Rig
    settings: TargetSettings
    loaded: Path
    figure: Callable[[str], None]

    @property
    def target(self) -> Target:
        return Target.at(self.settings, ACCESS, self.rig.clock)

    def braked(self, what: What, fault: str, done: braking.Braked, began: float, seconds: float) -> None:
        """Check that the router was given its safe settings, and print how soon."""
        given = dict(line.partition("=")[::2] for line in self.loaded.read_text(encoding="utf-8").splitlines())
        assert {name: given.get(name) for name in SAFE_SETTINGS} == SAFE_SETTINGS, fault
        assert done.note.action == what
        safe_after = max(0.0, self.loaded.stat().st_mtime - began)
        assert safe_after <= seconds + 0.1 < DEADLINE, fault
        self.figure(f"{what} while {fault}: safe after {safe_after * 1000:.0f} ms, answered after {seconds * 1000:.0f} ms")

    def brake(self, what: What, fault: str) -> braking.Braked:
        """Brake in this process."""
        done, began, seconds = brake(self.settings, self.rig.clock.now, what)
        self.braked(what, fault, done, began, seconds)
        return done

    def brake_failing(self, what: What, fault: str, failing: Failing) -> tuple[braking.Braked, tuple[str, ...]]:
        """Brake in a process whose disk fails; return also what was logged as an error."""
        ended = run(brake, self.settings, self.rig.clock.now, what, fault=failing)
        assert ended.raised is None, ended.raised
        assert ended.failed, "nothing failed: the fault was not met"
        done, began, seconds = ended.returned
        self.braked(what, fault, done, began, seconds)
        return done, ended.logged

    def recorded_late(self, done: braking.Braked) -> Sealed:
        """At the next chance it is recorded, marked late, once; until then nothing can be promoted."""
        assert done.sealed is None
        assert any("recorded at the next chance" in problem for problem in done.problems)
        refused = propose.propose(self.target, Order(self.rig.people["olivia"]))
        assert isinstance(refused, results.Refused)
        assert refused.refusal.code in {Code.BRAKE_ENGAGED, Code.BRAKED}
        self.rig.clock.pass_(minutes=1)
        (late,) = recover.record_waiting(self.target)
        assert (late.receipt.late, late.receipt.id, late.receipt.ts) == (True, done.note.id, done.note.at)
        assert recover.record_waiting(self.target) == ()
        state = self.target.journal.state()
        assert (state.stage, [hold.id for hold in state.holds]) == (0, [done.note.id] if done.note.action == "freeze" else [])
        assert self.target.brake.unrecorded() == ()
        assert self.target.brake.read().frozen_by == tuple(hold.id for hold in state.holds)
        assert self.target.router.settings().carries(SAFE_SETTINGS)
        assert self.target.journal.verify()[1] == ()
        return late


def brake(options: TargetSettings, now: datetime, what: What) -> tuple[braking.Braked, float, float]:
    """Return what a brake did, when it began and how long the answer took, in seconds."""
    target = Target.at(options, ACCESS, lambda: now)
    began, before = time.time(), time.monotonic()
    done = getattr(braking, what)(target, MAX, "errors", f"slash:{what}")
    seconds = time.monotonic() - before
    assert isinstance(done, braking.Braked), done
    return done, began, seconds


@pytest.fixture
def bench(begun: Rig, tmp_path: Path, figure: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The house of the other tests, with settings in a folder of their own, and a lock that is waited for for ever."""
    monkeypatch.setitem(inspect.unwrap(operation_lock).__kwdefaults__, "wait_s", 2 * DEADLINE)
    loaded, settings = tmp_path / "loaded", tmp_path / "settings" / "anr.env"
    settings.parent.mkdir()
    begun.settings.settings_file.rename(settings)
    update = {"settings_file": settings, "reload_command": ("sh", "-c", 'env > "$0"', str(loaded))}
    return Bench(begun, begun.settings.model_copy(update=update), loaded, figure)


@pytest.mark.parametrize("what", BRAKES)
def test_the_operation_lock_is_held_by_a_stuck_process(bench: Bench, what: What) -> None:
    """A process that has stopped for good in the middle of an operation delays nothing, not even the answer."""
    with another_process(bench.settings.run_dir, "promote") as stuck:
        stuck.send_signal(signal.SIGSTOP)
        try:
            done = bench.brake(what, "the operation lock is held by a stuck process")
        finally:
            stuck.kill()
    assert (done.safe, done.problems) == (True, ())
    assert bench.target.journal.state().stage == 0


@contextmanager
def locked(journal: Path) -> Iterator[None]:
    """Keep the journal so that nobody else can even read it."""
    with closing(sqlite3.connect(journal, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode=EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        yield
        holder.execute("ROLLBACK")


@pytest.mark.parametrize("what", BRAKES)
def test_the_journal_is_locked(bench: Bench, what: What) -> None:
    """Nobody waits for who holds it."""
    with locked(bench.settings.journal):
        done = bench.brake(what, "the journal is locked")
        assert bench.target.router.settings().carries(SAFE_SETTINGS)
    assert done.safe
    bench.recorded_late(done)


@pytest.mark.parametrize("what", BRAKES)
def test_the_journal_is_corrupt(bench: Bench, what: What) -> None:
    """It is recorded once the journal is restored."""
    good = bench.settings.journal.read_bytes()
    bench.settings.journal.write_bytes(b"not a database" * 100)
    for suffix in ("-wal", "-shm"):
        Path(f"{bench.settings.journal}{suffix}").unlink(missing_ok=True)
    done = bench.brake(what, "the journal is corrupt")
    assert done.safe
    bench.settings.journal.write_bytes(good)
    bench.recorded_late(done)


@pytest.mark.parametrize("what", BRAKES)
@pytest.mark.parametrize(
    ("error", "fault"),
    [
        pytest.param(errno.ENOSPC, "the journal is on a full disk", id="full"),
        pytest.param(errno.EROFS, "the journal is on a read-only disk", id="read-only"),
        pytest.param(errno.EIO, "the journal's disk is broken", id="broken"),
    ],
)
def test_the_journal_cannot_be_written(bench: Bench, what: What, error: int, fault: str) -> None:
    """A full, a read-only and a broken disk under the journal are all the same to the router."""
    done, logged = bench.brake_failing(what, fault, Failing(error, f"{bench.settings.journal}*"))
    assert done.safe
    assert any("recorded at the next chance" in message for message in logged)
    bench.recorded_late(done)


@pytest.mark.parametrize("what", BRAKES)
@pytest.mark.parametrize("ledger", ["100 GB", "garbage", "missing"])
def test_the_ledger_is_huge_or_garbage(bench: Bench, what: What, ledger: str) -> None:
    """The brake does not look at the ledger, and what comes after it looks at its end only."""
    path = bench.settings.ledger
    if ledger == "100 GB":
        with path.open("ab") as stream:
            stream.truncate(100 << 30)
    elif ledger == "garbage":
        path.write_bytes(b"\xff\x00[{" * (1 << 20))
    else:
        path.unlink()
    done = bench.brake(what, f"the ledger is {ledger}")
    assert (done.safe, done.problems) == (True, ())
    assert recover.recover(bench.target) == recover.Recovered((), None, 0)


@pytest.mark.parametrize("what", BRAKES)
def test_the_directory_of_the_settings_file_is_full(bench: Bench, what: What) -> None:
    """The reload command still gets the safe settings in its environment, and it is shouted that the file has others."""
    done, logged = bench.brake_failing(
        what, "the settings file's directory is full", Failing(errno.ENOSPC, f"{bench.settings.settings_file.parent}/*")
    )
    assert not done.safe
    assert any("could not be written (No space left on device)" in problem for problem in done.problems)
    assert any("could not be written (No space left on device)" in message for message in logged)
    said = ending(done)
    assert (said.code, said.said[0]) == (FAILED, "THE ROUTER MAY NOT BE SAFE.")
    assert done.sealed is not None
    assert done.sealed.receipt.result == "not_applied"
    assert bench.rig.target.journal.receipts(last=1)[0].digest == done.sealed.digest
    state = bench.target.journal.state()
    assert (state.stage, state.frozen, state.person_required) == (10, what == "freeze", True)


@pytest.mark.parametrize("what", BRAKES)
def test_the_brakes_own_directory_cannot_be_written(bench: Bench, what: What) -> None:
    """The mark is left beside the settings file, where a promotion that is under way sees it as well."""
    before = bench.target.brake.read()
    done, _ = bench.brake_failing(what, "the brake's directory is full", Failing(errno.ENOSPC, f"{bench.settings.run_dir}*"))
    assert (done.safe, done.problems) == (True, ())
    assert bench.target.router.serve(25, before).overtaken
    assert bench.target.router.settings().carries(SAFE_SETTINGS)
    assert bench.target.journal.state().frozen == (what == "freeze")
    assert bench.target.brake.read().frozen_by == ((done.note.id,) if what == "freeze" else ())


@pytest.mark.parametrize("what", BRAKES)
def test_neither_the_brakes_directory_nor_the_journal_can_be_written(bench: Bench, what: What) -> None:
    """The brake waits beside the settings file, and is recorded from there."""
    full = Failing(errno.ENOSPC, f"{bench.settings.journal.parent}/[!s]*")
    done, _ = bench.brake_failing(what, "the disk of everything but the settings is full", full)
    assert done.safe
    bench.recorded_late(done)


@pytest.mark.parametrize("what", BRAKES)
def test_nothing_of_a_brake_can_be_kept_anywhere(
    bench: Bench, what: What, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The router is made safe; the person is told that nothing was kept; the log has it whole; the process remembers it."""
    real_open = os.open

    def no_room(path: str, flags: int, mode: int = 0o777, **options: Any) -> int:
        if ".brake" in str(path) or "/brake/" in str(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        return real_open(path, flags, mode, **options)

    target, now = bench.target, bench.rig.clock.now
    with monkeypatch.context() as patched, locked(bench.settings.journal):
        patched.setattr(os, "open", no_room)
        done = getattr(braking, what)(target, MAX, "errors")
    assert target.router.settings().carries(SAFE_SETTINGS)
    assert (done.safe, done.sealed) == (True, None)
    assert any(problem.startswith("NOTHING OF THIS COULD BE KEPT") for problem in done.problems)
    assert ending(done).code == FAILED
    (kept,) = [record.getMessage() for record in caplog.records if record.levelname == "CRITICAL"]
    assert done.note.model_dump_json() in kept
    # this process, which may be the bot, remembers it, refuses promotions, and records it as soon as there is room
    assert [note.id for note in target.brake.unrecorded()] == [done.note.id]
    assert bench.target.brake.unrecorded() == ()
    refused = propose.propose(target, Order(bench.rig.people["olivia"]))
    assert isinstance(refused, results.Refused)
    bench.rig.clock.pass_(minutes=1)
    (late,) = recover.record_waiting(target)
    assert (late.receipt.late, late.receipt.ts) == (True, now)
    for view in (target, bench.target):
        assert view.journal.state().frozen == (what == "freeze")
        assert view.brake.read().frozen_by == ((done.note.id,) if what == "freeze" else ())
        assert view.brake.unrecorded() == ()


def test_a_brake_that_is_just_being_recorded_is_not_recorded_late(bench: Bench) -> None:
    """Who looks for brakes that wait leaves those alone that are under way, and two recorders make one receipt."""
    with locked(bench.settings.journal):
        done = bench.brake("freeze", "another process is about to record it")
    assert recover.record_waiting(bench.target) == ()
    notes = bench.target.brake.unrecorded()
    first = braking.record(bench.target, notes[0], late=True, safe=True)
    assert braking.record(bench.target, notes[0], late=False, safe=True) == first
    assert first is not None
    assert first.receipt.id == done.note.id
    assert len(bench.target.journal.receipts()) == 2
    assert bench.target.brake.read().frozen_by == (done.note.id,)
