"""The playground's Web API, asked by the real slack_sdk client."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.playground import responses
from bot.playground.app_manifest import EXAMPLE_MANIFEST
from bot.playground.modal_answers import ClientRefusal
from bot.playground.server import Playground
from bot.playground.workspace import Grant

Json = dict[str, Any]
OPS = "C0ANROPS"
SECTION: Json = {"type": "section", "text": {"type": "mrkdwn", "text": "hello"}}
MODAL: Json = {"type": "modal", "title": {"type": "plain_text", "text": "Why"}, "blocks": [SECTION]}


class Clock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The playground is on this machine; slack_sdk would send even loopback through a proxy of the environment."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def playground(clock: Clock) -> AsyncIterator[Playground]:
    async with Playground(clock=clock) as running:
        yield running


def client_for(playground: Playground, token: str | None = None) -> AsyncWebClient:
    return AsyncWebClient(
        token=playground.bot_token if token is None else token, base_url=f"{playground.url}/api/", retry_handlers=[]
    )


@pytest.fixture
def client(playground: Playground) -> AsyncWebClient:
    return client_for(playground)


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


async def test_a_message_comes_back_as_slack_dresses_it(playground: Playground, client: AsyncWebClient) -> None:
    """Bot and app ids, generated block ids and metadata are on the stored message."""
    metadata = {"event_type": "card", "event_payload": {"id": "1"}}
    answer = await client.chat_postMessage(channel=OPS, text="hi", blocks=[SECTION], metadata=metadata)
    (message,) = playground.messages(OPS)
    assert answer["ts"] == message["ts"]
    assert (message["bot_id"], message["app_id"], message["user"]) == ("B0BOT", "A0PLAYGRND", "U0BOT")
    assert message["metadata"] == metadata
    assert message["blocks"][0]["block_id"]
    assert message["blocks"][0]["text"] == {"type": "mrkdwn", "text": "hello", "verbatim": False}


async def test_every_ts_is_new_and_later_though_the_clock_stands_still(client: AsyncWebClient) -> None:
    """Ten messages in the same instant have ten rising times."""
    times = [(await client.chat_postMessage(channel=OPS, text=str(n)))["ts"] for n in range(10)]
    assert times == sorted(set(times))


async def test_threads_count_their_replies(playground: Playground, client: AsyncWebClient) -> None:
    """A reply hangs on its parent, a reply to a reply too, and history leaves both out."""
    parent = await client.chat_postMessage(channel=OPS, text="story")
    reply = await client.chat_postMessage(channel=OPS, text="detail", thread_ts=parent["ts"])
    await client.chat_postMessage(channel=OPS, text="more", thread_ts=reply["ts"])
    messages = playground.messages(OPS)
    assert messages[0]["reply_count"] == 2
    assert {m["thread_ts"] for m in messages} == {parent["ts"]}
    history = await client.conversations_history(channel=OPS)
    assert [m["text"] for m in history["messages"]] == ["story"]
    thread = await client.conversations_replies(channel=OPS, ts=parent["ts"])
    assert [m["text"] for m in thread["messages"]] == ["story", "detail", "more"]


async def test_messages_that_slack_refuses(playground: Playground, client: AsyncWebClient) -> None:
    """Each reason to refuse a message has its code, and nothing is posted."""
    post = client.chat_postMessage
    assert (await refused(post(channel="C0NOWHERE", text="x")))["error"] == "channel_not_found"
    assert (await refused(post(channel="C0RANDOM", text="x")))["error"] == "not_in_channel"
    assert (await refused(post(channel=OPS, text="x" * 40_001)))["error"] == "msg_too_long"
    assert (await refused(client.api_call("chat.postMessage", json={"channel": OPS})))["error"] == "no_text"
    assert (await refused(post(channel=OPS, text="x", thread_ts="1.000001")))["error"] == "thread_not_found"
    assert (await refused(post(channel=OPS, text="x", blocks=[SECTION] * 51))) == {
        "ok": False,
        "error": "invalid_blocks",
        "errors": ["no more than 50 items allowed [json-pointer:/blocks]"],
        "response_metadata": {"messages": ["[ERROR] no more than 50 items allowed [json-pointer:/blocks]"]},
    }
    playground.workspace.channels[OPS].is_archived = True
    assert (await refused(post(channel=OPS, text="x")))["error"] == "is_archived"
    assert playground.messages(OPS) == []


async def test_update_keeps_or_removes_blocks_as_slack_does(playground: Playground, client: AsyncWebClient) -> None:
    """Blocks that are not named stay; an empty list takes them away."""
    ts = (await client.chat_postMessage(channel=OPS, text="card", blocks=[SECTION]))["ts"]
    await client.chat_update(channel=OPS, ts=ts, text="new text")
    assert playground.messages(OPS)[0]["blocks"][0]["text"]["text"] == "hello"
    await client.chat_update(channel=OPS, ts=ts, text="bare", blocks=[])
    (message,) = playground.messages(OPS)
    assert message["text"] == "bare"
    assert "blocks" not in message
    assert message["edited"]["user"] == "U0BOT"


async def test_updates_that_slack_refuses(playground: Playground, client: AsyncWebClient) -> None:
    """Somebody else's message, a message that is gone and a text past 4,000 characters stay as they are."""
    theirs = await playground.post("U0OLIVIA", OPS, "mine")
    own = (await client.chat_postMessage(channel=OPS, text="bot"))["ts"]
    update = client.chat_update
    assert (await refused(update(channel=OPS, ts=theirs["ts"], text="x")))["error"] == "cant_update_message"
    assert (await refused(update(channel=OPS, ts="1.000001", text="x")))["error"] == "message_not_found"
    assert (await refused(update(channel=OPS, ts=own, text="x" * 4_001)))["error"] == "msg_too_long"
    await client.chat_delete(channel=OPS, ts=own)
    assert (await refused(update(channel=OPS, ts=own, text="x")))["error"] == "message_not_found"
    assert [m["text"] for m in playground.messages(OPS)] == ["mine"]


