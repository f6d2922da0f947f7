"""The brake from Slack while Slack is down, and while everything else that the bot can do is busy."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectionError
from slack_sdk.web.async_client import AsyncWebClient

from bot.commands.brake import Freeze
from bot.commands.looks import Status
from bot.commands.requests import Approve
from bot.commands.table import row_of
from bot.dispatch.channel import TargetChannel
from bot.dispatch.dispatcher import Dispatcher
from bot.dispatch.request import Request
from bot.slack.access import Access
from bot.slack.calls import SlackCalls
from bot.slack.deliveries import Deliveries
from bot.slack.members import Installation
from bot.slack.outbox import Outbox
from bot.stories.compose import StoryComposer
from bot.stories.follow import Stories
from bot.surfaces.slash import typed
from core.actors import AccessPolicy
from core.brake import hold
from core.router.control import SAFE_SETTINGS
from core.settings.target import TargetSettings
from core.target.lock import operation_lock
from core.target.overview import look
from core.target.target import Target

ACCESS = AccessPolicy(operators=frozenset({"UOLIVIA"}), approvers=frozenset({"UAARON"}))
Figure = Callable[[str], None]
PATIENCE = 300.0
"""Seconds after which an answer counts as one that waited for Slack or a worker: both are silent for longer."""


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """A router at 10% that nobody has operated yet."""
    options = TargetSettings(
        ledger=tmp_path / "ledger.ndjson",
        settings_file=tmp_path / "anr.env",
        health_url="http://127.0.0.1:9/health/slots",
        journal=tmp_path / "journal.sqlite",
        receipts_dir=tmp_path / "logs",
        run_dir=tmp_path / "run",
    )
    options.settings_file.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\n", encoding="utf-8")
    options.ledger.write_text("{}\n" * 10, encoding="utf-8")
    return Target.at(options, ACCESS)


@asynccontextmanager
async def desk_of(target: Target, slack_url: str) -> AsyncIterator[Dispatcher]:
    """A desk whose Slack is at this address."""
    client = AsyncWebClient(token="xoxb-1", base_url=slack_url, timeout=int(2 * PATIENCE))
    deliveries = Deliveries(target.settings.journal.with_suffix(".stories.sqlite"))
    stories = Stories(target, StoryComposer(target), Outbox(SlackCalls(client), deliveries, "C1"), deliveries)
    dispatcher = Dispatcher(
        [TargetChannel(target, lambda _: look(target), stories, "C1")], Access(client, ACCESS, Installation("T1"))
    )
    try:
        yield dispatcher
    finally:
        await dispatcher.drain()


@asynccontextmanager
async def silent_slack() -> AsyncIterator[str]:
    """Something that takes every connection and never says a word."""
    over = asyncio.Event()

    async def keep(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/"
    finally:
        over.set()
        server.close()


def body(text: str, user: str = "UMAX") -> dict[str, Any]:
    return {"text": text, "user_id": user, "team_id": "T1", "channel_id": "C1", "trigger_id": f"{time.monotonic_ns()}"}


async def unanswered(**_answer: object) -> None:
    """Slack does not take the answer either."""
    raise ClientConnectionError("Slack is down")


async def braked(dispatcher: Dispatcher, target: Target, text: str, fault: str, figure: Figure) -> None:
    """Type a brake, and check that the router is safe when it has been carried out."""
    before = time.monotonic()
    await asyncio.wait_for(typed(dispatcher, body(text), unanswered), PATIENCE)
    assert target.router.settings().carries(SAFE_SETTINGS)
    figure(f"/anr {text} while {fault}: safe and over after {(time.monotonic() - before) * 1000:.0f} ms")


@pytest.mark.parametrize("text", ["rollback", "freeze"])
async def test_slack_is_down(target: Target, text: str, figure: Figure, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody can be asked who this is, and nobody takes the answer: the router is safe all the same."""
    async with desk_of(target, "http://127.0.0.1:9/api/") as dispatcher:
        await braked(dispatcher, target, text, "Slack refuses connections", figure)
    assert "the answer could not be delivered" in caplog.text
    assert target.journal.receipts()[-1].receipt.actor.id == "UMAX"


@pytest.mark.parametrize("text", ["rollback", "freeze"])
async def test_slack_is_silent(target: Target, text: str, figure: Figure) -> None:
    """A Slack that takes connections and says nothing is not waited for."""
    async with silent_slack() as url, desk_of(target, url) as dispatcher:
        await braked(dispatcher, target, text, "Slack is silent", figure)


async def test_reports_are_being_computed_by_every_worker(target: Target, figure: Figure) -> None:
    """More reports than there are workers, none of which comes to an end, do not delay the brake."""
    begun, over = threading.Semaphore(0), threading.Event()

    def never_done(_read: int, _size: int) -> None:
        begun.release()
        over.wait()

    busy = replace(target, on_progress=never_done)
    async with desk_of(busy, "http://127.0.0.1:9/api/") as dispatcher:
        reports = [asyncio.get_running_loop().run_in_executor(dispatcher._work, _report, busy) for _ in range(8)]
        try:
            for _ in range(4):
                assert await asyncio.to_thread(begun.acquire, timeout=PATIENCE)
            await braked(dispatcher, target, "rollback", "reports are being computed by every worker", figure)
            assert not any(report.done() for report in reports)
        finally:
            over.set()
        await asyncio.gather(*reports)


