from collections.abc import AsyncIterator

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.playground.server import Playground


class Clock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The playground is on this machine; slack_sdk would send even loopback through a proxy of the environment."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def playground(clock: Clock) -> AsyncIterator[Playground]:
    async with Playground(clock=clock) as running:
        yield running


def client_for(playground: Playground, token: str | None = None) -> AsyncWebClient:
    return AsyncWebClient(
        token=playground.bot_token if token is None else token, base_url=f"{playground.url}/api/", retry_handlers=[]
    )


@pytest.fixture
def client(playground: Playground) -> AsyncWebClient:
    return client_for(playground)
