"""Buttons on messages. A button carries an opaque id or nothing: what it does is decided when it is clicked."""

from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.commands.command import Command
from bot.dispatch.dispatcher import Dispatcher
from bot.dispatch.request import Answer, Request
from bot.slack.texts import read
from bot.surfaces import modals
from core.text import clean_text

ANSWERS = ("approve",)
"""Action ids of the buttons that answer a request at once; each is also the word that it carries out."""
NOW = ("rollback_now", "freeze_now")
"""Action ids of the buttons with which somebody brakes at once, without the approval that was asked for."""
DRIFT_ENDS = ("reapply", "accept")
"""Action ids of the buttons that end a drift."""
LOOKS = {f"show_{word}": word for word in ("help", "status", "report", "receipts", "why")}
"""Action id of a button -> the word that it stands for. Looking changes nothing."""
DETAILS = "details"
"""Action id of the button that adds a report's details to its thread."""
LINK = "runbook"
"""Action id of the button that opens a page; Slack tells us of the click all the same."""

ACKNOWLEDGE = "acknowledge"
"""Action id of the button on a group of alerts, and the word that it carries out."""
ALERT_MESSAGE = "anr_alert"
"""Callback id of the buttons that Alertmanager's own Slack messages carry (ops/alertmanager.yml)."""
_BRAKES = frozenset({"freeze", "rollback"})


async def details(dispatcher: Dispatcher, body: dict[str, Any], respond: Answer) -> None:
    """Add the details of a report to its thread, once however often it is clicked."""
    command = Command("details", operation=str(body["actions"][0].get("value", ""))[:40])
    await dispatcher.carry_out(command, Request.of(body), respond)


async def braked(dispatcher: Dispatcher, body: dict[str, Any], respond: Answer) -> None:
    """Brake at once, without the approval that was asked for."""
    action = body["actions"][0]
    command = Command(str(action["action_id"]), operation=str(action.get("value", ""))[:40])
    await dispatcher.carry_out(command, Request.of(body), respond)


async def answered(dispatcher: Dispatcher, body: dict[str, Any], client: AsyncWebClient, respond: Answer) -> None:
    """Carry out a click on a request's card, or on the request in somebody's home."""
    action = body["actions"][0]
    command = Command(str(action["action_id"]), argument=str(action.get("value", ""))[:40])
    if body.get("response_url"):
        await dispatcher.carry_out(command, Request.of(body), respond)
    else:
        await modals.answered_in_modal(dispatcher, command, body, client)


async def looked(dispatcher: Dispatcher, body: dict[str, Any], respond: Answer) -> None:
    """Show what a button of the help stands for."""
    word = LOOKS[str(body["actions"][0]["action_id"])]
    await dispatcher.carry_out(Command(word), Request.of(body), respond)


async def ended_drift(dispatcher: Dispatcher, body: dict[str, Any], respond: Answer) -> None:
    """Carry out a click on a drift's alarm; the button carries the id of its story."""
    action = body["actions"][0]
    command = Command("drift", argument=str(action["action_id"]), operation=str(action.get("value", ""))[:40])
    await dispatcher.carry_out(command, Request.of(body), respond)


async def acknowledged(dispatcher: Dispatcher, body: dict[str, Any], respond: Answer) -> None:
    """Note who looks after a group of alerts; the button carries the id of its story."""
    operation = str(body["actions"][0].get("value", ""))[:40]
    await dispatcher.carry_out(Command(ACKNOWLEDGE, operation=operation), Request.of(body), respond)


async def on_alert_message(dispatcher: Dispatcher, body: dict[str, Any], respond: Answer) -> None:
    """Freeze or roll back from a message of Alertmanager; the same click has one effect, however often it is delivered."""
    word = str((body.get("actions") or [{}])[0].get("value", ""))
    if word not in _BRAKES:
        await respond(text="This button is not known here. Nothing was done; try `/anr help`.", replace_original=False)
        return
    attachment = ((body.get("original_message") or {}).get("attachments") or [{}])[0]
    said = clean_text(read(str(attachment.get("title") or attachment.get("fallback") or "")), 200)
    cause = f"click:{body.get('message_ts', '')}:{body.get('action_ts', '')}"[:200]
    command = Command(word, reason=f"from Alertmanager's message: {said}" if said else "from Alertmanager's message")
    await dispatcher.carry_out(command, Request.of(body, cause), respond)
