"""HTTP mode: signed requests over a real connection, and what is refused."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from pydantic import SecretStr

from bot.app import running
from bot.manifest import MANIFEST
from bot.playground.demo import CHANNEL, stage
from bot.playground.server import Playground
from core.settings import Settings, SlackSettings
from core.site import Site

WAIT = 20.0


@pytest_asyncio.fixture
async def over_http(tmp_path: Path) -> AsyncIterator[tuple[Playground, Site]]:
    """A second workspace whose app listens for signed HTTP requests, beside the first one's router."""
    async with stage(tmp_path) as (first, settings):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        async with Playground(MANIFEST, request_url=f"http://127.0.0.1:{port}/slack/events") as playground:
            slack = SlackSettings(
                bot_token=SecretStr(playground.bot_token),
                signing_secret=SecretStr(playground.signing_secret),
                channel=CHANNEL,
                api_url=f"{playground.url}/api/",
                http_port=port,
            )
            target = settings.target.model_copy(update={"run_dir": tmp_path / "run"})
            options = settings.model_copy(update={"slack": slack, "target": target})
            assert isinstance(options, Settings)
            separate = options.target.model_copy(
                update={"journal": tmp_path / "http" / "journal.sqlite", "receipts_dir": tmp_path / "http"}
            )
            options = options.model_copy(update={"target": separate})
            async with running(options):
                yield playground, Site.at(options.target, options.access)
        assert first.url


async def test_a_signed_command_is_carried_out(over_http: tuple[Playground, Site]) -> None:
    """The same command over HTTP has the same effect as over Socket Mode."""
    playground, site = over_http
    delivery = await playground.slash("U0MEMBER", CHANNEL, "/anr", "rollback errors")
    assert delivery.acked
    await playground.wait_for(lambda: [one for one in playground.messages(CHANNEL) if "Rolled back" in one["text"]], WAIT)
    assert site.router.settings().values["NOVA_ANR_KILL"] == "1"


async def test_a_wrong_signature_does_nothing(over_http: tuple[Playground, Site]) -> None:
    """A request that Slack did not sign is refused before anything looks at it."""
    playground, site = over_http
    playground.signed_http.wrong_signature = True
    delivery = await playground.slash("U0MEMBER", CHANNEL, "/anr", "rollback")
    assert not delivery.acked
    assert site.journal.receipts() == ()


async def test_a_replayed_request_does_nothing(over_http: tuple[Playground, Site]) -> None:
    """A signature older than five minutes is a replay."""
    playground, site = over_http
    playground.signed_http.age_seconds = 301
    delivery = await playground.slash("U0MEMBER", CHANNEL, "/anr", "rollback")
    assert not delivery.acked
    assert site.journal.receipts() == ()
