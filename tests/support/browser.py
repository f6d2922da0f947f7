"""What the browser's stories do on the playground's page."""

from pathlib import Path

from playwright.async_api import Page

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
WAIT = 120_000


async def be(page: Page, user: str) -> None:
    """Sit down as one of the people."""
    await page.get_by_label("You are").select_option(user)


async def type_in(page: Page, text: str) -> None:
    await page.get_by_label("Message", exact=True).fill(text)
    await page.keyboard.press("Enter")


async def picture(page: Page, name: str) -> None:
    """Keep a screenshot."""
    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTIFACTS / f"{name}.png")
