"""A storm of alerts while somebody else holds what the bot records with."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from bot.playground.server import Playground
from core.receipts.receipt import Action
from core.settings.settings import Settings
from tests.support.alert_payloads import alert, payload
from tests.support.alerting import Stage, is_safe, listening, ready, target_of
from tests.support.workspace import WAIT

STORM, GROUPS, AT_ONCE = 300, 30, 150
HOLDER = """
import sqlite3, sys
from filelock import FileLock
journal, operation_lock, mode, begin = sys.argv[1:]
with FileLock(operation_lock):
    while True:
        holder = sqlite3.connect(journal, isolation_level=None)
        try:
            holder.execute(f"PRAGMA locking_mode={mode}")
            holder.execute(begin)
            break
        except sqlite3.OperationalError:  # the bot reads it at this moment
            holder.close()
    print("held", flush=True)
    sys.stdin.read()
    holder.execute("ROLLBACK")
    holder.close()
"""


@pytest_asyncio.fixture
async def stage(scene: tuple[Playground, Settings]) -> AsyncIterator[Stage]:
    playground, settings = scene
    async with listening(settings) as (alertmanager, ours):
        await ready(alertmanager)
        yield playground, alertmanager, ours


@contextmanager
def held(journal: Path, run_dir: Path, mode: str, begin: str) -> Iterator[None]:
    """Let another process hold the journal and the operation lock while the block lasts."""
    command = [sys.executable, "-c", HOLDER, str(journal), str(run_dir / "operation.lock"), mode, begin]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield
        holder.stdin.close()
        assert holder.wait() == 0


@pytest.mark.parametrize(
    ("mode", "begin"),
    [
        pytest.param("NORMAL", "BEGIN IMMEDIATE", id="nobody-else-can-write"),
        pytest.param("EXCLUSIVE", "BEGIN EXCLUSIVE", id="nobody-else-can-read"),
    ],
)
async def test_with_the_journal_locked_for_the_whole_storm_each_alert_is_held_answered_and_recorded_once(
    stage: Stage, mode: str, begin: str
) -> None:
    """300 new causes, 150 at once: each has its mark and a 2xx before the journal is free again, and one receipt after it."""
    playground, alertmanager, settings = stage
    target = target_of(settings)
    at_once = asyncio.Semaphore(AT_ONCE)

    async def send(number: int) -> tuple[int, str]:
        async with at_once:
            sent = payload(alert(f"{number:016x}"), group=f"group-{number % GROUPS}")
            status, answer = await alertmanager.send(sent)
            return status, answer["text"]

    with held(target.settings.journal, target.settings.run_dir, mode, begin):
        answers = Counter(await asyncio.gather(*(send(number) for number in range(STORM))))
        assert answers == {(200, "What freezes is held, and the router is in its safe settings."): STORM}
        assert is_safe(settings)
        marks = target.brake.freezes()
        assert len({mark.cause for mark in marks}) == len(marks) == STORM
        repeats = Counter([await send(number) for number in range(0, STORM, 10)])
        assert repeats == {(200, "What freezes is held, and the router is in its safe settings."): STORM // 10}
        assert len(target.brake.freezes()) == STORM

    def all_recorded() -> bool:
        return len(target.journal.state().holds) == STORM and not target.brake.unrecorded()

    await playground.wait_for(all_recorded, 2 * WAIT)
    frozen = [sealed.receipt for sealed in target.journal.receipts() if sealed.receipt.action is Action.FREEZE]
    assert sorted(receipt.cause or "" for receipt in frozen) == sorted(mark.cause or "" for mark in marks)
    assert {hold.id for hold in target.journal.state().holds} == {mark.id for mark in marks}
    assert is_safe(settings)
