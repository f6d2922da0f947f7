"""The playground's Web API, asked by the real slack_sdk client."""

from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.playground.people import responses
from bot.playground.people.modal_answers import ClientRefusal
from bot.playground.server import Playground
from bot.playground.workspace.app_manifest import EXAMPLE_MANIFEST
from bot.playground.workspace.workspace import Grant
from tests.bot.playground.api.conftest import Clock, client_for

Json = dict[str, Any]
OPS = "C0ANROPS"
SECTION: Json = {"type": "section", "text": {"type": "mrkdwn", "text": "hello"}}


async def refused(call: Any) -> Json:
    """Await a call that Slack refuses and give the answer."""
    with pytest.raises(SlackApiError) as caught:
        await call
    answer: Json = caught.value.response.data
    return answer


async def test_auth_test_says_who_the_bot_is(client: AsyncWebClient) -> None:
    """The bot learns its own ids, and its scopes from the header."""
    answer = await client.auth_test()
    assert (answer["user_id"], answer["bot_id"], answer["team_id"]) == ("U0BOT", "B0BOT", "T0PLAYGRND")
    assert "chat:write" in answer.headers["x-oauth-scopes"].split(",")


async def test_tokens_that_do_not_work_are_told_apart(playground: Playground) -> None:
    """No token, an unknown one, a revoked one, an inactive one, and one of the wrong kind each have their code."""
    playground.workspace.tokens["xoxb-revoked"] = Grant("bot", frozenset(), "revoked")
    playground.workspace.tokens["xoxb-inactive"] = Grant("bot", frozenset(), "inactive")
    expected = {
        "": "not_authed",
        "xoxb-unknown": "invalid_auth",
        "xoxb-revoked": "token_revoked",
        "xoxb-inactive": "account_inactive",
        playground.app_token: "not_allowed_token_type",
    }
    got = {token: (await refused(client_for(playground, token).auth_test()))["error"] for token in expected}
    assert got == expected
    wrong_kind = await refused(client_for(playground).apps_connections_open(app_token=playground.bot_token))
    assert wrong_kind["error"] == "not_allowed_token_type"


async def test_missing_scope_names_what_is_needed(clock: Clock) -> None:
    """A scope that the manifest does not ask for is refused by name."""
    manifest = {**EXAMPLE_MANIFEST, "oauth_config": {"scopes": {"bot": ["commands"]}}}
    async with Playground(manifest, clock=clock) as playground:
        answer = await refused(client_for(playground).chat_postMessage(channel=OPS, text="hi"))
    assert (answer["error"], answer["needed"], answer["provided"]) == ("missing_scope", "chat:write", "commands")


async def test_rate_limits_are_answered_with_retry_after(playground: Playground, client: AsyncWebClient) -> None:
    """The next call is 429 with its seconds, nothing is posted, and the one after goes through."""
    playground.rate_limit("chat.postMessage", retry_after=7)
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=OPS, text="x")
    assert (caught.value.response.status_code, caught.value.response.headers["Retry-After"]) == (429, "7")
    assert caught.value.response["error"] == "ratelimited"
    assert playground.messages(OPS) == []
    assert (await client.chat_postMessage(channel=OPS, text="x"))["ok"] is True


async def test_planned_errors_come_before_or_after_the_effect(playground: Playground, client: AsyncWebClient) -> None:
    """A fault may refuse a call, or do it and lose the answer."""
    playground.fail("chat.postMessage", "edit_window_closed")
    playground.fail("chat.postMessage", "internal_error", after_effect=True)
    playground.fail("chat.postMessage", status=502)
    errors = [(await refused(client.chat_postMessage(channel=OPS, text=str(n)))).get("error") for n in range(3)]
    assert errors == ["edit_window_closed", "internal_error", None]
    assert [m["text"] for m in playground.messages(OPS)] == ["1"]


async def test_slack_down_answers_503_to_everything(playground: Playground, client: AsyncWebClient) -> None:
    """While Slack is down no call has an effect; afterwards they work again."""
    playground.api.down = True
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=OPS, text="lost")
    assert caught.value.response.status_code == 503
    playground.api.down = False
    await client.chat_postMessage(channel=OPS, text="kept")
    assert [m["text"] for m in playground.messages(OPS)] == ["kept"]


async def test_form_query_and_json_are_read_alike(playground: Playground) -> None:
    """The three encodings of the same call post the same message."""
    url = f"{playground.url}/api/chat.postMessage"
    said = {"channel": OPS, "text": "x"}
    headers = {"Authorization": f"Bearer {playground.bot_token}"}
    async with aiohttp.ClientSession() as session:
        for answer in (
            await session.post(url, headers=headers, json=said),
            await session.post(url, headers=headers, data=said),
            await session.post(url, headers=headers, params=said),
        ):
            assert (await answer.json())["ok"] is True
        broken = {**headers, "Content-Type": "application/json"}
        async with session.post(url, headers=broken, data=b"{") as answer:
            assert (await answer.json())["error"] == "invalid_json"
    assert [m["text"] for m in playground.messages(OPS)] == ["x", "x", "x"]


