"""The playground is Slack to a real slack_bolt app, over Socket Mode and over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.playground.people.modal_answers import REQUIRED_FIELD, ClientRefusal
from bot.playground.server import Playground
from bot.playground.workspace.app_manifest import EXAMPLE_MANIFEST

Json = dict[str, Any]
OPS = "C0ANROPS"
MODES = ("socket", "http")


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


CARD: list[Json] = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "Promote to 25%?"}},
    {
        "type": "actions",
        "block_id": "decide",
        "elements": [
            {"type": "button", "action_id": "approve", "text": plain("Approve"), "value": "r-1", "style": "primary"},
            {"type": "button", "action_id": "deny", "text": plain("Deny"), "value": "r-1"},
        ],
    },
]
REASON: Json = {
    "type": "modal",
    "callback_id": "reason",
    "title": plain("Freeze"),
    "submit": plain("Freeze"),
    "notify_on_close": True,
    "blocks": [
        {
            "type": "input",
            "block_id": "why",
            "label": plain("Reason"),
            "element": {"type": "plain_text_input", "action_id": "text", "max_length": 20},
        }
    ],
}


@dataclass
class App:
    """A small app that uses everything, and what it was told."""

    bolt: AsyncApp
    told: list[Json] = field(default_factory=list)
    ack_commands: bool = True

    @property
    def client(self) -> AsyncWebClient:
        return self.bolt.client

    def heard(self, kind: str) -> list[Json]:
        return [body for body in self.told if kind in (body.get("type"), body.get("command"))]


def make_app(playground: Playground) -> App:
    client = AsyncWebClient(token=playground.bot_token, base_url=f"{playground.url}/api/")
    bolt = AsyncApp(client=client, signing_secret=playground.signing_secret)
    app = App(bolt)
    listen_to_commands(app)
    listen_to_clicks(app)
    listen_to_the_rest(app)
    return app


def listen_to_commands(app: App) -> None:
    client = app.client

    @app.bolt.command("/anr")
    async def anr(ack: Any, body: Json, respond: Any) -> None:
        app.told.append(body)
        if not app.ack_commands:
            return
        match body["text"]:
            case "say":
                await ack("just for you")
            case "shout":
                await ack({"response_type": "in_channel", "text": "for all"})
            case "modal":
                await ack()
                await client.views_open(trigger_id=body["trigger_id"], view=REASON)
            case "often":
                await ack()
                for turn in range(6):
                    await respond(f"turn {turn}")
            case _:
                await ack()
                await client.chat_postMessage(channel=body["channel_id"], text="Promote?", blocks=CARD)


def listen_to_clicks(app: App) -> None:
    @app.bolt.action("approve")
    async def approve(ack: Any, body: Json) -> None:
        app.told.append(body)
        await ack()
        text = f"Approved by {body['user']['id']}"
        await app.client.chat_update(channel=body["channel"]["id"], ts=body["message"]["ts"], text=text, blocks=[])

    @app.bolt.action("deny")
    async def deny(ack: Any, body: Json, respond: Any) -> None:
        app.told.append(body)
        await ack()
        await respond("You may not.", response_type="ephemeral", replace_original=False)


def listen_to_the_rest(app: App) -> None:
    bolt = app.bolt

    @bolt.view("reason")
    async def reason(ack: Any, body: Json) -> None:
        app.told.append(body)
        text = body["view"]["state"]["values"]["why"]["text"]["value"]
        if text == "because":
            await ack(response_action="errors", errors={"why": "Say more."})
        else:
            await ack()

    async def hear(ack: Any, body: Json) -> None:
        app.told.append(body)
        await ack()

    bolt.view_closed("reason")(hear)
    bolt.shortcut("freeze")(hear)
    bolt.shortcut("explain")(hear)
    bolt.event("app_home_opened")(hear)


@asynccontextmanager
async def connected(app: App, playground: Playground) -> AsyncIterator[None]:
    """Keep the app connected by the real Socket Mode client."""
    handler = AsyncSocketModeHandler(app.bolt, playground.app_token)
    await handler.connect_async()  # type: ignore[no-untyped-call]  # slack_bolt does not annotate it
    try:
        yield
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]  # as above


async def serve_http(app: App) -> tuple[web.AppRunner, str]:
    """Serve the app's request URL on a free port, as the bot's own aiohttp application would."""

    async def handle(request: web.Request) -> web.Response:
        return await to_aiohttp_response(await app.bolt.async_dispatch(await to_bolt_request(request)))

    application = web.Application()
    application.router.add_post("/slack/events", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The playground is on this machine; slack_sdk would send even loopback through a proxy of the environment."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def playground() -> AsyncIterator[Playground]:
    async with Playground(ack_seconds=60.0) as running:
        yield running


@pytest.fixture
async def socket_app(playground: Playground) -> AsyncIterator[App]:
    app = make_app(playground)
    async with connected(app, playground):
        yield app


@pytest.fixture
async def http_app(playground: Playground) -> AsyncIterator[App]:
    app = make_app(playground)
    runner, playground.signed_http.url = await serve_http(app)
    yield app
    await runner.cleanup()


@pytest.fixture(params=MODES)
def app(request: pytest.FixtureRequest) -> App:
    connected: App = request.getfixturevalue(f"{request.param}_app")
    return connected


async def card(playground: Playground) -> Json:
    """Ask for a card and wait until it is there."""
    await playground.slash("U0OLIVIA", OPS, "/anr", "promote")
    return (await playground.wait_for(lambda: playground.messages(OPS)))[-1]


async def test_a_command_arrives_as_slack_sends_it(playground: Playground, app: App) -> None:
    """Every documented field of a slash command is there, and the app's message follows."""
    delivery = await playground.slash("U0OLIVIA", OPS, "/anr", " promote 25 ")
    (heard,) = app.told
    assert (delivery.acked, delivery.error) == (True, None)
    assert {name: heard[name] for name in ("command", "text", "user_id", "channel_id", "team_id", "api_app_id")} == {
        "command": "/anr",
        "text": "promote 25",
        "user_id": "U0OLIVIA",
        "channel_id": OPS,
        "team_id": "T0PLAYGRND",
        "api_app_id": "A0PLAYGRND",
    }
    assert heard["response_url"].startswith(playground.url)
    posted = await playground.wait_for(lambda: playground.messages(OPS))
    assert posted[0]["text"] == "Promote?"


