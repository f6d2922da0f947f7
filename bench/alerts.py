"""How fast an alert becomes safe settings on disk, while people ask for the status and reports are made.

A real bot process without a reload command, so that what is measured is its own work: from the webhook's request to the mark
and the safe settings, both synced, as the bot's answer says, beside the bare write, fsync and rename of a file of that size in
the same run. Every payload is a new cause. In a storm the first one writes the settings, and the others find them as it left
them; where the router is `raised` again before each, each writes them. Bounded in time, on loopback only.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from bench.slack import answers, grow, percentile, reporting, without_pauses
from bot.playground.demo import CHANNEL, scenery
from bot.playground.process import environment, listening
from bot.playground.server import Playground
from core.settings.surfaces import AlertSettings, HttpSettings
from core.system.files import write_durably

WEBHOOKS, STATUSES, SECONDS, GROUPS = 50, 20, 10, 10
GOAL_MS = 25
_TOKEN = "bench"  # noqa: S105 - of a bot on loopback that lives for seconds


def payload(number: int) -> dict[str, Any]:
    """A notification of one alert that never fired before."""
    labels = {"alertname": f"Bench{number % GROUPS}", "component": "anr", "severity": "page"}
    return {
        "version": "4",
        "groupKey": f"bench-{number % GROUPS}",
        "status": "firing",
        "alerts": [
            {
                "status": "firing",
                "labels": labels,
                "annotations": {"summary": "a benchmark"},
                "startsAt": datetime.now(UTC).isoformat(),
                "fingerprint": f"{number:016x}",
            },
        ],
    }


def put(path: Path, data: bytes) -> None:
    """Replace a file at once."""
    other = path.with_name("raised")
    other.write_bytes(data)
    other.replace(path)


def bare(folder: Path, data: bytes) -> list[float]:
    """Milliseconds of writing, syncing and renaming the settings file alone, as often as it is frozen."""
    took = []
    for _ in range(WEBHOOKS * SECONDS // 2):
        begun = time.perf_counter()
        write_durably(folder / "bare", data)
        took.append(1000 * (time.perf_counter() - begun))
    return took


async def send_all(session: aiohttp.ClientSession, url: str, raise_again: Callable[[], None]) -> tuple[list[float], list[float]]:
    """Send the payloads at their rate; return milliseconds to safe settings, and to the whole answer, from when each was due.

    `raise_again` is called before each that no other is under way with.
    """
    under_way = 0

    async def one(number: int) -> tuple[float, float]:
        nonlocal under_way
        due = begun + number / WEBHOOKS
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if not under_way:
            raise_again()
        under_way += 1
        async with session.post(url, json=payload(number), headers={"Authorization": f"Bearer {_TOKEN}"}) as answer:
            told = await answer.json()
            under_way -= 1
            whole = 1000 * (time.perf_counter() - due)
            return (1000 * told["safe_after_s"] if answer.status == 200 else float("inf")), whole

    with without_pauses():
        begun = time.perf_counter()
        taken = await asyncio.gather(*(one(number) for number in range(WEBHOOKS * SECONDS)))
    return [safe for safe, _ in taken], [whole for _, whole in taken]


async def asking(playground: Playground) -> None:
    """Ask for the status at its rate, whoever waits."""
    begun = time.perf_counter()
    for number in range(STATUSES * SECONDS):
        await asyncio.sleep(max(0.0, begun + number / STATUSES - time.perf_counter()))
        await playground.slash("U0AARON", CHANNEL, "/anr", "status")


async def measured(port: int, lines: int, *, load: bool, raised: bool) -> tuple[list[float], list[float], list[float]]:
    """Return milliseconds to safe settings, of whole answers, and of the bare write."""
    with tempfile.TemporaryDirectory(prefix="anr-bench-", dir=Path.cwd()) as folder:
        async with scenery(Path(folder)) as (playground, begun):
            target = begun.target.model_copy(update={"reload_command": ()})
            live = target.settings_file.read_bytes()
            changed = {"target": target, "http": HttpSettings(port=port), "alerts": AlertSettings(token=SecretStr(_TOKEN))}
            settings = begun.model_copy(update=changed)
            await asyncio.to_thread(grow, target.ledger, lines)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "bot", env=environment(settings, os.environ), stderr=asyncio.subprocess.DEVNULL
            )
            try:
                await listening(port)
                await playground.wait_for(lambda: playground.socket_mode.connections, 20)
                await answers(playground, "status", 2)  # the first one also reads the ledger, which nobody has read
                beside = await asyncio.to_thread(bare, Path(folder), target.settings_file.read_bytes())
                others = [asyncio.create_task(work) for work in (asking(playground), reporting(playground))] if load else []
                async with aiohttp.ClientSession() as session:
                    url = f"http://127.0.0.1:{port}/alertmanager/webhook"
                    safe, whole = await send_all(
                        session, url, partial(put, target.settings_file, live) if raised else lambda: None
                    )
                for one in others:
                    one.cancel()
                await asyncio.gather(*others, return_exceptions=True)
            finally:
                process.terminate()
                await process.wait()
    return safe, whole, beside


def run(lines: int, free_port: Callable[[], int]) -> None:
    """Measure with and without other load, and print the figures."""
    title = f"Alerts, ms; {WEBHOOKS} new causes/s for {SECONDS} s; {lines:,} lines in the window"
    table = Table("beside it", "what", "n", "p50", "p99", "max", "× bare p50", title=title)
    others = f"{STATUSES} /anr status/s and reports"
    ways = ((False, False, "nothing"), (True, False, others), (True, True, f"{others}; raised before each"))
    for load, raised, beside in ways:
        safe, whole, bare_ms = asyncio.run(measured(free_port(), lines, load=load, raised=raised))
        unit = percentile(bare_ms, 0.5)
        rows = (("request to mark and settings", safe), ("whole answer", whole), ("bare write, fsync, rename", bare_ms))
        for what, values in rows:
            figures = (percentile(values, 0.5), percentile(values, 0.99), max(values))
            ratio = f"{figures[0] / unit:.1f}"
            table.add_row(beside, what, str(len(values)), *(f"{figure:.1f}" for figure in figures), ratio)
    console = Console()
    console.print(table)
    console.print(f"Goal: request to mark and settings p99 ≤ {GOAL_MS} ms.")
