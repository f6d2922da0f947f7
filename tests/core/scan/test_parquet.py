import gzip
import json
import os
import random
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigurationError
from core.scan.parquet import export
from tests.core.scan.test_table import exported, some_lines

pytestmark = pytest.mark.warehouse


def rows_in(folder: Path) -> Counter[str]:
    """Every row of an export, with how often it stands there."""
    return Counter(
        json.dumps(row, sort_keys=True) for path in folder.rglob("*.parquet") for row in pq.read_table(path).to_pylist()
    )


@pytest.mark.usefixtures("_small")
@settings(max_examples=15)
@given(st.integers(0, 2**32))
def test_exports_that_go_on_add_up_to_one_export(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """After every append, and after a kill in the middle of any of them, no line is missing and none stands there twice."""
    rng, folder = random.Random(seed), tmp_path_factory.mktemp("export")
    ledger, steps, whole = folder / "ledger.ndjson", folder / "steps", folder / "whole"
    ledger.write_bytes(b"")
    for step in range(6):
        with ledger.open("ab") as stream:
            stream.write(some_lines(rng, rng.randrange(1, 40), 900 * step))
        if rng.random() < 0.5:
            stop_at = rng.randrange(1, 9)

            def die(read: int, _size: int, stop_at: int = stop_at) -> None:
                if read > stop_at * 2000:
                    raise KeyboardInterrupt

            try:
                export(ledger, steps, die)
            except KeyboardInterrupt:
                continue
        else:
            exported(ledger, steps)
    exported(ledger, steps)
    exported(ledger, whole)
    assert rows_in(steps) == rows_in(whole)
    assert sum(rows_in(steps).values()) == len([line for line in ledger.read_bytes().split(b"\n") if line.strip()])


@pytest.mark.usefixtures("_small")
def test_a_ledger_whose_beginning_was_archived_goes_on_where_it_was(tmp_path: Path) -> None:
    """What stays in the ledger is not exported a second time; a new ledger is exported whole, beside the old one's rows."""
    rng, ledger, folder = random.Random(4), tmp_path / "ledger.ndjson", tmp_path / "export"
    first, second, third = (some_lines(rng, 60, 1200 * part) for part in range(3))
    ledger.write_bytes(first)
    exported(ledger, folder)
    ledger.write_bytes(first[first.find(b"\n", len(first) // 2) + 1 :] + second)
    exported(ledger, folder)
    ledger.write_bytes(third)
    exported(ledger, folder)
    everything = tmp_path / "everything.ndjson"
    everything.write_bytes(first + second + third)
    exported(everything, tmp_path / "whole")
    assert sum(rows_in(folder).values()) == (first + second + third).count(b"\n")
    entries = {row: count for row, count in rows_in(folder).items() if '"entry"' in row}
    assert entries == {row: count for row, count in rows_in(tmp_path / "whole").items() if '"entry"' in row}


@pytest.mark.usefixtures("_small")
def test_an_export_goes_on_through_rotation_compression_and_removal(tmp_path: Path) -> None:
    """What was appended between the last export and the rename is exported; what is packed, gone or seen again not twice."""
    rng, ledger, folder = random.Random(6), tmp_path / "ledger.ndjson", tmp_path / "export"
    parts = [some_lines(rng, 60, 1200 * part) for part in range(6)]
    started = 1759222800  # 2025-09-30T09:00:00Z, where those lines begin

    def write(path: Path, *numbers: int, mode: str = "ab") -> None:
        with path.open(mode) as stream:
            stream.write(b"".join(parts[number] for number in numbers))
        os.utime(path, (started + 1200 * (numbers[-1] + 1),) * 2)

    first, second = tmp_path / "ledger-20250930T092500Z.ndjson", tmp_path / "ledger-20250930T100500Z.ndjson"
    write(ledger, 0)
    exported(ledger, folder)
    write(ledger, 1)
    ledger.rename(first)
    write(ledger, 2)
    exported(ledger, folder)
    write(ledger, 3)
    ledger.rename(second)
    write(ledger, 4)
    first.with_name(f"{first.name}.gz").write_bytes(gzip.compress(first.read_bytes()))
    exported(ledger, folder)
    first.unlink()
    exported(ledger, folder)
    first.with_name(f"{first.name}.gz").unlink()
    exported(ledger, folder)
    write(first, 0, 1)  # somebody puts it back
    write(ledger, 5)
    exported(ledger, folder)
    (tmp_path / "whole").mkdir()
    write(tmp_path / "whole" / "ledger.ndjson", 0, 1, 2, 3, 4, 5)
    exported(tmp_path / "whole" / "ledger.ndjson", tmp_path / "at-once")
    assert rows_in(folder) == rows_in(tmp_path / "at-once")


@pytest.mark.parametrize("what", ["link", "fifo"])
def test_what_stands_in_the_place_of_the_exports_state_is_refused(tmp_path: Path, what: str) -> None:
    """It hangs nothing, and nothing behind it is taken for how far the export went."""
    ledger, folder = tmp_path / "ledger.ndjson", tmp_path / "export"
    ledger.write_bytes(some_lines(random.Random(5), 5, 0))
    exported(ledger, folder)
    state = folder / "_anr_export.json"
    elsewhere = state.rename(tmp_path / "elsewhere.json")
    state.symlink_to(elsewhere) if what == "link" else os.mkfifo(state)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        exported(ledger, folder)


def test_an_export_is_closed_to_strangers_whatever_the_umask_says(tmp_path: Path) -> None:
    """Its folders, those above them, and its files."""
    ledger, above = tmp_path / "ledger.ndjson", tmp_path / "lake"
    ledger.write_bytes(some_lines(random.Random(5), 5, 0))
    before = os.umask(0)
    try:
        exported(ledger, above / "export")
    finally:
        os.umask(before)
    assert [path for path in (above, *above.rglob("*")) if path.stat().st_mode & 0o007] == []


def test_nothing_new_is_little_work(tmp_path: Path) -> None:
    """Only the batch that still grows is written again."""
    ledger = tmp_path / "ledger.ndjson"
    ledger.write_bytes(some_lines(random.Random(5), 50, 0))
    assert exported(ledger, tmp_path / "export").rows == 50
    before = rows_in(tmp_path / "export")
    exported(ledger, tmp_path / "export")
    assert rows_in(tmp_path / "export") == before


def test_a_folder_that_is_no_export_is_refused(tmp_path: Path) -> None:
    """Nothing is overwritten by mistake."""
    ledger = tmp_path / "ledger.ndjson"
    ledger.write_bytes(some_lines(random.Random(5), 5, 0))
    (tmp_path / "_anr_export.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="Nothing was exported"):
        exported(ledger, tmp_path)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        exported(ledger, ledger / "inside-a-file")
