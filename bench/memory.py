"""Whether the bot's memory grows with what it is asked: many commands, most of them short, and what it has in use meanwhile.

Excluded: its memory with an old journal (bench/journal.py).
"""

import asyncio
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from bench.journal import bot
from bot.playground.demo import CHANNEL, scenery
from bot.playground.server import Playground
from core.settings.surfaces import HttpSettings

RATE, MINUTES, FIRST = 50, 60.0, 5.0
GOAL_MB = 5
_WORDS = ("help", "help", "why", "receipts", "help", "next", "help", "help", "help", "status")
"""What is asked in turn."""
_SAMPLE_SECONDS = 5.0


async def _asking(playground: Playground) -> int:
    """Send `RATE` commands a second until this is cancelled; those that are under way may be many."""
    begun, number, asked = time.perf_counter(), 0, set[asyncio.Task[object]]()
    while True:
        await asyncio.sleep(max(0.0, begun + number / RATE - time.perf_counter()))
        task = asyncio.create_task(playground.slash("U0MEMBER", CHANNEL, "/anr", _WORDS[number % len(_WORDS)]))
        asked.add(task)
        task.add_done_callback(asked.discard)
        number += 1


async def _measured(minutes: float, port: int) -> list[tuple[float, float]]:
    """Return after how many minutes how much memory was in use, in MB."""
    found = []
    with tempfile.TemporaryDirectory(prefix="anr-bench-") as named:
        async with scenery(Path(named)) as (playground, begun):
            settings = begun.model_copy(update={"http": HttpSettings(port=port)})
            async with bot(settings, Path(named) / "lags.json") as process:
                await playground.wait_for(lambda: playground.socket_mode.connections, 120)
                asking, started = asyncio.create_task(_asking(playground)), time.perf_counter()
                with suppress(psutil.NoSuchProcess):
                    while (past := (time.perf_counter() - started) / 60) < minutes:
                        found.append((past, process.memory_info().rss / 1e6))
                        await asyncio.sleep(_SAMPLE_SECONDS)
                asking.cancel()
    return found


def run(minutes: float, free_port: Callable[[], int]) -> None:
    """Measure, and print how much memory is in use after the first minutes and at the end."""
    first = min(FIRST, minutes / 2)
    found = asyncio.run(_measured(minutes, free_port()))
    warm = [used for past, used in found if past >= first]
    table = Table("after", "MB", title=f"Memory of the bot, {RATE} commands/s for {minutes:g} min")
    for past, used in found[:: max(1, len(found) // 12)]:
        table.add_row(f"{past:.1f} min", f"{used:.1f}")
    table.add_row("grown after the first", f"{warm[-1] - warm[0]:.1f}" if warm else "?")
    Console().print(table, f"First: {first:g} min. Goal for an hour, after the first {FIRST:g} min: ≤ {GOAL_MB} MB.")
