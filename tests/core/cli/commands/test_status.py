import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import bot.cli.table  # noqa: F401 - adds `doctor` to the application
from core.cli.output import FAILED, REFUSED
from core.operations.daily import Skipped, skip
from core.rollout.schedule import coming_run
from tests.support.rig import Rig
from tests.support.terminal import ANOTHER, ME, OTHER, PERSON, Terminal

Anr = Terminal


@pytest.fixture
def anr(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Anr:
    """The command line on a house of this moment, where a person sits who operates and approves."""
    rig.clock.now = datetime.now(UTC)
    rig.write_ledger()
    typed = Terminal(rig, tmp_path, monkeypatch, operators=[ME], approvers=[ME, "UAARON"])
    assert typed("init").exit_code == 0
    return typed


def test_nothing_stands_in_the_way_of_a_person_on_a_good_day(anr: Anr) -> None:
    """`why` shows what keeps the scheduled run alone, with its owner and what to type."""
    found = anr("why", "--json")
    assert found.exit_code == REFUSED
    (blocker,) = json.loads(found.stdout)["blockers"]
    assert (blocker["code"], blocker["owner"], blocker["scheduled_only"]) == ("person_must_ask", "operators", True)
    told = anr("why")
    assert "a person may ask" in told.stdout
    assert "`promote`" in told.stdout


def test_why_lists_everything_at_once(anr: Anr, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drift, a paused schedule, a sick slot and missing approvers are all shown, not the first alone."""
    anr("schedule", "pause", "--reason", "fair")
    rig.settings.settings_file.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.50\n", encoding="utf-8")
    rig.statuses["slot09"] = "sick"
    anr.write(approvers=[])
    codes = {blocker["code"] for blocker in json.loads(anr("why", "--json").stdout)["blockers"]}
    assert codes == {"drift", "schedule_paused", "person_must_ask", "gates_not_passed", "no_approvers"}


def test_next_says_when_and_what(anr: Anr) -> None:
    """The earliest promotion and the next run, for people and for scripts."""
    told = anr("next").stdout
    assert "10% → 25% can be asked for now" in told
    assert "The next scheduled run is at" in told
    found = json.loads(anr("next", "--json").stdout)
    assert (found["from_stage"], found["to_stage"]) == (10, 25)
    assert "a person has to ask" in found["next_run"]["does"]


def test_next_names_what_has_to_be_lifted_first(anr: Anr, rig: Rig) -> None:
    """Without a ledger nobody can say when: that is what is named."""
    rig.settings.ledger.unlink()
    told = anr("next").stdout
    assert "possible once this is lifted" in told
    assert "unreadable" in told


def test_a_journal_that_cannot_be_read_is_what_stands_in_the_way(anr: Anr, rig: Rig) -> None:
    """It hides nothing behind a guess: no stage, no other blocker."""
    rig.settings.journal.write_bytes(b"garbage" * 1000)
    codes = [blocker["code"] for blocker in json.loads(anr("why", "--json").stdout)["blockers"]]
    assert codes == ["unreadable"]
    assert "Nobody knows at which stage" in anr("next").stdout


def test_a_freeze_for_a_time_ends_by_itself(anr: Anr, rig: Rig) -> None:
    """`freeze --for`, shown in status with its end, lifted alone by the first characters of its id."""
    assert anr("freeze", "--for", "90 min", "--reason", "deploy").exit_code == 0
    assert anr("freeze", "--reason", "errors").exit_code == 0
    first, second = rig.target.journal.state().holds
    assert first.expires_at is not None
    assert (first.expires_at - first.since).total_seconds() == 5400
    shown = anr("status").stdout
    assert f"hold {first.id[:8]}: deploy" in shown
    assert "ends 2" in shown.replace("\n", " ")
    assert anr("unfreeze", second.id[:8]).exit_code == 0
    assert [hold.id for hold in rig.target.journal.state().holds] == [first.id]


def test_a_freeze_with_a_bad_length_freezes_all_the_same(anr: Anr, rig: Rig) -> None:
    """The brake is never refused for a word: it has no end then, and says so."""
    result = anr("freeze", "--for", "two hours")
    assert result.exit_code == 0
    assert "no length of time" in result.stderr
    (hold,) = rig.target.journal.state().holds
    assert hold.expires_at is None


def test_the_schedule_is_paused_and_resumed(anr: Anr, rig: Rig) -> None:
    """Both are receipts; status shows who paused it."""
    assert anr("schedule", "pause", "-r", "fair").exit_code == 0
    told = anr("status").stdout
    assert "schedule paused by" in told
    assert "In the way of the next promotion: schedule paused, person must ask" in " ".join(told.split())
    assert anr("schedule", "pause").exit_code == REFUSED
    assert json.loads(anr("schedule", "resume", "--json").stdout)["result"] == "resumed"
    assert rig.target.journal.state().paused is None


def test_daily_dry_run_decides_as_the_run_would_and_changes_nothing(anr: Anr, rig: Rig) -> None:
    """It says what the run of today would do, and leaves no receipt and the date unused."""
    before = len(rig.target.journal.receipts())
    settings = rig.settings.settings_file.read_bytes()
    result = anr("daily", "--dry-run")
    assert result.exit_code == REFUSED
    assert "a person has to ask" in result.stderr
    anr("schedule", "pause")
    assert "paused" in anr("daily", "--dry-run").stderr
    assert len(rig.target.journal.receipts()) == before + 1
    assert rig.settings.settings_file.read_bytes() == settings
    anr.write(target={"schedule": {"at": f"{datetime.now(UTC) - timedelta(minutes=1):%H:%M:%S}"}})
    anr.is_used_by_its_account()
    assert json.loads(anr("daily", "--json").stdout)["code"] == "schedule_paused"


@pytest.mark.parametrize("end", ["reapply", "accept"])
def test_a_drift_is_ended_at_the_terminal(anr: Anr, rig: Rig, end: str) -> None:
    """`watch` alarms it, status shows it, an approver ends it either way."""
    rig.settings.settings_file.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.25\n", encoding="utf-8")
    assert "Drift: " in anr("watch").stdout
    assert "Nothing new" in anr("watch").stdout
    assert "Drift: " in anr("status").stderr.replace("\n", " ")
    anr.write(approvers=[ME, OTHER])
    result = anr("drift", end, "--reason", "by hand", "--json")
    assert result.exit_code == 0, result.stderr
    if end == "accept":  # it is more live traffic than the journal says
        anr.write(people={str(ANOTHER): "UAARON", str(PERSON): "UOLIVIA"}, approvers=["UAARON", "UOLIVIA"])
        request = json.loads(result.stdout)["request"]
        assert anr("approve", request).exit_code == REFUSED
        anr.is_used_by(ANOTHER)
        assert anr("approve", request).exit_code == 0
    state = rig.target.journal.state()
    assert (state.stage, state.drift) == ((10 if end == "reapply" else 25), None)
    assert rig.setting("NOVA_ANR_PILOT") == ("0.10" if end == "reapply" else "0.25")


def test_watch_tells_the_first_sighting(anr: Anr, rig: Rig) -> None:
    """Without the bot, a timer that runs `anr watch` keeps soak, drift and guard going."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        rig.clock.now = datetime.now(UTC)
        rig.write_ledger(3)
        if "was seen to serve 10%" in anr("watch", "--no-guard").stdout:
            return
    raise AssertionError("the running router was never seen")


def test_doctor_ends_with_a_code_that_a_script_understands(anr: Anr, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """3 if anything fails, 0 with nothing worse than a warning; options that cannot be read are a finding too."""
    rig.settings.state_file.write_text("{}", encoding="utf-8")
    result = anr("doctor", "--json")
    found = {check["name"]: check for check in json.loads(result.stdout)}
    assert [name for name, check in found.items() if check["health"] == "FAIL"] == []
    assert result.exit_code == 0
    assert found["slack token"]["health"] == "WARN"
    rig.settings.state_file.write_bytes(b"{")
    told = anr("doctor")
    assert told.exit_code == FAILED
    assert "is corrupt" in told.stdout
    monkeypatch.setenv("ANR_TARGET__SCHEDULE__ZONE", "Mars/Olympus")
    wrong = anr("doctor")
    assert wrong.exit_code == FAILED
    assert "is not an IANA time zone" in wrong.stdout.replace("\n", " ")


def test_a_skipped_run_is_told_by_why_and_next(anr: Anr, rig: Rig) -> None:
    """The veto against the next scheduled run stands in the list like everything else, with its owner."""
    day = coming_run(datetime.now(UTC), rig.settings.schedule).day
    assert isinstance(skip(rig.target, rig.people["olivia"], day, "the fair"), Skipped)
    found = {blocker["code"]: blocker for blocker in json.loads(anr("why", "--json").stdout)["blockers"]}
    assert (found["skipped"]["owner"]["id"], found["skipped"]["scheduled_only"]) == ("UOLIVIA", True)
    assert "skipped by UOLIVIA: the fair" in " ".join(anr("next").stdout.split())
