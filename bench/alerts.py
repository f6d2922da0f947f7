"""How fast an alert becomes safe settings on disk, while people ask for the status and reports are made.

A real bot process without a reload command, so that what is measured is its own work: from the webhook's request to the mark
and the safe settings, both synced, as the bot's answer says, beside the bare write, fsync and rename of a file of that size in
the same run. Every payload is a new cause. In a storm the first one writes the settings, and the others find them as it left
them; where the router is `raised` again before each, each writes them. Where another process holds the journal, it does so
for the whole storm. Bounded in time, on loopback only.

On a machine that others share, run it in a real-time class (`chrt -r 20 make bench`).
"""

import asyncio
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from bench import history
from bench.slack import answers, grow, percentile, reporting, without_pauses
from bench.traced import LEGS
from bot.playground.demo import CHANNEL, scenery
from bot.playground.process import environment, listening
from bot.playground.server import Playground
from core.receipts.receipt import Action
from core.settings.surfaces import AlertSettings, HttpSettings
from core.system.files import write_durably
from core.target.target import Target

WEBHOOKS, STATUSES, SECONDS, GROUPS = 50, 20, 10, 10
GOAL_MS, GOAL_RAISED_MS, GOAL_TIMES = 25, 40, 15
HISTORY = 100_000
_LATE_SECONDS = 60
_SLOWEST = 0.02
_SETTLED_PERCENT = 15.0
_TOKEN = "bench"  # noqa: S105 - of a bot on loopback that lives for seconds


@dataclass(frozen=True, slots=True)
class Way:
    """What stands beside the alerts.

    Attributes:
        load: people ask for the status, and one report after the other is made.
        raised: the router is raised again before each alert.
        locked: another process holds the journal, so that nobody can read it.
        receipts: how many the journal has before.
    """

    name: str
    load: bool = True
    raised: bool = False
    locked: bool = False
    receipts: int = 0