async def test_people_can_only_do_what_the_client_offers(playground: Playground, client: AsyncWebClient) -> None:
    """Unknown commands, people who left and buttons that are gone send nothing."""
    ts = (await client.chat_postMessage(channel=OPS, text="plain"))["ts"]
    playground.workspace.users["U0MEMBER"].deleted = True
    with pytest.raises(ClientRefusal, match="/nope is not a valid command"):
        await playground.slash("U0OLIVIA", OPS, "/nope")
    with pytest.raises(ClientRefusal, match="nobody who can sign in"):
        await playground.slash("U0MEMBER", OPS, "/anr")
    with pytest.raises(ClientRefusal, match="no approve here"):
        await playground.click("U0AARON", OPS, ts, "approve")
    with pytest.raises(ClientRefusal, match="is not in C0NOWHERE"):
        await playground.slash("U0OLIVIA", "C0NOWHERE", "/anr")


async def test_without_a_connected_app_the_person_sees_dispatch_failed(playground: Playground) -> None:
    """A command that reaches nobody says so at once."""
    delivery = await playground.slash("U0OLIVIA", OPS, "/anr", "status")
    assert (delivery.acked, delivery.error) == (False, "dispatch_failed")


def test_a_manifest_without_the_scope_commands_is_not_installed() -> None:
    """Slack would refuse this app, so the playground does."""
    manifest = {**EXAMPLE_MANIFEST, "oauth_config": {"scopes": {"bot": ["chat:write"]}}}
    with pytest.raises(ValueError, match="without the bot scope 'commands'"):
        Playground(manifest)


async def test_a_response_url_ends_after_thirty_minutes(playground: Playground, clock: Clock) -> None:
    """An answer just in time is shown; a later one is refused and shown to nobody."""
    url = responses.issue(playground.workspace, playground.url, "U0OLIVIA", OPS)
    async with aiohttp.ClientSession() as session:
        clock.now += 1_800
        async with session.post(url, json={"text": "in time"}) as answer:
            assert (answer.status, await answer.text()) == (200, "ok")
        clock.now += 1
        async with session.post(url, json={"text": "late"}) as answer:
            assert (answer.status, await answer.json()) == (404, {"ok": False, "error": "expired_url"})
    assert [m["text"] for m in playground.ephemerals("U0OLIVIA")] == ["in time"]


@pytest.mark.parametrize(
    ("answer", "left", "seen"),
    [
        pytest.param({"text": "x"}, ["x"], [], id="replaces by default"),
        pytest.param({"text": "x", "response_type": "ephemeral"}, ["x"], [], id="ephemeral alone still replaces"),
        pytest.param({"text": "x", "replace_original": False}, ["card"], ["x"], id="not replacing is for one person"),
        pytest.param({"text": "x", "replace_original": False, "response_type": "in_channel"}, ["card", "x"], [], id="in channel"),
        pytest.param({"delete_original": True}, [], [], id="deletes"),
    ],
)
async def test_answers_to_a_click(
    playground: Playground, client: AsyncWebClient, answer: Json, left: list[str], seen: list[str]
) -> None:
    """What a response_url does to the message that was clicked is decided by the answer."""
    ts = (await client.chat_postMessage(channel=OPS, text="card", blocks=[SECTION]))["ts"]
    url = responses.issue(playground.workspace, playground.url, "U0OLIVIA", OPS, message_ts=ts)
    async with aiohttp.ClientSession() as session, session.post(url, json=answer) as got:
        assert await got.text() == "ok"
    assert [m["text"] for m in playground.messages(OPS)] == left
    assert [m["text"] for m in playground.ephemerals("U0OLIVIA")] == seen


async def test_a_method_takes_no_more_than_its_tier_in_a_minute(playground: Playground, clock: Clock) -> None:
    """The 21st read of a user group within a minute is refused with the time to wait, and after that one is taken."""
    client = client_for(playground)
    for _ in range(20):
        await client.usergroups_users_list(usergroup="S0APPROVERS")
    with pytest.raises(SlackApiError) as caught:
        await client.usergroups_users_list(usergroup="S0APPROVERS")
    assert (caught.value.response.status_code, caught.value.response["error"]) == (429, "ratelimited")
    clock.now += int(caught.value.response.headers["Retry-After"])
    assert (await client.usergroups_users_list(usergroup="S0APPROVERS"))["users"]
