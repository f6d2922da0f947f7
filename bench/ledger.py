"""What a report costs: today's loop, other engines, and ours cold, warm and after new lines.

Whole processes, alternating, medians of a few rounds, the page cache warm; ratios within one run, because a machine is never as
quiet as one wants. The ledgers are generated with fixed seeds.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

NOW = datetime(2025, 10, 1, 9, 5, tzinfo=UTC)
ROUNDS = 3
NEW_LINES = 10_000
_SAMPLE_SECONDS = 0.01
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Modules are compiled once, as for everybody who installs anr."""
_LINE = (
    '{{"id":"{id:032x}","t":"{t}","shadow":{{"route":"{argmax}","argmax":"{argmax}","probs":{{"R1":0.2,"R2":0.5,"R3":0.1,"R4":0.1,'
    '"R5":0.1}}}},{live}"anomaly":{{"engaged":{engaged:d}}},"rewards":{{"immediate":{{"tri_delta_norm":{tri},"latency_norm":0.3}},'
    '"deployment":{{"slo_ok":1,"rollback":{rollback:d},"error_rate":0.0}}}}}}\n'
)


@dataclass(frozen=True, slots=True)
class Run:
    """One process, or one call: seconds of wall and of all processors, and bytes of memory at the peak."""

    wall: float
    cpu: float
    memory: int
    said: str = ""


def line(rng: random.Random, at: datetime) -> str:
    """Return one decision as the router writes it, up to two minutes late."""
    argmax = rng.choice(("R1", "R2", "R3"))
    live = f'"live":{{"route":"{argmax if rng.random() < 0.95 else "R1"}","pilot":0.10}},' if rng.random() < 0.5 else ""
    return _LINE.format(
        id=rng.getrandbits(128),
        t=(at - timedelta(seconds=rng.randrange(120))).strftime("%Y-%m-%dT%H:%M:%SZ"),
        argmax=argmax,
        live=live,
        engaged=rng.random() < 0.02,
        tri=round(rng.gauss(0.1, 0.2), 4),
        rollback=rng.random() < 0.0001,
    )


