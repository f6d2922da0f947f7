"""One paced reader of user groups, against the playground's Web API."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.playground.server import Playground
from bot.slack.calls import SlackCalls
from bot.slack.groups import WITHOUT_MEMBERS, Groups
from bot.slack.manifest import MANIFEST

GROUP = "S0APPROVERS"


@pytest_asyncio.fixture
async def playground(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Playground]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with Playground(MANIFEST) as running:
        yield running


@pytest.fixture
def groups(playground: Playground) -> Groups:
    return Groups(SlackCalls(AsyncWebClient(token=playground.bot_token, base_url=f"{playground.url}/api/")))


async def test_many_askers_cost_one_call_and_what_decides_is_read_afresh(groups: Groups, playground: Playground) -> None:
    """Thirty open homes ask once; an approval sees who left the group a moment ago."""
    await asyncio.gather(*(groups.members(GROUP) for _ in range(30)))
    assert len(playground.api.calls) == 1
    playground.workspace.usergroups[GROUP].remove("U0AARON")
    assert "U0AARON" in await groups.members(GROUP)
    assert "U0AARON" not in await groups.members(GROUP, afresh=True)
    assert "U0AARON" not in await groups.members(GROUP)


@pytest.mark.parametrize("code", sorted(WITHOUT_MEMBERS))
async def test_a_group_that_is_not_there_has_no_members_and_locks_nobody_out(
    groups: Groups, playground: Playground, code: str
) -> None:
    """Gone, disabled or not in the plan: an answer, and no outage."""
    playground.fail("usergroups.users.list", code)
    assert await groups.of("U0AARON", {GROUP}) == frozenset()


async def test_a_retry_after_is_waited_out(groups: Groups, playground: Playground) -> None:
    """Longer than other calls wait: whoever approves gets an answer, late."""
    playground.rate_limit("usergroups.users.list", retry_after=4)
    assert await groups.of("U0AARON", {GROUP}, afresh=True) == {GROUP}


async def test_what_slack_does_not_say_is_not_kept(groups: Groups, playground: Playground) -> None:
    """A failure is no answer: the next one asks again."""
    playground.fail("usergroups.users.list", "internal_error")
    with pytest.raises(SlackApiError, match="internal_error"):
        await groups.members(GROUP)
    assert "U0AARON" in await groups.members(GROUP)


async def test_whoever_stops_waiting_stops_nobody_else(groups: Groups, playground: Playground) -> None:
    """A brake waits half a second; the call that an approval waits for goes on."""
    stalled = playground.stall("usergroups.users.list")
    approving = asyncio.create_task(groups.members(GROUP))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(groups.members(GROUP), 0.05)
    stalled.set()
    assert "U0AARON" in await approving
