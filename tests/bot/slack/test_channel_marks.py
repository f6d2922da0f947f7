"""Marks in a channel's messages: only the bot's own count, and only what no other person's words can reach."""

import asyncio
from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.blockkit.post import Post
from bot.playground.server import Playground
from bot.slack.calls import SlackCalls
from bot.slack.channel_marks import channel_marks
from bot.slack.deliveries import Deliveries
from bot.slack.outbox import Outbox
from core.journal.marks import Mark, Marks
from core.settings.surfaces import SlackSettings
from tests.bot.slack.test_outbox import OPS, deliveries, playground
from tests.core.journal.test_journal import draft, journal_in

__all__ = ["deliveries", "playground"]


def settings(playground: Playground, **options: Any) -> SlackSettings:
    return SlackSettings.model_validate({"bot_token": playground.bot_token, "api_url": f"{playground.url}/api/", **options})


async def marks(playground: Playground, target: str = "production", **options: Any) -> Marks:
    return await asyncio.to_thread(channel_marks, settings(playground, **options), OPS, target)


async def test_every_message_carries_the_newest_receipt_also_after_an_update(
    playground: Playground, deliveries: Deliveries, tmp_path: Any
) -> None:
    """A story that goes on witnesses the chain as it is by then; of another router's there is none."""
    journal = journal_in(tmp_path)
    client = AsyncWebClient(token=playground.bot_token, base_url=f"{playground.url}/api/")
    outbox = Outbox(SlackCalls(client), deliveries, OPS, journal=journal)
    first = journal.append(draft(1))
    await outbox.show("o1", Post("begun", ()))
    assert (await marks(playground)).marks == (Mark.of(first),)
    second = journal.append(draft(2))
    await outbox.show("o1", Post("ended", ()))
    found = await marks(playground)
    assert (found.marks, found.problem, found.outside) == ((Mark.of(second),), "", True)
    assert (await marks(playground, "staging")).marks == ()


async def test_a_message_without_a_journal_to_read_comes_without_a_mark(
    playground: Playground, deliveries: Deliveries, tmp_path: Any
) -> None:
    """A broken journal keeps no message back."""
    (tmp_path / "journal.sqlite").write_bytes(b"garbage" * 1000)
    client = AsyncWebClient(token=playground.bot_token, base_url=f"{playground.url}/api/")
    await Outbox(SlackCalls(client), deliveries, OPS, journal=journal_in(tmp_path)).show("o1", Post("begun", ()))
    assert [message["text"] for message in playground.messages(OPS)] == ["begun"]
    assert (await marks(playground)).marks == ()


async def test_what_people_write_is_no_mark(playground: Playground, deliveries: Deliveries, tmp_path: Any) -> None:
    """Neither a text that looks like one, nor metadata that another app put on its message."""
    journal = journal_in(tmp_path)
    sealed = journal.append(draft(1))
    client = AsyncWebClient(token=playground.bot_token, base_url=f"{playground.url}/api/")
    await Outbox(SlackCalls(client), deliveries, OPS, journal=journal).show("o1", Post("receipt `#9 000000000000`", ()))
    channel = playground.workspace.channels[OPS]
    (ours,) = channel.messages.values()
    payload = {**ours["metadata"]["event_payload"], "mark": "9:" + "0" * 64}
    forged = {**ours, "user": "U0MALLORY", "bot_id": "B0OTHER", "ts": f"{float(ours['ts']) + 1:.6f}"}
    forged["metadata"] = {**ours["metadata"], "event_payload": payload}
    channel.messages[forged["ts"]] = forged
    assert (await marks(playground)).marks == (Mark.of(sealed),)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        pytest.param({"bot_token": ""}, "slack.bot_token or slack.channel is not set", id="no-token"),
        pytest.param({"bot_token": "xoxb-wrong"}, "invalid_auth", id="wrong-token"),
        pytest.param({"api_url": "http://127.0.0.1:1/"}, "cannot be read", id="no-slack"),
    ],
)
async def test_a_channel_that_cannot_be_read_says_so(playground: Playground, options: dict[str, str], problem: str) -> None:
    """It confirms nothing, and is a flaw where it was asked for."""
    found = await marks(playground, **options)
    assert found.marks == ()
    assert problem in found.problem
