import os
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio

from bot.playground.server import Playground
from core.settings.settings import Settings
from core.target.target import Target
from tests.support.workspace import scenery, stage


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


_FIRST_PORT, _PORTS, _SHARE = 10_000, 20_000, 2_000
"""Below what systems hand out to connections (Linux: from 32768 on), and other ones first in each process of tests."""
_places = count(int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) * _SHARE + os.getpid() % _SHARE)


def free_port() -> int:
    """A port of loopback on which nothing listens, and which nobody else is given before it is used."""
    while True:
        port = _FIRST_PORT + next(_places) % _PORTS
        with suppress(OSError), socket.socket() as free:
            free.bind(("127.0.0.1", port))
            return port


BOTH_MODES = ("socket-mode", "http-mode")
"""For a test of `scene` in which it matters how Slack reaches the bot; HTTP mode's own are in test_http_mode.py."""


@pytest_asyncio.fixture
async def played(tmp_path: Path) -> AsyncIterator[tuple[Playground, Settings]]:
    """The whole story's stage, over Socket Mode: what the bot does knows nothing of how Slack reaches it."""
    async with stage(tmp_path) as running:
        yield running


@pytest.fixture
def target(played: tuple[Playground, Settings]) -> Target:
    _, settings = played
    return Target.at(settings.target, settings.access)


@pytest_asyncio.fixture
async def scene(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Playground, Settings]]:
    """Playground and router without a bot, which Slack reaches over Socket Mode, unless the test says otherwise."""
    mode = getattr(request, "param", "socket-mode")
    async with scenery(tmp_path, http_port=free_port() if mode == "http-mode" else None) as built:
        yield built
