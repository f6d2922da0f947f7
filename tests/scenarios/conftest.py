from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.playground.demo import stage
from bot.playground.server import Playground
from core.settings import Settings
from core.site import Site


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest_asyncio.fixture
async def played(tmp_path: Path) -> AsyncIterator[tuple[Playground, Settings]]:
    async with stage(tmp_path) as running:
        yield running


@pytest.fixture
def site(played: tuple[Playground, Settings]) -> Site:
    _, settings = played
    return Site.at(settings.target, settings.access)