async def test_an_acknowledgement_may_carry_the_answer(playground: Playground, app: App) -> None:
    """A text in the ack is shown to the person, or with in_channel to everybody."""
    assert app.told == []
    await playground.slash("U0OLIVIA", OPS, "/anr", "say")
    await playground.slash("U0OLIVIA", OPS, "/anr", "shout")
    assert [m["text"] for m in playground.ephemerals("U0OLIVIA")] == ["just for you"]
    assert [m["text"] for m in playground.messages(OPS)] == ["for all"]


async def test_a_click_arrives_with_its_message_and_updates_it(playground: Playground, app: App) -> None:
    """The payload names the person, the value and the message; afterwards the button is gone and cannot be pressed."""
    message = await card(playground)
    await playground.click("U0AARON", OPS, message["ts"], "approve")
    (click,) = app.heard("block_actions")
    assert click["user"] == {"id": "U0AARON", "username": "aaron", "name": "aaron", "team_id": "T0PLAYGRND"}
    assert click["container"] == {
        "type": "message",
        "message_ts": message["ts"],
        "channel_id": OPS,
        "is_ephemeral": False,
    }
    assert click["actions"][0]["value"] == "r-1"
    assert click["actions"][0]["block_id"] == "decide"
    await playground.wait_for(lambda: playground.messages(OPS)[0]["text"] == "Approved by U0AARON")
    with pytest.raises(ClientRefusal, match="no approve here"):
        await playground.click("U0PRIYA", OPS, message["ts"], "approve")


async def test_a_stale_button_still_reaches_the_app_when_a_client_missed_the_update(playground: Playground, app: App) -> None:
    """The snapshot's button is delivered although the card has changed since."""
    message = await card(playground)
    await playground.click("U0AARON", OPS, message["ts"], "approve")
    await playground.wait_for(lambda: "edited" in playground.messages(OPS)[0])
    late = await playground.click_stale(message, "U0PRIYA", "approve")
    assert late.acked
    assert [body["user"]["id"] for body in app.heard("block_actions")] == ["U0AARON", "U0PRIYA"]


