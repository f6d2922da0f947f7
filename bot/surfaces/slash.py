"""`/anr …`: the typed text becomes a command."""

from typing import Any

from bot.commands.command import Misunderstood
from bot.commands.parse import parse
from bot.commands.table import explained
from bot.dispatch.dispatcher import Dispatcher
from bot.dispatch.request import Answer, Request


async def typed(dispatcher: Dispatcher, body: dict[str, Any], respond: Answer) -> None:
    """Carry out one slash command; the same trigger has one effect."""
    command = parse(str(body.get("text", "")), dispatcher.routers)
    if isinstance(command, Misunderstood):
        await dispatcher.tell(respond, explained(command))
        return
    trigger = str(body.get("trigger_id") or "")
    cause = f"slash:{trigger}"[:200] if trigger else None
    await dispatcher.carry_out(command, Request(body["user_id"], body.get("team_id"), body.get("channel_id"), cause), respond)
