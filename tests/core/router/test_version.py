import os
import sys
from pathlib import Path

import pytest

from core.errors import EndpointUnreadable
from core.router.version import ask_version
from core.settings.target import TargetSettings


def told_by(*command: str, timeout_s: float = 20) -> TargetSettings:
    return TargetSettings.model_validate({"version_command": command, "observe": {"timeout_s": timeout_s}})


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


@pytest.mark.parametrize(
    ("code", "version"),
    [
        pytest.param("print('3f2a9c1')", "3f2a9c1", id="one-line"),
        pytest.param("print('warning: old git'); print('v1.2-3-g3f2a9c1\\n\\n')", "v1.2-3-g3f2a9c1", id="the-last-line"),
        pytest.param("print('\\x1b[31m3f2a\\x00')", "[31m3f2a", id="no-escapes"),
        pytest.param("print('x' * 5_000_000)", "x" * 59 + "…", id="bounded"),
    ],
)
def test_a_command_tells_the_version(code: str, version: str) -> None:
    """Its last line, as a text that harms no terminal and no receipt."""
    assert ask_version(told_by(*python(code))) == version


@pytest.mark.parametrize(
    ("command", "said"),
    [
        pytest.param(("/nonexistent/git",), "cannot be started (No such file", id="missing"),
        pytest.param(python("print('3f2a'); raise SystemExit(3)"), "ended with 3", id="failed-though-it-wrote"),
        pytest.param(python("pass"), "wrote nothing", id="silent"),
    ],
)
def test_a_command_that_tells_nothing_is_no_version(command: tuple[str, ...], said: str) -> None:
    """What a command wrote before it failed is not believed."""
    with pytest.raises(EndpointUnreadable) as raised:
        ask_version(told_by(*command))
    assert said in str(raised.value)


def test_a_command_that_hangs_ends_with_its_time_and_with_all_that_it_started(tmp_path: Path) -> None:
    """An operation waits for it no longer than for the endpoint."""
    code = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    with pytest.raises(EndpointUnreadable, match="took longer than 3 s and was stopped"):
        ask_version(told_by(*python(code), timeout_s=3))
    if (tmp_path / "pid").exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text("utf-8")), 0)


def test_the_command_gets_no_token_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is that of every command of the settings."""
    monkeypatch.setenv("ANR_SLACK__BOT_TOKEN", "xoxb-secret")
    assert ask_version(told_by(*python("import os; print([name for name in os.environ if 'ANR' in name])"))) == "[]"


def test_without_a_command_nothing_is_run() -> None:
    """And nothing is an error."""
    assert ask_version(TargetSettings()) is None
