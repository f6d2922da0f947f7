"""Buttons on messages. A button carries an opaque id or nothing: what it does is decided when it is clicked."""

from typing import Any

from bot.commands import Command
from bot.desk import Answer, Desk, Request

ANSWERS = ("approve", "deny")
"""Action ids of the buttons that answer a request; each is also the word that it carries out."""


async def answered(desk: Desk, body: dict[str, Any], respond: Answer) -> None:
    """Carry out a click on a request's card."""
    action = body["actions"][0]
    command = Command(str(action["action_id"]), argument=str(action.get("value", ""))[:40])
    await desk.carry_out(command, Request.of(body), respond)
