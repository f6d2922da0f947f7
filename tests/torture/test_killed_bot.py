"""The bot as a process of its own, killed with SIGKILL between and during operations, and started again."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.playground.demo import CHANNEL
from bot.playground.process import environment, listening
from bot.playground.server import Playground
from core.receipts.receipt import Action, Phase
from core.settings.settings import Settings
from core.target.target import Target
from tests.scenarios.conftest import BOTH_MODES
from tests.support.workspace import WAIT, Played, asked, cards, has_button, pilot_in, scenery

pytestmark = pytest.mark.torture


@asynccontextmanager
async def bot(playground: Playground, settings: Settings) -> AsyncIterator[Callable[[], None]]:
    """A real process of the bot, connected; yields what kills it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "bot", env=environment(settings, os.environ), stderr=asyncio.subprocess.PIPE
    )
    try:
        if not settings.slack.app_token.get_secret_value():
            await listening(settings.http.port)
        else:
            await playground.wait_for(lambda: playground.socket_mode.connections, WAIT)
        yield lambda: process.send_signal(signal.SIGKILL)
    finally:
        if process.returncode is None:
            process.kill()
        _, errors = await process.communicate()
        assert b"Traceback" not in errors, errors.decode()


def reach(target: Target, receipts: int) -> None:
    """Look at the journal again and again until it has so many receipts, so that the kill comes right after."""
    ends = time.monotonic() + WAIT
    while len(target.journal.receipts()) < receipts:
        assert time.monotonic() < ends


@pytest.mark.parametrize("scene", BOTH_MODES, indirect=True)
async def test_killed_between_request_and_click_the_card_still_works(scene: Played) -> None:
    """What waited before the kill is answered after the restart, in the same message."""
    playground, settings = scene
    async with bot(playground, settings) as kill:
        card = await asked(playground)
        kill()
    async with bot(playground, settings):
        await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
        await playground.wait_for(lambda: cards(playground, "Promoted: 10% → 25%"), WAIT)
    assert [message["ts"] for message in cards(playground, "Promoted: 10% → 25%")] == [card["ts"]]
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.25"


@pytest.mark.parametrize("receipts", [2, 3, 4], ids=["at-the-click", "after-the-intent", "after-the-outcome"])
async def test_killed_while_a_promotion_is_carried_out_the_restart_settles_it(tmp_path: Path, receipts: int) -> None:
    """Journal, router and card agree after the restart, and the card has no buttons unless the request still waits."""
    async with scenery(tmp_path) as (playground, settings):
        target = Target.at(settings.target, settings.access)
        async with bot(playground, settings) as kill:
            card = await asked(playground)
            await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
            await asyncio.to_thread(reach, target, receipts)
            kill()
        async with bot(playground, settings):
            await playground.wait_for(lambda: target.journal.state().unsettled is None, WAIT)
            waits = bool(target.journal.pending())
            await playground.wait_for(lambda: has_button(cards(playground, "10% → 25%")[0]) == waits, WAIT)
        sealed, flaws = target.journal.receipts(), target.journal.verify()[1]
        assert flaws == ()
        state = target.journal.state()
        assert pilot_in(settings.target.settings_file) == f"NOVA_ANR_PILOT={(state.stage or 0) / 100:.2f}"
        intents = [
            sealed_receipt
            for sealed_receipt in sealed
            if (sealed_receipt.receipt.action, sealed_receipt.receipt.phase) == (Action.PROMOTE, Phase.INTENT)
        ]
        outcomes = [
            sealed_receipt
            for sealed_receipt in sealed
            if (sealed_receipt.receipt.action, sealed_receipt.receipt.phase) == (Action.PROMOTE, Phase.OUTCOME)
        ]
        assert len(intents) == len(outcomes) <= 1
        assert [message["ts"] for message in cards(playground, "10% → 25%")] == [card["ts"]]
