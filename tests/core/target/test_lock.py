import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.canonical import rfc3339
from core.errors import AnrError, ConfigurationError, OperationBusy
from core.target.lock import bot_lock, operation_lock
from tests.core.system.test_files import bits, denied, nobodys_folder, umask
from tests.support.rig import NOW

HOLDER = """
import sys
from datetime import datetime
from pathlib import Path
from core.target.lock import operation_lock

with operation_lock(Path(sys.argv[1]), sys.argv[2], datetime.fromisoformat(sys.argv[3])):
    print("held", flush=True)
    sys.stdin.read()
"""
COUNTS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from core.target.lock import operation_lock

counter = Path(sys.argv[1]) / "counter"
for _ in range(15):
    with operation_lock(Path(sys.argv[1]), "count", datetime.now(UTC), wait_s=600):
        counter.write_text(str(int(counter.read_text()) + 1))
"""
SAYS_NOTHING = "Another operation is under way: its holder has not said which. Nothing was changed; try again when it has ended."


@contextmanager
def another_process(folder: Path, operation: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock until it is killed or its input ends."""
    command = [sys.executable, "-c", HOLDER, str(folder), operation, NOW.isoformat()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def refusal(folder: Path) -> str:
    """What an operation is told that finds the lock held."""
    with pytest.raises(OperationBusy) as caught, operation_lock(folder, "second", NOW, wait_s=0):
        pytest.fail("the lock was given twice")
    return str(caught.value)


def free(folder: Path) -> bool:
    with operation_lock(folder, "next", NOW, wait_s=0):
        return True


def named(operation: str, process: int) -> str:
    return f"under way: {operation} (process {process} on {socket.gethostname()}, since {rfc3339(NOW)}). Nothing was changed;"


def test_a_second_process_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    """The message names operation, process, machine and since when, and that the brake does not wait."""
    with another_process(tmp_path, "promote to 25%") as process:
        told = refusal(tmp_path)
    assert named("promote to 25%", process.pid) in told
    assert told.endswith("`rollback` and `freeze` do not wait for it.")
    assert process.returncode == 0
    assert free(tmp_path)


def test_a_second_operation_of_the_same_process_is_refused_too(tmp_path: Path) -> None:
    """Threads exclude each other like processes do, and so does a thread itself."""
    told = []
    with operation_lock(tmp_path, "daily", NOW):
        told.append(refusal(tmp_path))
        thread = threading.Thread(target=lambda: told.append(refusal(tmp_path)))
        thread.start()
        thread.join()
    assert len(told) == 2
    assert all(named("daily", os.getpid()) in message for message in told)
    assert free(tmp_path)


def test_a_holder_that_is_killed_frees_the_lock(tmp_path: Path) -> None:
    """The kernel frees what a dead process held, and the next holder is named instead of the dead one."""
    with another_process(tmp_path, "killed") as process:
        assert named("killed", process.pid) in refusal(tmp_path)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert (tmp_path / "operation.holder.json").exists()
    with operation_lock(tmp_path, "after it", NOW, wait_s=0):
        assert named("after it", os.getpid()) in refusal(tmp_path)
    assert not (tmp_path / "operation.holder.json").exists()


def test_an_operation_that_fails_frees_the_lock(tmp_path: Path) -> None:
    """The error comes through as it is, and nobody is named as the holder any more."""
    facts = {}

    def fail() -> None:
        with operation_lock(tmp_path, "fails", NOW):
            facts.update(json.loads((tmp_path / "operation.holder.json").read_bytes()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert facts == {"operation": "fails", "pid": os.getpid(), "host": socket.gethostname(), "since": rfc3339(NOW)}
    assert not (tmp_path / "operation.holder.json").exists()
    assert free(tmp_path)


def test_operations_of_two_processes_never_overlap(tmp_path: Path) -> None:
    """A counter that is read and written without further care loses no step."""
    (tmp_path / "counter").write_text("0", encoding="ascii")
    command = [sys.executable, "-c", COUNTS, str(tmp_path)]
    processes = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(timeout=600) for process in processes] == [0, 0]
    assert (tmp_path / "counter").read_text(encoding="ascii") == "30"


def test_the_folder_of_the_lock_is_made(tmp_path: Path) -> None:
    """Nothing has to be prepared."""
    assert free(tmp_path / "run" / "anr")


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"operation": "promote", "pid"', id="cut-off"),
        pytest.param(b"\xff\xfe\x00", id="not-utf-8"),
        pytest.param(b"[]", id="a-list"),
        pytest.param(b"7", id="a-number"),
        pytest.param(b'{"operation": "promote"}', id="facts-missing"),
        pytest.param(b'{"operation": "' + b"x" * 5000 + b'", "pid": 1, "host": "h", "since": "s"}', id="too-long"),
        pytest.param(
            b"[" * 4000,
            id="nested-without-end",
        ),
    ],
)
def test_a_holder_that_said_nonsense_still_gives_a_clear_message(tmp_path: Path, garbage: bytes) -> None:
    """The refusal does not depend on what the holder wrote."""
    with operation_lock(tmp_path, "first", NOW):
        (tmp_path / "operation.holder.json").write_bytes(garbage)
        assert refusal(tmp_path).startswith(SAYS_NOTHING)
    assert free(tmp_path)


