"""Every documented error of each method with which messages are shown, answered once at each of its calls.

The table is tests/slack_methods/errors.json: Slack's own method pages, as somebody else collected them.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from slack_sdk.web.async_client import AsyncWebClient

from bot.blockkit.post import Attachment, Post, Reply, picture_block
from bot.playground.api.web_api import Fault
from bot.playground.server import Playground
from bot.playground.workspace.workspace import BOT_USER, TEAM_ID
from bot.slack import calls as calls_module
from bot.slack import outbox as outbox_module
from bot.slack.access import Access
from bot.slack.calls import SlackCalls
from bot.slack.deliveries import Deliveries
from bot.slack.errors import SLACK_FAILED
from bot.slack.manifest import MANIFEST
from bot.slack.members import Installation
from bot.slack.outbox import Outbox
from core.actors import AccessPolicy, Role
from core.errors import PersonUnknown

OPS, ELSEWHERE = "C0ANROPS", "C0RANDOM"
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 64
ERRORS = {
    method: sorted({*codes.split(), *table["every_method"].split()})
    for table in [json.loads((Path(__file__).parents[2] / "slack_methods" / "errors.json").read_text(encoding="utf-8"))]
    for method, codes in table.items()
    if "." in method
}
CALLS = {
    "chat.postMessage": 3,
    "chat.update": 1,
    "conversations.history": 1,
    "conversations.replies": 1,
    "files.getUploadURLExternal": 2,
    "files.completeUploadExternal": 2,
}
"""How often a story's life below calls each method."""
OF_MESSAGES = [(method, code) for method in CALLS for code in ERRORS[method]]
APPROVE = {
    "type": "actions",
    "elements": [{"type": "button", "action_id": "approve", "text": {"type": "plain_text", "text": "Yes"}}],
}


def block(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def life() -> list[Post]:
    """A story that is asked and then approved, with a picture, a reply and a file in its thread."""
    picture = Attachment("rsi.png", "RSI by hour", lambda: PNG)
    gates = Reply("gates", "gates", (block("gates"),))
    csv = Reply("csv", "entries", attachment=Attachment("a.csv", "entries", lambda: b"id\n"))
    return [
        Post("asked", (block("asked"), picture_block("RSI"), APPROVE), (gates,), picture=picture),
        Post("approved", (block("approved"), picture_block("RSI")), (gates, csv), picture=picture),
    ]


@pytest_asyncio.fixture
async def playground(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Playground]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(outbox_module, "_FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(outbox_module, "_PROCESSING_TRIES", 2)
    monkeypatch.setitem(calls_module._PACES, "chat.postMessage", (100, 1.0))
    async with Playground(MANIFEST) as running:
        running.workspace.channels[ELSEWHERE].members.add(BOT_USER)
        yield running


async def live(playground: Playground, deliveries: Deliveries, *, unconfirmed: bool) -> None:
    """Show the story until nothing is left to do, as the follower does; a fresh pace for each story."""
    client = AsyncWebClient(token=playground.bot_token, base_url=f"{playground.url}/api/")
    outbox = Outbox(SlackCalls(client), deliveries, OPS, ELSEWHERE)
    for told in life():
        if unconfirmed:
            playground.fail("chat.postMessage", status=503, after_effect=True)
        for _ in range(6):
            try:
                await outbox.show("a", told)
            except SLACK_FAILED:
                continue
            if not deliveries.parked():
                break
        else:
            pytest.fail(f"{told.text} was never shown")


@pytest.mark.parametrize(("method", "code"), OF_MESSAGES, ids=[f"{method}-{code}" for method, code in OF_MESSAGES])
async def test_nothing_is_lost_nothing_is_doubled_and_no_live_button_is_left(
    playground: Playground, tmp_path: Path, method: str, code: str
) -> None:
    """Whichever error comes once at whichever call, the channel tells the whole story in the end, once."""
    for place in range(CALLS[method]):
        for channel in (OPS, ELSEWHERE):
            playground.workspace.channels[channel].messages.clear()
        playground.api.clear_faults()
        if place:
            playground.api.plan(method, Fault(), place)
        looked_for = method.startswith("conversations.")
        if method == "conversations.replies":  # the first message is confirmed, the reply is not
            playground.api.plan("chat.postMessage", Fault(), 1)
        playground.fail(method, code)
        deliveries = Deliveries(tmp_path / f"{place}.sqlite")
        before = len(playground.api.calls)
        await live(playground, deliveries, unconfirmed=looked_for)
        deliveries.close()
        answered = [call.error for call in list(playground.api.calls)[before:] if call.method == method]
        assert code in answered, f"{method} was not called {place + 1} times"
        told = [message for channel in (OPS, ELSEWHERE) for message in playground.messages(channel)]
        texts = [str(message["text"]).partition("\nWithout the file")[0] for message in told if not message.get("files")]
        texts = [text for text in texts if text != "RSI by hour"]  # a picture that the message may not show lies in the thread
        assert sorted(texts) == ["approved", "entries", "gates"], f"call {place + 1}"
        assert "'approve'" not in str(told)


OF_PEOPLE = [(method, code) for method in ("users.info", "usergroups.users.list") for code in ERRORS[method]]
WHO_HOLDS = AccessPolicy(operators=frozenset({"U0OLIVIA"}), approvers=frozenset({"S0APPROVERS"}))


@pytest.mark.parametrize(("method", "code"), OF_PEOPLE, ids=[f"{method}-{code}" for method, code in OF_PEOPLE])
async def test_whatever_slack_answers_about_somebody_promotion_fails_closed_and_the_brake_stays_open(
    playground: Playground, method: str, code: str
) -> None:
    """No documented error gives a role that an approval needs, and none takes the brake away."""
    client = AsyncWebClient(token=playground.bot_token, base_url=f"{playground.url}/api/")
    access = Access(client, WHO_HOLDS, Installation(TEAM_ID))
    playground.fail(method, code)
    try:
        roles = (await access.actor("U0AARON", TEAM_ID, decides=True)).roles
    except PersonUnknown:
        roles = frozenset()
    assert not roles & {Role.APPROVE, Role.OPERATE}
    playground.api.clear_faults()
    playground.fail(method, code)
    assert Role.BRAKE in (await access.actor("U0AARON", TEAM_ID, for_brake=True)).roles
