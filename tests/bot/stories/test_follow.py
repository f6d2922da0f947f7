"""One story never stops another: the follower on a real journal, against the playground's Web API."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from slack_sdk.web.async_client import AsyncWebClient

from bot.playground.server import Playground
from bot.slack.calls import SlackCalls
from bot.slack.checks import examine_deliveries
from bot.slack.deliveries import Deliveries, Parked
from bot.slack.manifest import MANIFEST
from bot.slack.outbox import Outbox
from bot.stories.compose import StoryComposer
from bot.stories.follow import Stories
from core.actors import AccessPolicy, Actor, ActorKind, Role
from core.brake import hold
from core.doctor.check import Health
from core.settings.target import TargetSettings
from core.target.order import Order
from core.target.target import Target

OPS = "C0ANROPS"
OLIVIA = Actor(kind=ActorKind.SLACK, id="U0OLIVIA", roles=frozenset(Role))


@pytest.fixture
def target(tmp_path: Path) -> Target:
    options = TargetSettings(
        ledger=tmp_path / "ledger.ndjson",
        settings_file=tmp_path / "anr.env",
        health_url="http://127.0.0.1:9/health/slots",
        journal=tmp_path / "journal.sqlite",
        receipts_dir=tmp_path / "logs",
        run_dir=tmp_path / "run",
    )
    options.settings_file.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\n", encoding="utf-8")
    options.ledger.write_text("", encoding="utf-8")
    return Target.at(options, AccessPolicy(operators=frozenset({"U0OLIVIA"})))


@pytest_asyncio.fixture
async def playground(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Playground]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with Playground(MANIFEST) as running:
        yield running


@pytest.fixture
def deliveries(target: Target) -> Iterator[Deliveries]:
    kept = Deliveries.at(target.settings)
    yield kept
    kept.close()


def follower(playground: Playground, target: Target, deliveries: Deliveries) -> Stories:
    """A follower as after a start."""
    client = AsyncWebClient(token=playground.bot_token, base_url=f"{playground.url}/api/")
    return Stories(target, StoryComposer(target), Outbox(SlackCalls(client), deliveries, OPS), deliveries)


def roots(playground: Playground) -> list[str]:
    messages = [message for message in playground.messages(OPS) if message.get("thread_ts") in {None, message["ts"]}]
    return [str(message["blocks"] or message["text"]) for message in messages]


def held(target: Target, reason: str) -> None:
    hold.hold_promotions(target, Order(OLIVIA, reason))


async def test_a_long_retry_after_makes_only_its_own_story_wait(
    playground: Playground, target: Target, deliveries: Deliveries
) -> None:
    """Slack wants 30 s before the next update: what is posted anew comes at once, and nothing is lost."""
    stories = follower(playground, target, deliveries)
    held(target, "first")
    await stories.catch_up()
    (first,) = {sealed.receipt.operation for sealed in target.journal.receipts()}
    deliveries.save(first, "", replace(deliveries.of(first), shown=""))  # as after an upgrade that draws its card differently
    stories.refresh(first)
    held(target, "second")
    playground.rate_limit("chat.update", retry_after=30)
    await stories.catch_up()
    assert any("second" in text for text in roots(playground))
    (waiting,) = deliveries.waiting()
    assert "AskedToWait" in waiting.error
    await stories.try_again()
    (check,) = examine_deliveries(deliveries)
    assert check.health is Health.WARN
    assert waiting.operation in check.text


async def test_a_404_on_a_look_into_history_makes_only_its_own_story_wait(
    playground: Playground, target: Target, deliveries: Deliveries
) -> None:
    """A proxy answers 404: the unconfirmed message waits, the next one comes, and neither comes twice."""
    stories = follower(playground, target, deliveries)
    held(target, "first")
    playground.fail("chat.postMessage", status=503, after_effect=True)
    await stories.catch_up()
    held(target, "second")
    playground.fail("conversations.history", status=404)
    await stories.try_again()
    await stories.catch_up()
    await stories.try_again()
    await stories.catch_up()
    assert ["first" in text for text in roots(playground)] == [True, False]
    assert deliveries.queued() == ()


async def test_what_waits_survives_a_restart(playground: Playground, target: Target, deliveries: Deliveries) -> None:
    """The story's receipts were looked at already; a new process shows it all the same."""
    held(target, "first")
    playground.fail("chat.postMessage", "rate_limited")
    stories = follower(playground, target, deliveries)
    await stories.catch_up()
    assert (roots(playground), stories.unshown()) == ([], 1)
    again = follower(playground, target, deliveries)
    await again.catch_up()
    assert (len(roots(playground)), again.unshown()) == (1, 0)
    assert [check.health for check in examine_deliveries(deliveries)] == [Health.OK]


async def test_an_outage_is_not_met_by_every_story_in_turn(
    playground: Playground, target: Target, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slack is away: two stories find out, and when it is back every one is shown, once."""
    monkeypatch.setattr("bot.slack.outbox._HISTORY_SECONDS", 0.0)
    for reason in ("first", "second", "third", "fourth"):
        held(target, reason)
    stories = follower(playground, target, deliveries)
    playground.fail("chat.postMessage", status=503, times=2)
    await stories.catch_up()
    assert len([call for call in playground.api.calls if call.method == "chat.postMessage"]) == 2
    await stories.catch_up()
    await stories.catch_up()
    assert len(roots(playground)) == len(set(roots(playground))) == 4


async def test_what_is_parked_comes_when_somebody_tries_again(
    playground: Playground, target: Target, deliveries: Deliveries
) -> None:
    """Slack refused it for good, as it said; doctor names it until it is there."""
    held(target, "first")
    playground.fail("chat.postMessage", "msg_too_long", times=2)
    stories = follower(playground, target, deliveries)
    await stories.catch_up()
    ((parked,), _) = stories.undelivered()
    assert isinstance(parked, Parked)
    assert f"story {parked.operation} (msg_too_long)" in examine_deliveries(deliveries)[0].text
    assert await stories.try_again() == 1
    await stories.catch_up()
    assert (len(roots(playground)), stories.parked()) == (1, 0)
