"""What the scenarios do and look at in the channel."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp

from bot.app import running
from bot.playground import demo
from bot.playground.demo import CHANNEL
from bot.playground.people.delivery import Delivery
from bot.playground.server import Playground
from core.receipts.receipt import Action
from core.settings.settings import Settings
from core.target.target import Target

Played = tuple[Playground, Settings]
WAIT = 300.0
"""Seconds after which something counts as never coming, on however slow a machine."""


@asynccontextmanager
async def scenery(folder: Path, *, http_port: int | None = None) -> AsyncIterator[Played]:
    """The demo's playground and router without a bot, and nobody loses patience: neither Slack nor who asks the router."""
    async with demo.scenery(folder, http_port=http_port) as (playground, settings):
        playground.ack_seconds = playground.workspace.trigger_seconds = WAIT
        seen = settings.target.observe.model_copy(update={"timeout_s": 30.0})
        patient = settings.target.model_copy(update={"health_timeout_s": 10.0, "reload_timeout_s": WAIT, "observe": seen})
        yield playground, settings.model_copy(update={"target": patient})


@asynccontextmanager
async def stage(folder: Path, *, http_port: int | None = None) -> AsyncIterator[Played]:
    """The same with a bot."""
    async with scenery(folder, http_port=http_port) as (playground, settings), running(settings):
        yield playground, settings


def said(message: dict[str, Any]) -> str:
    """Everything that a message shows, as one text."""
    return str(message.get("blocks")) + str(message.get("text", ""))


def cards(playground: Playground, words: str) -> list[dict[str, Any]]:
    """The channel's messages that say something."""
    return [message for message in playground.messages(CHANNEL) if words in said(message)]


def stories(playground: Playground) -> list[dict[str, Any]]:
    """The channel's messages without what is in their threads."""
    return [message for message in playground.messages(CHANNEL) if message.get("thread_ts") in {None, message["ts"]}]


def has_button(message: dict[str, Any]) -> bool:
    return "'action_id': 'approve'" in said(message)


def answers(playground: Playground, user: str) -> list[dict[str, Any]]:
    """What only one person sees, without what a slow machine says meanwhile: how far the reading is."""
    return [message for message in playground.ephemerals(user) if "The answer follows." not in said(message)]


def whispers(playground: Playground, user: str, words: str) -> bool:
    """Whether somebody was told something that only they see."""
    return any(words in said(message) for message in playground.ephemerals(user))


async def asked(playground: Playground) -> dict[str, Any]:
    """Ask for the next stage and return the card that appears."""
    delivery = await playground.slash("U0OLIVIA", CHANNEL, "/anr", "promote looks good")
    assert delivery.acked
    await playground.wait_for(lambda: cards(playground, "Approval needed"), WAIT)
    return cards(playground, "Approval needed")[0]


def pilot_in(path: Path) -> str:
    return next(line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("NOVA_ANR_PILOT="))


async def shown(playground: Playground, user: str) -> dict[str, Any]:
    """Wait until a person's modal has its content, and return it."""

    def loaded() -> list[dict[str, Any]]:
        return [view for view in playground.open_views(user) if "Looking at the router" not in said(view)]

    return (await playground.wait_for(loaded, WAIT))[-1]


async def begun(playground: Playground) -> None:
    """Wait until all is posted that a bot says when it begins: then the next call of Slack is that of what the test does."""
    await playground.wait_for(lambda: cards(playground, "The journal begins"), WAIT)
    await playground.wait_for(lambda: cards(playground, "seen event"), WAIT)


async def silenced(playground: Playground) -> None:
    """Let the simulated router write no more lines, so that the ledger is what the test makes of it."""
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{playground.url}/router/misbehave", json={"ledger_stopped": True}) as answer,
    ):
        assert answer.status == HTTPStatus.OK, await answer.text()


async def denied(playground: Playground, user: str, card: dict[str, Any], reason: str) -> Delivery:
    """Deny a request by its card's button; return the submission."""
    await playground.click(user, CHANNEL, card["ts"], "ask_deny")
    view = await shown(playground, user)
    return await playground.submit_view(user, view["id"], {"reason": {"reason": {"value": reason}}})


def done(target: Target) -> list[Action]:
    """What was done, in order. That the router was seen at its stage is recorded too, whenever its ledger shows it."""
    return [sealed.receipt.action for sealed in target.journal.receipts() if sealed.receipt.action is not Action.SEEN]
