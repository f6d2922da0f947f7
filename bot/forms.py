"""Modals: open one within the three seconds that its trigger lives, and carry out what was filled in.

Excluded: what a modal looks like, and what its fields mean (bot/modals.py).
"""

import logging
from typing import Any

from slack_bolt.context.respond.async_respond import AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from bot import messages
from bot.commands import Command, Misunderstood
from bot.desk import Answer, Desk, Request
from bot.modals import REASON_MODALS, reason_modal, submitted
from bot.outage import SLACK_FAILED

log = logging.getLogger(__name__)


async def opened(desk: Desk, body: dict[str, Any], client: AsyncWebClient, respond: Answer) -> None:
    """Open the modal that a button asks for. It needs nothing but the click."""
    word = REASON_MODALS[str(body["actions"][0]["action_id"])]
    station = desk.station(Command(word), Request.of(body).channel)
    if isinstance(station, Misunderstood):
        await desk.tell(respond, messages.help_text(station))
        return
    view = reason_modal(word, str(body.get("response_url", "")), station.site.target.name)
    try:
        await client.views_open(trigger_id=body["trigger_id"], view=view)
    except SLACK_FAILED:
        log.exception("the modal could not be opened")
        text = f"Slack did not open the form. Nothing was done; type `/anr {word} REASON` instead."
        await desk.tell(respond, messages.failure(text))


async def filled_in(desk: Desk, body: dict[str, Any]) -> None:
    """Carry out what a modal was submitted for; the same view has one effect."""
    command, response_url = submitted(body["view"])
    cause = f"view:{body['view']['id']}"[:200]
    await desk.carry_out(command, Request.of(body, cause), AsyncRespond(response_url=response_url))
