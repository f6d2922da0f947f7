"""`/anr …`, buttons and modals: who, one call into core, one answer to the person who acted.

Excluded: understanding the text (bot/commands.py), rendering (bot/messages.py), and the messages in the channel (bot/stories.py).
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot import messages
from bot.access import Access
from bot.commands import Command, Misunderstood, parse
from bot.modals import REASON_MODALS, reason_modal
from bot.outage import SLACK_FAILED
from bot.stories import Stories
from core import approving, braking, operations
from core.actors import Actor
from core.actuation import Order
from core.decisions import not_allowed
from core.errors import AnrError
from core.overview import look
from core.site import Site

log = logging.getLogger(__name__)

Answer = Callable[..., Coroutine[Any, Any, Any]]


@dataclass(frozen=True, slots=True)
class Station:
    """One router, the channel in which it is operated, and the messages there."""

    site: Site
    stories: Stories
    channel: str


class Desk:
    """Carries out what people ask for in Slack.

    Work is done after the acknowledgement, in tasks that are kept until they end. Brakes have threads of their own, so that
    no report can delay them.
    """

    def __init__(self, stations: Sequence[Station], access: Access) -> None:
        self._stations = {station.site.target.name: station for station in stations}
        self._access = access
        self._work = ThreadPoolExecutor(4, thread_name_prefix="anr-work")
        self._brake = ThreadPoolExecutor(2, thread_name_prefix="anr-brake")
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Start work and keep hold of it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Wait for everything that was begun, then let the threads go."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._work.shutdown()
        self._brake.shutdown()

    async def slash(self, body: dict[str, Any], respond: Answer) -> None:
        """Carry out one slash command."""
        command = parse(str(body.get("text", "")), self._stations)
        if isinstance(command, Misunderstood):
            await self._tell(respond, messages.help_text(command))
            return
        trigger = str(body.get("trigger_id") or "")
        request = _Request(
            body["user_id"], body.get("team_id"), body.get("channel_id"), f"slash:{trigger}"[:200] if trigger else None
        )
        await self._answered(respond, command, request)

    async def button(self, body: dict[str, Any], respond: Answer) -> None:
        """Carry out a click on a card. The button carries the request's id and nothing else."""
        action = body["actions"][0]
        command = Command(str(action["action_id"]), argument=str(action.get("value", ""))[:40])
        await self._answered(respond, command, _Request.of(body))

    async def open_modal(self, body: dict[str, Any], client: AsyncWebClient, respond: Answer) -> None:
        """Open the modal that asks for a reason. It needs nothing but the click: its trigger lives for three seconds."""
        word = REASON_MODALS[str(body["actions"][0]["action_id"])]
        station = self._station(Command(word), _Request.of(body).channel)
        if isinstance(station, Misunderstood):
            await self._tell(respond, messages.help_text(station))
            return
        view = reason_modal(word, str(body.get("response_url", "")), station.site.target.name)
        try:
            await client.views_open(trigger_id=body["trigger_id"], view=view)
        except SLACK_FAILED:
            log.exception("the modal could not be opened")
            text = f"Slack did not open the form. Nothing was done; type `/anr {word} REASON` instead."
            await self._tell(respond, [messages.section(f":warning: {text}")])

    async def submit(self, body: dict[str, Any], command: Command, respond: Answer) -> None:
        """Carry out what a modal was submitted for; the same view has one effect."""
        await self._answered(respond, command, _Request.of(body, cause=f"view:{body['view']['id']}"[:200]))

    def _station(self, command: Command, channel: str | None) -> Station | Misunderstood:
        """Return the router that is meant: the one that was named, the only one, or the only one of this channel."""
        if command.target is not None and command.target in self._stations:
            return self._stations[command.target]
        if command.word in {"approve", "deny"}:
            return self._asked_at(command.argument)
        here = [station for station in self._stations.values() if station.channel == channel]
        meant = here if len(here) == 1 else list(self._stations.values())
        if len(meant) == 1:
            return meant[0]
        names = ", ".join(f"`/anr {command.word} {name}`" for name in self._stations)
        return Misunderstood(f"There are several routers, and nobody can tell which one you mean. Type {names}.")

    def _asked_at(self, approval_id: str) -> Station:
        """Return the router that a request is about; the first one, if none has it, will say that there is no such request."""
        stations = list(self._stations.values())
        for station in stations[1:]:
            with suppress(AnrError):
                if station.site.journal.approval(approval_id) is not None:
                    return station
        return stations[0]

    async def _answered(self, respond: Answer, command: Command, request: "_Request") -> None:
        brakes = command.word in {"rollback", "freeze"}
        pool = self._brake if brakes else self._work
        try:
            station = await asyncio.get_running_loop().run_in_executor(pool, self._station, command, request.channel)
            if isinstance(station, Misunderstood):
                await self._tell(respond, messages.help_text(station))
                return
            actor = await self._access.actor(request.user, request.team, for_brake=brakes)
            blocks = await asyncio.get_running_loop().run_in_executor(pool, _do, station.site, command, actor, request.cause)
        except AnrError as error:
            blocks = messages.failure(str(error))
        except Exception:  # the top of a listener: the person is told, the trace is kept
            log.exception("a command failed")
            blocks = messages.failure(
                "Something went wrong inside anr; the log has the details. Look at `/anr status` before you go on."
            )
        for one in self._stations.values():
            one.stories.wake()
        await self._tell(respond, blocks)

    async def _tell(self, respond: Answer, blocks: list[messages.Block]) -> None:
        text = next((block["text"]["text"] for block in blocks if block["type"] == "section"), "anr")
        try:
            answer = await respond(text=text, blocks=blocks, response_type="ephemeral", replace_original=False)
        except SLACK_FAILED:
            log.exception("the answer could not be delivered; the channel's message follows when Slack is back")
        else:
            if answer is not None and answer.status_code != HTTPStatus.OK:
                log.error("Slack did not take the answer (%s %s)", answer.status_code, answer.body)


