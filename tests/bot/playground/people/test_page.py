"""The addresses that the playground's page talks to."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.playground.people import people
from bot.playground.server import Playground

Json = dict[str, Any]
OPS = "C0ANROPS"


async def extra(_request: web.Request) -> web.Response:
    return web.json_response({"pilot": "0.10"})


@pytest.fixture
async def playground() -> AsyncIterator[Playground]:
    async with Playground(extra_routes=[web.get("/router/state", extra)]) as running:
        yield running


@pytest.fixture
async def browser(playground: Playground) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(playground.url) as session:
        yield session


async def post(browser: aiohttp.ClientSession, address: str, body: object, **headers: str) -> Json:
    async with browser.post(f"/playground/{address}", json=body, headers=headers) as answer:
        return {"status": answer.status, **await answer.json()}


async def state(browser: aiohttp.ClientSession) -> Json:
    async with browser.get("/playground/state") as answer:
        got: Json = await answer.json()
        return got


async def test_the_state_is_what_the_page_shows(playground: Playground, browser: aiohttp.ClientSession) -> None:
    """People, channels, messages, what one person sees, commands and switches are all in it."""
    channel = playground.workspace.channels[OPS]
    playground.workspace.add_ephemeral(channel, "U0OLIVIA", playground.workspace.bot_message("psst"))
    await post(browser, "message", {"user": "U0OLIVIA", "channel": OPS, "text": "hello"})
    shown = await state(browser)
    assert shown["team"] == {"id": "T0PLAYGRND", "name": "Playground", "domain": "playground"}
    assert [user["id"] for user in shown["users"]] == [
        "U0OLIVIA",
        "U0AARON",
        "U0PRIYA",
        "U0MEMBER",
        "U0GUEST",
        "U0EXTERN",
        "U0BOT",
    ]
    assert [channel["id"] for channel in shown["channels"]] == [OPS, "C0RANDOM"]
    assert [(m["user"], m["text"]) for m in shown["messages"][OPS]] == [("U0OLIVIA", "hello")]
    assert [(m["user"], m["channel"], m["text"]) for m in shown["ephemerals"]] == [("U0OLIVIA", OPS, "psst")]
    assert shown["commands"][0]["command"] == "/anr"
    assert (shown["connected"], shown["slack_down"]) == (False, False)


async def test_what_cannot_be_done_is_told_to_the_page(browser: aiohttp.ClientSession) -> None:
    """Errors come back as text, with HTTP 200, because they are the person's and not the program's."""
    unknown = await post(browser, "command", {"user": "U0OLIVIA", "channel": OPS, "command": "/nope"})
    assert unknown == {"status": 200, "ok": False, "error": "/nope is not a valid command. Nothing was sent."}
    nobody_there = await post(browser, "command", {"user": "U0OLIVIA", "channel": OPS, "command": "/anr"})
    assert nobody_there == {"status": 200, "ok": False, "error": "dispatch_failed"}
    missing = await post(browser, "action", {"user": "U0OLIVIA"})
    assert missing == {"status": 200, "ok": False, "error": "The field action_id is missing. Nothing was sent."}
    closed = await post(browser, "view", {"user": "U0OLIVIA", "view_id": "V1", "kind": "submit"})
    assert closed["error"] == "This modal is not open any more. Nothing was sent."
    not_an_object = await post(browser, "command", [])
    assert (not_an_object["status"], not_an_object["ok"]) == (400, False)


async def test_slack_can_be_taken_down_from_the_page(playground: Playground, browser: aiohttp.ClientSession) -> None:
    """The switch takes the Web API down and brings it back."""
    await post(browser, "fault", {"slack_down": True})
    assert ((await state(browser))["slack_down"], playground.api.down) == (True, True)
    await post(browser, "fault", {"slack_down": False})
    assert (await state(browser))["slack_down"] is False


async def test_events_tell_the_page_to_look_again(playground: Playground, browser: aiohttp.ClientSession) -> None:
    """The stream starts with one event and has another for the next change."""
    async with browser.get("/playground/events") as stream:
        assert stream.content_type == "text/event-stream"
        first = await stream.content.readuntil(b"\n\n")
        await playground.post("U0OLIVIA", OPS, "hello")
        second = await stream.content.readuntil(b"\n\n")
    assert [json.loads(e.removeprefix(b"data: ")) for e in (first, second)] == [{"type": "changed"}] * 2


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Host": "evil.example"}, id="DNS rebinding"),
        pytest.param({"Origin": "https://evil.example"}, id="another site's page"),
        pytest.param({"Origin": "null"}, id="sandboxed page"),
    ],
)
@pytest.mark.parametrize("address", ["/playground/state", "/router/state", "/"])
async def test_foreign_pages_cannot_act_or_look(browser: aiohttp.ClientSession, address: str, headers: dict[str, str]) -> None:
    """Another name for this machine, or another site's origin, gets nothing."""
    async with browser.get(address, headers=headers) as answer:
        assert answer.status == 403
    async with browser.get("/router/state") as answer:
        assert await answer.json() == {"pilot": "0.10"}