_OTHERS = f"{STATUSES} status/s, reports"
WAYS = {
    "alone": Way("nothing", load=False),
    "load": Way(_OTHERS),
    "raised": Way(f"{_OTHERS}; raised before each", raised=True),
    "locked": Way(f"{_OTHERS}; journal locked", locked=True),
    "history": Way(f"{_OTHERS}; {HISTORY:,} receipts", receipts=HISTORY),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of one way, in milliseconds.

    Attributes:
        safe: from the request to the mark and the settings, of each alert that was answered with success.
        whole: from when each request was due to its answer.
        bare: of the bare write before the storm.
        meanwhile: of the same beside the storm.
        statuses: how often each HTTP status was answered.
        late: causes that the journal has, and how many seconds after the storm it had them all.
        trace: what the bot measured of itself.
    """

    safe: list[float]
    whole: list[float]
    bare: list[float]
    meanwhile: list[float]
    statuses: Counter[int]
    late: tuple[int, float]
    trace: dict[str, Any]


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


def bare(folder: Path, data: bytes, *, count: int = WEBHOOKS * SECONDS // 2, pause_s: float = 0.0) -> list[float]:
    """Milliseconds of writing, syncing and renaming a file of that size alone."""
    took = []
    for _ in range(count):
        time.sleep(pause_s)
        begun = time.perf_counter()
        write_durably(folder / "bare", data)
        took.append(1000 * (time.perf_counter() - begun))
    return took


def beside(folder: Path) -> list[float]:
    """The same, a few times a second for as long as a storm lasts."""
    return bare(folder, b"x" * 200, count=10 * SECONDS, pause_s=0.08)


async def bare_meanwhile(folder: Path) -> list[float]:
    """The same in a process of its own."""
    writing = "import json, sys; from bench.alerts import Path, beside; print(json.dumps(beside(Path(sys.argv[1]))))"
    command = (sys.executable, "-c", writing, str(folder))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    took: list[float] = json.loads(told)
    return took


@contextmanager
def locked(journal: Path) -> Iterator[None]:
    """Keep the journal so that nobody else can even read it."""
    with closing(sqlite3.connect(journal, isolation_level=None, check_same_thread=False)) as holder:
        while True:
            with suppress(sqlite3.OperationalError):  # somebody reads it at this moment
                holder.execute("PRAGMA locking_mode=EXCLUSIVE")
                holder.execute("BEGIN EXCLUSIVE")
                break
        yield
        holder.execute("ROLLBACK")


def put_first(bot: int) -> None:
    """In a real-time class: put the bot before who measures it, and take out of the class what the bot has started.

    Otherwise the bot would wait for the end of this process's turn of a tenth of a second, which is no work of its own; and who
    looks at the router would not stand back, as its niceness has it otherwise.
    """
    if sys.platform != "linux" or (policy := os.sched_getscheduler(0)) == os.SCHED_OTHER:
        return
    first = os.sched_param(os.sched_getparam(0).sched_priority + 1)
    for process, how, priority in (
        (psutil.Process(bot), policy, first),
        *((child, os.SCHED_OTHER, os.sched_param(0)) for child in psutil.Process(bot).children(recursive=True)),
    ):
        for thread in process.threads():
            os.sched_setscheduler(thread.id, how, priority)


async def settled(process: psutil.Process) -> None:
    """Wait until the bot has done what it does at its start: with a long history it reads all of it several times."""
    process.cpu_percent()
    while True:
        await asyncio.sleep(2)
        if process.cpu_percent() < _SETTLED_PERCENT:
            return


async def send_all(
    session: aiohttp.ClientSession, url: str, raise_again: Callable[[], None]
) -> tuple[list[float], list[float], Counter[int]]:
    """Send the payloads at their rate; return milliseconds to safe settings, to whole answers since they were due, and statuses.

    `raise_again` is called before each that no other is under way with.
    """
    under_way = 0

    async def one(number: int) -> tuple[float | None, float, int]:
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
            return (1000 * told["safe_after_s"] if answer.status == 200 else None), whole, answer.status

    with without_pauses():
        begun = time.perf_counter()
        taken = await asyncio.gather(*(one(number) for number in range(WEBHOOKS * SECONDS)))
    statuses = Counter(status for _, _, status in taken)
    return [safe for safe, _, _ in taken if safe is not None], [whole for _, whole, _ in taken], statuses


async def asking(playground: Playground) -> None:
    """Ask for the status at its rate, whoever waits."""
    begun = time.perf_counter()
    for number in range(STATUSES * SECONDS):
        await asyncio.sleep(max(0.0, begun + number / STATUSES - time.perf_counter()))
        await playground.slash("U0AARON", CHANNEL, "/anr", "status")


async def recorded(target: Target) -> tuple[int, float]:
    """Wait until the journal has every cause, for a while; return how many it has, and seconds."""
    begun = time.perf_counter()
    while True:
        found = await asyncio.to_thread(target.journal.receipts, last=4 * WEBHOOKS * SECONDS)
        causes = {sealed_receipt.receipt.cause for sealed_receipt in found if sealed_receipt.receipt.action is Action.FREEZE}
        took = time.perf_counter() - begun
        if len(causes) == WEBHOOKS * SECONDS or took > _LATE_SECONDS:
            return len(causes), took
        await asyncio.sleep(0.2)


async def measured(way: Way, port: int, lines: int) -> Measured:
    """Measure one way."""
    with tempfile.TemporaryDirectory(prefix="anr-bench-", dir=Path.cwd()) as named:
        folder = Path(named)
        async with scenery(folder) as (playground, begun):
            options = begun.target.model_copy(update={"reload_command": ()})
            live = options.settings_file.read_bytes()
            changed = {"target": options, "http": HttpSettings(port=port), "alerts": AlertSettings(token=SecretStr(_TOKEN))}
            settings = begun.model_copy(update=changed)
            target = Target.at(options, settings.access)
            await asyncio.to_thread(grow, options.ledger, lines)
            if way.receipts:
                await asyncio.to_thread(history.grow, target, way.receipts)
            command = (sys.executable, "-m", "bench.traced", str(folder / "trace.json"), "bot")
            process = await asyncio.create_subprocess_exec(
                *command, env=environment(settings, os.environ), stderr=asyncio.subprocess.DEVNULL
            )
            try:
                await listening(port)
                await playground.wait_for(lambda: playground.socket_mode.connections, 120)
                await answers(playground, "status", 2)  # the first one also reads the ledger, which nobody has read
                await settled(psutil.Process(process.pid))
                put_first(process.pid)
                before = await asyncio.to_thread(bare, folder, options.settings_file.read_bytes())
                others = [asyncio.create_task(work) for work in (asking(playground), reporting(playground))] if way.load else []
                url = f"http://127.0.0.1:{port}/alertmanager/webhook"
                raise_again = partial(put, options.settings_file, live) if way.raised else lambda: None
                async with aiohttp.ClientSession() as session:
                    with locked(options.journal) if way.locked else nullcontext():
                        writing = asyncio.create_task(bare_meanwhile(folder))
                        safe, whole, statuses = await send_all(session, url, raise_again)
                meanwhile = await writing
                for other in others:
                    other.cancel()
                await asyncio.gather(*others, return_exceptions=True)
                late = await recorded(target)
            finally:
                process.terminate()
                await process.wait()
            target.journal.close()
            trace = json.loads((folder / "trace.json").read_bytes())
    return Measured(safe, whole, before, meanwhile, statuses, late, trace)


def _figures(table: Table, way: Way, found: Measured) -> None:
    rows = (
        ("request to mark and settings", found.safe),
        ("whole answer", found.whole),
        ("bare write, fsync, rename: before", found.bare),
        ("bare write, fsync, rename: meanwhile", found.meanwhile),
    )
    units = percentile(found.bare, 0.99), percentile(found.meanwhile, 0.99)
    for what, values in rows:
        figures = percentile(values, 0.5), percentile(values, 0.99)
        ratios = (f"{figures[1] / unit:.1f}" for unit in units)
        table.add_row(
            way.name, what, str(len(values)), *(f"{figure:.1f}" for figure in (*figures, max(values, default=0))), *ratios
        )


def _legs(table: Table, way: Way, found: Measured) -> None:
    """Say where the time of the median went, and that of the slowest."""
    requests = sorted((request for request in found.trace["requests"] if "safe" in request), key=lambda request: request["safe"])
    count = len(requests)
    parts = {
        "middle fifth": requests[2 * count // 5 : 3 * count // 5],
        f"slowest {100 * _SLOWEST:g}%": requests[-max(1, int(_SLOWEST * count)) :],
    }
    for name, part in parts.items():
        means = [sum(request.get(leg, 0.0) for request in part) / max(1, len(part)) for leg in ("safe", *LEGS, "together")]
        table.add_row(way.name, name, *(f"{mean:.1f}" for mean in means))


def run(lines: int, free_port: Callable[[], int], ways: tuple[str, ...] = tuple(WAYS)) -> None:
    """Measure each way, and print the figures."""
    title = f"Alerts, ms; {WEBHOOKS} new causes/s for {SECONDS} s; {lines:,} lines in the window"
    table = Table("beside it", "what", "n", "p50", "p99", "max", "p99 × bare before", "p99 × bare meanwhile", title=title)
    legs = Table("beside it", "requests", "safe", *LEGS, "payloads together", title="Where it went, ms on average")
    said: list[str] = []
    for name in ways:
        way = WAYS[name]
        found = asyncio.run(measured(way, free_port(), lines))
        _figures(table, way, found)
        _legs(legs, way, found)
        lags, pauses = found.trace["lags"], [took for took, _ in found.trace["garbage"]]
        said.append(
            f"{way.name}: answers {dict(found.statuses)}; {found.late[0]} causes in the journal {found.late[1]:.1f} s later; "
            f"event loop late by p99 {percentile(lags, 0.99):.1f}, at most {max(lags):.0f} ms; "
            f"{len(pauses)} searches for garbage, the longest {max(pauses, default=0):.0f} ms"
        )
    console = Console(width=200)
    console.print(table, legs, *said, sep="\n")
    console.print(
        f"Goals: request to mark and settings p99 ≤ {GOAL_MS} ms and ≤ {GOAL_TIMES} × bare; raised before each p99 ≤ "
        f"{GOAL_RAISED_MS} ms; journal locked: 200 only; {HISTORY:,} receipts: the same ± 20%."
    )
