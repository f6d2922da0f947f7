import bz2
import gzip
import json
import lzma
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from core.backtest.history import PastDecisions
from core.backtest.judge import JudgedDay, Rules, judge_days, span_of, with_bound
from core.backtest.ledgers import columns_of
from core.cli.app import app
from core.errors import ConfigurationError, LedgerUnreadable
from core.gates.guard import GuardPolicy
from core.gates.policy import GateName, GatePolicy
from core.ledger.decode import decode
from core.ledger.entry import read_line
from core.ledger.figures import LedgerSpan
from core.ledger.tally import Tally
from core.ledger.window import Window
from core.rollout.schedule import Schedule
from core.settings.target import LedgerOptions
from tests.support.ledger_lines import START, ledger_bytes
from tests.support.rig import decision

RULES = Rules(GatePolicy(), GuardPolicy(), Schedule(), 1440)
FIRST, LAST = date(2025, 10, 2), date(2025, 10, 5)


def days_of(lines: list[dict[str, Any]]) -> list[JudgedDay]:
    span = span_of(FIRST, LAST, RULES)
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    return list(judge_days(PastDecisions([decode(data)], span.start_us, span.end_us, 0.15), FIRST, LAST, RULES))


def good_days() -> list[dict[str, Any]]:
    """Five days of good decisions, one a minute."""
    begin = datetime(2025, 9, 30, 9, 0, tzinfo=UTC)
    return [decision(begin + timedelta(minutes=minute)) for minute in range(6 * 1440)]


def on(day: int, hour: int, line: dict[str, Any]) -> bool:
    return bool(line["t"].startswith(f"2025-10-{day:02}T{hour:02}"))


def test_good_days_would_have_been_go() -> None:
    """Each day stands for itself; the health of slots, which nobody kept, is left out."""
    days = days_of(good_days())
    assert [day.date.day for day in days] == [2, 3, 4, 5]
    assert all(day.go and day.trip is None for day in days)
    assert GateName.SLOTS not in {gate.name for gate in days[0].gates}


def test_a_bad_hour_freezes_at_its_third_look_and_blocks_only_its_day() -> None:
    """Rollbacks from 14:00 on the third: the guard's third failing look is at 14:15, the run of the fourth is NO-GO."""
    lines = good_days()
    for line in lines:
        if on(3, 14, line):
            line["rewards"]["deployment"]["rollback"] = 1
    second, third, fourth, fifth = days_of(lines)
    assert second.go
    assert third.go
    assert [gate.name for gate in fourth.blocking] == [GateName.ROLLBACKS]
    assert fourth.trip is not None
    assert fourth.trip.looks[-1].at == datetime(2025, 10, 3, 14, 10, tzinfo=UTC)
    assert (third.trip, fifth.trip) == (None, None)
    assert fifth.go