async def test_own_origin_is_welcome_and_forms_are_not(playground: Playground, browser: aiohttp.ClientSession) -> None:
    """The page's own origin may act; a body that a foreign form could send is refused."""
    said = {"user": "U0OLIVIA", "channel": OPS, "text": "hi"}
    assert (await post(browser, "message", said, Origin=playground.url))["ok"] is True
    async with browser.post("/playground/message", data=said) as answer:
        assert answer.status == 415
    assert [m["text"] for m in playground.messages(OPS)] == ["hi"]


async def test_every_answer_forbids_inline_scripts(browser: aiohttp.ClientSession) -> None:
    """The content security policy allows the server's own files and nothing inline."""
    async with browser.get("/") as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy


async def test_an_upload_that_is_no_picture_is_never_shown_as_a_page(
    playground: Playground, browser: aiohttp.ClientSession
) -> None:
    """An HTML file from the app would run in the page's origin, so it is only downloaded."""
    headers = {"Authorization": f"Bearer {playground.bot_token}"}
    ask = {"filename": "x.html", "length": "5"}
    async with browser.post("/api/files.getUploadURLExternal", data=ask, headers=headers) as answer:
        upload = await answer.json()
    async with browser.post(upload["upload_url"].removeprefix(playground.url), data=b"<b>x<") as answer:
        assert await answer.text() == "OK - 5"
    done = {"files": json.dumps([{"id": upload["file_id"]}])}
    async with browser.post("/api/files.completeUploadExternal", data=done, headers=headers) as answer:
        assert (await answer.json())["ok"] is True
    async with browser.get(f"/files/{upload['file_id']}") as answer:
        assert answer.content_type == "application/octet-stream"
        assert answer.headers["Content-Disposition"] == "attachment"


def test_the_page_draws_every_emoji_that_the_bot_writes() -> None:
    """A name between colons that Slack draws would stand there as letters."""
    bot = Path(people.__file__).parents[2]
    written = {
        name
        for path in bot.rglob("*.py")
        if "playground" not in path.parts
        for name in re.findall(r"(?<![\w:]):([a-z][a-z_]+):(?!\w)", path.read_text(encoding="utf-8"))
    }
    drawn = (bot / "playground" / "static" / "mrkdwn.js").read_text(encoding="utf-8")
    assert written
    assert {name for name in written if not re.search(rf"\b{name}: \"", drawn)} == set()


async def test_a_legacy_button_is_pressed_where_it_is_shown_and_nowhere_else(
    playground: Playground, browser: aiohttp.ClientSession
) -> None:
    """The page names the attachment and the value; what is not there (any more) sends nothing."""
    workspace = playground.workspace
    button = {"name": "brake", "type": "button", "text": "Freeze", "value": "freeze"}
    own = [{"callback_id": "anr_alert", "title": "AnrRsiLow", "actions": [button]}]
    ts = workspace.post(workspace.channels[OPS], workspace.bot_message("", attachments=own))["ts"]
    pressed = {"user": "U0MEMBER", "channel": OPS, "ts": ts, "number": 1, "value": "freeze"}
    assert (await post(browser, "attachment", pressed))["error"] == "dispatch_failed"  # no app is connected
    (sent,) = playground.deliveries
    assert (sent.payload["type"], sent.payload["callback_id"], sent.payload["attachment_id"]) == (
        "interactive_message",
        "anr_alert",
        "1",
    )
    assert sent.payload["actions"] == [{"name": "brake", "type": "button", "value": "freeze"}]
    assert sent.payload["original_message"]["attachments"][0]["title"] == "AnrRsiLow"
    for change in ({"value": "unfreeze"}, {"number": 2}, {"ts": "1.2"}):
        assert "Nothing was sent" in (await post(browser, "attachment", pressed | change))["error"]
    assert len(playground.deliveries) == 1