async def test_an_ephemeral_refusal_leaves_the_card(playground: Playground, app: App) -> None:
    """An answer with replace_original false is a new message for one person."""
    message = await card(playground)
    await playground.click("U0GUEST", OPS, message["ts"], "deny")
    await playground.wait_for(lambda: playground.ephemerals("U0GUEST"))
    assert app.heard("block_actions")[0]["actions"][0]["action_id"] == "deny"
    assert [m["text"] for m in playground.ephemerals("U0GUEST")] == ["You may not."]
    assert playground.messages(OPS)[0]["blocks"] == message["blocks"]


async def test_a_response_url_works_five_times(playground: Playground, app: App) -> None:
    """The sixth answer is refused, as in Slack."""
    await playground.slash("U0OLIVIA", OPS, "/anr", "often")
    await playground.wait_for(lambda: len(playground.ephemerals("U0OLIVIA")) == 5)
    url = app.told[0]["response_url"]
    async with aiohttp.ClientSession() as session, session.post(url, json={"text": "more"}) as answer:
        assert (answer.status, await answer.json()) == (404, {"ok": False, "error": "used_url"})
    assert [m["text"] for m in playground.ephemerals("U0OLIVIA")] == [f"turn {turn}" for turn in range(5)]


async def test_a_modal_is_filled_sent_back_and_submitted(playground: Playground, app: App) -> None:
    """The client checks required fields and lengths, the app may object, and an accepted modal closes."""
    await playground.slash("U0OLIVIA", OPS, "/anr", "modal")
    view_id = (await playground.wait_for(lambda: playground.open_views("U0OLIVIA")))[0]["id"]

    async def submit(text: str) -> Any:
        return await playground.submit_view("U0OLIVIA", view_id, {"why": {"text": {"value": text}}})

    with pytest.raises(ClientRefusal) as empty:
        await submit("")
    assert empty.value.errors == {"why": REQUIRED_FIELD}
    with pytest.raises(ClientRefusal) as too_long:
        await submit("x" * 21)
    assert too_long.value.errors == {"why": "Please enter at most 20 characters."}
    assert app.heard("view_submission") == []
    sent_back = await submit("because")
    assert sent_back.errors == {"why": "Say more."}
    assert len(playground.open_views("U0OLIVIA")) == 1
    accepted = await submit("gates are red")
    assert (accepted.error, accepted.errors) == (None, {})
    assert playground.open_views("U0OLIVIA") == []
    answers = app.heard("view_submission")[-1]["view"]["state"]["values"]
    assert answers == {"why": {"text": {"type": "plain_text_input", "value": "gates are red"}}}


async def test_closing_a_modal_tells_the_app_that_asked(playground: Playground, app: App) -> None:
    """With notify_on_close the app hears view_closed, without a trigger."""
    await playground.slash("U0OLIVIA", OPS, "/anr", "modal")
    view_id = (await playground.wait_for(lambda: playground.open_views("U0OLIVIA")))[0]["id"]
    await playground.close_view("U0OLIVIA", view_id)
    (closed,) = app.heard("view_closed")
    assert (closed["view"]["id"], "trigger_id" in closed) == (view_id, False)
    assert playground.open_views("U0OLIVIA") == []


async def test_shortcuts_and_the_home_reach_the_app(playground: Playground, app: App) -> None:
    """A global shortcut, a message shortcut and an opened home arrive in their own shapes."""
    message = await playground.post("U0OLIVIA", OPS, "what is <this>?")
    await playground.shortcut("U0OLIVIA", "freeze")
    await playground.message_shortcut("U0OLIVIA", OPS, message["ts"], "explain")
    await playground.open_home("U0OLIVIA")
    assert app.heard("shortcut")[0]["callback_id"] == "freeze"
    assert app.heard("message_action")[0]["message"]["text"] == "what is &lt;this&gt;?"
    event = app.heard("event_callback")[0]["event"]
    assert (event["type"], event["user"], event["tab"]) == ("app_home_opened", "U0OLIVIA", "home")