@pytest.mark.parametrize("obstacle", ["missing", "directory"])
def test_a_holder_that_cannot_be_read_still_gives_a_clear_message(tmp_path: Path, obstacle: str) -> None:
    """Between taking the lock and writing its name a holder has none yet."""
    holder = tmp_path / "operation.holder.json"
    with operation_lock(tmp_path, "first", NOW):
        facts = holder.read_bytes()
        holder.unlink()
        if obstacle == "directory":
            holder.mkdir()
        told = refusal(tmp_path)
        if obstacle == "directory":
            holder.rmdir()
        holder.write_bytes(facts)
    assert told.startswith(SAYS_NOTHING)


@pytest.mark.parametrize(
    "obstacle", ["a folder that may not be written", "a file in the folder's place", "a folder in the lock's place"]
)
def test_a_lock_that_cannot_be_taken_is_an_error_of_ours(obstacle: str) -> None:
    """Nothing was begun, and that is said like everywhere else."""
    with nobodys_folder() as folder:
        run_dir = folder if "lock" in obstacle else folder / "run"
        if "file" in obstacle:
            run_dir.write_bytes(b"")
        elif "lock" in obstacle:
            (run_dir / "operation.lock").mkdir()
        with denied(folder, 0o500), pytest.raises(AnrError):
            free(run_dir)


@pytest.mark.parametrize("found", [None, 0o666, 0o644], ids=["not-there", "0666", "0644"])
def test_strangers_cannot_open_the_locks_file_whatever_the_umask_or_its_mode_was(found: int | None) -> None:
    """Whoever can open it, to read even, can hold it, and with it every promotion: in a folder that anybody may search, too."""
    with nobodys_folder() as home:
        run_dir = home / "run"
        run_dir.mkdir()
        if found is not None:
            (run_dir / "operation.lock").touch()
            (run_dir / "operation.lock").chmod(found)
        with umask(0), operation_lock(run_dir, "promote", NOW):
            held = bits(run_dir / "operation.lock")
        assert (held & 0o007, bits(run_dir / "operation.lock") & 0o007) == (0, 0)


# --- one bot ----------------------------------------------------------------------------------------------------------


def test_a_run_folder_has_one_bot_and_the_next_one_is_told_which(tmp_path: Path) -> None:
    """Process, machine and since when; once it has ended another may begin."""
    with bot_lock(tmp_path, NOW):
        with pytest.raises(ConfigurationError) as refused, bot_lock(tmp_path, NOW):
            pass
        assert f"process {os.getpid()} on {socket.gethostname()}, since 2025-10-01T09:05:00" in str(refused.value)
    with bot_lock(tmp_path, NOW):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["bot.lock"]


def test_a_bot_that_died_on_this_machine_is_in_nobodys_way(tmp_path: Path) -> None:
    """The kernel freed its lock; what it left was of this machine, whatever its container was called."""
    holder = tmp_path / "bot.holder.json"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    for left in ({"host": socket.gethostname(), "boot": "before"}, {"host": "another-container", "boot": boot}):
        holder.write_text(json.dumps({"operation": "bot", "pid": 1, "since": "then", **left}), encoding="utf-8")
        with bot_lock(tmp_path, NOW):
            assert json.loads(holder.read_text(encoding="utf-8"))["pid"] == os.getpid()


def test_the_journal_of_another_machine_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """A file lock excludes nobody there: two bots would act on one router."""
    holder = tmp_path / "bot.holder.json"
    left = {"operation": "bot", "pid": 7, "host": "router-2", "boot": "another", "since": "2025-10-01T08:00:00Z"}
    holder.write_text(json.dumps(left), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused, bot_lock(tmp_path, NOW):
        pass
    assert (
        f"process 7 on router-2, since 2025-10-01T08:00:00Z) did not say that it ended. Nothing was started; if no bot runs "
        f"there any more, remove {holder}." in str(refused.value)
    )
    holder.unlink()
    with bot_lock(tmp_path, NOW):
        pass