def test_days_without_decisions_are_no_go_and_freeze_nothing() -> None:
    """N/A never passes, and silence is no failure."""
    days = days_of([line for line in good_days() if not line["t"].startswith(("2025-10-03T", "2025-10-04T"))])
    assert [day.go for day in days] == [True, False, False, False]
    assert [gate.name for gate in days[3].blocking] == [GateName.SPAN]  # nine hours of a day
    assert all(day.trip is None for day in days)


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(-30, 90), st.integers(1, 60))
def test_any_window_of_past_decisions_has_the_figures_of_the_definition(seed: int, end: int, minutes: int) -> None:
    """Cut from sorted columns or added up line by line."""
    data = ledger_bytes(random.Random(seed), 120, odd=0.3, step_s=30)
    window = Window.ending(START + timedelta(minutes=end), minutes)
    tally = Tally(window, 0.15)
    for line in data.split(b"\n"):
        tally.add(read_line(line))
    expected = tally.result(LedgerSpan(0, ""))
    half = data.find(b"\n", len(data) // 2) + 1
    past = PastDecisions([decode(data[half:]), decode(data[:half])], window.start_us - 10**9, window.end_us + 10**9, 0.15)
    assert past.figures(window) == expected.figures
    assert (past.oldest_us(window), past.newest_us(window)) == (expected.oldest_us, expected.newest_us)


def test_a_past_day_of_a_backtest_reads_as_a_report_on_it_does() -> None:
    """What was appended after it counts in neither."""
    for seed in range(40):
        first = json.dumps(decision(START)).encode() + b"\n"
        data = first + ledger_bytes(random.Random(seed), 120, odd=0.3, step_s=30)
        window = Window.ending(START + timedelta(minutes=30), 60, clock=START + timedelta(days=1))
        tally = Tally(window, 0.15)
        for line in data.split(b"\n"):
            tally.add(read_line(line))
        past = PastDecisions([decode(data)], window.start_us - 10**9, window.end_us + 10**10, 0.15)
        assert past.skipped(window) == tally.result(LedgerSpan(0, "")).lost


Pack = Callable[[bytes], bytes]


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_a_compressed_ledger_says_what_it_says_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, pack: Pack
) -> None:
    """However the chunks fall; a damaged one is an error and never a shorter one."""
    monkeypatch.setattr("core.backtest.ledgers._CHUNK_BYTES", 777)
    data = ledger_bytes(random.Random(3), 300, odd=0.1)
    plain, packed = tmp_path / "a.ndjson", tmp_path / f"a.ndjson{suffix}"
    plain.write_bytes(data)
    packed.write_bytes(pack(data))
    window, options = Window.ending(START + timedelta(hours=1), 120), LedgerOptions()

    def figures(path: Path) -> object:
        parts = columns_of(path, window, options, lambda _read, _size: None)
        return PastDecisions(parts, window.start_us, window.end_us, 0.15).figures(window)

    assert figures(packed) == figures(plain)
    packed.write_bytes(pack(data)[:-200])
    with pytest.raises(LedgerUnreadable, match="Nothing was measured"):
        figures(packed)


def test_a_bound_is_changed_by_its_gates_name() -> None:
    """As the command line says it; a gate that does not exist, or a bound beyond sense, is refused."""
    assert with_bound(GatePolicy(), "rsi=0.9").rsi_min == 0.9
    assert with_bound(GatePolicy(), " tri_median = -0.1").tri_median_min == -0.1
    for wrong in ("rsi=2", "rsi", "slots=1", "rsi=x"):
        with pytest.raises(ValueError, match="rsi"):
            with_bound(GatePolicy(), wrong)


def test_the_command_prints_draws_and_replies_in_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Archives and the ledger together; another bound turns days into NO-GO."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "anr.toml").touch()
    lines = [json.dumps(line).encode() + b"\n" for line in good_days()]
    (tmp_path / "run" / "anr_ledger_archive").mkdir(parents=True)
    (tmp_path / "run" / "anr_ledger_archive" / "anr_ledger_202509.ndjson.gz").write_bytes(gzip.compress(b"".join(lines[:4000])))
    (tmp_path / "run" / "anr_ledger.ndjson").write_bytes(b"".join(lines[4000:]))

    def backtest(*words: str) -> Any:
        return CliRunner().invoke(app, ["backtest", "--from", "2025-10-02", "--to", "2025-10-05", *words])

    shown = backtest("--png", "days.png")
    assert shown.exit_code == 0
    assert "4 GO, 0 NO-GO, 0 with a freeze" in " ".join(shown.output.split())
    assert (tmp_path / "days.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads(backtest("--json", "--gate", "decisions=1000", "--gate", "tri=0.2").stdout)
    assert (found["go"], found["no_go"]) == (0, 4)
    assert found["days"][0]["decisions"] == 1440 + 1
    for wrong in (
        ("--gate", "rsi=2"),
        ("--gate", "x=1"),
        ("--to", "2025-09-01"),
        ("--from", "yesterday"),
        ("--png", "no/such/x.png"),
    ):
        assert isinstance(backtest(*wrong).exception, ConfigurationError), wrong
