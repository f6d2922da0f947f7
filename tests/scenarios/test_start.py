"""How the bot begins: without Slack, and with tokens that Slack does not accept."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.app import running
from bot.playground.process import environment
from core.errors import ConfigurationError
from core.receipts.receipt import Action
from core.target.target import Target
from tests.scenarios.conftest import BOTH_MODES
from tests.scenarios.test_daily import due_now, never
from tests.support.workspace import WAIT, Played, asked, cards, scenery


@pytest.mark.parametrize("scene", BOTH_MODES, indirect=True)
async def test_a_bot_that_starts_while_slack_is_down_makes_the_daily_run_and_tells_it_later(
    scene: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slack delays no operation: the run of the day is made, and its report is posted when Slack is back."""
    monkeypatch.setattr("bot.app._RETRY_SECONDS", 0.05)
    playground, settings = scene
    target = Target.at(settings.target, settings.access)
    playground.api.down = True

    async def serve() -> None:
        async with running(due_now(settings)):
            await asyncio.Event().wait()

    serving = asyncio.create_task(serve())
    async with asyncio.timeout(WAIT):
        while not [
            sealed_receipt
            for sealed_receipt in await asyncio.to_thread(target.journal.receipts)
            if sealed_receipt.receipt.action is Action.DAILY
        ]:
            assert not serving.done()
    assert playground.messages("C0ANROPS") == []
    playground.api.down = False
    await playground.wait_for(lambda: cards(playground, "Daily report"), WAIT)
    await playground.wait_for(lambda: playground.socket_mode.connections or settings.http.port, WAIT)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving


async def test_a_connection_that_slack_refuses_at_first_is_made_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app knows who it is, but gets no WebSocket for a while; then commands arrive."""
    monkeypatch.setattr("bot.app._RETRY_SECONDS", 0.05)
    async with scenery(tmp_path) as (playground, settings):
        playground.fail("apps.connections.open", status=500)
        async with running(never(settings)):
            await asked(playground)


@pytest.mark.parametrize(
    ("token", "words"), [("bot_token", "the bot token"), ("app_token", "the app-level token")], ids=["bot", "app"]
)
async def test_a_token_that_slack_does_not_accept_stops_the_bot_with_a_sentence(tmp_path: Path, token: str, words: str) -> None:
    """The message names which of the two it is, with Slack's own code."""
    async with scenery(tmp_path) as (_, settings):
        slack = settings.slack.model_copy(update={token: SecretStr("xoxb-mistyped")})
        with pytest.raises(ConfigurationError, match=rf"{words} \(invalid_auth\)") as caught:
            async with running(settings.model_copy(update={"slack": slack})):
                pass
    assert "mistyped" not in str(caught.value)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_bot_that_waits_for_slack_can_be_stopped(tmp_path: Path) -> None:
    """SIGTERM ends it in order, with exit code 0 and without a trace."""
    async with scenery(tmp_path) as (playground, settings):
        playground.api.down = True
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "bot", env=environment(never(settings), os.environ), stderr=asyncio.subprocess.PIPE
        )
        assert process.stderr is not None
        said = b""
        async with asyncio.timeout(WAIT):
            while b"Slack cannot be reached" not in said:
                said += await process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        said += (await process.communicate())[1]
    assert process.returncode == 0
    assert b"Traceback" not in said
