"""What the webhook refuses or disarms; and Alertmanager's own Slack messages, whose buttons brake."""

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import pytest_asyncio
from pydantic import SecretStr
from slack_sdk.signature import SignatureVerifier

from bot.http.server import HEADER_SECONDS
from bot.http.webhook import BODY_SECONDS
from bot.playground.demo import CHANNEL
from core.alerts.reading import MAX_BODY_BYTES
from core.receipts.receipt import Action
from tests.scenarios.conftest import free_port
from tests.support.alert_payloads import PAGE, alert, payload
from tests.support.alerting import TOKEN, Stage, is_safe, listening, target_of
from tests.support.workspace import WAIT, cards, scenery

WEBHOOK = "/alertmanager/webhook"


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with scenery(tmp_path, http_port=free_port()) as (playground, settings), listening(settings) as (alertmanager, ours):
        yield playground, alertmanager, ours


def nothing_was_done(stage: Stage) -> bool:
    _, _, settings = stage
    actions = {sealed.receipt.action for sealed in target_of(settings).journal.receipts()}
    return not is_safe(settings) and not actions & {Action.FREEZE, Action.ALERT}


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("Bearer wrong", id="wrong-token"),
        pytest.param(f"Bearer {TOKEN}x", id="longer"),
        pytest.param(f"Bearer {TOKEN[:-1]}", id="shorter"),
        pytest.param(TOKEN, id="without-a-scheme"),
        pytest.param(f"Basic {b64encode(f':{TOKEN}'.encode()).decode()}", id="token-as-password"),
        pytest.param("Basic :::", id="not-base64"),
        pytest.param("Basic Og==", id="empty-user-and-password"),
    ],
)
async def test_who_is_not_alertmanager_does_nothing(stage: Stage, header: str | None) -> None:
    """401 with a clear body, and the way to authenticate; the payload is not even read."""
    _, alertmanager, _ = stage
    headers = {"Authorization": header} if header is not None else {}
    url = alertmanager.url + WEBHOOK
    async with aiohttp.ClientSession() as session, session.post(url, json=payload(alert()), headers=headers) as answer:
        assert answer.status == 401
        assert "Nothing was done" in (await answer.json())["text"]
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert nothing_was_done(stage)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"", 400, id="nothing"),
        pytest.param(b"\x00\xff\xfe", 400, id="no-text"),
        pytest.param(b"[" * 500_000, 400, id="deep-nesting"),
        pytest.param(b"x" * (10 << 20), 400, id="ten-megabytes"),
        pytest.param(json.dumps({**payload(alert()), "alerts": "all"}).encode(), 503, id="alerts-that-are-none"),
        pytest.param(b"{}", 503, id="no-alerts"),
    ],
)
async def test_what_holds_no_alert_does_nothing(stage: Stage, body: bytes, status: int) -> None:
    """No JSON object is the sender's fault; an object without alerts may be another's, and is told to come again."""
    _, alertmanager, _ = stage
    got, answer = await alertmanager.send(body)
    assert got == status
    assert len(answer["text"]) < 1500
    assert nothing_was_done(stage)


HUGE = payload({**alert(), "annotations": {"description": "x" * 1_300_000}})
DEEP = json.dumps({"odd": [], **payload(alert())}).replace('"odd": []', '"odd": ' + "[" * 50_000 + "]" * 50_000)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(json.dumps(HUGE).encode(), 200, id="a-megabyte-of-description"),
        pytest.param(json.dumps(payload(*[alert()] * 1001)).encode(), 200, id="1001-copies"),
        pytest.param(json.dumps(payload(alert(start="99999-01-01T00:00:00Z"))).encode(), 200, id="the-year-99999"),
        pytest.param(json.dumps(payload({**alert(), "labels": {**PAGE, "severity": 5}})).encode(), 503, id="a-number-as-label"),
        pytest.param(json.dumps(payload(alert(), version="5")).encode(), 503, id="another-version"),
        pytest.param(json.dumps(payload(alert()))[:-1].encode(), 503, id="cut"),
        pytest.param(DEEP.encode(), 200, id="deep-nesting-beside-it"),
    ],
)
async def test_what_pages_brakes_whatever_else_the_payload_carries(stage: Stage, body: bytes, status: int) -> None:
    """Success only if all of it was judged; the router is safe either way, and a repeat is the same freeze."""
    _, alertmanager, settings = stage
    marks = []
    for _ in range(2):
        assert (await alertmanager.send(body))[0] == status
        assert is_safe(settings)
        marks.append(target_of(settings).brake.read().frozen_by)
    assert marks[0] == marks[1]


