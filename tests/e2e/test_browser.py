"""A newcomer in headless Chromium: the page, a command, a card, a second person, a changed settings file."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright, expect

from bot.playground.demo import stage
from bot.playground.server import Playground
from core.settings import Settings
from core.site import Site

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
WAIT = 20_000


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
        opened = await browser.new_page(viewport={"width": 1200, "height": 900})
        complaints: list[str] = []
        opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        await opened.goto(played[0].url)
        yield opened
        await browser.close()
        assert complaints == []


async def type_in(page: Page, text: str) -> None:
    await page.get_by_label("Message", exact=True).fill(text)
    await page.keyboard.press("Enter")


@pytest.mark.browser
async def test_a_newcomer_promotes_the_router_in_the_browser(page: Page, played: tuple[Playground, Settings]) -> None:
    """Status, question, refusal to the asker, another person's approval; the file on disk and the receipts agree."""
    settings = played[1]
    log = page.get_by_role("log")
    await page.get_by_label("You are").select_option("U0OLIVIA")
    await type_in(page, "/anr status")
    await expect(log).to_contain_text("Stage: 10 %", timeout=WAIT)
    await type_in(page, "/anr promote yesterday was good")
    await expect(log).to_contain_text("Approval wanted: 10 → 25 %", timeout=WAIT)
    await page.get_by_role("button", name="Approve").click()
    await page.get_by_role("button", name="Promote", exact=True).click()
    await expect(log).to_contain_text("somebody else has to approve it", timeout=WAIT)
    assert "NOVA_ANR_PILOT=0.10" in settings.target.settings_file.read_text(encoding="utf-8")

    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTIFACTS / "approval.png")
    await page.get_by_label("You are").select_option("U0AARON")
    await page.get_by_role("button", name="Approve").click()
    await page.get_by_role("button", name="Promote", exact=True).click()
    await expect(log).to_contain_text("Promoted: 10 → 25 %", timeout=WAIT)
    await expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    await page.screenshot(path=ARTIFACTS / "promoted.png")
    assert "NOVA_ANR_PILOT=0.25" in settings.target.settings_file.read_text(encoding="utf-8")
    assert Site.at(settings.target, settings.access).journal.verify()[1] == ()


@pytest.mark.browser
async def test_a_narrow_window_still_shows_the_answer(page: Page) -> None:
    """At the width of a phone nothing has to be scrolled sideways."""
    await page.set_viewport_size({"width": 400, "height": 800})
    await type_in(page, "/anr help")
    await expect(page.get_by_role("log")).to_contain_text("router to its safe settings", timeout=WAIT)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 400
    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTIFACTS / "narrow.png")
