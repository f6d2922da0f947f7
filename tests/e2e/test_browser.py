"""A newcomer in headless Chromium: the page, a command, a card, a second person, a changed settings file."""

import asyncio
import os
import sys

import pytest
from playwright.async_api import Page, expect

from bot.playground.process import environment
from bot.playground.server import Playground
from core.settings.settings import Settings
from core.target.target import Target
from tests.support.browser import ARTIFACTS, WAIT, type_in
from tests.support.workspace import done

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.browser
async def test_a_newcomer_promotes_the_router_in_the_browser(page: Page, played: tuple[Playground, Settings]) -> None:
    """Status, question, refusal to the asker, another person's approval; the file on disk and the receipts agree."""
    settings = played[1]
    log = page.get_by_role("log").first
    await page.get_by_label("You are").select_option("U0OLIVIA")
    await type_in(page, "/anr status")
    await expect(log).to_contain_text("Stage: 10%", timeout=WAIT)
    await type_in(page, "/anr promote yesterday was good")
    await expect(log).to_contain_text("Approval needed: 10% → 25%", timeout=WAIT)
    await page.get_by_role("button", name="Approve").click()
    await page.get_by_role("button", name="Promote to 25%", exact=True).click()
    await expect(log).to_contain_text("somebody else has to approve it", timeout=WAIT)
    assert "NOVA_ANR_PILOT=0.10" in settings.target.settings_file.read_text(encoding="utf-8")

    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTIFACTS / "approval.png")
    await page.get_by_label("You are").select_option("U0AARON")
    await page.get_by_role("button", name="Approve").click()
    await page.get_by_role("button", name="Promote to 25%", exact=True).click()
    await expect(log).to_contain_text("Promoted: 10% → 25%", timeout=WAIT)
    await expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    await page.screenshot(path=ARTIFACTS / "promoted.png")
    assert "NOVA_ANR_PILOT=0.25" in settings.target.settings_file.read_text(encoding="utf-8")
    verify = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "verify", "--slack", env=environment(settings, os.environ), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await verify.communicate()
    assert (verify.returncode, "receipts verify" in said.decode()) == (0, True)


@pytest.mark.browser
async def test_forms_are_filled_in_with_the_keyboard_alone(page: Page, played: tuple[Playground, Settings]) -> None:
    """Help, Freeze…, a reason, Enter: the router is safe, the reason is in the channel; nothing needed a mouse."""
    settings = played[1]
    await page.get_by_label("You are").select_option("U0MEMBER")
    await type_in(page, "/anr")
    freeze = page.get_by_role("button", name="Freeze…", exact=True)
    await freeze.focus()
    await page.keyboard.press("Enter")
    form = page.get_by_role("dialog")
    await expect(form).to_contain_text("guardrail route forced", timeout=WAIT)
    await expect(page.get_by_label("Reason")).to_be_focused()
    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTIFACTS / "form.png")
    await page.keyboard.type("errors in the checkout <!channel>")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(form).to_be_hidden(timeout=WAIT)
    log = page.get_by_role("log").first
    await expect(log).to_contain_text("Settings written and synced", timeout=WAIT)
    await expect(log).to_contain_text("“errors in the checkout <!channel>”")
    assert "NOVA_ANR_KILL=1" in settings.target.settings_file.read_text(encoding="utf-8")


@pytest.mark.browser
async def test_a_form_that_is_cancelled_does_nothing(page: Page, played: tuple[Playground, Settings]) -> None:
    """Escape closes the form, and no receipt is written."""
    before = done(Target.at(played[1].target, played[1].access))
    await type_in(page, "/anr help")
    await page.get_by_role("button", name="Promote…", exact=True).click()
    await expect(page.get_by_role("dialog")).to_be_visible(timeout=WAIT)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden(timeout=WAIT)
    assert played[0].open_views("U0OLIVIA") == []
    assert done(Target.at(played[1].target, played[1].access)) == before


@pytest.mark.browser
async def test_a_router_that_misbehaves_turns_the_gates_red(page: Page) -> None:
    """The visitor lets a slot go down; the status says which gate fails, and a promotion is refused with the reason."""
    log = page.get_by_role("log").first
    await page.get_by_label("A critical slot is down").check()
    await type_in(page, "/anr promote")
    await expect(log).to_contain_text("Critical slots", timeout=WAIT)
    await expect(log).to_contain_text("FAIL", timeout=WAIT)
    await expect(page.get_by_role("button", name="Approve")).to_have_count(0)


