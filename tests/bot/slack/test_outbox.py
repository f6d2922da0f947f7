"""What the outbox does when Slack refuses, is slow, or forgets to answer: against the playground's Web API."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.blockkit.charts import data_table, line_chart
from bot.blockkit.post import Attachment, Post, Reply, picture_block
from bot.playground.server import Playground
from bot.playground.workspace import limits
from bot.playground.workspace.workspace import BOT_USER
from bot.slack import calls as calls_module
from bot.slack import outbox as outbox_module
from bot.slack.calls import SlackCalls
from bot.slack.deliveries import Deliveries
from bot.slack.errors import SLACK_FAILED, AskedToWait
from bot.slack.manifest import MANIFEST
from bot.slack.outbox import Outbox

OPS, ELSEWHERE = "C0ANROPS", "C0RANDOM"
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 64


def block(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def post(text: str, *replies: str) -> Post:
    return Post(text, (block(text),), tuple(Reply(key, key) for key in replies))


@pytest_asyncio.fixture
async def playground(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Playground]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with Playground(MANIFEST) as running:
        running.workspace.channels[ELSEWHERE].members.add(BOT_USER)
        yield running


@pytest.fixture
def deliveries(tmp_path: Path) -> Deliveries:
    return Deliveries(tmp_path / "stories.sqlite")


@pytest.fixture
def outbox(playground: Playground, deliveries: Deliveries) -> Outbox:
    client = AsyncWebClient(token=playground.bot_token, base_url=f"{playground.url}/api/")
    return Outbox(SlackCalls(client), deliveries, OPS, ELSEWHERE)


def texts(playground: Playground, channel: str = OPS) -> list[str]:
    return [str(message["text"]) for message in playground.messages(channel)]


async def test_a_story_is_one_message_that_is_updated_and_each_reply_comes_once(outbox: Outbox, playground: Playground) -> None:
    """However often a story is shown, its channel has one message, its thread each reply once."""
    await outbox.show("a", post("asked", "gates"))
    await outbox.show("a", post("asked", "gates"))
    await outbox.show("a", post("approved", "gates", "outcome"))
    assert texts(playground) == ["approved", "gates", "outcome"]
    root, *replies = playground.messages(OPS)
    assert [reply["thread_ts"] for reply in replies] == [root["ts"]] * 2


async def test_what_has_not_changed_is_not_sent_again(outbox: Outbox, playground: Playground) -> None:
    """A repeat of the same story costs Slack nothing."""
    await outbox.show("a", post("asked"))
    await outbox.show("a", post("asked"))
    assert [call.method for call in playground.api.calls] == ["chat.postMessage"]


@pytest.mark.parametrize("part", ["message", "reply"])
async def test_a_message_whose_posting_was_never_confirmed_is_found_and_not_posted_twice(
    outbox: Outbox, playground: Playground, part: str
) -> None:
    """Slack posted it and the answer was lost: the next try finds it by its metadata."""
    if part == "reply":
        await outbox.show("a", post("asked"))
    playground.fail("chat.postMessage", status=503, after_effect=True)
    with pytest.raises(SLACK_FAILED):
        await outbox.show("a", post("asked", "gates"))
    await outbox.show("a", post("asked", "gates"))
    assert texts(playground) == ["asked", "gates"]


async def test_a_history_that_lags_behind_makes_nobody_post_twice(
    outbox: Outbox, playground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is there and the history does not show it yet: the story waits a moment, and finds it then."""
    playground.workspace.late_reads = 1
    playground.fail("chat.postMessage", status=503, after_effect=True)
    with pytest.raises(SLACK_FAILED):
        await outbox.show("a", post("asked"))
    with pytest.raises(AskedToWait):
        await outbox.show("a", post("asked"))
    await outbox.show("a", post("approved"))
    assert texts(playground) == ["approved"]
    monkeypatch.setattr(outbox_module, "_HISTORY_SECONDS", 0.0)
    playground.fail("chat.postMessage", status=503)
    with pytest.raises(SLACK_FAILED):
        await outbox.show("b", post("lost"))
    await outbox.show("b", post("lost"))
    assert texts(playground) == ["approved", "lost"]


@pytest.mark.parametrize("why", ["archived", "missing", "removed"])
async def test_a_channel_that_cannot_be_used_is_replaced_by_the_fallback_and_stays_so(
    outbox: Outbox, playground: Playground, why: str
) -> None:
    """The story goes to the fallback channel, and its updates and replies follow it there."""
    if why == "archived":
        playground.workspace.channels[OPS].is_archived = True
    elif why == "removed":
        playground.workspace.channels[OPS].members.discard(BOT_USER)
    else:
        del playground.workspace.channels[OPS]
    await outbox.show("a", post("asked"))
    await outbox.show("a", post("approved", "gates"))
    assert texts(playground, ELSEWHERE) == ["approved", "gates"]


