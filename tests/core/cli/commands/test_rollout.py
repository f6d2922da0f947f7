import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.cli.output import REFUSED
from core.errors import ConfigurationError
from tests.core.cli.conftest import Anr
from tests.support.rig import Rig
from tests.support.terminal import ANOTHER, PERSON


def test_at_the_terminal_too_a_promotion_needs_a_second_person(anr: Anr, rig: Rig) -> None:
    """The policy is that of Slack: a question, a refusal to who asked, somebody else's yes, the router's settings."""
    rig.clock.now = datetime.now(UTC)
    rig.write_ledger()
    people = {str(PERSON): "UOLIVIA", str(ANOTHER): "UAARON"}
    anr.write(people=people, operators=["UOLIVIA"], approvers=["UAARON"])
    assert anr("init").exit_code == 0
    assert json.loads(anr("promote", "--dry-run", "--json").stdout) == {
        "exit_code": 0,
        "from": 10,
        "result": "would_move",
        "to": 25,
    }
    request = json.loads(anr("promote", "-r", "a good day", "--json").stdout)["request"]
    assert anr("approve", request).exit_code == REFUSED
    assert rig.setting("NOVA_ANR_PILOT") == "0.10"
    anr.is_used_by(ANOTHER)
    assert anr("approve", request).exit_code == 0
    assert rig.setting("NOVA_ANR_PILOT") == "0.25"
    assert json.loads(anr("status", "--json").stdout)["state"]["stage"] == 25


def test_gates_that_do_not_pass_are_an_exit_code(anr: Anr, rig: Rig) -> None:
    """The ledger is old by the real clock: NO-GO, and nothing is asked for."""
    assert anr("init").exit_code == 0
    refused = anr("promote")
    assert refused.exit_code == REFUSED
    assert "NO-GO" in refused.output
    assert rig.setting("NOVA_ANR_PILOT") == "0.10"
    assert rig.target.journal.pending() == ()


def verdicts(shown: str) -> dict[str, str]:
    """The gates' verdicts, as the table shows them."""
    words = ("PASS", "FAIL", "NO_DATA")
    rows = [line.split("│")[1:3] for line in shown.splitlines() if line.count("│") > 2]
    return {name.strip(): said.strip() for name, said in rows if said.strip() in words}


def test_a_dry_run_judges_the_figures_of_a_report_in_place_of_the_ledger(anr: Anr, rig: Rig, tmp_path: Path) -> None:
    """What `anr report --json` writes is judged as the ledger is; the ledger itself is gone by then, and nothing is recorded."""
    rig.clock.now = datetime.now(UTC)
    rig.write_ledger()
    assert anr("init").exit_code == 0
    file, before = tmp_path / "report.json", rig.target.journal.newest_digest()
    file.write_text(anr("report", "--json").stdout, encoding="utf-8")
    rig.settings.ledger.unlink()
    found = anr("promote", "--dry-run", "--report", str(file), "--verbose")
    assert found.exit_code == 0, found.output
    assert "Dry run: 10% → 25%" in found.output
    assert set(verdicts(found.output).values()) == {"PASS"}
    spoiled = {**json.loads(file.read_text(encoding="utf-8")), "rsi": 0.5, "newest": "2020-01-01T00:00:00Z"}
    file.write_text(json.dumps(spoiled), encoding="utf-8")
    refused = anr("promote", "--dry-run", "--report", str(file), "--verbose")
    assert refused.exit_code == REFUSED
    failing = {name for name, said in verdicts(refused.output).items() if said == "FAIL"}
    assert failing == {"rsi", "freshness"}
    assert rig.target.journal.newest_digest() == before


OLD_SCRIPTS = {
    "window_minutes": 1440,
    "decisions": 4000,
    "live_rate": 0.1,
    "rsi": 0.91,
    "rollbacks": 0,
    "tri_median": 0.02,
    "generated_at": "2025-10-01T09:05:00Z",
}


@pytest.mark.parametrize(
    ("change", "failing"),
    [({}, set()), ({"rsi": 0.84}, {"rsi"}), ({"rollbacks": 1}, {"rollbacks_per_1k"}), ({"decisions": 99}, {"decisions"})],
    ids=["good", "low-rsi", "a-rollback", "few-decisions"],
)
def test_a_report_of_the_old_script_is_judged_as_far_as_it_goes(
    anr: Anr, tmp_path: Path, change: dict[str, Any], failing: set[str]
) -> None:
    """Its figures pass or fail; what it never told (coverage, fast cap, age) is no data, so that it is no GO."""
    assert anr("init").exit_code == 0
    (tmp_path / "old.json").write_bytes(b"\xef\xbb\xbf" + json.dumps({**OLD_SCRIPTS, **change}).encode())
    found = anr("promote", "--dry-run", "--report", str(tmp_path / "old.json"), "--verbose")
    assert found.exit_code == REFUSED
    said = verdicts(found.output)
    assert {name for name, verdict in said.items() if verdict == "FAIL"} == failing
    assert {said[name] for name in ("tri_median", "fast_cap", "reading", "span", "freshness")} == {"NO_DATA"}
    assert said["rollbacks_per_1k"] != "PASS"
    assert change or (said["rsi"], said["decisions"]) == ("PASS", "PASS")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"window_minutes": 60}',
        json.dumps({**OLD_SCRIPTS, "rsi": 1.5}),
        json.dumps({**OLD_SCRIPTS, "rollbacks": -1}),
    ],
    ids=["empty", "a-list", "no-window", "another-window", "an-rsi-above-1", "negative-rollbacks"],
)
def test_what_is_no_report_of_this_window_is_not_judged(anr: Anr, tmp_path: Path, text: str) -> None:
    """It is said why, and no gate is asked."""
    assert anr("init").exit_code == 0
    (tmp_path / "report.json").write_text(text, encoding="utf-8")
    found = anr("promote", "--dry-run", "--report", str(tmp_path / "report.json"))
    assert isinstance(found.exception, ConfigurationError)
    assert str(found.exception).endswith("Nothing was judged.")


def test_nothing_is_promoted_on_the_figures_of_a_file(anr: Anr, rig: Rig, tmp_path: Path) -> None:
    """Without --dry-run a report is refused before it is read."""
    assert anr("init").exit_code == 0
    found = anr("promote", "--report", str(tmp_path / "none.json"))
    assert isinstance(found.exception, ConfigurationError)
    assert "--dry-run" in str(found.exception)
    assert rig.target.journal.pending() == ()
