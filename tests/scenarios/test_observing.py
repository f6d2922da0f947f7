"""A router that ignores its settings, over the wire: a brake's card turns within seconds, and everything else says the same."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest_asyncio

from bot.app import running
from bot.playground.demo import CHANNEL
from bot.playground.server import Playground
from core.settings.settings import Settings
from core.target.target import Target
from tests.scenarios.conftest import free_port
from tests.support.workspace import WAIT, asked, cards, done, said, scenery, whispers

Deaf = tuple[Playground, Settings, str]


@pytest_asyncio.fixture
async def deaf(tmp_path: Path) -> AsyncIterator[Deaf]:
    """The whole stage, where the restart command ends with 0 and does nothing; with the address of the bot's own server."""
    port = free_port()
    async with scenery(tmp_path) as (playground, settings):
        target = settings.target.model_copy(update={"reload_command": (sys.executable, "-c", "")})
        http = settings.http.model_copy(update={"port": port})
        ignoring = settings.model_copy(update={"target": target, "http": http})
        async with running(ignoring):
            yield playground, ignoring, f"http://127.0.0.1:{port}"


async def text_of(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.text()


async def test_a_freeze_that_the_router_ignores_turns_to_still_serving(deaf: Deaf) -> None:
    """It answers at once with what it did; card, home, metric and readiness then say that the router goes on, and what to do."""
    playground, settings, bot = deaf
    await playground.open_home("U0OLIVIA")
    await playground.slash("U0MEMBER", CHANNEL, "/anr", "freeze errors")
    await playground.wait_for(lambda: whispers(playground, "U0MEMBER", "Settings written and synced, router restarted in"), WAIT)
    assert whispers(playground, "U0MEMBER", "Not yet seen")
    await playground.wait_for(lambda: cards(playground, "Frozen, but the router is STILL SERVING"), WAIT)
    (card,) = cards(playground, "Frozen, but the router is STILL SERVING")
    assert "STILL SERVING: the running router serves 10%" in said(card)
    assert "Restart the router by hand now" in said(card)
    assert 'anr_router_still_serving{target="demo"} 1.0' in await text_of(f"{bot}/metrics")
    assert "STILL SERVING" in await text_of(f"{bot}/readyz")
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "status")
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "STILL SERVING"), WAIT)
    target = Target.at(settings.target, settings.access)
    assert [str(action) for action in done(target)][:3] == ["init", "freeze", "observed"]
    target.journal.close()


async def test_a_promotion_that_the_router_ignores_is_written_and_not_followed(deaf: Deaf) -> None:
    """No word says "now at" or "promoted" without the rest: the running router goes on at 10%."""
    playground, _, _ = deaf
    card = await asked(playground)
    await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
    await playground.wait_for(lambda: cards(playground, "Promoted: 10% → 25%, but the router does not follow"), WAIT)
    (card,) = cards(playground, "but the router does not follow")
    assert "shows 10%, not 25%" in said(card)
    assert "Now at" not in said(card)
