import json

import pytest
import typer

from core.cli.app import app, run
from core.cli.output import FAILED, REFUSED, USAGE
from tests.core.cli.conftest import Anr
from tests.support.rig import Rig


def test_status_shows_what_it_can(anr: Anr, rig: Rig) -> None:
    """A missing ledger and settings file are named; they hide nothing else."""
    assert anr("init").exit_code == 0
    rig.target.ledger.unlink()
    shown = anr("status", "--json")
    assert shown.exit_code == 0
    found = json.loads(shown.stdout)
    assert found["state"]["stage"] == 10
    assert "cannot be read" in found["problems"][0]
    assert "stage 10 %" in anr("status").output


def test_wrong_words_and_settings_are_usage_errors(
    anr: Anr, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and a sentence, never a traceback."""
    assert anr("promote", "many").exit_code == USAGE
    monkeypatch.setenv("ANR_APPROVERS", json.dumps(["olivia"]))
    monkeypatch.setattr("sys.argv", ["anr", "status"])
    with pytest.raises(SystemExit) as ended:
        run(app)
    assert ended.value.code == USAGE
    assert "never by name" in capsys.readouterr().err


def test_a_missing_ledger_is_a_failure(
    anr: Anr, rig: Rig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3, and what was not done."""
    rig.target.ledger.unlink()
    monkeypatch.setattr("sys.argv", ["anr", "report"])
    with pytest.raises(SystemExit) as ended:
        run(app)
    assert ended.value.code == FAILED
    assert "Nothing was measured" in " ".join(capsys.readouterr().err.split())
    assert anr("recover").exit_code == 0
    assert anr("deny", "nothing").exit_code == REFUSED
    assert anr("approve", "nothing").exit_code == REFUSED


def test_what_nobody_foresaw_is_a_failure_and_no_refusal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Exit code 3 with the trace and what to look at: exit code 1 would say that the gates refused."""
    broken = typer.Typer()

    @broken.command()
    def fall() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("sys.argv", ["anr"])
    with pytest.raises(SystemExit) as ended:
        run(broken)
    assert ended.value.code == FAILED
    assert "Look at `anr status`" in " ".join(capsys.readouterr().err.split())
    assert "ZeroDivisionError" in caplog.text
