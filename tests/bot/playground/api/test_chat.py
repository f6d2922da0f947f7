from slack_sdk.web.async_client import AsyncWebClient

from bot.playground.server import Playground
from tests.bot.playground.api.test_web_api import OPS, SECTION, refused


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
