import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright

from bot.playground.demo import stage
from bot.playground.server import Playground
from core.settings.settings import Settings
from tests.support.browser import QUIET


@pytest_asyncio.fixture
async def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Playground, Settings]]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with stage(tmp_path) as running:
        yield running


@pytest_asyncio.fixture
async def page(played: tuple[Playground, Settings]) -> AsyncIterator[Page]:
    chromium = shutil.which("chromium")
    assert chromium, "Debian's package chromium is needed: apt-get install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        opened = await browser.new_page(viewport={"width": 1280, "height": 800})
        complaints: list[str] = []
        opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        await opened.goto(played[0].url)
        yield opened
        await browser.close()
        assert complaints == []
