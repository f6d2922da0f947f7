"""Each story once in headless Chromium, as somebody new would try it; screenshots stay in artifacts/."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from bot.playground.server import Playground
from core.settings.settings import Settings
from core.target.target import Target
from tests.support.browser import WAIT, be, picture, type_in

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

Played = tuple[Playground, Settings]


def log_of(page: Page) -> Locator:
    return page.get_by_role("log").first


def pilot(settings: Settings) -> str:
    text = settings.target.settings_file.read_text(encoding="utf-8")
    return next(line for line in text.splitlines() if line.startswith("NOVA_ANR_PILOT="))


async def form_of(page: Page) -> Locator:
    """The open modal, once it has loaded."""
    form = page.get_by_role("dialog")
    await expect(form).to_be_visible(timeout=WAIT)
    await expect(form).not_to_contain_text("Looking at the router", timeout=WAIT)
    return form


@pytest.mark.browser
async def test_a_promotion_from_its_form_to_its_evidence(page: Page, played: Played) -> None:
    """Help, the form with its stages, the card, a second person, the thread with what was measured and written."""
    log = log_of(page)
    await be(page, "U0OLIVIA")
    await type_in(page, "/anr")
    await expect(log).to_contain_text("what stands in the way of the next promotion", timeout=WAIT)
    await picture(page, "tour-01-help")
    await page.get_by_role("button", name="Promote…").click()
    form = await form_of(page)
    await expect(form.get_by_label("25% of live traffic")).to_be_checked()
    await expect(form).to_contain_text("One step up. Gates are measured; somebody else has to approve.")
    await page.get_by_label("Reason").fill("yesterday was good")
    await picture(page, "tour-02-promote-form")
    await form.get_by_role("button", name="Go on").click()
    await expect(log).to_contain_text("Approval needed: 10% → 25%", timeout=WAIT)
    await picture(page, "tour-03-card")
    await be(page, "U0PRIYA")
    await page.get_by_role("button", name="Approve", exact=True).click()
    await page.get_by_role("button", name="Promote to 25%", exact=True).click()
    await expect(log).to_contain_text("Promoted: 10% → 25%", timeout=WAIT)
    await expect(log).to_contain_text("Approved by @Priya Patel")
    await expect(log).to_contain_text("Next: the next daily run reports on it")
    await expect(page.get_by_role("button", name="Approve", exact=True)).to_have_count(0)
    await page.get_by_role("button", name=re.compile(r"^\d+ replies$")).click()
    thread = page.get_by_role("log").nth(1)
    await expect(thread).to_contain_text("Settings read back: NOVA_ANR_ENABLED=1", timeout=WAIT)
    await picture(page, "tour-04-promoted")
    assert pilot(played[1]) == "NOVA_ANR_PILOT=0.25"


@pytest.mark.browser
async def test_a_denial_with_its_reason(page: Page, played: Played) -> None:
    """The button asks why; the card names who said no, and what to do next."""
    log = log_of(page)
    await be(page, "U0OLIVIA")
    await type_in(page, "/anr promote to 25 percent, looks fine")
    await expect(log).to_contain_text("Approval needed", timeout=WAIT)
    await be(page, "U0AARON")
    await page.get_by_role("button", name="Deny…").click()
    form = await form_of(page)
    await page.get_by_label("Reason").fill("the weekend is near")
    await picture(page, "tour-05-deny-form")
    await form.get_by_role("button", name="Deny").click()
    await expect(log).to_contain_text("Denied: 10% → 25%", timeout=WAIT)
    await expect(log).to_contain_text("the weekend is near")
    await picture(page, "tour-06-denied")
    assert pilot(played[1]) == "NOVA_ANR_PILOT=0.10"


@pytest.mark.browser
async def test_a_freeze_that_keeps_the_stage_and_its_end(page: Page, played: Played) -> None:
    """A wrong length of time is named at its field; then promotions are held, and lifted with what was found."""
    log = log_of(page)
    await be(page, "U0MEMBER")
    await page.get_by_role("button", name="Freeze ANR").click()
    form = await form_of(page)
    await page.get_by_label("Keep the stage").check()
    await page.get_by_label("Lasts").fill("until Monday")
    await page.get_by_label("Reason").fill("the fair in Basel")
    await form.get_by_role("button", name="Freeze now").click()
    await expect(form).to_contain_text("Write a length of time", timeout=WAIT)
    await picture(page, "tour-07-freeze-form")
    await page.get_by_label("Lasts").fill("2 days")
    await form.get_by_role("button", name="Freeze now").click()
    await expect(form).to_contain_text("Promotions are held", timeout=WAIT)
    await picture(page, "tour-08-answer-in-place")
    await form.get_by_role("button", name="Close").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(log).to_contain_text("Frozen, with the stage kept at 10%", timeout=WAIT)
    assert pilot(played[1]) == "NOVA_ANR_PILOT=0.10"
    await type_in(page, "/anr freeze errors in the checkout")
    await expect(log).to_contain_text("Settings written and synced", timeout=WAIT)
    await be(page, "U0OLIVIA")
    await type_in(page, "/anr ?")
    await page.get_by_role("button", name="Unfreeze…").last.click()
    form = await form_of(page)
    await page.get_by_label("errors in the checkout").check()
    await page.get_by_label("What was found").fill("a bad deploy, reverted")
    await picture(page, "tour-09-unfreeze-form")
    await form.get_by_role("button", name="Lift the holds").click()
    await expect(log).to_contain_text("“a bad deploy, reverted”", timeout=WAIT)
    await picture(page, "tour-10-unfrozen")
    (left,) = Target.at(played[1].target, played[1].access).journal.state().holds
    assert left.reason == "the fair in Basel"


@pytest.mark.browser
async def test_the_home_is_seen_used_and_kept_up_to_date(page: Page, played: Played) -> None:
    """State, gates, requests and the chart; a request is approved from there, and the answer comes in place."""
    await be(page, "U0OLIVIA")
    await type_in(page, "/anr promote yesterday was good")
    await expect(log_of(page)).to_contain_text("Approval needed", timeout=WAIT)
    await be(page, "U0AARON")
    await page.get_by_role("button", name="anr", exact=True).click()
    home = page.get_by_role("region", name="Home")
    await expect(home).to_contain_text("Stage: 10% of live traffic", timeout=WAIT)
    await expect(home).to_contain_text("Approval needed: 10% → 25%")
    await expect(home.get_by_text("seen", exact=True)).to_be_visible(timeout=WAIT)  # it is not drawn anew under the click
    await picture(page, "tour-11-home")
    await home.get_by_role("button", name="Approve", exact=True).click()
    await page.get_by_role("button", name="Promote to 25%", exact=True).click()
    form = await form_of(page)
    await expect(form).to_contain_text("Now at 25%", timeout=WAIT)
    await form.get_by_role("button", name="Close").click()
    await expect(home).to_contain_text("Stage: 25% of live traffic", timeout=WAIT)
    await home.evaluate("node => { node.scrollTop = node.scrollHeight; }")
    await picture(page, "tour-12-home-chart")
    await page.set_viewport_size({"width": 400, "height": 800})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 400
    await picture(page, "tour-13-home-narrow")


@pytest.mark.browser
async def test_a_backup_is_restored_by_two_people(page: Page, played: Played) -> None:
    """The form offers the backup that was made; after the approval the rollout is frozen and the card says how to go on."""
    log = log_of(page)
    await be(page, "U0OLIVIA")
    await type_in(page, "/anr backup")
    await expect(log).to_contain_text("State backed up", timeout=WAIT)
    await type_in(page, "/anr help")
    await page.get_by_role("button", name="Restore…").click()
    form = await form_of(page)
    await page.get_by_label("Backup of the bandit's state").select_option(index=1)
    await page.get_by_label("Reason").fill("it learned from bad data")
    await picture(page, "tour-14-restore-form")
    await form.get_by_role("button", name="Ask for approval").click()
    await expect(log).to_contain_text("Approval needed: restore", timeout=WAIT)
    await be(page, "U0AARON")
    await page.get_by_role("button", name="Approve", exact=True).click()
    await page.get_by_role("button", name="Restore", exact=True).click()
    await expect(log).to_contain_text("The rollout is frozen", timeout=WAIT)
    await picture(page, "tour-15-restored")
    assert Target.at(played[1].target, played[1].access).journal.state().frozen


@pytest.mark.browser
async def test_what_only_the_asker_reads(page: Page, played: Played) -> None:
    """A slip of the finger, a person's receipts and the reasons why nothing is promoted are shown to the asker alone."""
    log = log_of(page)
    await be(page, "U0OLIVIA")
    await type_in(page, "/anr rolback")
    await expect(log).to_contain_text("Did you mean /anr rollback?", timeout=WAIT)
    await type_in(page, "/anr receipts 10 @olivia")
    await expect(log).to_contain_text("began the journal", timeout=WAIT)
    await type_in(page, "/anr why")
    await expect(log).to_contain_text("in the way", timeout=WAIT)
    await picture(page, "tour-16-whispers")
    await be(page, "U0AARON")
    await expect(log).not_to_contain_text("Did you mean")
    assert pilot(played[1]) == "NOVA_ANR_PILOT=0.10"