async def test_a_channel_that_is_archived_later_moves_its_story_to_the_fallback(outbox: Outbox, playground: Playground) -> None:
    """What cannot be updated any more is posted anew where it can be seen."""
    await outbox.show("a", post("asked"))
    playground.workspace.channels[OPS].is_archived = True
    await outbox.show("a", post("approved"))
    assert texts(playground, ELSEWHERE) == ["approved"]


async def test_without_a_fallback_the_message_waits_for_its_channel(playground: Playground, deliveries: Deliveries) -> None:
    """Nothing is parked and nothing is lost: once the bot is invited again the message comes."""
    client = AsyncWebClient(token=playground.bot_token, base_url=f"{playground.url}/api/")
    outbox = Outbox(SlackCalls(client), deliveries, OPS)
    playground.workspace.channels[OPS].members.discard(BOT_USER)
    with pytest.raises(SlackApiError, match="not_in_channel"):
        await outbox.show("a", post("asked"))
    assert deliveries.parked() == ()
    playground.workspace.channels[OPS].members.add(BOT_USER)
    await outbox.show("a", post("asked"))
    assert texts(playground) == ["asked"]


async def test_blocks_that_slack_refuses_become_text(outbox: Outbox, playground: Playground) -> None:
    """A mistake in a card must not hide that something happened."""
    await outbox.show("a", Post("asked", ({"type": "nonsense"},)))
    (message,) = playground.messages(OPS)
    assert (message["text"], message.get("blocks") or []) == ("asked", [])


async def test_a_poison_message_is_parked_and_holds_up_no_other(
    outbox: Outbox, playground: Playground, deliveries: Deliveries
) -> None:
    """What Slack refuses even as text is put aside, and comes back when the story has something new to say."""
    playground.fail("chat.postMessage", "msg_too_long", times=2)
    await outbox.show("a", post("asked"))
    await outbox.show("b", post("another"))
    assert [(parked.operation, parked.error) for parked in deliveries.parked()] == [("a", "msg_too_long")]
    assert texts(playground) == ["another"]
    await outbox.show("a", post("approved"))
    assert texts(playground) == ["another", "approved"]
    assert deliveries.parked() == ()


