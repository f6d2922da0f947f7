"""`anr config check`: what anr runs on, or what is wrong with it."""

import json
import tomllib
from pathlib import Path

import pytest

from core.cli.output import USAGE
from core.settings.settings import load
from tests.core.cli.conftest import Anr
from tests.support.rig import Rig
from tests.test_docs import options as every_option


def test_every_option_is_printed_with_its_value_and_its_source(anr: Anr, monkeypatch: pytest.MonkeyPatch) -> None:
    """As TOML that says what is in force: from the file with its line, from a variable, or by default."""
    anr.write(slack={"channel": "C0ANROPS"})
    monkeypatch.setenv("ANR_HTTP__PORT", "4000")
    monkeypatch.setenv("ANR_TARGET__RETENTION", '{"backups": 9}')
    printed = anr("config", "check")
    assert printed.exit_code == 0
    lines = {line.removeprefix("# ").split(" ")[0]: line for line in printed.stdout.splitlines()[1:]}
    assert list(lines) == [name for name, _ in every_option(type(load())) if name != "targets"]
    said = tomllib.loads(printed.stdout)
    assert said["target"]["settings_file"] == str(load().target.settings_file)
    assert said["target"]["schedule"]["at"] == "09:05:00"
    number = next(n for n, line in enumerate(anr.file.read_text(encoding="utf-8").splitlines(), 1) if line.startswith("slack"))
    assert lines["slack.channel"] == f'slack.channel = "C0ANROPS" # {anr.file}, line {number}'
    assert lines["http.port"] == "http.port = 4000 # variable ANR_HTTP__PORT"
    assert lines["target.retention.backups"] == "target.retention.backups = 9 # variable ANR_TARGET__RETENTION"
    assert lines["target.retention.ledger_days"] == "target.retention.ledger_days = 35 # default"
    assert lines["target.gates.alert_path_minutes"] == "# target.gates.alert_path_minutes is not set"


def test_no_secret_is_printed(anr: Anr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there, and where it comes from: neither the output nor JSON has it."""
    (tmp_path / "token").write_text("xoxb-4711", encoding="utf-8")
    anr.write(slack={"bot_token_file": str(tmp_path / "token")})
    monkeypatch.setenv("ANR_ALERTS__TOKEN", "4711-bearer")
    printed, found = anr("config", "check").output, json.loads(anr("config", "check", "--json").stdout)
    assert 'alerts.token = "…" # variable ANR_ALERTS__TOKEN' in printed
    assert {"name": "slack.bot_token", "value": "…", "source": "default"} in found["options"]
    assert "4711" not in printed + json.dumps(found)


def test_of_several_routers_each_is_printed(anr: Anr, rig: Rig) -> None:
    """With its own name, and the one that is not there left out."""
    targets = {"a": {"settings_file": "a.env"}, "b": {"settings_file": "b.env", "ledger": "b.ndjson", "state_file": "b.json"}}
    del anr.options["target"]
    anr.options["targets"] = targets
    anr.file.write_text(
        "".join(f"[targets.{name}]\n" + "".join(f"{k} = '{v}'\n" for k, v in of.items()) for name, of in targets.items())
    )
    printed = anr("config", "check")
    assert printed.exit_code == 0, printed.output
    said = tomllib.loads(printed.stdout)
    assert said["targets"]["b"]["settings_file"] == str(anr.file.parent / "b.env")
    assert said["targets"]["a"]["run_dir"] == str(anr.file.parent / "run/anr/a")
    assert "target" not in said


def test_everything_that_is_wrong_is_a_line_of_its_own(anr: Anr) -> None:
    """Exit code 2, for people and for scripts; nothing is made."""
    anr.write(aprovers=["U1"], http={"port": 70000})
    before = sorted(anr.file.parent.rglob("*"))
    refused = anr("config", "check")
    assert (refused.exit_code, refused.stdout) == (USAGE, "")
    assert "aprovers: no such option" in refused.stderr
    told = json.loads(anr("config", "check", "--json").stdout)["mistakes"]
    assert [mistake.partition(":")[0] for mistake in told] == ["aprovers", "http.port"]
    assert sorted(anr.file.parent.rglob("*")) == before


def test_who_may_not_raise_by_these_options_is_told(anr: Anr, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable at the terminal decides nothing about gates, and whoever checks the options hears it here first."""
    monkeypatch.setenv("ANR_TARGET__GATES__RSI_MIN", "0")
    told = " ".join(anr("config", "check").stderr.split())
    assert "of these options nothing that could raise traffic counts for you here. ANR_TARGET__GATES__RSI_MIN" in told
