import csv
import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.core.cli.conftest import AT, Anr
from tests.support.rig import NOW, Rig, decision


def test_the_report_is_the_same_to_the_byte(anr: Anr, rig: Rig) -> None:
    """With the same ledger and the same --now nothing differs, and the keys that other tools read are there."""
    words = ("report", "--ledger", str(rig.settings.ledger), "--now", AT, "--json")
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


def test_the_csv_has_the_runbooks_columns(anr: Anr, rig: Rig) -> None:
    """One row for each entry of the window, in the order of the ledger."""
    path = rig.settings.ledger.with_suffix(".csv")
    assert anr("report", "--ledger", str(rig.settings.ledger), "--now", AT, "--csv", str(path)).exit_code == 0
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["id", "t", "live_route", "shadow_argmax", "rollback"]
    assert rows[-1] == ["11111111-1111-4111-8111-111111111111", AT, "R2", "R2", "0"]
    assert len(rows) == 301


def test_a_report_on_a_ledger_whose_clock_jumped_says_so(anr: Anr, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is read, and the person and the script are told why it took longer."""
    monkeypatch.setattr("core.scan.segments.SEGMENT_BYTES", 2000)
    path, minutes = rig.settings.ledger, [4000 - number - (2000 if 1000 < number < 1500 else 0) for number in range(4000)]
    path.write_text("".join(json.dumps(decision(NOW - timedelta(minutes=minute))) + "\n" for minute in minutes), encoding="utf-8")
    words = ("report", "--ledger", str(path), "--now", AT)
    assert "out of order by more than 15 minutes" in " ".join(anr(*words).output.split())
    found = json.loads(anr(*words, "--json").stdout)
    assert found["ledger"]["in_order"] is False
    assert found["ledger"]["size"] == path.stat().st_size
    assert found["decisions"] == sum(0 <= minute <= 1440 for minute in minutes)


def reading(anr: Anr, rig: Rig, now: datetime) -> tuple[str, dict[str, int]]:
    told = json.loads(anr("report", "--ledger", str(rig.settings.ledger), "--now", now.isoformat(), "--json").stdout)
    return next(gate["verdict"] for gate in told["gates"] if gate["name"] == "reading"), told["skipped"]


def test_a_past_report_made_again_on_a_ledger_that_has_grown_can_be_read(anr: Anr, rig: Rig) -> None:
    """What came later is told and does not count; asked for now, lines ahead of the clock count as they always do."""
    rig.write_ledger()
    assert reading(anr, rig, NOW) == ("PASS", {"malformed": 0, "undated": 0, "future": 0})
    with rig.settings.ledger.open("a", encoding="utf-8") as ledger:
        ledger.write("".join(json.dumps(decision(NOW + timedelta(hours=1))) + "\n" for _ in range(300)) + "torn\n" * 9)
    assert reading(anr, rig, NOW) == ("PASS", {"malformed": 9, "undated": 0, "future": 300})
    now = datetime.now(UTC)
    ahead = [decision(now + timedelta(minutes=30 if minute < 60 else -minute)) for minute in range(1440, -1, -1)]
    rig.settings.ledger.write_text("".join(json.dumps(entry) + "\n" for entry in ahead), encoding="utf-8")
    assert reading(anr, rig, now)[0] == "NO_DATA"