async def test_a_body_that_is_too_large_to_be_read_brakes_and_is_no_success(stage: Stage) -> None:
    """With the right token it counts as if it froze, however it is sent; nobody can say what is in it."""
    _, alertmanager, settings = stage

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(2 * MAX_BODY_BYTES // 65536):
            yield b" " * 65536

    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(alertmanager.url + WEBHOOK, data=endless(), headers=headers) as got,
    ):
        assert got.status == 503
        assert (await got.json())["result"] == "too_large"
    assert is_safe(settings)
    (mark,) = target_of(settings).brake.freezes()
    assert "could not be read" in mark.reason


async def test_what_cannot_be_judged_in_time_brakes_and_is_no_success(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A payload that nobody has judged when its time is up counts as if it froze; whoever repeats it adds nothing."""
    _, alertmanager, settings = stage
    monkeypatch.setattr("bot.http.webhook.JUDGE_SECONDS", 0)
    many = payload(*(alert(f"{number:x}", severity="none", component="db") for number in range(2000)))
    for _ in range(2):
        status, answer = await alertmanager.send(many)
        assert (status, answer["result"]) == (503, "unread")
    assert is_safe(settings)
    assert len(target_of(settings).brake.read().frozen_by) == 1


async def test_the_event_loop_goes_on_while_the_largest_payloads_are_read(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading gives way: other requests are answered between the beginning and the end of it."""
    _, alertmanager, _ = stage
    monkeypatch.setattr("bot.http.webhook.JUDGE_SECONDS", 600)
    monkeypatch.setattr("bot.http.webhook.BODY_SECONDS", 600)
    one = {**alert(severity="none", component="db"), "odd": [[]] * 50}
    body = json.dumps(payload(*[one] * (15_000_000 // len(json.dumps(one))))).encode()
    reading = asyncio.create_task(alertmanager.send(body))
    answered = 0
    while not reading.done():
        assert (await alertmanager.get("/healthz"))[0] == 200
        answered += 1
    assert (await reading)[0] == 200
    assert answered >= 10
    assert nothing_was_done(stage)


async def test_labels_that_would_ping_or_break_the_card_are_disarmed(stage: Stage) -> None:
    """Channel calls, links, NUL, line breaks, direction marks, backticks and long values freeze and stay harmless."""
    playground, alertmanager, settings = stage
    evil = "<!channel> <https://evil.example|here> `code` *bold*\u202e\x00\n&amp;" + "x" * 9000
    one = alert(alertname=evil, extra=evil, component="anr")
    one["annotations"] = {"summary": evil, "runbook_url": "https://x.example/|<!here>", "description": evil}
    assert (await alertmanager.send(payload(one)))[0] == 200
    assert is_safe(settings)
    await playground.wait_for(lambda: cards(playground, "Frozen by alert"), WAIT)
    (message,) = cards(playground, "Frozen by alert")
    # the headline is plain text, which Slack does not parse
    parsed = str(message["text"]) + str([block for block in message["blocks"] if block["type"] != "header"])
    for dangerous in ("<!channel>", "<!here>", "<https://evil", "\u202e", "\x00"):
        assert dangerous not in parsed
    assert "&lt;!channel&gt;" in parsed


async def test_slow_clients_lose_their_connection_and_delay_nobody(stage: Stage) -> None:
    """One drips its headers, one its body, two hundred say nothing: alerts are answered meanwhile, and all of them are closed."""
    _, alertmanager, settings = stage
    port = settings.http.port
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
    head_reader, head = await asyncio.open_connection("127.0.0.1", port)
    body_reader, body = await asyncio.open_connection("127.0.0.1", port)
    start = f"POST {WEBHOOK} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 1000\r\n"
    head.write(start.encode())
    body.write(f"{start}\r\n{{".encode())
    assert (await alertmanager.send(payload(alert())))[0] == 200
    assert is_safe(settings)
    async with asyncio.timeout(HEADER_SECONDS + BODY_SECONDS + WAIT):
        assert b"503" in await body_reader.readline()
        assert await head_reader.read() == b""
        for reader, _ in silent:
            assert await reader.read() == b""
    for writer in (head, body, *(silent_writer for _, silent_writer in silent)):
        writer.close()


async def test_basic_authentication_opens_the_webhook_and_without_credentials_it_is_shut(tmp_path: Path) -> None:
    """Either way of authenticating; none set means that nobody gets in."""
    async with scenery(tmp_path, http_port=free_port()) as (_, settings):
        basic = {"token": SecretStr(""), "username": "alertmanager", "password": SecretStr("geheim")}
        async with listening(settings, **basic) as (alertmanager, _ours), aiohttp.ClientSession() as session:
            for secret, status in (("geheim", 200), ("geheim\n", 200), ("falsch", 401)):
                headers = {"Authorization": f"Basic {b64encode(f'alertmanager:{secret}'.encode()).decode()}"}
                async with session.post(alertmanager.url + WEBHOOK, json=payload(alert()), headers=headers) as answer:
                    assert answer.status == status
        async with listening(settings, token=SecretStr("")) as (alertmanager, _ours):
            assert (await alertmanager.send(payload(alert())))[0] == 404


def clicked(value: str, action_ts: str) -> dict[str, Any]:
    """A click on a button of a message that Alertmanager posted (Slack's legacy interactive messages)."""
    return {
        "type": "interactive_message",
        "callback_id": "anr_alert",
        "actions": [{"name": "brake", "type": "button", "value": value}],
        "team": {"id": "T0PLAYGROUND", "domain": "playground"},
        "channel": {"id": CHANNEL, "name": "anr-ops"},
        "user": {"id": "U0MEMBER", "name": "max"},
        "action_ts": action_ts,
        "message_ts": "1700000000.000100",
        "attachment_id": "1",
        "token": "x",
        "original_message": {"attachments": [{"title": "AnrRsiLow: <!channel> RSI is low", "fallback": "f"}]},
        "response_url": "http://127.0.0.1:9/nowhere",
        "trigger_id": "1.2.3",
    }


async def test_freeze_and_roll_back_work_on_alertmanagers_own_message(stage: Stage) -> None:
    """The click brakes and quotes the alert; delivered again it has no second effect; an unknown value does nothing."""
    playground, alertmanager, settings = stage
    team = playground.workspace.users["U0MEMBER"].team_id

    async def click(value: str, action_ts: str) -> int:
        sent = {**clicked(value, action_ts), "team": {"id": team, "domain": "playground"}}
        body = urlencode({"payload": json.dumps(sent)})
        now = str(int(time.time()))
        signature = SignatureVerifier(playground.signing_secret).generate_signature(timestamp=now, body=body)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": now,
            "X-Slack-Signature": str(signature),
        }
        url = f"{alertmanager.url}/slack/events"
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
            return answer.status

    assert await click("delete-everything", "1.0") == 200
    assert nothing_was_done(stage)
    for _ in range(2):
        assert await click("freeze", "2.0") == 200
    await playground.wait_for(lambda: cards(playground, "from Alertmanager's message: AnrRsiLow"), WAIT)
    assert is_safe(settings)
    assert await click("rollback", "3.0") == 200
    await playground.wait_for(lambda: cards(playground, "Rolled back"), WAIT)
    actions = [sealed.receipt.action for sealed in target_of(settings).journal.receipts()]
    assert (actions.count(Action.FREEZE), actions.count(Action.ROLLBACK)) == (1, 1)
