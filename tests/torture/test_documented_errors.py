"""Every documented error of each method with which messages are shown, answered once at each of its calls.

The table is tests/slack_methods/errors.json: Slack's own method pages, as somebody else collected them.
"""

import json
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
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
from bot.slack.checks import examine_deliveries
from bot.slack.deliveries import Deliveries
from bot.slack.errors import SLACK_FAILED
from bot.slack.manifest import MANIFEST
from bot.slack.members import Installation
from bot.slack.outbox import Outbox
from bot.stories.compose import StoryComposer
from bot.stories.follow import Stories
from core.actors import AccessPolicy, Actor, ActorKind, Role
from core.doctor.check import Health
from core.errors import PersonUnknown
from core.receipts.drafts.origin import Origin
from core.receipts.drafts.requests import request_answered, request_asked
from core.receipts.evidence import Signature
from core.receipts.receipt import Action
from core.rollout.approvals import Approval, ApprovalStatus
from core.target.target import Target
from tests.support.rig import Rig

pytestmark = pytest.mark.torture
OPS, ELSEWHERE = "C0ANROPS", "C0RANDOM"
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 64
ERRORS = {
    method: sorted({*codes.split(), *table["every_method"].split()})
    for table in [json.loads((Path(__file__).parents[1] / "slack_methods" / "errors.json").read_text(encoding="utf-8"))]
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
    monkeypatch.setattr(outbox_module, "_HISTORY_SECONDS", 0.0)
    for paced in ("chat.postMessage", "chat.update", "chat.delete"):
        monkeypatch.setitem(calls_module._PACES, paced, (1_000, 1.0))
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


async def test_an_old_message_that_cannot_be_deleted_yet_is_deleted_later(playground: Playground, tmp_path: Path) -> None:
    """Whatever Slack answers once: the buttons of the message that the story left behind go, unless nobody may delete it."""
    playground.api.tiers.clear()
    wrong = {}
    for code in ERRORS["chat.delete"]:
        for channel in (OPS, ELSEWHERE):
            playground.workspace.channels[channel].messages.clear()
        playground.fail("chat.update", "edit_window_closed")
        playground.fail("chat.delete", code)
        with closing(Deliveries(tmp_path / f"{code}.sqlite")) as deliveries:
            await live(playground, deliveries, unconfirmed=False)
            left = deliveries.left("a")
        told = [message for message in playground.messages(OPS) if not message.get("files")]
        titles = [str(message["text"]) for message in told if message.get("thread_ts") in {None, message["ts"]}]
        stays = code in {"cant_delete_message", "message_not_found", "channel_not_found"}
        if (titles, left) != (["asked", "approved"] if stays else ["approved"], ()) or ("'approve'" in str(told)) is not stays:
            wrong[code] = (titles, left)
    assert wrong == {}


REQUEST = {"policy_digest": "c" * 64, "verdict_digest": "d" * 64, "from_stage": 10, "to_stage": 25, "revision": 1}
OLIVIA = Actor(kind=ActorKind.SLACK, id="U0OLIVIA")


def request(target: Target, name: str) -> Approval:
    """Ask for an approval; its card has live buttons."""
    now = target.clock()
    approval = Approval(
        id=name, requester=OLIVIA, reason=name, asked_at=now, expires_at=now + timedelta(hours=1), needed=1, **REQUEST
    )
    asked = request_asked(Origin(name, now, OLIVIA, name), (10, 25), "0.10", None, approval.terms)
    target.journal.append(target.draft(asked), approval)
    return approval


def deny(target: Target, approval: Approval) -> None:
    now = target.clock()
    ended = approval.ended(ApprovalStatus.DENIED, now, by=OLIVIA, note="no")
    no = Signature(actor=OLIVIA, at=now, decision="denied")
    target.journal.append(target.draft(request_answered(Origin(approval.id, now, OLIVIA), Action.DENY, (no,))), ended)


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
async def test_what_slack_keeps_refusing_is_named_by_doctor_and_comes_when_it_is_tried_again(
    playground: Playground, rig: Rig, method: str
) -> None:
    """Each documented error for as long as it lasts: the channel shows the story, or doctor names it and Slack's word for it.

    Once Slack takes it again, each story is there once, and none has a button that asks for what is decided.
    """
    playground.api.tiers.clear()
    client = AsyncWebClient(token=playground.bot_token, base_url=f"{playground.url}/api/")
    wrong = {}
    with closing(Deliveries.at(rig.settings)) as deliveries:
        stories = Stories(
            rig.target, StoryComposer(rig.target), Outbox(SlackCalls(client), deliveries, OPS, ELSEWHERE), deliveries
        )
        for number, code in enumerate(ERRORS[method]):
            approval = request(rig.target, f"r{number}")
            if method == "chat.update":
                await stories.catch_up()
            playground.fail(method, code, times=500)
            deny(rig.target, approval)
            await stories.catch_up()
            named = [check.text for check in examine_deliveries(deliveries) if approval.id in check.text]
            if not (cards(playground, approval.id) == ["Denied"] or any(code in text for text in named)):
                wrong[code] = f"neither shown nor named: {cards(playground, approval.id)}, {named}"
            playground.api.clear_faults()
            await stories.try_again()
            await stories.catch_up()
            found = [check.health for check in examine_deliveries(deliveries)]
            if cards(playground, approval.id) != ["Denied"] or found != [Health.OK]:
                wrong[code] = f"not there when it was tried again: {cards(playground, approval.id)}, {found}"
    assert wrong == {}


def cards(playground: Playground, request_id: str) -> list[str]:
    """The messages about a request, each with how it stands; with its buttons, if it has any."""
    found = []
    for channel in (OPS, ELSEWHERE):
        for message in playground.messages(channel):
            about = str((message.get("metadata") or {}).get("event_payload"))
            if f"'operation': '{request_id}', 'part': ''" in about:
                title = str(message["text"]).partition(":")[0].split()[-1]  # without its sign
                found.append(title + (" with buttons" if "'approve'" in str(message) else ""))
    return found


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
