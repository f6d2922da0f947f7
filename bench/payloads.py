"""How long the event loop stands still while it is sent generated payloads: real ones that were changed, cut and spoilt.

The real webhook of a real bot process, on loopback, by several connections at once. The payloads are those of the torture tests
(tests/torture/alerts.py), so that this needs the tests beside it.
"""

import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import aiohttp
from pydantic import SecretStr
from rich.console import Console

from bench.alerts import put_first
from bench.slack import percentile
from bot.playground.demo import scenery
from bot.playground.process import environment, listening
from core.settings.surfaces import AlertSettings, HttpSettings
from tests.torture.alerts import payload

PAYLOADS, ROUND, CONNECTIONS = 100_000, 5_000, 8
"""A bot takes a round of them: of those that cannot be read each is a hold of its own, and no journal holds 40,000."""
GOAL_MS = 100
_TOKEN = "bench"  # noqa: S105 - of a bot on loopback that lives for minutes


async def measured(port: int, count: int, first: int = 0) -> tuple[Counter[int], list[float], list[str], float]:
    """Send so many payloads, from the seed `first` on.

    Returns:
        Statuses; how late the loop was each time it was looked at, in milliseconds; what it did when it stood still; seconds.
    """
    statuses: Counter[int] = Counter()
    numbers = iter(range(count))
    url, headers = f"http://127.0.0.1:{port}/alertmanager/webhook", {"Authorization": f"Bearer {_TOKEN}"}

    async def send(session: aiohttp.ClientSession, seed: int) -> None:
        chosen = random.Random(seed)  # noqa: S311 - the same payloads in every run
        for number in numbers:
            body = payload(chosen)
            if number % 100 == 0:  # a new cause now and then; the others are repeats, as they are of an alert that goes on
                body = body.replace(b"0123456789abcdef", f"{number:016x}".encode())
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.read()
                statuses[answer.status] += 1

    with tempfile.TemporaryDirectory(prefix="anr-bench-", dir=Path.cwd()) as named:
        async with scenery(Path(named)) as (playground, begun):
            target = begun.target.model_copy(update={"reload_command": ()})
            changed = {"target": target, "http": HttpSettings(port=port), "alerts": AlertSettings(token=SecretStr(_TOKEN))}
            settings = begun.model_copy(update=changed)
            into = Path(named) / "trace.json"
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bench.traced", str(into), "bot"),
                env=environment(settings, os.environ),
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                await listening(port)
                await playground.wait_for(lambda: playground.socket_mode.connections, 120)
                put_first(process.pid)
                began = time.perf_counter()
                async with aiohttp.ClientSession() as session:
                    await asyncio.gather(*(send(session, seed) for seed in range(first, first + CONNECTIONS)))
                took = time.perf_counter() - began
            finally:
                process.terminate()
                await process.wait()
            trace = json.loads(into.read_bytes())
    return statuses, trace["lags"], trace["stood"], took


def run(count: int, free_port: Callable[[], int]) -> None:
    """Measure, and print how late the event loop was so far after each round."""
    statuses: Counter[int] = Counter()
    lags: list[float] = []
    stood: list[str] = []
    console = Console(width=200)
    for begun in range(0, count, ROUND):
        more = asyncio.run(measured(free_port(), min(ROUND, count - begun), begun))
        statuses += more[0]
        lags += more[1]
        stood += more[2]
        quantiles = ", ".join(f"p{100 * share:g} {percentile(lags, share):.1f}" for share in (0.5, 0.99, 0.9999))
        over = sum(lag > GOAL_MS for lag in lags)
        console.print(
            f"{sum(statuses.values()):,} generated payloads, answers {dict(sorted(statuses.items()))}; event loop late, ms: "
            f"{quantiles}, max {max(lags):.0f}; {over} of {len(lags):,} looks over the goal of {GOAL_MS}"
        )
    for delay in sorted(stood, key=lambda text: -float(text.split(" ")[0]))[:3]:
        console.print(delay)
