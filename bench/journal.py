"""How anr bears the age of its journal: what people wait for, with a thousand receipts and with many more.

Real processes: the command line, the bot, the playground as Slack. Each figure is the middle one of a few; what it says depends
on what else the machine does, so that both journals are measured in the same run.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from bench import history
from bench.slack import answers
from bot.cli import main as command
from bot.jobs import Jobs
from bot.playground.demo import scenery
from bot.playground.process import environment, listening
from bot.playground.server import Playground
from bot.slack.deliveries import Deliveries
from core.settings.settings import Settings
from core.settings.surfaces import HttpSettings
from core.target.target import Target

FEW, MANY = 1_000, 1_000_000
GOALS: dict[str, str] = {
    "bot listens, s": "≤ 2",
    "whole /anr status, ms": "≤ 100 more",
    "whole /anr rollback, ms": "≤ 500",
    "memory of the bot, MB": "≤ 200 + 10 %",
    "memory of the process that looks, MB": "",
    "idle, % of a core": "≤ 2",
    "event loop late at most, ms": "≤ 100",
    "anr status, s": "≤ 0.5",
    "anr receipts, s": "",
    "anr rollback, s": "≤ 0.5",
    "anr verify, s": "",
    "anr verify, receipts/s": "≥ 100,000",
    "to interpret nothing, s": "",
}
_TIMES, _IDLE_SECONDS, _LAG_SECONDS = 5, 20.0, 0.005


def _took(settings: Settings, *words: str, times: int = _TIMES) -> float:
    """Return the seconds of a whole process, the middle of a few."""
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, *words],
            env=environment(settings, os.environ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        found.append(time.perf_counter() - begun)
    return statistics.median(found)


@asynccontextmanager
async def bot(settings: Settings, lags: Path) -> AsyncIterator[psutil.Process]:
    """Run the bot as a process while the block lasts; at its end it writes how late its event loop was, in milliseconds."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.journal", str(lags), "bot"),
        env=environment(settings, os.environ),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await listening(settings.http.port)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()


def _seconds(processes: list[psutil.Process]) -> float:
    found = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # one that only helped for a while
            found += sum(process.cpu_times()[:2])
    return found


async def _settled(processes: list[psutil.Process]) -> None:
    """Wait until the bot does little: what it looks at once after it has started is over."""
    quiet = 0
    while quiet < 3:
        before = _seconds(processes)
        await asyncio.sleep(1)
        quiet = quiet + 1 if _seconds(processes) - before < 0.1 else 0


async def _in_the_bot(playground: Playground, settings: Settings, folder: Path) -> dict[str, float]:
    begun = time.perf_counter()
    lags = folder / "lags.json"
    async with bot(settings, lags) as process:
        found = {"bot listens, s": time.perf_counter() - begun}
        await playground.wait_for(lambda: playground.socket_mode.connections, 120)
        await answers(playground, "status", 2)
        processes = [process, *process.children(recursive=True)]
        await _settled(processes)
        found["whole /anr status, ms"] = statistics.median(await answers(playground, "status", _TIMES))
        found["whole /anr rollback, ms"] = statistics.median(await answers(playground, "rollback", _TIMES))
        await _settled(processes)
        before = _seconds(processes)
        await asyncio.sleep(_IDLE_SECONDS)
        found["idle, % of a core"] = 100 * (_seconds(processes) - before) / _IDLE_SECONDS
        found["memory of the bot, MB"] = process.memory_info().rss / 1e6
        lasting = [child for child in processes[1:] if child.is_running()]
        found["memory of the process that looks, MB"] = sum(child.memory_info().rss for child in lasting) / 1e6
    late = json.loads(lags.read_bytes())
    found["event loop late at most, ms"] = max(late, default=0.0)
    return found


async def _measured(receipts: int, port: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="anr-bench-", dir=Path.cwd()) as named:
        folder = Path(named)
        async with scenery(folder) as (playground, begun):
            options = begun.target.model_copy(update={"observe_timeout_s": 0})
            settings = begun.model_copy(update={"target": options, "http": HttpSettings(port=port)})
            target = Target.at(options, settings.access)
            await asyncio.to_thread(history.grow, target, receipts)
            with closing(Deliveries.at(options)) as deliveries:  # the channel has seen all of it
                deliveries.queue((), upto=receipts + 1)
            found = await _in_the_bot(playground, settings, folder)
            for words in ("status", "receipts", "rollback"):
                found[f"anr {words}, s"] = await asyncio.to_thread(_took, settings, "-m", "bot", words)
            found["to interpret nothing, s"] = await asyncio.to_thread(_took, settings, "-c", "pass")
            alone = await asyncio.to_thread(_took, settings, "-m", "bot", "verify", "--alone", times=1)
            found["anr verify, s"], found["anr verify, receipts/s"] = alone, receipts / alone
    return found


def run(receipts: int, free_port: Callable[[], int]) -> None:
    """Measure a journal with few receipts and one with many, and print the figures."""
    few, many = (asyncio.run(_measured(count, free_port())) for count in (FEW, receipts))
    table = Table("what", f"{FEW:,} receipts", f"{receipts:,} receipts", "goal", title="The age of the journal")
    for what, goal in GOALS.items():
        table.add_row(what, f"{few[what]:,.2f}", f"{many[what]:,.2f}", goal)
    Console(width=120).print(table)


class _Lag:
    """How late the event loop is, from the jobs' start on."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self.task: asyncio.Task[None] | None = None

    def follow(self) -> None:
        """Begin, once."""
        self.task = self.task or asyncio.get_running_loop().create_task(self._follow())

    async def _follow(self) -> None:
        while True:
            due = time.perf_counter() + _LAG_SECONDS
            await asyncio.sleep(_LAG_SECONDS)
            self.late.append(1000 * (time.perf_counter() - due))


def main() -> None:
    """Run the command line that follows the file's name."""
    into, lag, start = Path(sys.argv.pop(1)), _Lag(), Jobs.start

    def started(jobs: Any) -> None:
        lag.follow()
        start(jobs)

    Jobs.start = started  # type: ignore[method-assign, assignment]
    try:
        command.main()
    finally:
        into.write_text(json.dumps(sorted(lag.late)[-1000:]), encoding="utf-8")


if __name__ == "__main__":
    main()
