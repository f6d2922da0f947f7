"""One report, whatever has the ledger: the file itself, Parquet files read by DuckDB, and Spark."""

import json
import os
import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigurationError
from core.ledger.window import Window
from core.scan.measure import measure
from core.scan.parquet import Exported, export
from core.settings.target import TargetSettings
from tests.support.ledger_lines import START, decision_text, ledger_bytes

pytestmark = pytest.mark.warehouse

NOW = START + timedelta(hours=3, minutes=7)
JUNK = (b"{", b"\xff\xfe", b'{"t": "yesterday"}', b'{"id":"a"}')


def some_lines(rng: random.Random, count: int, begin_s: int) -> bytes:
    """Decisions from `begin_s` seconds after the start, out of order by minutes, some broken."""
    lines = [decision_text(rng, START + timedelta(seconds=begin_s + 20 * n - rng.randrange(600))).encode() for n in range(count)]
    return b"".join((rng.choice(JUNK) if rng.random() < 0.1 else line) + b"\n" for line in lines)


def exported(ledger: Path, folder: Path) -> Exported:
    return export(ledger, folder, lambda _read, _size: None)


def test_an_export_of_an_older_version_is_not_gone_on_with(tmp_path: Path) -> None:
    """Its files do not tell what was unknown: beside newer ones they would say that nothing was rolled back."""
    ledger = tmp_path / "ledger.ndjson"
    ledger.write_bytes(some_lines(random.Random(5), 5, 0))
    exported(ledger, tmp_path / "export")
    state = tmp_path / "export" / "_anr_export.json"
    state.write_text(json.dumps({**json.loads(state.read_text(encoding="utf-8")), "form": 1}), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="another folder"):
        exported(ledger, tmp_path / "export")


def report_of(folder: Path, ledger: str, minutes: int) -> dict[str, Any]:
    """The report of the real command line, in a process of its own."""
    options = {"LEDGER": ledger, "RUN_DIR": str(folder / "run"), "READING__PARALLEL_MB": "1000"}
    environment = {**os.environ, **{f"ANR_TARGET__{name}": value for name, value in options.items()}}
    command = [sys.executable, "-m", "bot", "report", "--json", "--now", NOW.isoformat(), "--lookback-min", str(minutes)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found.pop("ledger")["sha256"]
    return found


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_every_engine_gives_the_numbers_of_the_file(tmp_path: Path, engine: str) -> None:
    """To the last digit, hour by hour, with what was skipped, from 6,000 lines of which some are odd or broken."""
    ledger, lake = tmp_path / "ledger.ndjson", tmp_path / "lake"
    ledger.write_bytes(ledger_bytes(random.Random(6), 6000, odd=0.1, step_s=2))
    exported(ledger, lake)
    url = f"duckdb://{lake}/**/*.parquet" if engine == "duckdb" else f"spark://local{lake}"
    expected = report_of(tmp_path, str(ledger), 100)
    assert expected["decisions"] > 1000
    assert all(expected["skipped"].values())
    assert report_of(tmp_path, url, 100) == expected


def test_any_backend_of_ibis_is_reached_by_its_url(tmp_path: Path) -> None:
    """A table in a database, named in the URL, gives the same figures."""
    import duckdb  # noqa: PLC0415 - only here

    ledger, lake, base = tmp_path / "ledger.ndjson", tmp_path / "lake", tmp_path / "base.ddb"
    ledger.write_bytes(ledger_bytes(random.Random(7), 500, odd=0.05, step_s=20))
    exported(ledger, lake)
    with duckdb.connect(str(base)) as connection:
        connection.read_parquet(f"{lake}/**/*.parquet", hive_partitioning=True).create("choices")
    found = report_of(tmp_path, f"duckdb://{base}?table=choices", 120)
    assert found == report_of(tmp_path, str(ledger), 120)


def test_a_table_that_cannot_be_read_is_an_error_without_its_password(tmp_path: Path) -> None:
    """Nothing to read is not the same as no decisions, and a secret in the URL stays one."""
    code = (
        "import sys; from core.scan.table import measure_table; from core.ledger.figures import Window\n"
        "from core.errors import LedgerUnreadable\n"
        "for url in sys.argv[1:]:\n"
        "    try: measure_table(url, Window(0, 1), 0.15)\n"
        "    except LedgerUnreadable as error: print(error)\n"
    )
    urls = [
        f"duckdb://{tmp_path}/none/*.parquet",
        f"duckdb://me:hunter2@{tmp_path}/none.ddb?table=x&password=hunter2",
        "what://x:hunter2@y",
    ]
    done = subprocess.run([sys.executable, "-c", code, *urls], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.count("Nothing was measured") == 3
    assert "hunter2" not in done.stdout


def test_a_url_as_ledger_is_a_table_and_no_file() -> None:
    """As the settings write it; the table's URL is shown to nobody."""
    target = TargetSettings.model_validate({"ledger": "duckdb:///lake/*.parquet?password=hunter2"})
    assert target.ledger_table.get_secret_value().startswith("duckdb:///lake")
    assert target.ledger == TargetSettings().ledger
    assert "hunter2" not in repr(target)


def test_without_the_extra_a_table_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence, not a traceback; and nobody else needs the extra."""
    monkeypatch.setitem(sys.modules, "ibis", None)
    monkeypatch.delitem(sys.modules, "core.scan.table", raising=False)
    target = TargetSettings.model_validate({"ledger": "duckdb:///lake/*.parquet"})
    with pytest.raises(ConfigurationError, match=r"pip install \"anr\[warehouse\] @ "):
        measure(target, Window.ending(NOW, 10))
    imported = "import sys, bot.cli.table, core.scan.scan; print({'ibis', 'pyarrow', 'pyspark', 'duckdb'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", imported], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "set()\n"


MANY_WINDOWS = """
import random, sys
from datetime import timedelta
from pathlib import Path
from core.scan.scan import scan
from core.ledger.figures import Window
from core.scan.table import measure_table
from tests.support.ledger_lines import START
rng = random.Random(11)
for _ in range(30):
    ends = START + timedelta(minutes=rng.randrange(200))
    window = Window.ending(ends, rng.choice([1, 7, 60, 150]), clock=ends + timedelta(hours=rng.randrange(2)))
    file = scan(Path(sys.argv[1]), window, 0.15)
    table = measure_table(sys.argv[2], window, 0.15)
    assert (file.figures, file.hours) == (table.figures, table.hours)
    assert (file.skipped, file.oldest_us, file.newest_us) == (table.skipped, table.oldest_us, table.newest_us)
    assert (file.later, file.lost, file.skipped_share) == (table.later, table.lost, table.skipped_share)
print("30 windows")
"""


def test_every_window_of_a_table_has_the_numbers_of_the_file(tmp_path: Path) -> None:
    """Odd and even numbers of values, empty hours, windows before and after everything."""
    ledger, lake, root = tmp_path / "ledger.ndjson", tmp_path / "lake", Path(__file__).parents[3]
    ledger.write_bytes(some_lines(random.Random(8), 500, 600))
    exported(ledger, lake)
    command = [sys.executable, "-c", MANY_WINDOWS, str(ledger), f"duckdb://{lake}/**/*.parquet"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == "30 windows\n", done.stderr
