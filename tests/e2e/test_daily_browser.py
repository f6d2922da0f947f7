"""The morning in headless Chromium: the report with its picture in both themes, its details, what was skipped, a broken glass."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from bot.app import running
from bot.playground.server import Playground
from core.settings.settings import Settings
from tests.scenarios.test_daily import due_now
from tests.scenarios.test_daily_report import with_runbook
from tests.scenarios.test_preflight import announced_now
from tests.scenarios.test_waiting_cards import spoil
from tests.support.browser import ARTIFACTS, WAIT, type_in
from tests.support.workspace import scenery

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(params=["due", "announced"], loop_scope="session")
async def played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[Playground, Settings]]:
    """A bot whose daily run is due, or about to be."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with scenery(tmp_path) as (playground, settings):
        today = with_runbook(due_now(settings) if request.param == "due" else announced_now(settings))
        async with running(today):
            yield playground, today


@pytest.mark.browser
@pytest.mark.parametrize("played", ["due"], indirect=True)
async def test_the_report_is_read_in_both_themes_and_brings_its_hours(page: Page) -> None:
    """Table, picture and buttons are there; the hours come to the thread; nothing has to be scrolled sideways on a phone."""
    log = page.get_by_role("log").first
    await expect(log).to_contain_text("Daily report: GO at 10%, nothing is promoted", timeout=WAIT)
    picture = page.get_by_role("img", name="RSI, % of live decisions")
    await expect(picture).to_be_visible(timeout=WAIT)
    await page.wait_for_function("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    ARTIFACTS.mkdir(exist_ok=True)
    await page.set_viewport_size({"width": 1280, "height": 1500})
    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme=theme)
        await picture.scroll_into_view_if_needed()
        await page.screenshot(path=ARTIFACTS / f"daily-report-{theme}.png")
    await page.get_by_role("button", name="Details").click()
    await expect(log).to_contain_text("in the report's thread", timeout=WAIT)
    report = log.get_by_role("article").filter(has_text="Daily report: GO at 10%")  # the backup before it has a thread, too
    await report.get_by_role("button", name="repl").click()
    thread = page.get_by_role("log").nth(1)
    await expect(thread).to_contain_text("Hour by hour", timeout=WAIT)
    await expect(thread).to_contain_text("-hours.csv", timeout=WAIT)
    await page.screenshot(path=ARTIFACTS / "daily-report-details.png")
    await page.set_viewport_size({"width": 400, "height": 800})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 400


@pytest.mark.browser
@pytest.mark.parametrize("played", ["announced"], indirect=True)
async def test_a_run_is_skipped_before_it_begins(page: Page) -> None:
    """Who reads the pre-flight says why in a form; the button goes, and the veto has its own message."""
    log = page.get_by_role("log").first
    await page.get_by_label("You are").select_option("U0OLIVIA")
    await expect(log).to_contain_text("Pre-flight: GO so far at 10%", timeout=WAIT)
    await page.get_by_role("button", name="Skip today…").click()
    await page.get_by_label("Reason").fill("migration at ten")
    await page.get_by_role("button", name="Skip", exact=True).click()
    await expect(log).to_contain_text("Skipped: nothing is promoted by the run of", timeout=WAIT)
    await expect(page.get_by_role("button", name="Skip today…")).to_have_count(0, timeout=WAIT)
    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTIFACTS / "preflight-skipped.png")


@pytest.mark.browser
@pytest.mark.parametrize("played", ["announced"], indirect=True)
async def test_the_glass_is_broken_and_reviewed(page: Page, played: tuple[Playground, Settings]) -> None:
    """From the refusal to the form, to the message that names who was not asked, to the review by another."""
    spoil(played[1])
    log = page.get_by_role("log").first
    await page.get_by_label("You are").select_option("U0AARON")
    await type_in(page, "/anr promote")
    await page.get_by_role("button", name="Break the glass…").click(timeout=WAIT)
    await expect(page.get_by_role("dialog")).to_contain_text("alone", timeout=WAIT)
    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTIFACTS / "break-glass-form.png")
    await page.get_by_label("Reason").fill("the canary counts its own probes as rollbacks")
    await page.get_by_role("button", name="Promote alone, now").click()
    await expect(log).to_contain_text("Break-glass promotion: 10% → 25%", timeout=WAIT)
    await expect(log).to_contain_text("Now at 25%", timeout=WAIT)
    await page.screenshot(path=ARTIFACTS / "break-glass.png")
    await page.get_by_label("You are").select_option("U0PRIYA")
    await page.get_by_role("button", name="Reviewed…").click()
    await page.get_by_label("Reason").fill("probes confirmed")
    await page.get_by_role("button", name="Reviewed", exact=True).click()
    await expect(page.get_by_role("button", name="Reviewed…")).to_have_count(0, timeout=WAIT)
    await expect(log).to_contain_text("probes confirmed", timeout=WAIT)
