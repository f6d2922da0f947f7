"""Requests that nobody answered in time, over the wire, with a clock that the test moves."""

from datetime import UTC, datetime, timedelta

from bot.app import running
from bot.playground.demo import CHANNEL
from core.target.target import Target
from tests.support.workspace import WAIT, Played, asked, cards, has_button, pilot_in


async def test_a_click_after_the_expiry_ends_the_card(scene: Played) -> None:
    """An approval that comes an hour late promotes nothing, and the card says that it has expired."""
    playground, settings = scene
    late = timedelta()
    async with running(settings, clock=lambda: datetime.now(UTC) + late):
        card = await asked(playground)
        late = timedelta(minutes=61)
        await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
        await playground.wait_for(lambda: cards(playground, "Expired: 10% → 25%"), WAIT)
        ended = cards(playground, "Expired: 10% → 25%")[0]
    assert ended["ts"] == card["ts"]
    assert not has_button(ended)
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.10"
    assert Target.at(settings.target, settings.access).journal.pending() == ()


async def test_a_request_that_expired_while_the_bot_was_away_loses_its_buttons(scene: Played) -> None:
    """Nobody has to click: the first look at the clock after the start ends the request."""
    playground, settings = scene
    async with running(settings):
        card = await asked(playground)
    async with running(settings, clock=lambda: datetime.now(UTC) + timedelta(minutes=61)):
        await playground.wait_for(lambda: cards(playground, "Expired: 10% → 25%"), WAIT)
    ended = cards(playground, "Expired: 10% → 25%")
    assert [message["ts"] for message in ended] == [card["ts"]]
    assert not has_button(ended[0])