async def test_strangers_and_guests_can_be_told_apart_in_payloads(playground: Playground, app: App) -> None:
    """A person of another workspace carries that workspace's id in the click."""
    message = await card(playground)
    await playground.click("U0EXTERN", OPS, message["ts"], "deny")
    (click,) = app.heard("block_actions")
    assert (click["user"]["team_id"], click["team"]["id"]) == ("T0ELSEWHERE", "T0PLAYGRND")


async def test_escaping_follows_the_manifest() -> None:
    """With should_escape, mentions, channels and links arrive marked up and angle brackets disarmed."""
    features = EXAMPLE_MANIFEST["features"]
    commands = [{**features["slash_commands"][0], "should_escape": True}]
    async with Playground({**EXAMPLE_MANIFEST, "features": {**features, "slash_commands": commands}}) as playground:
        text = "for @aaron in #anr-ops see https://example.com <!channel>"
        delivery = await playground.slash("U0OLIVIA", OPS, "/anr", text)
    assert delivery.payload["text"] == ("for <@U0AARON|aaron> in <#C0ANROPS|anr-ops> see <https://example.com> &lt;!channel&gt;")


async def test_a_command_that_is_not_acknowledged_times_out_for_the_person() -> None:
    """After the time for it, the person sees operation_timeout, though the app did hear the command."""
    async with Playground(ack_seconds=0.2) as playground:
        app = make_app(playground)
        app.ack_commands = False
        async with connected(app, playground):
            delivery = await playground.slash("U0OLIVIA", OPS, "/anr", "status")
    assert (delivery.acked, delivery.error) == (False, "operation_timeout")
    assert len(app.told) == 1


async def test_redelivery_of_an_acknowledged_envelope(playground: Playground, socket_app: App) -> None:
    """Slack may send the same envelope again although it was acknowledged; the app hears it twice."""
    delivery = await playground.slash("U0OLIVIA", OPS, "/anr", "promote")
    await playground.redeliver(delivery)
    assert (delivery.attempts, delivery.answers) == (2, 2)
    first, second = socket_app.told
    assert first["trigger_id"] == second["trigger_id"]


async def test_http_retries_say_that_they_are_retries(playground: Playground, http_app: App) -> None:
    """A repeated request carries its retry number, and the app answers it as well."""
    delivery = await playground.slash("U0OLIVIA", OPS, "/anr", "promote")
    await playground.redeliver(delivery, retry_num=1, retry_reason="http_timeout")
    assert (delivery.attempts, delivery.answers, len(http_app.told)) == (2, 2, 2)


@pytest.mark.parametrize("attack", ["wrong signature", "replayed after six minutes"])
async def test_forged_and_replayed_requests_are_refused_by_the_app(playground: Playground, http_app: App, attack: str) -> None:
    """A request with a wrong signature or an old time stamp gets 401 and does nothing."""
    if attack == "wrong signature":
        playground.signed_http.wrong_signature = True
    else:
        playground.signed_http.age_seconds = 360
    delivery = await playground.slash("U0OLIVIA", OPS, "/anr", "promote")
    assert (delivery.status, delivery.error, http_app.told) == (401, "dispatch_failed", [])


async def test_an_http_app_that_is_away_is_a_failed_dispatch(playground: Playground) -> None:
    """With nobody at the request URL, the person sees dispatch_failed."""
    runner, playground.signed_http.url = await serve_http(make_app(playground))
    await runner.cleanup()
    delivery = await playground.slash("U0OLIVIA", OPS, "/anr", "status")
    assert (delivery.acked, delivery.error) == (False, "dispatch_failed")


