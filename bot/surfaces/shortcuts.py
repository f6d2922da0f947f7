"""Shortcuts: what people start from Slack's own menus, wherever they are."""

from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.dispatch.dispatcher import Dispatcher
from bot.surfaces import modals
from bot.views import modals as modal_views
from bot.views.modals import About
from core.text import clean_text

FREEZE = "freeze_anr"
"""Callback id of the global shortcut."""
BECAUSE = "freeze_because"
"""Callback id of the shortcut in a message's menu."""
_QUOTED = 300
"""How much of a message stands in the reason of a freeze because of it, in characters."""


async def freeze(dispatcher: Dispatcher, body: dict[str, Any], client: AsyncWebClient) -> None:
    """Open the brake's modal; with several routers it asks which one."""
    await modals.opened(dispatcher, modal_views.FREEZE.name, About(), body, client)


async def because_of_message(dispatcher: Dispatcher, body: dict[str, Any], client: AsyncWebClient) -> None:
    """Open the modal that freezes because of a message; its beginning stands in the reason."""
    quoted = clean_text(str((body.get("message") or {}).get("text") or ""), _QUOTED)
    said = f"because of a message: {quoted}" if quoted else ""
    await modals.opened(
        dispatcher, modal_views.FREEZE.name, About(response_url=str(body.get("response_url") or ""), said=said), body, client
    )
