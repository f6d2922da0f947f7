import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.playground.demo import scenery, stage
from bot.playground.server import Playground
from core.settings.settings import Settings
from core.target.target import Target


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def free_port() -> int:
    """A port of loopback on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest_asyncio.fixture(params=["socket-mode", "http-mode"])
async def played(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Playground, Settings]]:
    """The whole story's stage, in both ways in which Slack reaches the bot."""
    async with stage(tmp_path, http_port=free_port() if request.param == "http-mode" else None) as running:
        yield running


@pytest.fixture
def site(played: tuple[Playground, Settings]) -> Target:
    _, settings = played
    return Target.at(settings.target, settings.access)


@pytest_asyncio.fixture(params=["socket-mode", "http-mode"])
async def scene(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Playground, Settings]]:
    """Playground and router without a bot."""
    async with scenery(tmp_path, http_port=free_port() if request.param == "http-mode" else None) as built:
        yield built
