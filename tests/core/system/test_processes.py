import os
import sys
import threading
from pathlib import Path

import psutil
import pytest

from core.system.processes import environment, run


def python(code: str, *arguments: object) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *map(str, arguments))


def test_what_a_command_says_without_end_is_dropped_but_for_its_end() -> None:
    """Gigabytes pass through; the last 2,000 bytes stay, and they are the last."""
    ended = run(python("print('x' * 50_000_000, end=''); print('the end')"), settings={}, timeout_s=60)
    assert ended.code == 0
    assert len(ended.said) == 2000
    assert ended.said.endswith("xx" + "the end\n")


def test_what_a_command_that_takes_too_long_has_started_ends_with_it(tmp_path: Path) -> None:
    """Its child, and the child's child, are gone when it is over."""
    code = (
        "import subprocess, sys, time; from pathlib import Path\n"
        "if int(sys.argv[2]):\n"
        "    subprocess.Popen([sys.executable, '-c', Path(sys.argv[3]).read_text(), sys.argv[1], str(int(sys.argv[2]) - 1), "
        "sys.argv[3]])\n"
        "import os; (Path(sys.argv[1]) / f'{sys.argv[2]}.part').write_text(str(os.getpid()))\n"
        "(Path(sys.argv[1]) / f'{sys.argv[2]}.part').rename(Path(sys.argv[1]) / sys.argv[2])\n"
        "time.sleep(600)"
    )
    script = tmp_path / "script.py"
    script.write_text(code, encoding="utf-8")
    ended = run(python(code, tmp_path, 2, script), settings={}, timeout_s=10)
    assert ended.code is None
    pids = [int((tmp_path / name).read_text(encoding="utf-8")) for name in "210"]
    assert [pid for pid in pids if alive(pid)] == []


def alive(pid: int) -> bool:
    """Whether a process still runs; whoever inherits a dead one collects it in its time."""
    try:
        psutil.Process(pid).wait(30)
    except psutil.NoSuchProcess:
        return False
    except psutil.TimeoutExpired:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


def test_what_a_command_leaves_in_the_background_is_not_waited_for_and_lives(tmp_path: Path) -> None:
    """A launcher starts the router and ends: its router must not die with it, whatever it writes."""
    code = (
        "import time, sys; from pathlib import Path\n"
        "while not Path(sys.argv[1]).exists(): print('x', flush=True); time.sleep(.01)"
    )
    launch = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', *sys.argv[1:]]).pid)"
    ended = run(python(launch, code, tmp_path / "stop"), settings={}, timeout_s=60)
    assert ended.code == 0
    pid = int(ended.said.replace("x", "").split()[0])
    os.kill(pid, 0)
    (tmp_path / "stop").touch()
    assert not alive(pid)


def test_a_command_gets_what_it_needs_and_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that are on the list pass, also in the case that Windows gives them; nothing else of this process does."""
    for name in ("ANR_SLACK__BOT_TOKEN", "AWS_SECRET_ACCESS_KEY", "NOVA_ANR_PILOT", "PYTHONPATH"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("SystemRoot", r"C:\Windows")
    found = environment({"NOVA_ANR_PILOT": "0.00"})
    assert found["PATH"] == os.environ["PATH"]
    assert found["SystemRoot"] == r"C:\Windows"
    assert found["NOVA_ANR_PILOT"] == "0.00"
    assert "secret" not in found.values()


@pytest.mark.parametrize("command", [("/does/not/exist",), ("a\0b",)], ids=["missing", "nul"])
def test_a_command_that_cannot_be_started_is_an_error(command: tuple[str, ...]) -> None:
    """Nothing is left behind."""
    with pytest.raises((OSError, ValueError)):
        run(command, settings={}, timeout_s=1)


def test_a_command_runs_unheard_where_no_thread_can_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A brake on a machine without room for a thread restarts its router all the same."""

    def full(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", full)
    ended = run(python("import sys; open(sys.argv[1], 'w'); print('x' * 1_000_000)", tmp_path / "ran"), settings={}, timeout_s=60)
    assert (ended.code, ended.said) == (0, "")
    assert (tmp_path / "ran").exists()