async def test_ephemerals_are_seen_by_one_person(playground: Playground, client: AsyncWebClient) -> None:
    """Only the named member sees it, and it is not in the channel."""
    await client.chat_postEphemeral(channel=OPS, user="U0OLIVIA", text="psst")
    assert [m["text"] for m in playground.ephemerals("U0OLIVIA")] == ["psst"]
    assert playground.ephemerals("U0AARON") == []
    assert playground.messages(OPS) == []


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


async def test_a_trigger_opens_one_modal_within_three_seconds(
    playground: Playground, client: AsyncWebClient, clock: Clock
) -> None:
    """A trigger works once, and not after its time."""
    trigger, late = (playground.workspace.issue_trigger("U0OLIVIA") for _ in range(2))
    await client.views_open(trigger_id=trigger, view=MODAL)
    assert (await refused(client.views_open(trigger_id=trigger, view=MODAL)))["error"] == "exchanged_trigger_id"
    clock.now += 3.5
    assert (await refused(client.views_open(trigger_id=late, view=MODAL)))["error"] == "expired_trigger_id"
    assert [view["title"]["text"] for view in playground.open_views("U0OLIVIA")] == ["Why"]


async def test_a_view_that_moved_on_is_not_overwritten(playground: Playground, client: AsyncWebClient) -> None:
    """An update with an old hash is a conflict; with the current one it is made."""
    view = (await client.views_open(trigger_id=playground.workspace.issue_trigger("U0OLIVIA"), view=MODAL))["view"]
    fresh = await client.views_update(view_id=view["id"], hash=view["hash"], view={**MODAL, "callback_id": "one"})
    stale = await refused(client.views_update(view_id=view["id"], hash=view["hash"], view=MODAL))
    assert stale["error"] == "hash_conflict"
    assert playground.open_views("U0OLIVIA")[0]["callback_id"] == "one"
    assert fresh["view"]["hash"] != view["hash"]


