"""Cards, forms and the home on a telephone and on a desk, in both themes; screenshots stay in artifacts/."""

import re

import pytest
from playwright.async_api import Locator, Page, ViewportSize, expect

from bot.playground.server import Playground
from core.settings.settings import Settings
from tests.support.browser import ARTIFACTS, WAIT, be, type_in

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

Played = tuple[Playground, Settings]
PHONE, DESK = ViewportSize(width=390, height=844), ViewportSize(width=1280, height=900)


async def pictures(page: Page, name: str) -> None:
    """Keep a screenshot for each width and theme; nothing has to be scrolled sideways in any of them."""
    ARTIFACTS.mkdir(exist_ok=True)
    for place, size in (("phone", PHONE), ("desk", DESK)):
        await page.set_viewport_size(size)
        for theme in ("light", "dark"):
            await page.emulate_media(color_scheme=theme)
            await page.evaluate("document.querySelectorAll('#log').forEach((log) => { log.scrollTop = log.scrollHeight; })")
            await page.screenshot(path=ARTIFACTS / f"cards-{name}-{place}-{theme}.png")
            assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    await page.set_viewport_size(PHONE)


async def is_on_screen(page: Page, found: Locator) -> bool:
    """Whether all of it is within the window."""
    box, size = await found.bounding_box(), page.viewport_size
    return box is not None and size is not None and box["y"] >= 0 and box["y"] + box["height"] <= size["height"]


@pytest.mark.browser
async def test_a_request_is_decided_on_the_first_screen_of_a_telephone(page: Page) -> None:
    """Verdict, asker, reason, time left and both buttons are on one screen; then the decision, a freeze and its end."""
    log = page.get_by_role("log").first
    await page.set_viewport_size(PHONE)
    await be(page, "U0OLIVIA")
    await type_in(page, "/anr promote yesterday was good")
    card = log.get_by_role("article").filter(has_text="Approval needed: 10% → 25%")
    await expect(card).to_contain_text("9 of 9 gates pass", timeout=WAIT)
    await pictures(page, "request")
    for part in (
        card.get_by_role("heading"),
        card.get_by_text(re.compile("Expires in")).first,
        card.get_by_role("button", name="Approve", exact=True),
        card.get_by_role("button", name="Deny…"),
    ):
        assert await is_on_screen(page, part)
    await be(page, "U0AARON")
    await card.get_by_role("button", name="Approve", exact=True).click()
    await expect(page.get_by_role("dialog")).to_contain_text("Promote to 25%?")
    await pictures(page, "question")
    await page.get_by_role("button", name="Promote to 25%", exact=True).click()
    await expect(log).to_contain_text("🚀 Promoted: 10% → 25%", timeout=WAIT)
    await pictures(page, "promoted")
    await type_in(page, "/anr freeze errors in the checkout")
    await expect(log.get_by_role("heading", name="🛑 Frozen")).to_be_visible(timeout=WAIT)
    await pictures(page, "frozen")
    await be(page, "U0OLIVIA")
    await log.get_by_role("article").filter(has_text="🛑 Frozen").get_by_role("button", name="Unfreeze…").click()
    await page.get_by_label("What was found").fill("a bad deploy, reverted")
    await pictures(page, "unfreeze-form")
    await page.get_by_role("button", name="Lift the holds").click()
    await expect(log.get_by_role("heading", name="🔓 Frozen, unfrozen since")).to_be_visible(timeout=WAIT)
    await pictures(page, "unfrozen")


@pytest.mark.browser
async def test_every_tab_of_the_page_and_the_home_fit_a_telephone(page: Page) -> None:
    """The app's tab can be reached at 390 pixels; its home begins with the request that waits."""
    await page.set_viewport_size(PHONE)
    await be(page, "U0OLIVIA")
    await type_in(page, "/anr promote yesterday was good")
    await expect(page.get_by_role("log").first).to_contain_text("Approval needed", timeout=WAIT)
    await be(page, "U0AARON")
    tab = page.get_by_role("button", name="anr", exact=True)
    box = await tab.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= PHONE["width"]
    await tab.click()
    home = page.get_by_role("region", name="Home")
    await expect(home).to_contain_text("Approval needed: 10% → 25%", timeout=WAIT)
    assert await is_on_screen(page, home.get_by_role("button", name="Approve", exact=True))
    await expect(home).to_contain_text(re.compile("All \\d+ checks pass|warning|failure"), timeout=WAIT)
    await pictures(page, "home")


@pytest.mark.browser
@pytest.mark.parametrize("typed", ["help", "status", "doctor", "receipts", "why", "next"])
async def test_what_is_looked_up_fits_a_telephone(page: Page, typed: str) -> None:
    """Each answer once, in both themes, on a telephone and on a desk."""
    await page.set_viewport_size(PHONE)
    await be(page, "U0OLIVIA")
    await type_in(page, f"/anr {typed}")
    await expect(page.locator("article.whispered")).to_be_visible(timeout=WAIT)
    await pictures(page, typed)
