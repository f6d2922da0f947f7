import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from core.actors import ALERTMANAGER
from core.errors import LedgerUnreadable, OperationTimedOut
from core.ledger.window import Window
from core.receipts.receipt import Action
from core.router.marks import BrakeNote
from core.scan.measure import measure
from core.target.observer import Observer
from core.target.overview import look
from tests.support.rig import NOW, Rig

DAY = Window.ending(NOW, 1440)
DIES_WITH_US = """
import sys, time
from pathlib import Path
from core.target.observer import Observer
from core.ledger.window import Window
from core.settings.target import TargetSettings

observer = Observer()
target = TargetSettings(ledger=Path(sys.argv[1]) / "ledger.ndjson", run_dir=Path(sys.argv[1]) / "run")
observer.measure(target, Window(0, 1440), lambda read, size: None)
print(observer._worker.pid, flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def observer() -> Iterator[Observer]:
    with closing(Observer()) as one:
        yield one


def ignored(_read: int, _size: int) -> None:
    return


def process_of(observer: Observer) -> int:
    assert observer._worker is not None
    assert observer._worker.is_running
    return observer._worker.pid


def kill_process(observer: Observer) -> int:
    """Kill the process and wait until it is dead, but leave the corpse to who started it; return its number."""
    assert observer._worker is not None
    number = observer._worker.pid
    os.kill(number, signal.SIGKILL)
    os.waitid(os.P_PID, number, os.WEXITED | os.WNOWAIT)
    return number


def test_another_process_measures_the_same(rig: Rig, observer: Observer) -> None:
    """The figures are those that this process would have, and the same process serves the next question."""
    expected = measure(rig.settings, DAY)
    assert expected.figures.decisions == 300
    assert observer.measure(rig.settings, DAY, ignored) == expected
    process = process_of(observer)
    assert process != os.getpid()
    shorter = Window.ending(NOW, 60)
    assert observer.measure(rig.settings, shorter, ignored) == measure(rig.settings, shorter)
    assert process_of(observer) == process


def test_another_process_sees_the_same(begun: Rig, observer: Observer) -> None:
    """State, settings, gates, blockers and problems are those that this process would see, at the moment of its clock."""
    seen = observer.look(begun.target)
    assert seen.as_json() == look(begun.target).as_json()
    assert (seen.now, seen.report is not None and seen.report.gates.go) == (NOW, True)
    process_of(observer)


def test_a_mark_that_only_this_process_remembers_is_seen_over_there(begun: Rig, observer: Observer) -> None:
    """A brake whose mark could be written nowhere is in the way of a promotion for whoever looks from another process, too."""
    before = observer.look(begun.target).blockers
    note = BrakeNote(id="1", action=Action.FREEZE, actor=ALERTMANAGER, reason="", cause=None, at=NOW)
    begun.target.brake.remember((note,))
    seen = observer.look(begun.target)
    assert seen.as_json() == look(begun.target).as_json()
    assert len(seen.blockers) == len(before) + 1
    begun.target.brake.remember(())
    assert observer.look(begun.target).blockers == before


def test_a_ledger_that_cannot_be_read_says_the_same_from_there(rig: Rig, observer: Observer) -> None:
    """The error comes over whole, and the process goes on."""
    observer.measure(rig.settings, DAY, ignored)
    process, lost = process_of(observer), rig.settings.ledger.with_name("lost")
    rig.settings.ledger.rename(lost)
    with pytest.raises(LedgerUnreadable) as here:
        measure(rig.settings, DAY)
    with pytest.raises(LedgerUnreadable) as there:
        observer.measure(rig.settings, DAY, ignored)
    assert str(there.value) == str(here.value)
    lost.rename(rig.settings.ledger)
    assert observer.measure(rig.settings, DAY, ignored).figures.decisions == 300
    assert process_of(observer) == process


def test_a_process_that_is_killed_half_way_measured_nothing(rig: Rig, observer: Observer) -> None:
    """That is said, with what ended it, and the next report starts another."""

    def kill(_read: int, _size: int) -> None:
        kill_process(observer)

    error: LedgerUnreadable | None = None
    while error is None:  # on a busy machine it may have sent its answer before it died; then the next one dies
        try:
            assert observer.measure(rig.settings, DAY, kill).figures.decisions == 300
        except LedgerUnreadable as raised:
            error = raised
    assert "ended half-way (signal 9). Nothing was measured; the next report starts" in str(error)
    assert observer.measure(rig.settings, DAY, ignored).figures.decisions == 300


def test_a_status_does_not_need_the_process(begun: Rig, observer: Observer, caplog: pytest.LogCaptureFixture) -> None:
    """If it dies, what needs no ledger is seen all the same."""
    killed: list[int] = []

    def kill(_read: int, _size: int) -> None:
        if not killed:
            killed.append(kill_process(observer))

    while "without the process that looks" not in caplog.text:  # it may have answered before it died; then the next one dies
        killed.clear()
        seen = observer.look(begun.target, kill)
        assert killed
        assert seen.as_json() == look(begun.target).as_json()


def test_whoever_watches_may_stop_the_reading(rig: Rig, observer: Observer) -> None:
    """An operation that has taken too long ends at once, and the reading with it."""
    observer.measure(rig.settings, DAY, ignored)
    assert observer._worker is not None
    process = observer._worker._process

    def stop(_read: int, _size: int) -> None:
        raise OperationTimedOut("enough")

    with pytest.raises(OperationTimedOut, match="enough"):
        observer.measure(rig.settings, DAY, stop)
    assert process.wait(60) is not None  # it may have sent its answer before it was killed, and die only now
    assert observer.measure(rig.settings, DAY, ignored).figures.decisions == 300


def test_who_wants_no_more_spoils_it_for_nobody_else(begun: Rig, observer: Observer) -> None:
    """Their own question ends with their own error; a status beside it is answered."""

    def stop(_read: int, _size: int) -> None:
        raise OperationTimedOut("mine alone is over")

    with ThreadPoolExecutor(2) as people:
        status = people.submit(observer.look, begun.target, ignored)
        measured = people.submit(observer.measure, begun.settings, Window.ending(NOW, 60), stop)
        with pytest.raises(OperationTimedOut, match="mine alone is over"):
            measured.result(60)
        assert status.result(60).as_json() == look(begun.target).as_json()


def test_a_process_that_hangs_is_ended_and_said_to_be(rig: Rig, observer: Observer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that answers no more holds up nobody for ever."""
    observer.measure(rig.settings, DAY, ignored)
    os.kill(process_of(observer), signal.SIGSTOP)
    monkeypatch.setattr("core.target.observer._SILENT_SECONDS", 0.2)
    with pytest.raises(LedgerUnreadable, match=r"ended half-way \(signal 9\)\..*or the ledger's disk hangs"):
        observer.measure(rig.settings, DAY, ignored)
    monkeypatch.undo()
    assert observer.measure(rig.settings, DAY, ignored).figures.decisions == 300


