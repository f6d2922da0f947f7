"""HTTP mode: each kind of what Slack delivers arrives; what it did not sign, or signed too long ago, does nothing."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from bot.playground.demo import CHANNEL
from bot.playground.server import Playground
from core.errors import ConfigurationError
from core.settings.settings import Settings
from core.target.target import Target
from tests.scenarios.conftest import free_port
from tests.support.workspace import WAIT, asked, cards, done, has_button, pilot_in, said, shown, stage, whispers


@pytest_asyncio.fixture
async def over_http(tmp_path: Path) -> AsyncIterator[tuple[Playground, Settings]]:
    async with stage(tmp_path, http_port=free_port()) as running:
        yield running


async def test_a_command_and_a_buttons_click_arrive_and_the_card_is_updated(over_http: tuple[Playground, Settings]) -> None:
    """From the question to the router's settings: the click is acknowledged at once, and again when it comes twice."""
    playground, settings = over_http
    card = await asked(playground)
    click = await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
    assert click.acked
    await playground.wait_for(lambda: cards(playground, "Promoted: 10% → 25%"), WAIT)
    (ended,) = cards(playground, "Promoted: 10% → 25%")
    assert (ended["ts"], has_button(ended)) == (card["ts"], False)
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.25"
    before = done(Target.at(settings.target, settings.access))
    await playground.redeliver(click, retry_num=1, retry_reason="http_timeout")
    await playground.wait_for(lambda: whispers(playground, "U0AARON", "approved"), WAIT)
    assert done(Target.at(settings.target, settings.access)) == before


async def test_a_form_that_a_shortcut_opened_is_answered_in_its_own_response(over_http: tuple[Playground, Settings]) -> None:
    """A field's mistake comes back with the acknowledgement; what is right then acts, and the form says so."""
    playground, settings = over_http
    await playground.shortcut("U0MEMBER", "freeze_anr")
    view = await shown(playground, "U0MEMBER")
    wrong = await playground.submit_view("U0MEMBER", view["id"], {"lasts": {"lasts": {"value": "until Monday"}}})
    assert set(wrong.errors) == {"lasts"}
    assert not Target.at(settings.target, settings.access).journal.state().frozen
    await playground.submit_view("U0MEMBER", view["id"], {"lasts": {"lasts": {"value": "4h"}}})
    await playground.wait_for(lambda: "*Frozen: 0% of live traffic.*" in said(playground.open_views("U0MEMBER")[-1]), WAIT)
    assert Target.at(settings.target, settings.access).journal.state().frozen


async def test_the_home_is_published_when_it_is_opened(over_http: tuple[Playground, Settings]) -> None:
    """An event of Slack's, not an interaction: it comes in another body, and its answer over the Web API."""
    playground, _ = over_http
    await playground.open_home("U0MEMBER")
    await playground.wait_for(lambda: "*Stage:* 10%" in said(playground.workspace.homes.get("U0MEMBER") or {}), WAIT)


@pytest.mark.parametrize("age_seconds", [301, -302], ids=["too-old", "from-the-future"])
async def test_a_replayed_request_does_nothing(over_http: tuple[Playground, Settings], age_seconds: float) -> None:
    """A signature whose time is more than five minutes away is a replay."""
    playground, settings = over_http
    playground.signed_http.age_seconds = age_seconds
    delivery = await playground.slash("U0MEMBER", CHANNEL, "/anr", "rollback")
    assert not delivery.acked
    assert done(Target.at(settings.target, settings.access)) == ["init"]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b"token=xoxb-secret&response_url=https%3A%2F%2Fhooks.slack.com%2Fsecret&text=rollback"),
        ({"X-Slack-Request-Timestamp": "soon", "X-Slack-Signature": "v0=secret"}, b"payload={secret"),
        ({"X-Slack-Request-Timestamp": "\u0661", "X-Slack-Signature": "v0=\u00e9"}, b"\xff\xfe secret"),
    ],
    ids=["no-signature", "no-time", "garbage"],
)
async def test_what_slack_did_not_sign_leaves_one_line_and_no_secret(
    over_http: tuple[Playground, Settings], caplog: pytest.LogCaptureFixture, headers: dict[str, str], body: bytes
) -> None:
    """401 and one line: a body holds a token and a `response_url`, which nobody may read in a log."""
    playground, _ = over_http
    caplog.clear()
    async with ClientSession() as session, session.post(playground.signed_http.url or "", data=body, headers=headers) as answer:
        assert answer.status == 401
    told = [record.getMessage() for record in caplog.records if "sign" in record.getMessage().lower()]
    assert len(told) == 1
    assert "secret" not in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_request_that_was_long_on_its_way_is_taken_once(over_http: tuple[Playground, Settings]) -> None:
    """Nearly five minutes old is still good; the same request again within the window has no second effect."""
    playground, settings = over_http
    playground.signed_http.age_seconds = 280
    delivery = await playground.slash("U0MEMBER", CHANNEL, "/anr", "rollback")
    assert delivery.acked
    await playground.wait_for(lambda: cards(playground, "Rolled back"), WAIT)
    await playground.redeliver(delivery, retry_num=1, retry_reason="http_timeout")
    await playground.wait_for(lambda: whispers(playground, "U0MEMBER", "already done"), WAIT)
    assert done(Target.at(settings.target, settings.access)) == ["init", "rollback"]


async def test_a_port_that_is_taken_stops_the_bot_with_a_sentence(tmp_path: Path) -> None:
    """The message names the address and the options; nothing of the bot goes on in the background."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"listen on 127.0.0.1:{port}.*http.port"):
            async with stage(tmp_path, http_port=port):
                pass
    assert asyncio.all_tasks() == {asyncio.current_task()}
