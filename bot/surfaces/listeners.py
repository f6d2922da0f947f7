"""Registers every listener with Bolt: each acknowledges first, and works afterwards.

Excluded: what they do (one file per surface), and constructing the app (bot/app.py).
"""

import re
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.commands.table import MODALS
from bot.dispatch.dispatcher import Dispatcher
from bot.dispatch.request import Answer, Request
from bot.slack.manifest import COMMAND
from bot.surfaces import buttons, modals, shortcuts, slash
from bot.surfaces.home import Home


def listeners(app: AsyncApp, dispatcher: Dispatcher, home: Home) -> AsyncApp:
    """Register every listener: acknowledge first, work afterwards."""

    @app.command(COMMAND)
    async def typed(ack: Answer, body: dict[str, Any], respond: Answer) -> None:
        await ack()
        dispatcher.begin(slash.typed(dispatcher, body, respond))

    @app.action(re.compile(f"^({'|'.join(buttons.COMMANDS)})$"))
    async def pressed(ack: Answer, body: dict[str, Any], client: AsyncWebClient, respond: Answer) -> None:
        await ack()
        dispatcher.begin(buttons.pressed(dispatcher, body, client, respond))

    @app.action(buttons.LINK)
    async def linked(ack: Answer) -> None:
        await ack()

    @app.action(re.compile(f"^({'|'.join(modals.OPENERS)})$"))
    async def asked(ack: Answer, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        dispatcher.begin(modals.clicked(dispatcher, body, client))

    @app.view(re.compile(f"^({'|'.join(MODALS)})$"))
    async def submitted(ack: Answer, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack(**modals.acknowledgement(body["view"]))
        dispatcher.begin(modals.submitted(dispatcher, body, client))

    _elsewhere(app, dispatcher, home)
    _alert_listeners(app, dispatcher)

    @app.view(re.compile(".*"))
    async def outdated(ack: Answer, body: dict[str, Any]) -> None:
        await ack(**modals.acknowledgement(body["view"]))

    @app.action(re.compile(".*"))
    async def unknown(ack: Answer, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        dispatcher.begin(modals.unknown(dispatcher, body, client))

    return app


def _elsewhere(app: AsyncApp, dispatcher: Dispatcher, home: Home) -> None:
    """Register what is not in a channel: shortcuts and the home."""

    @app.shortcut(shortcuts.FREEZE)
    async def freeze_anywhere(ack: Answer, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        dispatcher.begin(shortcuts.freeze(dispatcher, body, client))

    @app.event("app_home_opened")
    async def home_opened(ack: Answer, body: dict[str, Any]) -> None:
        await ack()
        if body["event"].get("tab") == "home":
            dispatcher.begin(home.opened(body["event"]["user"], None))

    @app.action("home_refresh")
    async def home_refreshed(ack: Answer, body: dict[str, Any]) -> None:
        await ack()
        request = Request.of(body)
        dispatcher.begin(home.opened(request.user, request.team))

    @app.action("deliver_again")
    async def delivered_again(ack: Answer, body: dict[str, Any]) -> None:
        await ack()
        dispatcher.begin(home.deliver_again(Request.of(body), str(body["actions"][0].get("value", ""))[:40]))


def _alert_listeners(app: AsyncApp, dispatcher: Dispatcher) -> None:
    @app.shortcut(shortcuts.BECAUSE)
    async def because_of_message(ack: Answer, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        dispatcher.begin(shortcuts.because_of_message(dispatcher, body, client))

    @app.action({"type": "interactive_message", "callback_id": buttons.ALERT_MESSAGE})
    async def on_alert_message(ack: Answer, body: dict[str, Any], respond: Answer) -> None:
        await ack()
        dispatcher.begin(buttons.on_alert_message(dispatcher, body, respond))
