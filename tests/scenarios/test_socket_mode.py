"""Socket Mode: connections that Slack refreshes, and envelopes whose acknowledgement was lost on the way."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.playground.demo import CHANNEL
from bot.playground.server import Playground
from core.settings.settings import Settings
from core.target.target import Target
from tests.support.workspace import WAIT, Played, asked, cards, done, pilot_in, stage, whispers


@pytest_asyncio.fixture
async def over_socket(tmp_path: Path) -> AsyncIterator[tuple[Playground, Settings]]:
    async with stage(tmp_path) as running:
        yield running


async def reconnected(playground: Playground, reason: str) -> None:
    """Let Slack end every connection, and wait until the bot has a new one."""
    before = list(playground.socket_mode.connections)
    if reason == "cut":
        await playground.socket_mode.close()
    else:
        await playground.socket_mode.disconnect(reason)
    await playground.wait_for(
        lambda: [connection for connection in playground.socket_mode.connections if connection not in before], WAIT
    )


@pytest.mark.parametrize("reason", ["warning", "refresh_requested", "cut"])
async def test_a_card_works_after_slack_has_ended_the_connection(over_socket: Played, reason: str) -> None:
    """Announced or not, the bot connects anew, and the click on the card that was posted before promotes."""
    playground, settings = over_socket
    card = await asked(playground)
    await reconnected(playground, reason)
    await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
    await playground.wait_for(lambda: cards(playground, "Promoted: 10% → 25%"), WAIT)
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.25"


async def test_an_envelope_whose_acknowledgement_was_lost_comes_again_and_has_one_effect(over_socket: Played) -> None:
    """Slack delivers it once more over the next connection: the rollback is done once, and the person is told so."""
    playground, settings = over_socket
    delivery = await playground.slash("U0MEMBER", CHANNEL, "/anr", "rollback errors")
    await playground.wait_for(lambda: cards(playground, "Rolled back"), WAIT)
    playground.socket_mode.unacknowledged[delivery.id] = delivery
    await reconnected(playground, "cut")
    await playground.wait_for(lambda: whispers(playground, "U0MEMBER", "already done"), WAIT)
    assert delivery.attempts == 2
    assert done(Target.at(settings.target, settings.access)) == ["init", "rollback"]


async def test_a_connection_that_was_cut_while_slack_was_down_comes_back(over_socket: Played) -> None:
    """The bot does not give up when Slack gives it no new address; commands work again when Slack does."""
    playground, _ = over_socket
    await playground.wait_for(lambda: cards(playground, "The journal begins"), WAIT)
    playground.api.down = True
    refused = len(playground.api.calls)
    await playground.socket_mode.close()
    await playground.wait_for(
        lambda: "apps.connections.open" in [refusal.method for refusal in list(playground.api.calls)[refused:]], WAIT
    )
    playground.api.down = False
    await playground.wait_for(lambda: playground.socket_mode.connections, WAIT)
    await playground.slash("U0MEMBER", CHANNEL, "/anr", "rollback errors")
    await playground.wait_for(lambda: cards(playground, "Rolled back"), WAIT)
