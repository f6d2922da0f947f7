"""A refused answer reaches the person all the same: against the playground's response_url and Web API."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from slack_bolt.context.respond.async_respond import AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from bot.playground.people.responses import issue
from bot.playground.server import Playground
from bot.slack.answering import answer_person
from bot.slack.manifest import MANIFEST

OPS, OLIVIA = "C0ANROPS", "U0OLIVIA"
GOOD = [{"type": "section", "text": {"type": "mrkdwn", "text": "*Frozen.* The router is safe."}}]
BAD: list[dict[str, Any]] = [*GOOD, {"type": "nonsense"}]


@pytest_asyncio.fixture
async def playground(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Playground]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with Playground(MANIFEST) as running:
        yield running


async def answered(playground: Playground, url: str, blocks: list[dict[str, Any]]) -> bool:
    client = AsyncWebClient(token=playground.bot_token, base_url=f"{playground.url}/api/")
    return await answer_person(AsyncRespond(response_url=url), client, OLIVIA, "Frozen.", blocks)


async def test_blocks_that_slack_refuses_become_plain_text_at_the_same_place(playground: Playground) -> None:
    """Slack answers 404 with JSON; the person reads what the blocks said."""
    url = issue(playground.workspace, playground.url, OLIVIA, OPS)
    assert await answered(playground, url, BAD)
    (whisper,) = playground.ephemerals(OLIVIA)
    assert whisper["text"] == "*Frozen.* The router is safe."


@pytest.mark.parametrize("blocks", [GOOD, BAD], ids=["blocks", "refused blocks"])
async def test_where_no_answer_is_taken_any_more_it_comes_as_a_direct_message(
    playground: Playground, blocks: list[dict[str, Any]]
) -> None:
    """After five answers, or half an hour, or with an address that is gone."""
    assert await answered(playground, f"{playground.url}/actions/T0/gone", blocks)
    assert "The router is safe." in str(playground.messages("D0OLIVIA"))


async def test_a_slack_that_takes_nothing_is_told_to_the_caller(playground: Playground) -> None:
    """Nothing is raised: what was done stands, and the channel's message follows."""
    playground.api.down = True
    assert not await answered(playground, f"{playground.url}/actions/T0/gone", GOOD)