async def test_an_answer_to_a_request_waits_for_no_report(target: Target) -> None:
    """What is approved may be a brake: with every worker busy the answer comes, here that Slack does not know who asks."""
    answers: list[dict[str, Any]] = []

    async def respond(**answer: Any) -> None:
        answers.append(answer)

    over = threading.Event()
    async with desk_of(target, "http://127.0.0.1:9/api/") as dispatcher:
        stuck = [asyncio.get_running_loop().run_in_executor(dispatcher._work, over.wait) for _ in range(8)]
        try:
            approve = Approve(operation="abcdefghjk")
            await asyncio.wait_for(dispatcher.carry_out(approve, Request("UAARON", "T1", "C1"), respond), PATIENCE)
        finally:
            over.set()
        await asyncio.gather(*stuck)
    assert "Slack does not say at present who you are" in answers[0]["text"]


async def test_freezes_that_keep_the_stage_wait_for_the_lock(
    target: Target, figure: Figure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are ordinary operations: however many of them wait, a brake has a thread of its own."""
    monkeypatch.setattr(hold, "WAIT_SECONDS", 60.0)
    answers: list[object] = []

    async def taken(**answer: object) -> None:
        answers.append(answer)

    async with desk_of(target, "http://127.0.0.1:9/api/") as dispatcher:
        with operation_lock(target.settings.run_dir, "stuck", target.clock()):
            waiting = [asyncio.create_task(typed(dispatcher, body("freeze --keep-stage"), taken)) for _ in range(3)]
            await asyncio.sleep(0)
            await braked(dispatcher, target, "freeze", "freezes that keep the stage wait for the lock", figure)
            assert answers == []
        await asyncio.gather(*waiting)


def _report(target: Target) -> None:
    target.measure(target.clock(), leaving_zero=False)


async def test_a_click_that_no_journal_knows_brakes_the_router_of_its_channel(target: Target, tmp_path: Path) -> None:
    """Two routers, and a journal that cannot be read: never the first router in place of the one that was clicked."""
    other = target.settings.model_copy(
        update={"name": "staging", "settings_file": tmp_path / "staging.env", "run_dir": tmp_path / "run-staging"}
    )
    other.settings_file.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.50\n", encoding="utf-8")
    target.settings.journal.write_bytes(b"this is no database" * 100)
    async with (
        desk_of(target, "http://127.0.0.1:9/") as first,
        desk_of(Target.at(other, ACCESS), "http://127.0.0.1:9/") as second,
    ):
        one, two = (dispatcher.target_channel(row_of(Status()), Status(), None) for dispatcher in (first, second))
        assert isinstance(one, TargetChannel)
        assert isinstance(two, TargetChannel)
        target_channels = [one, replace(two, channel="C2")]
        dispatcher = Dispatcher(
            target_channels, Access(AsyncWebClient(token="xoxb-1", base_url="http://127.0.0.1:9/"), ACCESS, Installation("T1"))
        )
        answers: list[dict[str, Any]] = []

        async def respond(**answer: Any) -> None:
            answers.append(answer)

        now = Freeze(at_once=True, operation="abcdefghjk")
        await dispatcher.carry_out(now, Request("UOLIVIA", "T1", "C2"), respond)
        await dispatcher.carry_out(now, Request("UOLIVIA", "T1", "C3"), respond)
        await dispatcher.drain()
    assert two.target.router.settings().carries(SAFE_SETTINGS)
    assert one.target.router.settings().stage == 10
    assert "`/anr freeze staging`" in str(answers[1]["blocks"])


async def test_the_brakes_of_one_router_hang_and_another_one_is_braked(target: Target, tmp_path: Path) -> None:
    """A restart that does not come back is asked for again and again: the other router's brake waits for none of that."""
    holds, hangs = tmp_path / "fifo", tmp_path / "one.env"
    os.mkfifo(holds)
    hangs.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.25\n", encoding="utf-8")
    stuck = target.settings.model_copy(
        update={
            "name": "stuck",
            "settings_file": hangs,
            "run_dir": tmp_path / "run-stuck",
            "journal": tmp_path / "stuck.sqlite",
            "reload_command": ("cat", str(holds)),
            "reload_timeout_s": PATIENCE,
        }
    )
    async with (
        desk_of(target, "http://127.0.0.1:9/") as first,
        desk_of(Target.at(stuck, ACCESS), "http://127.0.0.1:9/") as second,
    ):
        one, two = (dispatcher.target_channel(row_of(Status()), Status(), None) for dispatcher in (first, second))
        assert isinstance(one, TargetChannel)
        assert isinstance(two, TargetChannel)
        dispatcher = Dispatcher(
            [one, replace(two, channel="C2")],
            Access(AsyncWebClient(token="xoxb-1", base_url="http://127.0.0.1:9/"), ACCESS, Installation("T1")),
        )

        async def respond(**_: Any) -> None:
            return

        hanging = [asyncio.create_task(dispatcher.carry_out(Freeze(), Request("UOLIVIA", "T1", "C2"), respond)) for _ in range(4)]
        named = Freeze(target=target.settings.name)
        try:
            await asyncio.wait_for(dispatcher.carry_out(named, Request("UOLIVIA", "T1", "C2"), respond), PATIENCE / 2)
            assert one.target.router.settings().carries(SAFE_SETTINGS)
            assert not any(task.done() for task in hanging)
        finally:
            while not all(task.done() for task in hanging):
                await asyncio.to_thread(_let_go, holds)
        await dispatcher.drain()


def _let_go(fifo: Path) -> None:
    with suppress(OSError):  # whoever reads it comes to its end; there may be nobody yet
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
