from slack_sdk.web.async_client import AsyncWebClient

from tests.bot.playground.api.test_web_api import OPS, refused


async def test_people_channels_and_groups_are_described(client: AsyncWebClient) -> None:
    """Guests, strangers and group members can be told from the answers, page by page."""
    guest = (await client.users_info(user="U0GUEST"))["user"]
    stranger = (await client.users_info(user="U0EXTERN"))["user"]
    assert (guest["is_restricted"], stranger["team_id"]) == (True, "T0ELSEWHERE")
    assert (await refused(client.users_info(user="U0NOBODY")))["error"] == "user_not_found"
    assert (await client.usergroups_users_list(usergroup="S0APPROVERS"))["users"] == ["U0AARON", "U0PRIYA"]
    assert (await client.conversations_info(channel=OPS))["channel"]["is_member"] is True
    assert (await client.conversations_info(channel="C0RANDOM"))["channel"]["is_member"] is False
    first = await client.users_list(limit=4)
    second = await client.users_list(limit=4, cursor=first["response_metadata"]["next_cursor"])
    assert len({user["id"] for user in first["members"] + second["members"]}) == 7
    assert second["response_metadata"]["next_cursor"] == ""