def test_a_site_measures_where_it_is_told_to(rig: Rig, observer: Observer) -> None:
    """An operation's own report is measured over there, with the progress for whoever waits."""
    told: list[tuple[int, int]] = []
    target = replace(rig.target, measured=observer.measure, on_progress=lambda read, size: told.append((read, size)))
    report = target.measure(NOW, leaving_zero=False)
    assert report == rig.target.measure(NOW, leaving_zero=False)
    assert told[-1] == (rig.settings.ledger.stat().st_size,) * 2
    process_of(observer)


def test_after_the_end_nothing_is_started(rig: Rig) -> None:
    """A report that comes while the bot is being stopped is refused, and leaves no process behind."""
    observer = Observer()
    observer.measure(rig.settings, DAY, ignored)
    process = psutil.Process(process_of(observer))
    observer.close()
    assert not process.is_running()
    with pytest.raises(LedgerUnreadable, match=r"anr is being stopped\. Nothing was measured"):
        observer.measure(rig.settings, DAY, ignored)


def test_the_end_does_not_wait_for_a_process_that_is_being_started(
    begun: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that began just before is refused, it is not made here instead, and the process is gone."""
    started, observer = tmp_path / "started", Observer()
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\necho $$ > {started}.new && mv {started}.new {started}\nexec sleep 600\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(observer.look, begun.target)
        while not started.exists():
            assert not wait([looking], 0.02).done
        observer.close()
        with pytest.raises(LedgerUnreadable, match=r"anr is being stopped\. Nothing was measured"):
            looking.result()
    assert not psutil.pid_exists(int(started.read_text(encoding="utf-8")))


def test_the_process_does_not_outlive_a_bot_that_is_killed(rig: Rig) -> None:
    """Whoever is killed takes it along."""
    command = [sys.executable, "-c", DIES_WITH_US, str(rig.settings.ledger.parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as bot:
        assert bot.stdout is not None
        there = psutil.Process(int(bot.stdout.readline()))
        assert there.is_running()
        bot.kill()
        bot.wait()
        psutil.wait_procs([there], timeout=120)
    assert not there.is_running()