class RawConnection:
    """A Socket Mode client of the test's own, to see every envelope and to choose what is acknowledged."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def next(self) -> Json:
        """Receive one message; fails after a while, so that a missing one is not waited for forever."""
        received: Json = json.loads((await asyncio.wait_for(self.socket.receive(), 120)).data)
        return received

    async def ack(self, envelope: Json) -> None:
        await self.socket.send_json({"envelope_id": envelope["envelope_id"]})


Connect = Callable[[], Awaitable[RawConnection]]


@pytest.fixture
async def connect(playground: Playground) -> AsyncIterator[Connect]:
    client = AsyncWebClient(base_url=f"{playground.url}/api/")
    async with aiohttp.ClientSession() as session:

        async def open_one() -> RawConnection:
            url = (await client.apps_connections_open(app_token=playground.app_token))["url"]
            return RawConnection(await session.ws_connect(url))

        yield open_one


async def test_hello_comes_first_and_a_url_is_for_one_connection(playground: Playground) -> None:
    """The ticket in the WebSocket's URL is spent by the first connection."""
    client = AsyncWebClient(base_url=f"{playground.url}/api/")
    url = (await client.apps_connections_open(app_token=playground.app_token))["url"]
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url) as socket:
            hello = await socket.receive_json()
        assert (hello["type"], hello["num_connections"]) == ("hello", 1)
        assert hello["connection_info"] == {"app_id": "A0PLAYGRND"}
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(url)
        assert caught.value.status == 403


async def test_what_was_not_acknowledged_comes_again_on_the_next_connection(playground: Playground, connect: Connect) -> None:
    """The same envelope is delivered to the new connection, and not any more once acknowledged."""
    first = await connect()
    assert (await first.next())["type"] == "hello"
    command = asyncio.create_task(playground.slash("U0OLIVIA", OPS, "/anr", "status"))
    envelope = await first.next()
    await first.socket.close()
    await playground.wait_for(lambda: not playground.socket_mode.connections)
    second = await connect()
    assert (await second.next())["type"] == "hello"
    again = await second.next()
    assert (again["envelope_id"], again["payload"]) == (envelope["envelope_id"], envelope["payload"])
    assert again["retry_attempt"] == 0
    await second.ack(again)
    delivery = await command
    assert (delivery.acked, delivery.attempts) == (True, 2)
    assert playground.socket_mode.unacknowledged == {}


async def test_connections_share_deliveries_in_turn(playground: Playground, connect: Connect) -> None:
    """Two connections get one command each."""
    connections = [await connect(), await connect()]
    assert [(await c.next())["type"] for c in connections] == ["hello", "hello"]
    texts: list[str] = []
    for text in ("one", "two"):
        command = asyncio.create_task(playground.slash("U0OLIVIA", OPS, "/anr", text))
        turn = connections[len(texts)]
        envelope = await turn.next()
        texts.append(envelope["payload"]["text"])
        await turn.ack(envelope)
        assert (await command).acked
    assert texts == ["one", "two"]


async def test_the_eleventh_connection_is_sent_away(connect: Connect) -> None:
    """An app has at most ten connections."""
    connections = [await connect() for _ in range(11)]
    greetings = [await c.next() for c in connections]
    assert [g["type"] for g in greetings] == ["hello"] * 10 + ["disconnect"]
    assert greetings[-1]["reason"] == "too_many_websockets"


async def test_a_refresh_makes_the_client_connect_anew(playground: Playground, socket_app: App) -> None:
    """After disconnect the real client opens a new connection, over which commands arrive."""
    (old,) = playground.socket_mode.connections
    await playground.socket_mode.disconnect("refresh_requested")
    await playground.wait_for(lambda: playground.socket_mode.connections and old not in playground.socket_mode.connections)
    delivery = await playground.slash("U0OLIVIA", OPS, "/anr", "say")
    assert (delivery.acked, len(socket_app.told)) == (True, 1)


async def test_a_stalled_call_waits_until_it_is_let_go(playground: Playground, app: App) -> None:
    """A slow Slack can be held at one call, and nothing is there before it is let go."""
    release = playground.stall("chat.postMessage")
    delivery = await playground.slash("U0OLIVIA", OPS, "/anr", "promote")
    assert (delivery.acked, len(app.told), playground.messages(OPS)) == (True, 1, [])
    release.set()
    assert (await playground.wait_for(lambda: playground.messages(OPS)))[0]["text"] == "Promote?"


async def test_waiting_in_vain_says_what_was_there(playground: Playground) -> None:
    """A wait that fails shows the last messages, so that the test need not be run again."""
    await playground.post("U0OLIVIA", OPS, "only this")
    with pytest.raises(TimeoutError, match="only this"):
        await playground.wait_for(lambda: False, timeout=0.05)
