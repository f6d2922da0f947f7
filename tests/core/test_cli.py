import csv
import io
import json
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from core import operations
from core.cli import app, run
from core.progress import showing
from core.router import SAFE_SETTINGS
from core.settings import operating_system_user
from core.terminal import FAILED, REFUSED, USAGE
from tests.core.conftest import NOW, House, decision

Anr = Callable[..., Result]
AT = "2025-10-01T09:05:00Z"


@pytest.fixture
def anr(house: House, monkeypatch: pytest.MonkeyPatch) -> Anr:
    """The command line on a house, where whoever runs the test is an operator and an approver."""
    target, user = house.target, operating_system_user()
    for name in ("ledger", "settings_file", "health_url", "journal", "receipts_dir", "run_dir", "state_file", "backups_dir"):
        monkeypatch.setenv(f"ANR_TARGET__{name.upper()}", str(getattr(target, name)))
    monkeypatch.setenv("ANR_TARGET__OBSERVE_TIMEOUT_S", "0")
    monkeypatch.setenv("ANR_OPERATORS", json.dumps([f"os:{user}"]))
    monkeypatch.setenv("ANR_APPROVERS", json.dumps([f"os:{user}", "UAARON", "os:somebody-else"]))
    return lambda *words: CliRunner().invoke(app, list(words))


def test_the_report_is_the_same_to_the_byte(anr: Anr, house: House) -> None:
    """With the same ledger and the same --now nothing differs, and the keys that other tools read are there."""
    words = ("report", "--ledger", str(house.target.ledger), "--now", AT, "--json")
    first = anr(*words)
    assert first.exit_code == 0
    assert first.stdout_bytes == anr(*words).stdout_bytes
    found = json.loads(first.stdout)
    keys = {
        "window_minutes",
        "decisions",
        "live_rate",
        "rsi",
        "rollbacks",
        "tri_median",
        "generated_at",
        "live",
        "rollbacks_per_1k",
    }
    assert keys | {"fast_cap_breaches", "newest", "skipped", "hours", "gates", "go"} <= set(found)
    assert (found["decisions"], found["rsi"], found["generated_at"], found["go"]) == (300, 1.0, AT, False)
    assert next(gate for gate in found["gates"] if gate["name"] == "slots")["verdict"] == "NO_DATA"


def test_the_csv_has_the_runbooks_columns(anr: Anr, house: House) -> None:
    """One row for each entry of the window, in the order of the ledger."""
    path = house.target.ledger.with_suffix(".csv")
    assert anr("report", "--ledger", str(house.target.ledger), "--now", AT, "--csv", str(path)).exit_code == 0
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["id", "t", "live_route", "shadow_argmax", "rollback"]
    assert rows[-1] == ["11111111-1111-4111-8111-111111111111", AT, "R2", "R2", "0"]
    assert len(rows) == 301


