"""Shortcuts: what people start from Slack's own menus, wherever they are."""

from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.dispatch.dispatcher import Dispatcher
from bot.slack.calls import permalink
from bot.slack.texts import said_in
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
    message = body.get("message") or {}
    quoted = clean_text(said_in(message), _QUOTED)
    domain, channel = (body.get("team") or {}).get("domain") or "", (body.get("channel") or {}).get("id") or ""
    # put together and not asked for: the form of a brake waits for nobody
    where = permalink(f"https://{domain}.slack.com/", str(channel), str(message.get("ts") or "")) if domain else ""
    said = f"because of a message: {quoted} {where}".rstrip() if quoted or where else ""
    await modals.opened(
        dispatcher, modal_views.FREEZE.name, About(response_url=str(body.get("response_url") or ""), said=said), body, client
    )
