"""How fast the bot acknowledges and answers, through the playground, while a report is being made all the time.

A real bot process; requests at a steady rate that does not wait for answers (no coordinated omission: a request that is
sent late counts from when it was due). Bounded in time, on loopback only.
"""

import asyncio
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bot.playground.demo import CHANNEL, scenery
from bot.playground.process import environment, listening
from bot.playground.server import Playground
from core.settings.settings import Settings

RATE, SECONDS = 50, 10
GOAL_MS = 50


def percentile(values: list[float], share: float) -> float:
    """The value below which this share of them lies; of nothing, NaN."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def grow(ledger: Path, lines: int) -> None:
    """Put so many decisions of the last 24 hours before what the ledger has."""
    begin = datetime.now(UTC) - timedelta(hours=23)
    step = timedelta(hours=22) / lines
    with ledger.open("w", encoding="utf-8") as stream:
        for number in range(lines):
            entry = {
                "id": f"{number:032x}",
                "t": (begin + number * step).isoformat().replace("+00:00", "Z"),
                "shadow": {"route": "R2", "argmax": "R2", "probs": {"R1": 0.2, "R2": 0.5, "R3": 0.1, "R4": 0.1, "R5": 0.1}},
                "live": {"route": "R2", "pilot": 0.10},
                "anomaly": {"engaged": 0},
                "rewards": {"immediate": {"tri_delta_norm": 0.1}, "deployment": {"rollback": 0}},
            }
            stream.write(json.dumps(entry, separators=(",", ":")) + "\n")


@contextmanager
def without_pauses() -> Iterator[None]:
    """Search for no garbage while the block lasts, for seconds only: a pause of whoever measures is no pause of the bot."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@asynccontextmanager
async def bot(playground: Playground, settings: Settings) -> AsyncIterator[None]:
    """Run the bot as a process while the block lasts."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "bot", env=environment(settings, os.environ), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        if settings.http.port:
            await listening(settings.http.port)
        else:
            await playground.wait_for(lambda: playground.socket_mode.connections, 20)
        yield
    finally:
        process.terminate()
        await process.wait()


async def acknowledgements(playground: Playground, words: str) -> list[float]:
    """Send `RATE` commands a second for `SECONDS`; return how long each took to be acknowledged, in milliseconds."""

    async def one(due: float) -> float:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        delivery = await playground.slash("U0MEMBER", CHANNEL, "/anr", words)
        took = time.perf_counter() - due
        return 1000 * took if delivery.acked and delivery.error is None else float("inf")

    with without_pauses():
        begun = time.perf_counter()
        return list(await asyncio.gather(*(one(begun + number / RATE) for number in range(RATE * SECONDS))))


async def answers(playground: Playground, words: str, count: int) -> list[float]:
    """Ask for something again and again, one after the other; return how long each answer took, in milliseconds."""
    took = []
    for _ in range(count):
        seen, begun = len(playground.ephemerals("U0AARON")), time.perf_counter()
        await playground.slash("U0AARON", CHANNEL, "/anr", words)
        await playground.wait_for(lambda seen=seen: len(playground.ephemerals("U0AARON")) > seen, 60)  # type: ignore[misc]
        took.append(1000 * (time.perf_counter() - begun))
    return took


async def reporting(playground: Playground) -> None:
    """Ask for one report after the other, for as long as this is let."""
    while True:
        seen = len(playground.ephemerals("U0OLIVIA"))
        await playground.slash("U0OLIVIA", CHANNEL, "/anr", "report")
        await playground.wait_for(lambda seen=seen: len(playground.ephemerals("U0OLIVIA")) > seen, 120)  # type: ignore[misc]


async def measured(http_port: int | None, lines: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of acknowledgements and of `/anr status` answers."""
    with tempfile.TemporaryDirectory(prefix="anr-bench-") as folder:
        async with scenery(Path(folder), http_port=http_port) as (playground, settings):
            await asyncio.to_thread(grow, settings.target.ledger, lines)
            async with bot(playground, settings):
                await answers(playground, "status", 1)  # the first answer also reads what was never read
                load = asyncio.create_task(reporting(playground))
                acks = await acknowledgements(playground, "help")
                whole = await answers(playground, "status", 10)
                load.cancel()
    return acks, whole


def run(lines: int, free_port: Callable[[], int]) -> None:
    """Measure both modes and print the figures."""
    table = Table(
        "mode", "what", "n", "p50", "p99", "max", title=f"Slack, ms; {RATE}/s while reports run; {lines:,} lines in the window"
    )
    for mode, port in (("Socket Mode", None), ("HTTP mode", free_port())):
        acks, whole = asyncio.run(measured(port, lines))
        for what, values in (("ack of a command", acks), ("whole /anr status", whole)):
            figures = (percentile(values, 0.5), percentile(values, 0.99), max(values))
            table.add_row(mode, what, str(len(values)), *(f"{figure:.1f}" for figure in figures))
    console = Console()
    console.print(table)
    console.print(f"Goal: acknowledgement p99 ≤ {GOAL_MS} ms.")