def generate(path: Path, lines: int, span: timedelta, seed: int, *, dirty: bool = False) -> Path:
    """Write a ledger that ends at `NOW`; a dirty one has broken and odd lines among the good ones."""
    rng, begin, step = random.Random(seed), NOW - span, span / lines  # noqa: S311 - a fixed seed is the point
    odd = ("{", '{"t":"yesterday"}', '{"t":"2025-10-01T08:00:00Z","live":{"route":3}}', "\ufeff", "[]", "")
    with path.open("w", encoding="utf-8") as stream:
        for number in range(lines):
            stream.write(line(rng, begin + number * step))
            if dirty and number % 50 == 0:
                stream.write(odd[number // 50 % len(odd)] + "\n")
    return path


def run(lines: int) -> None:
    """Generate, run everything in turn, print the tables."""
    console = Console(width=118)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        long = generate(place / "long.ndjson", lines, timedelta(days=30), 1)
        dense = generate(place / "dense.ndjson", lines // 5, timedelta(hours=23), 2)
        dirty = generate(place / "dirty.ndjson", 20_000, timedelta(hours=23), 3, dirty=True)
        right = {name: _is_right(name, dirty) for name in ("base", "orjson", "duckdb", "polars", "ours")}
        for title, ledger in ((f"{lines:,} lines / 30 days", long), (f"{lines // 5:,} lines, all in the window", dense)):
            _print(console, title, _compare(ledger, place), right)
        console.print(_in_process(long, place))
        console.print(_status(long, place))


def _compare(ledger: Path, place: Path) -> dict[str, list[Run]]:
    engines = {name: _engine(name, ledger) for name in ("base", "orjson", "polars", "duckdb", "ours")}
    index = place / f"{ledger.stem}-run"
    environment = {**_ENVIRONMENT, "ANR_TARGET__LEDGER": str(ledger), "ANR_TARGET__RUN_DIR": str(index)}
    report = [sys.executable, "-m", "bot", "report", "--json", "--now", NOW.isoformat()]
    without = {**environment, "ANR_TARGET__READING__INDEX": "false"}
    measured(report, environment)  # fills the index
    ways: dict[str, Callable[[], Run]] = {name: partial(measured, command) for name, command in engines.items()}
    ways["anr report, cold"] = partial(measured, report, without)
    ways["anr report, warm"] = partial(measured, report, environment)
    found: dict[str, list[Run]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            found[name].append(way())
    return found


def _engine(name: str, ledger: Path) -> list[str]:
    return [sys.executable, "-m", "bench.engines", name, str(ledger), NOW.isoformat()]


def _is_right(name: str, dirty: Path) -> str:
    """Say whether an engine has the definition's figures on a dirty ledger."""
    try:
        said, expected = measured(_engine(name, dirty)).said, measured(_engine("ours", dirty)).said
    except subprocess.CalledProcessError:
        return "fails"
    return "right" if json.loads(said) == json.loads(expected) else "wrong"


def measured(command: list[str], environment: dict[str, str] | None = None) -> Run:
    """Run a process to its end, with its children.

    Raises:
        CalledProcessError: it failed.
    """
    begun = time.perf_counter()
    process = psutil.Popen(command, env=environment or _ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    cpu: dict[int, float] = {}
    peak = 0
    while process.poll() is None:
        held = 0
        for member in _family(process):
            try:
                with member.oneshot():
                    held += member.memory_info().rss
                    times = member.cpu_times()
            except psutil.Error:
                continue
            cpu[member.pid] = times.user + times.system
        peak = max(peak, held)
        time.sleep(_SAMPLE_SECONDS)
    wall = time.perf_counter() - begun
    said = process.stdout.read()
    process.stdout.close()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Run(wall, sum(cpu.values()), peak, said)


def _family(process: psutil.Popen) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _in_process(ledger: Path, place: Path) -> str:
    """Measure what a status costs a running bot after new lines."""
    from core.ledger.window import Window  # noqa: PLC0415
    from core.scan.measure import measure  # noqa: PLC0415 - beside its only use
    from core.settings.target import TargetSettings  # noqa: PLC0415

    target, rng, took = TargetSettings(ledger=ledger, run_dir=place / "bot"), random.Random(4), []  # noqa: S311 - as above
    window = Window.ending(NOW, 1440)
    measure(target, window)
    for _ in range(2 * ROUNDS + 1):
        with ledger.open("a", encoding="utf-8") as stream:
            stream.writelines(line(rng, NOW) for _ in range(NEW_LINES))
        begun = time.perf_counter()
        measure(target, window)
        took.append(time.perf_counter() - begun)
    return f"in the running bot, after {NEW_LINES:,} new lines: {1000 * statistics.median(took):.0f} ms (goal 50 ms)"


def _status(ledger: Path, place: Path) -> str:
    """Measure `anr status` from process start to exit, with an index."""
    options: dict[str, object] = {
        "LEDGER": ledger,
        "RUN_DIR": place / "status",
        "JOURNAL": place / "journal.sqlite",
        "SETTINGS_FILE": place / "anr.env",
    }
    options |= {"RECEIPTS_DIR": place / "logs", "HEALTH_URL": "http://127.0.0.1:1/health/slots", "HEALTH_TIMEOUT_S": "0.2"}
    environment = {**_ENVIRONMENT, **{f"ANR_TARGET__{name}": str(value) for name, value in options.items()}}
    command = [sys.executable, "-m", "bot", "status"]
    measured(command, environment)
    walls = [measured(command, environment).wall for _ in range(2 * ROUNDS + 1)]
    bare = [measured([sys.executable, "-c", "pass"]).wall for _ in range(2 * ROUNDS + 1)]
    return (
        f"anr status, process start to exit: {statistics.median(walls):.2f} s (goal 0.4 s); "
        f"an interpreter that does nothing: {statistics.median(bare):.2f} s"
    )


def _print(console: Console, title: str, found: dict[str, list[Run]], right: dict[str, str]) -> None:
    table = Table("engine", "wall s", "× base", "CPU s", "peak MB", "dirty ledger", title=title, title_justify="left")
    base = statistics.median(reading.wall for reading in found["base"])
    for name, runs in found.items():
        wall = statistics.median(run.wall for run in runs)
        cpu, memory = statistics.median(run.cpu for run in runs), max(run.memory for run in runs)
        verdict = right.get(name, right["ours"])
        table.add_row(name, f"{wall:.2f}", f"{base / wall:.1f}", f"{cpu:.2f}", f"{memory / 1e6:.0f}", verdict)
    console.print(table)