@pytest.mark.browser
async def test_a_thread_shows_its_replies(page: Page, played: tuple[Playground, Settings]) -> None:
    """A reply is not in the channel but behind its message, and the visitor can answer there."""
    await type_in(page, "good morning")
    log = page.get_by_role("log").first
    await expect(log).to_contain_text("good morning", timeout=WAIT)
    ts = played[0].messages("C0ANROPS")[-1]["ts"]
    await played[0].post("U0PRIYA", "C0ANROPS", "morning!", thread_ts=ts)
    await page.get_by_role("button", name="1 reply").click()
    await page.get_by_label("Reply", exact=True).fill("how was the night?")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("log").nth(1)).to_contain_text("how was the night?", timeout=WAIT)
    await expect(page.get_by_role("button", name="2 replies")).to_be_visible(timeout=WAIT)
    await expect(log).not_to_contain_text("how was the night?")


@pytest.mark.browser
async def test_what_can_be_typed_is_offered_and_filled_in(page: Page) -> None:
    """The steps of the panel and the chips above the composer save typing; arrow up brings back what was sent."""
    composer = page.get_by_label("Message", exact=True)
    offered = page.get_by_role("listbox", name="Commands").get_by_role("option")
    await page.get_by_role("button", name="/anr status").click()
    await expect(composer).to_have_value("/anr status")
    await composer.fill("/anr pro")
    await expect(offered).to_have_count(1)
    await offered.get_by_text("/anr promote").click()
    await expect(composer).to_have_value("/anr promote")
    await page.keyboard.type(" --dry-run")
    await expect(offered).to_have_count(0)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("log").first).to_contain_text("Dry run: 10% → 25%", timeout=WAIT)
    await page.keyboard.press("ArrowUp")
    await expect(composer).to_have_value("/anr promote --dry-run")


@pytest.mark.browser
async def test_the_panel_shows_what_the_router_has_and_what_was_done_to_it(page: Page) -> None:
    """A rollback typed while Slack's Web API is down: the router is safe at once, the message comes when Slack is back."""
    log = page.get_by_role("log").first
    await expect(log).to_contain_text("The journal begins", timeout=WAIT)
    settings = page.get_by_label("The router's settings in force")
    await expect(settings).to_contain_text("NOVA_ANR_PILOT=0.10", timeout=WAIT)
    await page.get_by_label("Slack's Web API is down").check()
    await type_in(page, "/anr rollback errors")
    await expect(settings).to_contain_text("NOVA_ANR_KILL=1", timeout=WAIT)
    await expect(log).not_to_contain_text("Rolled back")
    await page.get_by_label("Slack's Web API is down").uncheck()
    await expect(log).to_contain_text("Rolled back", timeout=WAIT)
    await page.get_by_label("TRI drops").check()
    await expect(page.locator("#note")).to_contain_text("decisions were written at once", timeout=WAIT)


@pytest.mark.browser
async def test_a_narrow_window_still_shows_the_answer(page: Page) -> None:
    """At the width of a phone nothing has to be scrolled sideways, and the router's panel is one line that unfolds."""
    await page.set_viewport_size({"width": 420, "height": 800})
    await type_in(page, "/anr help")
    await expect(page.get_by_role("log").first).to_contain_text("0% at once", timeout=WAIT)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 420
    await expect(page.get_by_role("button", name="Heal the router")).to_be_hidden()
    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTIFACTS / "narrow.png")
    await page.get_by_text("Simulated router").click()
    await page.get_by_role("button", name="Heal the router").click()
    await expect(page.locator("#note")).to_contain_text("healed", timeout=WAIT)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 420


@pytest.mark.browser
async def test_the_routers_build_can_be_switched_in_the_browser(page: Page) -> None:
    """Its process ends by a SIGHUP and comes back by a restart, with what its launcher exports; the ledger is rotated."""
    await page.get_by_text("How its build behaves").click()
    await page.get_by_label("The launcher exports a pilot").check()
    await page.get_by_role("button", name="Rotate by renaming").click()
    await expect(page.locator("#note")).to_contain_text("rotated", timeout=WAIT)
    await page.get_by_label("SIGHUP ends it").check()
    await page.get_by_role("button", name="SIGHUP", exact=True).click()
    await expect(page.locator("#brief")).to_have_text("· its process has ended", timeout=WAIT)
    await page.get_by_role("button", name="Restart", exact=True).click()
    await expect(page.locator("#brief")).to_contain_text("10% live", timeout=WAIT)