def test_at_the_terminal_too_a_promotion_needs_a_second_person(anr: Anr, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy is that of Slack: a question, a refusal to who asked, somebody else's yes, the router's settings."""
    house.clock.now = datetime.now(UTC)
    house.write_ledger()
    monkeypatch.setenv("ANR_PEOPLE", json.dumps({operating_system_user(): "UOLIVIA"}))
    monkeypatch.setenv("ANR_OPERATORS", '["UOLIVIA"]')
    assert anr("init").exit_code == 0
    assert json.loads(anr("promote", "--dry-run", "--json").stdout) == {
        "exit_code": 0,
        "from": 10,
        "result": "would_move",
        "to": 25,
    }
    request = json.loads(anr("promote", "-r", "a good day", "--json").stdout)["request"]
    assert anr("approve", request).exit_code == REFUSED
    assert house.setting("NOVA_ANR_PILOT") == "0.10"
    monkeypatch.setenv("ANR_PEOPLE", json.dumps({operating_system_user(): "UAARON"}))
    assert anr("approve", request).exit_code == 0
    assert house.setting("NOVA_ANR_PILOT") == "0.25"
    assert json.loads(anr("status", "--json").stdout)["state"]["stage"] == 25


def test_gates_that_do_not_pass_are_an_exit_code(anr: Anr, house: House) -> None:
    """The ledger is old by the real clock: NO-GO, and nothing is asked for."""
    assert anr("init").exit_code == 0
    refused = anr("promote")
    assert refused.exit_code == REFUSED
    assert "NO-GO" in refused.output
    assert house.setting("NOVA_ANR_PILOT") == "0.10"
    assert house.site.journal.pending() == ()


def test_rollback_freeze_and_unfreeze(anr: Anr, house: House) -> None:
    """The brake needs nothing; unfreezing leaves the router where it is."""
    assert anr("rollback", "--reason", "errors").exit_code == 0
    assert house.site.router.settings().carries(SAFE_SETTINGS)
    assert anr("freeze").exit_code == 0
    assert anr("promote", "10").exit_code == REFUSED
    assert "1 lifted" in anr("unfreeze").output
    assert house.site.router.settings().carries(SAFE_SETTINGS)
    assert anr("verify").exit_code == 0
    assert [one["action"] for one in json.loads(anr("receipts", "--json").stdout)] == ["rollback", "freeze", "unfreeze"]


def test_status_shows_what_it_can(anr: Anr, house: House) -> None:
    """A missing ledger and settings file are named; they hide nothing else."""
    assert anr("init").exit_code == 0
    house.target.ledger.unlink()
    shown = anr("status", "--json")
    assert shown.exit_code == 0
    found = json.loads(shown.stdout)
    assert found["state"]["stage"] == 10
    assert "cannot be read" in found["problems"][0]
    assert "stage 10 %" in anr("status").output


def test_verify_names_an_altered_receipt(anr: Anr, house: House) -> None:
    """A flaw is an exit code that a script can see; a mark that was posted has to be in the chain."""
    assert anr("init").exit_code == 0
    digest = house.site.journal.receipts()[0].digest
    assert anr("verify", "--expect", f"1:{digest[:12]}").exit_code == 0
    assert anr("verify", "--expect", "9:000000000000").exit_code == FAILED
    with sqlite3.connect(house.target.journal) as connection:
        connection.execute("UPDATE receipts SET digest = 'x'")
    broken = anr("verify", "--json")
    assert broken.exit_code == FAILED
    assert "#1 was altered" in json.loads(broken.stdout)["flaws"][0]


def test_daily_runs_once(anr: Anr) -> None:
    """The second run of a date is refused."""
    assert anr("init").exit_code == 0
    assert anr("daily", "--dry-run").exit_code == REFUSED
    first = anr("daily")
    assert first.exit_code == REFUSED
    assert "a person has to ask" in " ".join(first.output.split())
    assert "already made" in anr("daily").output


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
    anr: Anr, house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3, and what was not done."""
    house.target.ledger.unlink()
    monkeypatch.setattr("sys.argv", ["anr", "report"])
    with pytest.raises(SystemExit) as ended:
        run(app)
    assert ended.value.code == FAILED
    assert "Nothing was measured" in " ".join(capsys.readouterr().err.split())
    assert anr("recover").exit_code == 0
    assert anr("deny", "nothing").exit_code == REFUSED
    assert anr("approve", "nothing").exit_code == REFUSED


def test_work_that_lasts_a_second_shows_that_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person sees how much of the ledger was read, and that something is done after that."""
    monkeypatch.setattr("core.progress.PATIENCE_SECONDS", 0.0)
    console = Console(file=(shown := io.StringIO()), force_terminal=True, width=100)
    ends = time.monotonic() + 20
    with showing(console) as on_progress:
        for read, words in (500_000, "Reading the ledger, 500.0 kB of 2.0 MB"), (2_000_000, "Working"):
            shown.seek(0)
            shown.truncate()
            on_progress(read, 2_000_000)
            while words not in shown.getvalue():
                assert time.monotonic() < ends


@pytest.mark.parametrize(("person", "patience"), [(True, 60.0), (False, 0.0)], ids=["a-quick-one", "nobody-looks"])
def test_quick_work_and_scripts_see_no_progress(monkeypatch: pytest.MonkeyPatch, *, person: bool, patience: float) -> None:
    """Nothing flickers for what takes no time, and a pipe gets no control characters."""
    monkeypatch.setattr("core.progress.PATIENCE_SECONDS", patience)
    console = Console(file=(shown := io.StringIO()), force_terminal=person, width=100)
    with showing(console) as on_progress:
        on_progress(500_000, 2_000_000)
        console.print("half-way")
        on_progress(2_000_000, 2_000_000)
    assert "Reading" not in shown.getvalue()
    assert "Working" not in shown.getvalue()
    assert person or shown.getvalue() == "half-way\n"


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


def test_backups_are_made_listed_and_asked_for_at_the_terminal(anr: Anr, house: House) -> None:
    """The list shows what is valid and what is not, and a restore waits for somebody else."""
    anr("init")
    house.target.state_file.write_text('{"count": 1}', encoding="utf-8")
    made = json.loads(anr("backup", "--json").stdout)
    assert (made["result"], made["exit_code"]) == ("backed_up", 0)
    (found,) = json.loads(anr("backups", "--json").stdout)
    assert (found["name"], found["size"], found["problem"]) == (made["backup"], 12, None)
    asked = json.loads(anr("restore", made["backup"], "--reason", "went wrong", "--json").stdout)
    assert asked["result"] == "asked"
    refused = anr("approve", asked["request"])
    assert refused.exit_code == REFUSED
    assert "somebody else has to approve" in " ".join(refused.stderr.split())
    (house.target.backups_dir / made["backup"]).write_text("{}", encoding="utf-8")
    assert "no: its bytes do not" in " ".join(anr("backups").stdout.split())
    assert anr("restore", "../../etc/passwd").exit_code == REFUSED


def test_without_a_state_a_backup_fails_with_what_to_do(anr: Anr, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code says that it failed, and the message which option may be wrong."""
    monkeypatch.setattr("sys.stderr", io.StringIO())
    failed = anr("backup")
    assert failed.exit_code == 1
    assert "`state_file` in the settings" in str(failed.exception)


def test_a_prune_tells_what_it_would_do_and_what_it_did(anr: Anr, house: House) -> None:
    """A dry run changes nothing; afterwards the chain verifies, and the mark of the last receipt that went still does."""
    house.clock.pass_(days=-1000)
    operations.init(house.site, house.people["olivia"], "long ago")
    last = house.site.journal.receipts()[-1]
    assert json.loads(anr("prune", "--dry-run", "--json").stdout) == {
        "count": 1,
        "exit_code": 0,
        "held_back_by": None,
        "receipt": None,
        "result": "would_prune",
        "through": 1,
    }
    assert json.loads(anr("prune", "--json").stdout)["result"] == "pruned"
    assert anr("verify").exit_code == 0
    assert anr("verify", "--expect", f"1:{last.digest[:12]}").exit_code == 0
    assert anr("verify", "--expect", "1:000000000000").exit_code == FAILED
    assert "No receipt pruned" in anr("prune").stdout


def test_a_report_on_a_ledger_whose_clock_jumped_says_so(anr: Anr, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is read, and the person and the script are told why it took longer."""
    monkeypatch.setattr("core.segments.SEGMENT_BYTES", 2000)
    path, minutes = house.target.ledger, [4000 - number - (2000 if 1000 < number < 1500 else 0) for number in range(4000)]
    path.write_text("".join(json.dumps(decision(NOW - timedelta(minutes=one))) + "\n" for one in minutes), encoding="utf-8")
    words = ("report", "--ledger", str(path), "--now", AT)
    assert "out of order by more than 15 minutes" in " ".join(anr(*words).output.split())
    found = json.loads(anr(*words, "--json").stdout)
    assert found["ledger"]["in_order"] is False
    assert found["ledger"]["size"] == path.stat().st_size
    assert found["decisions"] == sum(0 <= one <= 1440 for one in minutes)
