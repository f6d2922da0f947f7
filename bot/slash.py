"""`/anr …`: the typed text becomes a command."""

from typing import Any

from bot import messages
from bot.commands import Misunderstood, parse
from bot.desk import Answer, Desk, Request


async def typed(desk: Desk, body: dict[str, Any], respond: Answer) -> None:
    """Carry out one slash command; the same trigger has one effect."""
    command = parse(str(body.get("text", "")), desk.routers)
    if isinstance(command, Misunderstood):
        await desk.tell(respond, messages.help_text(command))
        return
    trigger = str(body.get("trigger_id") or "")
    cause = f"slash:{trigger}"[:200] if trigger else None
    await desk.carry_out(command, Request(body["user_id"], body.get("team_id"), body.get("channel_id"), cause), respond)