@dataclass(frozen=True, slots=True)
class _Request:
    """Who acts where, and the key by which it has one effect."""

    user: str
    team: str | None
    channel: str | None
    cause: str | None = None

    @classmethod
    def of(cls, body: dict[str, Any], cause: str | None = None) -> "_Request":
        """Read an interaction's payload."""
        user = body["user"]
        team = user.get("team_id") or (body.get("team") or {}).get("id")
        return cls(user["id"], team, (body.get("channel") or {}).get("id"), cause)


def _do(site: Site, command: Command, actor: Actor, cause: str | None) -> list[messages.Block]:  # noqa: C901, PLR0912 - one arm a word
    match command.word:
        case "rollback":
            return messages.answer(braking.rollback(site, actor, command.reason, cause))
        case "freeze":
            return messages.answer(braking.freeze(site, actor, command.reason, cause))
        case _ if not actor.roles:
            return messages.answer(not_allowed("use anr; it is for full members of this workspace", "operators"))
        case "help":
            return messages.help_text()
        case "status":
            return messages.status(look(site))
        case "report":
            found = site.measure(site.clock(), leaving_zero=_at_zero(site))
            return messages.report(found, site.target.window_minutes)
        case "promote":
            order = Order(actor, command.reason, cause)
            return messages.answer(operations.propose(site, order, wanted=command.stage, dry_run=command.dry_run))
        case "approve":
            return messages.answer(approving.approve(site, actor, command.argument))
        case "deny":
            return messages.answer(approving.deny(site, actor, command.argument, command.reason))
        case "unfreeze":
            return messages.answer(operations.unfreeze(site, Order(actor, command.reason, cause)))
        case "receipts":
            return messages.receipts(site.journal.receipts(last=5))
        case "verify":
            sealed, flaws = site.journal.verify()
            return messages.verification(len(sealed), flaws, sealed[-1] if sealed else None)
        case _:
            return messages.help_text()


def _at_zero(site: Site) -> bool:
    try:
        return site.journal.state().stage == 0
    except AnrError:
        return False
