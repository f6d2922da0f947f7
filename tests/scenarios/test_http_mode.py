"""HTTP mode: what Slack did not sign, or signed too long ago, does nothing."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from bot.playground.demo import CHANNEL, stage
from bot.playground.server import Playground
from core.errors import ConfigurationError
from core.settings.settings import Settings
from core.target.target import Target
from tests.scenarios.conftest import free_port
from tests.support.workspace import WAIT, cards, done, whispers


@pytest_asyncio.fixture
async def over_http(tmp_path: Path) -> AsyncIterator[tuple[Playground, Settings]]:
    async with stage(tmp_path, http_port=free_port()) as running:
        yield running


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
