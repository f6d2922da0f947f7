import json
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

import bot.cli.table  # noqa: F401 - adds the bot's commands
from core.cli.app import COMMANDS, FURTHER_COMMANDS, PANELS, app, run
from core.cli.output import FAILED, REFUSED, USAGE
from core.cli.said import NAMED_TARGET
from core.errors import ConfigurationError
from core.router.control import SAFE_SETTINGS
from tests.core.cli.conftest import Anr
from tests.support.rig import Rig


def test_status_shows_what_it_can(anr: Anr, rig: Rig) -> None:
    """A missing ledger and settings file are named; they hide nothing else."""
    assert anr("init").exit_code == 0
    rig.settings.ledger.unlink()
    shown = anr("status", "--json")
    assert shown.exit_code == 0
    found = json.loads(shown.stdout)
    assert found["state"]["stage"] == 10
    assert "cannot be read" in found["problems"][0]
    assert "stage 10%" in anr("status").output


def test_wrong_words_and_settings_are_usage_errors(
    anr: Anr, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and a sentence, never a traceback."""
    assert anr("promote", "many").exit_code == USAGE
    anr.write(approvers=["olivia"])
    monkeypatch.setattr("sys.argv", ["anr", "status"])
    with pytest.raises(SystemExit) as ended:
        run(app)
    assert ended.value.code == USAGE
    assert "never by name" in capsys.readouterr().err


def test_a_missing_ledger_is_a_failure(
    anr: Anr, rig: Rig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3, and what was not done."""
    rig.settings.ledger.unlink()
    monkeypatch.setattr("sys.argv", ["anr", "report"])
    with pytest.raises(SystemExit) as ended:
        run(app)
    assert ended.value.code == FAILED
    assert "Nothing was measured" in " ".join(capsys.readouterr().err.split())
    anr("init")
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


def test_a_variable_that_asks_for_completions_keeps_no_brake_from_acting(
    anr: Anr, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`_ANR_COMPLETE`, left in a profile by whoever tried a completion: the brake brakes."""
    anr("init")
    monkeypatch.setenv("_ANR_COMPLETE", "bash_source")
    monkeypatch.setenv("_ROOT_COMPLETE", "bash_source")
    anr.is_used_by_its_account()
    braked = anr("rollback")
    assert braked.exit_code == 0, braked.output
    assert rig.target.router.settings().carries(SAFE_SETTINGS)


def test_an_old_backup_is_adopted_at_the_terminal(anr: Anr, rig: Rig) -> None:
    """The list says how, and the answer shows what was validated."""
    anr("init")
    name = "anr_state_20250101_090000.json"
    rig.settings.backups_dir.mkdir(exist_ok=True)
    (rig.settings.backups_dir / name).write_text('{"R1": 1}', encoding="utf-8")
    assert "anr backups adopt" in json.loads(anr("backups", "--json").stdout)[0]["problem"]
    adopted = json.loads(anr("backups", "adopt", name, "--json").stdout)
    assert (adopted["result"], adopted["backup"], adopted["routes"]) == ("adopted", name, "R1")
    assert json.loads(anr("backups", "--json").stdout)[0]["problem"] is None
    assert anr("backups", "adopt", "../../etc/passwd").exit_code == REFUSED


def test_a_reset_is_asked_for_at_the_terminal(anr: Anr, rig: Rig) -> None:
    """It waits for somebody else, and the request says what is lost."""
    anr("init")
    rig.settings.state_file.write_text('{"count": 1}', encoding="utf-8")
    asked = json.loads(anr("state", "reset", "--reason", "it learned nonsense", "--json").stdout)
    assert asked["result"] == "asked"
    assert anr("approve", asked["request"]).exit_code == REFUSED
    assert rig.settings.state_file.exists()
    assert anr("state").exit_code == USAGE


def test_a_drill_tells_its_nets_at_the_terminal(anr: Anr, rig: Rig) -> None:
    """Sentences for people, figures for scripts, and an exit code that fails if a net would not hold."""
    anr("init")
    failed = anr("drill")
    assert failed.exit_code == FAILED
    assert "no valid backup that could be restored" in " ".join(failed.stderr.split())
    rig.settings.state_file.write_text('{"count": 1}', encoding="utf-8")
    held = json.loads(anr("drill", "--json").stdout)
    assert (held["result"], held["exit_code"], held["problems"]) == ("held", 0, [])
    assert set(held["nets"]) == {"newest valid backup", "newest archive of the ledger", "last drill"}


def test_the_two_drills_stand_beside_each_other(anr: Anr, monkeypatch: pytest.MonkeyPatch) -> None:
    """`anr drill` is that of the safety nets; `anr drill alerts` says where the alert path ends, with its own exit code."""
    anr("init")
    assert anr("drill", "alerts").exit_code == REFUSED
    anr.write(target={"alertmanager_url": "http://127.0.0.1:9"})
    failed = anr("drill", "alerts", "--json")
    facts = json.loads(failed.stdout)
    assert (failed.exit_code, facts["result"], facts["legs"]["accepted_s"]) == (FAILED, "failed", None)
    assert "Alertmanager cannot be reached" in facts["problem"]
    assert "DID NOT ARRIVE" in anr("drill", "alerts").stdout
    assert "nets" in json.loads(anr("drill", "--json").stdout)
    assert anr("drill", "everything").exit_code == USAGE


def test_the_version_is_printed_from_anywhere(anr: Anr) -> None:
    """Without options, a journal or a router: whoever reports a mistake knows which anr it was."""
    anr.file.unlink()
    printed = anr("--version")
    assert (printed.exit_code, printed.stdout.split(",")[0]) == (0, f"anr {version('anr')}")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--target", "b", "config", "check"], id="before"),
        pytest.param(["config", "--target", "b", "check"], id="between"),
        pytest.param(["config", "check", "--target", "b"], id="behind"),
        pytest.param(["config", "check", "--target=b"], id="as-one-word"),
    ],
)
def test_the_router_is_named_anywhere(anr: Anr, words: list[str]) -> None:
    """At three in the morning nobody remembers that it comes first; behind `--` it is a word like any other."""
    assert anr(*words).exit_code == 0
    assert NAMED_TARGET.get() == "b"
    refused = anr("rollback", "--target", "nowhere")
    assert isinstance(refused.exception, ConfigurationError)
    assert "There is no router 'nowhere'" in str(refused.exception)
    assert anr("deny", "--", "--target").exit_code == REFUSED


def commands_of(group: Any, before: str) -> Iterator[tuple[str, Any]]:
    """Every command with its whole name, those of groups too."""
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        yield f"{before}{name}", command
        if isinstance(command, TyperGroup):
            yield from commands_of(command, f"{before}{name} ")


def test_every_command_argument_and_option_says_what_it_is() -> None:
    """`--help` leaves nothing to be guessed."""
    found = dict(commands_of(get_command(app), ""))
    assert [name for name, command in found.items() if not command.help] == []
    silent = [
        f"{name}: {parameter.name}" for name, command in found.items() for parameter in command.params if not parameter.help
    ]
    assert silent == []
    assert len(found) > 40


def test_help_has_the_brake_first_and_every_command_in_one_group() -> None:
    """What is needed at night stands at the top, and nothing is left over."""
    grouped = [name for names in PANELS.values() for name in names]
    assert sorted(grouped) == sorted({*COMMANDS, *FURTHER_COMMANDS})
    printed = CliRunner().invoke(app, ["--help"]).stdout
    assert sorted(PANELS, key=printed.index) == list(PANELS)
    assert printed.index("rollback") < printed.index("status") < printed.index("promote")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_a_command_without_importing_it(shell: str) -> None:
    """Names are completed as fast as they are typed."""
    said = CliRunner(env={"_ANR_COMPLETE": f"complete_{shell}", "COMP_WORDS": "anr ro", "COMP_CWORD": "1"})
    words = {"_TYPER_COMPLETE_ARGS": "anr ro", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    printed = said.invoke(app, [], prog_name="anr", env=words).stdout
    assert "rollback" in printed
    assert "promote" not in printed
