"""Shortcuts: what people start from Slack's own menus, wherever they are."""

from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot import forms
from bot.desk import Desk
from bot.questions import About

FREEZE = "freeze_anr"
"""Callback id of the global shortcut."""


async def freeze(desk: Desk, body: dict[str, Any], client: AsyncWebClient) -> None:
    """Open the brake's modal; with several routers it asks which one."""
    await forms.opened(desk, "freeze", About(), body, client)