async def test_an_invalid_modal_is_refused_before_the_trigger_is_spent(playground: Playground, client: AsyncWebClient) -> None:
    """A title too long names its place, and a corrected call with the same trigger works."""
    trigger = playground.workspace.issue_trigger("U0OLIVIA")
    bad = {**MODAL, "title": {"type": "plain_text", "text": "x" * 25}}
    answer = await refused(client.views_open(trigger_id=trigger, view=bad))
    assert answer["error"] == "invalid_arguments"
    assert answer["response_metadata"]["messages"] == ["[ERROR] must be less than 25 characters [json-pointer:/view/title/text]"]
    assert (await client.views_open(trigger_id=trigger, view=MODAL))["ok"] is True


async def test_an_upload_by_external_url_can_be_shown_in_a_block(playground: Playground, client: AsyncWebClient) -> None:
    """The three steps end in a file whose bytes the page gets, and that an image block may name once processed."""
    playground.workspace.file_refusals = 1
    uploaded = await client.files_upload_v2(filename="chart.png", content=b"\x89PNG bytes", channel=OPS, title="Chart")
    file_id = uploaded["file"]["id"]
    image = {"type": "image", "slack_file": {"id": file_id}, "alt_text": "chart"}
    not_yet = await refused(client.chat_postMessage(channel=OPS, text="chart", blocks=[image]))
    assert not_yet["error"] == "invalid_blocks"
    await client.chat_postMessage(channel=OPS, text="chart", blocks=[image])
    assert playground.messages(OPS)[0]["files"][0]["title"] == "Chart"
    async with aiohttp.ClientSession() as session, session.get(f"{playground.url}/files/{file_id}") as answer:
        assert (await answer.read(), answer.content_type) == (b"\x89PNG bytes", "image/png")


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
            assert (answer.status, await answer.text()) == (404, "expired_url")
    assert [m["text"] for m in playground.ephemerals("U0OLIVIA")] == ["in time"]


async def test_a_home_is_published_and_a_stale_one_is_a_conflict(playground: Playground, client: AsyncWebClient) -> None:
    """The home of one person keeps its id over updates, and an old hash does not overwrite it."""
    home = {"type": "home", "blocks": [SECTION]}
    first = (await client.views_publish(user_id="U0OLIVIA", view=home))["view"]
    second = (await client.views_publish(user_id="U0OLIVIA", view=home, hash=first["hash"]))["view"]
    stale = await refused(client.views_publish(user_id="U0OLIVIA", view=home, hash=first["hash"]))
    assert (stale["error"], second["id"]) == ("hash_conflict", first["id"])
    assert (await refused(client.views_publish(user_id="U0NOBODY", view=home)))["error"] == "user_not_found"
    assert (await refused(client.views_publish(user_id="U0OLIVIA", view=MODAL)))["error"] == "invalid_arguments"
    assert list(playground.workspace.homes) == ["U0OLIVIA"]


async def test_modals_stack_three_high(playground: Playground, client: AsyncWebClient) -> None:
    """Pushing needs an open modal, and the fourth is one too many."""

    async def push() -> Any:
        return await client.views_push(trigger_id=playground.workspace.issue_trigger("U0OLIVIA"), view=MODAL)

    assert (await refused(push()))["error"] == "not_found"
    root = (await client.views_open(trigger_id=playground.workspace.issue_trigger("U0OLIVIA"), view=MODAL))["view"]
    for _ in range(2):
        await push()
    assert (await refused(push()))["error"] == "push_limit_reached"
    stack = playground.open_views("U0OLIVIA")
    assert [view["root_view_id"] for view in stack] == [root["id"]] * 3
    assert [view["previous_view_id"] for view in stack] == [None, stack[0]["id"], stack[1]["id"]]


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
