"""Who somebody is, as Slack says it: against the playground's Web API."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from slack_sdk.web.async_client import AsyncWebClient

from bot.playground.server import Playground
from bot.playground.workspace.workspace import TEAM_ID
from bot.slack.access import Access
from bot.slack.manifest import MANIFEST
from bot.slack.members import Installation
from core.actors import AccessPolicy, Approvable, Role
from core.errors import PersonUnknown

GROUP = "S0APPROVERS"
POLICY = AccessPolicy(operators=frozenset({"U0OLIVIA"}), approvers=frozenset({GROUP}))


@pytest_asyncio.fixture
async def playground(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Playground]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with Playground(MANIFEST) as running:
        yield running


@pytest.fixture
def access(playground: Playground) -> Access:
    client = AsyncWebClient(token=playground.bot_token, base_url=f"{playground.url}/api/")
    return Access(client, POLICY, Installation(TEAM_ID))


async def test_a_member_of_a_listed_group_is_an_approver(access: Access) -> None:
    """The settings name a group of Slack's, and its members may approve; whoever is in no list may brake alone."""
    aaron, max_ = await access.actor("U0AARON", None), await access.actor("U0MEMBER", None)
    assert POLICY.may_approve(aaron, Approvable.PROMOTE)
    assert (max_.roles, POLICY.may_approve(max_, Approvable.PROMOTE)) == (frozenset({Role.BRAKE}), False)


async def test_whoever_left_the_group_is_no_approver_at_the_next_click(access: Access, playground: Playground) -> None:
    """Whoever decides is looked up afresh: nothing that was known before gives a role."""
    assert Role.APPROVE in (await access.actor("U0AARON", None)).roles
    playground.workspace.usergroups[GROUP].remove("U0AARON")
    assert Role.APPROVE not in (await access.actor("U0AARON", None, decides=True)).roles


async def test_of_whom_slack_does_not_say_where_they_belong_may_brake_and_nothing_else(
    access: Access, playground: Playground
) -> None:
    """On Enterprise Grid `users.info` may name no workspace: the brake is open and promotion closed, even for an approver."""
    playground.workspace.enterprise_id = "E0ORG"
    playground.workspace.users["U0AARON"].team_id = ""
    assert (await access.actor("U0AARON", TEAM_ID)).roles == {Role.BRAKE}


async def test_somebody_whose_own_workspace_is_another_one_of_the_organisation_approves(
    access: Access, playground: Playground
) -> None:
    """Their `team_id` names another workspace; `enterprise_user.teams` has ours."""
    playground.workspace.enterprise_id = "E0ORG"
    aaron = playground.workspace.users["U0AARON"]
    aaron.team_id, aaron.teams = "T0SISTER", ("T0SISTER", TEAM_ID)
    assert Role.APPROVE in (await access.actor("U0AARON", TEAM_ID, decides=True)).roles
    aaron.teams = ("T0SISTER",)
    assert (await access.actor("U0AARON", TEAM_ID, decides=True)).roles == frozenset()


async def test_a_group_that_is_gone_locks_nobody_out(access: Access, playground: Playground) -> None:
    """Whoever holds a role by their own id keeps it."""
    del playground.workspace.usergroups[GROUP]
    assert (await access.actor("U0OLIVIA", None)).roles == {Role.BRAKE, Role.OPERATE}


async def test_while_slack_does_not_name_a_groups_members_nobody_gets_a_role(access: Access, playground: Playground) -> None:
    """It fails closed for everything but the brake, also for somebody who was in the group a moment ago."""
    await access.actor("U0AARON", None)
    playground.fail("usergroups.users.list", status=503, times=9)
    with pytest.raises(PersonUnknown, match="`rollback` and `freeze` still work"):
        await access.actor("U0AARON", None, decides=True)
    assert Role.BRAKE in (await access.actor("U0AARON", None, for_brake=True)).roles


@pytest.mark.parametrize("user", ["U0GUEST", "U0EXTERN", "U0BOT"])
async def test_guests_and_bots_have_no_role_not_even_as_members_of_a_group(
    access: Access, playground: Playground, user: str
) -> None:
    """A list or a group never makes a guest or a bot an operator."""
    playground.workspace.usergroups[GROUP].append(user)
    actor = await access.actor(user, None)
    assert (actor.roles, POLICY.may_approve(actor, Approvable.PROMOTE)) == (frozenset(), False)


async def test_somebody_of_another_workspace_has_no_role(access: Access) -> None:
    """Slack Connect brings people of other workspaces into our channels: they may look."""
    actor = await access.actor("U0AARON", "T0ELSEWHERE", for_brake=True)
    assert actor.roles == frozenset()
