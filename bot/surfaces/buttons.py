"""Buttons on messages. A button carries an opaque id or nothing: what it does is decided when it is clicked.

Excluded: what each button stands for (bot/commands/table.py).
"""

from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.commands.brake import Freeze, Rollback
from bot.commands.table import BUTTONS, row_of
from bot.dispatch.dispatcher import Dispatcher
from bot.dispatch.request import Answer, Request
from bot.slack.texts import read
from bot.surfaces import modals
from core.receipts.cause import BlockAction
from core.text import clean_text

COMMANDS = tuple(BUTTONS)
"""Action ids of the buttons that stand for a command."""
LINK = "runbook"
"""Action id of the button that opens a page; Slack tells us of the click all the same."""
ALERT_MESSAGE = "anr_alert"
"""Callback id of the buttons that Alertmanager's own Slack messages carry (ops/alertmanager.yml)."""
_BRAKES = {"freeze": Freeze, "rollback": Rollback}
_LONGEST_VALUE, _LONGEST_TITLE = 40, 200


async def pressed(dispatcher: Dispatcher, body: dict[str, Any], client: AsyncWebClient, respond: Answer) -> None:
    """Carry out the command that a button stands for; in somebody's home, which takes no answers, the answer is a modal."""
    action = body["actions"][0]
    command = BUTTONS[str(action["action_id"])](str(action.get("value", ""))[:_LONGEST_VALUE])
    if body.get("response_url") or row_of(command).brakes:
        await dispatcher.carry_out(command, Request.of(body), respond)
    else:
        await modals.answered_in_modal(dispatcher, command, body, client)


async def on_alert_message(dispatcher: Dispatcher, body: dict[str, Any], respond: Answer) -> None:
    """Freeze or roll back from a message of Alertmanager; the same click has one effect, however often it is delivered."""
    kind = _BRAKES.get(str((body.get("actions") or [{}])[0].get("value", "")))
    if kind is None:
        await respond(text="This button is not known here. Nothing was done; try `/anr help`.", replace_original=False)
        return
    attachment = ((body.get("original_message") or {}).get("attachments") or [{}])[0]
    said = clean_text(read(str(attachment.get("title") or attachment.get("fallback") or "")), _LONGEST_TITLE)
    cause = str(BlockAction.of(f"{body.get('message_ts', '')}:{body.get('action_ts', '')}"))
    command = kind(f"from Alertmanager's message: {said}" if said else "from Alertmanager's message")
    await dispatcher.carry_out(command, Request.of(body, cause), respond)
