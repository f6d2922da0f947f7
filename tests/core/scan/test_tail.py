import json
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.receipts.observation import Evidence, Observation, Sight, judge
from core.scan.tail import newest_lines, served_since
from core.settings.target import LedgerOptions
from tests.support.rig import NOW, decision, written

HOUR = timedelta(hours=1)


def lines(count: int, until: datetime, *, step: timedelta = timedelta(seconds=1), **change: Any) -> str:
    each = [{**decision(until), "t": written(until - step * (count - 1 - number)), **change} for number in range(count)]
    return "".join(json.dumps(entry) + "\n" for entry in each)


def renamed(ledger: Path) -> None:
    ledger.rename(ledger.with_name("anr_ledger_2025-10.ndjson"))
    ledger.touch()


def copied_and_truncated(ledger: Path) -> None:
    shutil.copyfile(ledger, ledger.with_name("anr_ledger.ndjson.1"))
    ledger.write_bytes(b"")


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "anr_ledger.ndjson"


@pytest.mark.parametrize("rotate", [renamed, copied_and_truncated], ids=lambda rotate: rotate.__name__)
def test_a_contradiction_just_before_a_rotation_is_not_lost(ledger: Path, rotate: Callable[[Path], None]) -> None:
    """The router served after its brake, then its ledger was rotated: STILL SERVING stays, with every line counted once."""
    braked = NOW - timedelta(seconds=30)
    ledger.write_text(lines(20, NOW), encoding="utf-8")
    rotate(ledger)
    ledger.write_text(lines(2, NOW + timedelta(seconds=2), live=None), encoding="utf-8")
    expected = Observation(stage=0, safe=True, since=braked, counts_from=braked)
    tail = newest_lines(ledger)
    seen = judge(expected, Evidence(NOW + timedelta(seconds=3), tail))
    assert (seen.sight, seen.live, seen.shadow, tail.whole) == (Sight.STILL_SERVING, 20, 2, True)


def test_a_copy_that_is_not_truncated_yet_is_counted_once(ledger: Path) -> None:
    """Copy and truncate are two steps, and between them there are two of each line."""
    ledger.write_text(lines(20, NOW), encoding="utf-8")
    shutil.copyfile(ledger, ledger.with_name("anr_ledger.ndjson.1"))
    assert len(newest_lines(ledger).lines) == 20


def test_only_the_newest_sibling_that_is_the_ledgers_own_is_looked_into(ledger: Path) -> None:
    """Older ones, packed ones and those of another router are left alone; it is said that there is more."""
    ledger.write_text(lines(1, NOW), encoding="utf-8")
    for name, count in (("anr_ledger-1.ndjson", 3), ("anr_ledger-2.ndjson", 5), ("anr_ledger_canary.ndjson", 7)):
        ledger.with_name(name).write_text(lines(count, NOW), encoding="utf-8")
    ledger.with_name("anr_ledger-3.ndjson.gz").write_bytes(b"\x1f\x8b")
    options = LedgerOptions(other_ledgers=(ledger.with_name("anr_ledger_canary.ndjson"),))
    tail = newest_lines(ledger, options)
    assert (len(tail.lines), tail.whole) == (6, False)
    alone = newest_lines(ledger, options.model_copy(update={"rotated": False}))
    assert (len(alone.lines), alone.whole) == (1, True)


def test_a_ledger_that_fills_a_look_needs_no_sibling(ledger: Path) -> None:
    """A busy router shows enough in its own file."""
    ledger.write_text(lines(2000, NOW), encoding="utf-8")
    alone = newest_lines(ledger)
    ledger.with_name("anr_ledger-1.ndjson").write_text(lines(5, NOW), encoding="utf-8")
    assert newest_lines(ledger) == alone


def test_a_soak_goes_on_across_a_rotation(ledger: Path) -> None:
    """Since when a stage is served stands in the sibling; a contradiction there ends it there."""
    ledger.write_text(
        lines(60, NOW - HOUR * 6, step=timedelta(minutes=1), live={"route": "R2", "pilot": 0.25})
        + lines(180, NOW - HOUR, step=timedelta(minutes=1)),
        encoding="utf-8",
    )
    renamed(ledger)
    ledger.write_text(lines(30, NOW, step=timedelta(minutes=1)), encoding="utf-8")
    assert served_since(ledger, 10, NOW, HOUR * 24) == NOW - HOUR - timedelta(minutes=179)
