"""Everything that is shown in Slack, in Chromium: on a desktop and on a phone, in light and dark, as screenshots that are kept.

The examples are those of `anr doctor --slack`, told by the code that tells the real ones: a new card is among them by itself.
"""

import re
from collections.abc import AsyncIterator
from itertools import product

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Page

from bot.cli.examples import examples
from bot.playground.server import Playground
from bot.slack.checks import Example
from bot.slack.manifest import MANIFEST
from tests.support.browser import ARTIFACTS, WAIT, be

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
OPS, OLIVIA = "C0ANROPS", "U0OLIVIA"
DESKTOP, PHONE = (1280, 900), (390, 844)
LOOKS = list(product((DESKTOP, PHONE), ("light", "dark")))
SHOWN = ARTIFACTS / "shown"
WIDER = """node => [node, ...node.querySelectorAll("*")]
  .filter((one) => !one.closest(".scroll") && one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== "inline")
  .map((one) => one.className || one.tagName)"""
"""What would have to be scrolled sideways in an element; tables may be."""
ALONE = (
    "body { height: auto; } .log { overflow: visible; } header, aside, .composer, #offline, #toast { display: none !important; }"
)
"""Nothing beside what is shown, which is as high as it wants to be."""


async def no_router(_request: web.Request) -> web.Response:
    return web.json_response({})


@pytest.fixture(scope="module")
def shown() -> tuple[Example, ...]:
    return examples()


@pytest_asyncio.fixture(loop_scope="session")
async def playground() -> AsyncIterator[Playground]:
    """A workspace without a bot: everything in it is put there by the test."""
    async with Playground(MANIFEST, extra_routes=[web.get("/router/state", no_router)]) as running:
        yield running


@pytest_asyncio.fixture(params=LOOKS, ids=[f"{size[0]}-{theme}" for size, theme in LOOKS], loop_scope="session")
async def look(chromium: Browser, playground: Playground, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Page, str]]:
    """The page as somebody sees it, and the name of that look."""
    (width, height), theme = request.param
    context = await chromium.new_context(viewport={"width": width, "height": height}, color_scheme=theme, bypass_csp=True)
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(playground.url)
    await be(page, OLIVIA)
    SHOWN.mkdir(parents=True, exist_ok=True)
    yield page, f"{width}-{theme}"
    await context.close()
    assert complaints == []


def file_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


async def test_every_message_is_whole_on_every_screen(
    look: tuple[Page, str], playground: Playground, shown: tuple[Example, ...]
) -> None:
    """Nothing is cut, nothing has to be scrolled sideways, and no block is one that the page cannot draw."""
    page, name = look
    await page.add_style_tag(content=ALONE)
    wrong = {}
    for example in (example for example in shown if example.kind == "message"):
        workspace = playground.workspace
        workspace.channels[OPS].messages.clear()
        blocks, text = example.content["blocks"], str(example.content["text"])
        ts = workspace.post(workspace.channels[OPS], workspace.bot_message(text, blocks))["ts"]
        card = page.locator(f'#log article[data-ts="{ts}"]')
        await card.wait_for(timeout=WAIT)
        await card.screenshot(path=SHOWN / f"{file_name(example.name)}-{name}.png")
        found = [*await card.evaluate(WIDER), *await card.locator(".unsupported").all_text_contents()]
        if found:
            wrong[example.name] = found
    assert wrong == {}
    assert await page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]  # type: ignore[index]


async def test_every_form_and_the_home_are_whole_on_every_screen(
    look: tuple[Page, str], playground: Playground, shown: tuple[Example, ...]
) -> None:
    """A form fits, its buttons are on the screen or below what can be scrolled; the home has nothing beside the screen."""
    page, name = look
    wrong = {}
    for example in (example for example in shown if example.kind == "view"):
        if example.content["type"] == "home":
            playground.workspace.homes[OLIVIA] = playground.workspace.make_view(dict(example.content))
            playground.workspace.changed()
            await page.get_by_role("button", name="anr", exact=True).click()
            await page.add_style_tag(content=ALONE)
            seen = page.get_by_role("region", name="Home")
            await seen.locator("h3").first.wait_for(timeout=WAIT)
        else:
            view = playground.workspace.open_modal(OLIVIA, dict(example.content))
            seen = page.get_by_role("dialog")
            await seen.get_by_role("heading", name=view["title"]["text"], exact=True).wait_for(timeout=WAIT)
        await seen.screenshot(path=SHOWN / f"{file_name(example.name)}-{name}.png")
        found = [*await seen.evaluate(WIDER), *await seen.locator(".unsupported").all_text_contents()]
        if found:
            wrong[example.name] = found
        playground.workspace.close_modals(OLIVIA)
    assert wrong == {}


async def test_the_bell_rings_for_whom_a_message_names_and_a_legacy_button_is_pressed(
    look: tuple[Page, str], playground: Playground
) -> None:
    """The notification is the text as on a lock screen; an attachment of another app is drawn, and its button sends its value."""
    page, name = look
    workspace = playground.workspace
    button = {"name": "brake", "type": "button", "text": "Freeze ANR", "value": "freeze", "style": "danger"}
    own = {
        "color": "danger",
        "callback_id": "anr_alert",
        "title": "AnrRsiLow",
        "title_link": "https://alertmanager.example",
        "text": "RSI is *0.71*",
        "fields": [{"title": "severity", "value": "page", "short": True}],
        "actions": [button],
    }
    call = f"<@{OLIVIA}> AnrRsiLow fires"
    ts = workspace.post(workspace.channels[OPS], workspace.bot_message(call, attachments=[own]))["ts"]
    card = page.locator(f'#log article[data-ts="{ts}"]')
    await card.get_by_role("link", name="AnrRsiLow").wait_for(timeout=WAIT)
    await card.screenshot(path=SHOWN / f"legacy-attachment-{name}.png")
    bell = page.locator("#bell")
    await bell.get_by_label("1 new notification").click(timeout=WAIT)
    notification = bell.get_by_role("button", name="anr in #anr-ops")
    assert await notification.locator("span").text_content(timeout=WAIT) == "@Olivia Ortiz AnrRsiLow fires"
    await page.screenshot(path=SHOWN / f"bell-{name}.png")
    await notification.click()
    await card.get_by_role("button", name="Freeze ANR").click()
    (sent,) = await playground.wait_for(lambda: list(playground.deliveries), WAIT / 1000)
    assert sent.payload["actions"] == [{"name": "brake", "type": "button", "value": "freeze"}]