@pytest.mark.parametrize("code", ["token_revoked", "account_inactive", "invalid_auth", "internal_error"])
async def test_what_is_wrong_with_us_and_not_with_the_message_parks_nothing(
    outbox: Outbox, playground: Playground, deliveries: Deliveries, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revoked token makes every message wait; none of them is poison."""
    monkeypatch.setattr(outbox_module, "_HISTORY_SECONDS", 0.0)
    playground.fail("chat.postMessage", code)
    with pytest.raises(SlackApiError, match=code):
        await outbox.show("a", post("asked"))
    assert deliveries.parked() == ()
    await outbox.show("a", post("asked"))
    assert texts(playground) == ["asked"]


async def test_a_429_is_waited_out_as_slack_asks(outbox: Outbox, playground: Playground) -> None:
    """The same message comes after the pause, once."""
    playground.rate_limit("chat.postMessage", retry_after=1, times=2)
    await outbox.show("a", post("asked"))
    assert texts(playground) == ["asked"]
    assert [call.status for call in playground.api.calls] == [429, 429, 200]


async def test_a_picture_is_uploaded_once_and_shown_once_slack_has_processed_it(
    outbox: Outbox, playground: Playground, capfd: pytest.CaptureFixture[str]
) -> None:
    """Slack answers invalid_blocks while it processes a file: the message comes with its picture, and no print passes our log."""
    drawn: list[int] = []

    def draw() -> bytes:
        drawn.append(1)
        return PNG

    picture = Attachment("rsi.png", "RSI by hour", draw)
    blocks = (block("report"), picture_block("RSI by hour"))
    playground.workspace.file_refusals = 2
    await outbox.show("a", Post("report", blocks, picture=picture))
    await outbox.show("a", Post("report, later", (block("later"), picture_block("RSI by hour")), picture=picture))
    (message,) = playground.messages(OPS)
    (image,) = [part for part in message["blocks"] if part["type"] == "image"]
    assert playground.workspace.files[image["slack_file"]["id"]].content == PNG
    assert drawn == [1]
    printed = capfd.readouterr()
    assert "retry_scheduled" not in printed.out + printed.err


async def test_a_picture_that_cannot_be_uploaded_does_not_keep_the_message_back(outbox: Outbox, playground: Playground) -> None:
    """The report comes without its picture where the app may not upload."""
    playground.fail("files.getUploadURLExternal", "missing_scope", needed="files:write")
    picture = Attachment("rsi.png", "RSI by hour", lambda: PNG)
    await outbox.show("a", Post("report", (block("report"), picture_block("RSI")), picture=picture))
    (message,) = playground.messages(OPS)
    assert [part["type"] for part in message["blocks"]] == ["section", "context"]
    assert "could not be uploaded (missing_scope)" in str(message["blocks"])


async def test_a_picture_that_slack_will_not_show_lies_in_the_thread(outbox: Outbox, playground: Playground) -> None:
    """The message keeps everything else, also when it is updated, and the picture is uploaded to the thread once."""
    playground.workspace.file_refusals = 1000
    picture = Attachment("rsi.png", "RSI", lambda: PNG)
    for text in ("report", "report, updated"):
        await outbox.show("a", Post(text, (block(text), picture_block("RSI")), picture=picture))
    message, *thread = playground.messages(OPS)
    assert (message["text"], [part["type"] for part in message["blocks"]]) == ("report, updated", ["section"])
    assert [file["name"] for told_message in thread for file in told_message.get("files", ())] == ["rsi.png"]
    assert {told_message["thread_ts"] for told_message in thread} == {message["ts"]}


async def test_a_file_is_shared_in_the_thread_once(outbox: Outbox, playground: Playground) -> None:
    """The CSV of a report lies in its thread, and showing the story again uploads nothing."""
    told = Post(
        "report", (block("report"),), (Reply("csv", "The entries", attachment=Attachment("a.csv", "entries", lambda: b"id\n")),)
    )
    await outbox.show("a", told)
    await outbox.show("a", told)
    shared = [message for message in playground.messages(OPS) if message.get("files")]
    assert [file["name"] for upload in shared for file in upload["files"]] == ["a.csv"]


@pytest.mark.parametrize("fault", ["blocked", "403", "silent", "policy", "retry-after"])
async def test_an_upload_that_fails_in_any_way_means_the_message_without_its_files_and_says_so(
    outbox: Outbox, playground: Playground, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Files go to another host, which a company's rules may block, and workspaces may forbid them: the card comes at once."""
    monkeypatch.setattr(calls_module, "_UPLOAD_SECONDS", 0.3)
    host, over = playground.workspace.upload_host, asyncio.Event()
    match fault:
        case "blocked":
            host.blocked = True
        case "403":
            host.status = 403
        case "silent":
            host.until = over
        case "policy":
            playground.fail("files.getUploadURLExternal", "file_uploads_disabled", times=2)
        case _:
            playground.rate_limit("files.getUploadURLExternal", retry_after=30, times=2)
    picture = Attachment("rsi.png", "RSI by hour", lambda: PNG)
    csv = Reply("csv", "The entries", attachment=Attachment("a.csv", "entries", lambda: b"id\n"))
    await outbox.show("a", Post("report", (block("report"), picture_block("RSI")), (csv,), picture=picture))
    await outbox.show("b", post("a freeze"))
    over.set()
    report, entries, freeze = playground.messages(OPS)
    assert "Without its picture" in str(report["blocks"])
    assert entries["text"].startswith("The entries\nWithout the file `a.csv`")
    assert freeze["text"] == "a freeze"


def charted() -> Post:
    """A story with a chart of Slack's own, and the picture that stands in for it."""
    chart = line_chart("RSI", ("09:00", "11:00"), {"RSI": (96.0, 97.0)}, below="from", beside="%")
    table = data_table("By the hour", ("Hour", "Decisions"), [("09:00", (1000.0, "1,000"))])
    picture = Attachment("day.png", "the day as a picture", lambda: PNG)
    return Post("report", (block("report"), chart, picture_block("the day")), (Reply("hours", "hours", (table,)),), picture)


def kinds(playground: Playground) -> list[list[str]]:
    return [[shown["type"] for shown in message["blocks"]] for message in playground.messages(OPS)]


async def test_a_workspace_that_takes_no_charts_gets_the_picture_and_is_not_asked_again(
    outbox: Outbox, playground: Playground, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first refusal costs one call; the next story comes with its picture at once, for a week, also after a restart."""
    monkeypatch.setattr(limits, "_MESSAGE_TYPES", limits._MESSAGE_TYPES - {"data_visualization", "data_table"})
    await outbox.show("a", charted())
    assert kinds(playground) == [["section", "image"], ["table"]]
    refused = [call.method for call in playground.api.calls if call.error == "invalid_blocks"]
    assert refused == ["chat.postMessage"]
    await outbox.show("b", charted())
    assert kinds(playground)[2:] == [["section", "image"], ["table"]]
    assert [call.method for call in playground.api.calls if call.error == "invalid_blocks"] == refused
    again = Deliveries(deliveries._file)
    assert not again.takes_charts("", time.time())
    assert again.takes_charts("", time.time() + 8 * 86400)
    assert again.takes_charts("https://elsewhere.slack.com/", time.time())
    again.close()


async def test_a_workspace_that_takes_charts_gets_no_picture(outbox: Outbox, playground: Playground) -> None:
    """Nothing is uploaded for a chart that Slack draws itself."""
    await outbox.show("a", charted())
    assert kinds(playground) == [["section", "data_visualization"], ["data_table"]]
    assert playground.workspace.files == {}
