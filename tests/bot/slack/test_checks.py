"""Slack's part of the doctor, asked of a real (local) Slack in which each thing is broken in turn."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from bot.playground.demo import CHANNEL
from bot.playground.server import Playground
from bot.playground.workspace.workspace import BOT_USER
from bot.slack.checks import Example, examine_shown, examine_slack
from bot.slack.manifest import BOT_SCOPES, MANIFEST
from core.actors import AccessPolicy
from core.doctor.check import Check, Health
from core.settings.surfaces import SlackSettings


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def playground() -> AsyncIterator[Playground]:
    async with Playground(MANIFEST) as running:
        yield running


async def examined(playground: Playground, channel: str = CHANNEL, token: str | None = None) -> dict[str, Check]:
    """Examine from a thread, as the bot does."""
    bot_token = SecretStr(playground.bot_token if token is None else token)
    slack = SlackSettings(bot_token=bot_token, api_url=f"{playground.url}/api/", channel=channel)
    return {check.name: check for check in await asyncio.to_thread(examine_slack, slack, (channel,))}


async def test_a_bot_that_is_installed_and_invited_is_ok(playground: Playground) -> None:
    """Token, scopes and channel: nothing to do."""
    found = await examined(playground)
    assert {name: check.health for name, check in found.items()} == {
        "slack token": Health.OK,
        "slack scopes": Health.OK,
        "slack channel": Health.OK,
    }


@pytest.mark.parametrize("state", ["revoked", "inactive"])
async def test_a_token_that_slack_takes_no_longer_is_named(playground: Playground, state: str) -> None:
    """With Slack's own word for it; nothing else is asked, and the token is not told."""
    playground.workspace.tokens[playground.bot_token].state = state
    found = await examined(playground)
    (check,) = found.values()
    assert (check.name, check.health) == ("slack token", Health.FAIL)
    assert {"revoked": "token_revoked", "inactive": "account_inactive"}[state] in check.text
    assert playground.bot_token not in check.text + check.remedy


@pytest.mark.parametrize("scope", sorted(set(BOT_SCOPES) - {"commands"}))
async def test_a_scope_that_the_token_lacks_is_named(playground: Playground, scope: str) -> None:
    """Whichever of the manifest's scopes was not granted at the installation."""
    grant = playground.workspace.tokens[playground.bot_token]
    playground.workspace.tokens[playground.bot_token] = replace(grant, scopes=grant.scopes - {scope})
    found = await examined(playground)
    assert found["slack scopes"].health is Health.FAIL
    assert scope in found["slack scopes"].text
    assert "manifest.yml" in found["slack scopes"].remedy


async def test_a_scope_that_nothing_uses_is_told(playground: Playground) -> None:
    """Less is safer: the token may do more than the manifest asks."""
    grant = playground.workspace.tokens[playground.bot_token]
    playground.workspace.tokens[playground.bot_token] = replace(grant, scopes=grant.scopes | {"admin"})
    check = (await examined(playground))["slack scopes"]
    assert check.health is Health.WARN
    assert "admin" in check.text


async def test_a_channel_in_which_the_bot_is_not_is_named(playground: Playground) -> None:
    """Nothing that it says would arrive."""
    playground.workspace.channels[CHANNEL].members.discard(BOT_USER)
    check = (await examined(playground))["slack channel"]
    assert check.health is Health.FAIL
    assert "not_in_channel" in check.text
    assert "/invite @anr" in check.remedy


@pytest.mark.parametrize("channel", ["C0NOSUCH", "#anr-ops"])
async def test_a_channel_that_does_not_exist_is_named(playground: Playground, channel: str) -> None:
    """A name in place of an id is the usual mistake."""
    check = (await examined(playground, channel))["slack channel"]
    assert check.health is Health.FAIL
    assert "channel_not_found" in check.text
    assert "id, not its name" in check.remedy


async def test_groups_people_and_ids_that_slack_does_not_know_are_named(playground: Playground) -> None:
    """A group that is gone, a guest, somebody unknown and a name in place of a channel's id: nobody holds a role by them."""
    named = frozenset({"S0GONE", "U0GUEST", "U0NOBODY", "U0OLIVIA", "os:root"})
    slack = SlackSettings(
        bot_token=SecretStr(playground.bot_token),
        api_url=f"{playground.url}/api/",
        channel=CHANNEL,
        fallback_channel="U0OLIVIA",
        allowed_channels=frozenset({"#random"}),
    )
    access = AccessPolicy(operators=named)
    found = await asyncio.to_thread(examine_slack, slack, (CHANNEL,), access, {"max": "U0MEMBER"})
    people = [check for check in found if check.name == "slack people"]
    assert [(check.health, next(person for person in named if person in check.text)) for check in people] == [
        (Health.WARN, "S0GONE"),
        (Health.WARN, "U0GUEST"),
        (Health.WARN, "U0NOBODY"),
    ]
    (ids,) = [check for check in found if check.name == "slack ids"]
    assert ids.text == "#random, U0OLIVIA: no channel's id."


async def test_no_channel_and_no_token_are_told(playground: Playground) -> None:
    """A command line without Slack is told what it lacks, and does not fail."""
    assert (await examined(playground, ""))["slack channel"].health is Health.FAIL
    (check,) = (await examined(playground, token="")).values()
    assert check.health is Health.WARN
    assert "only the command line" in check.text


async def test_a_slack_that_is_down_is_a_finding_and_no_error() -> None:
    """Nobody listens there: the doctor says so within seconds."""
    slack = SlackSettings(bot_token=SecretStr("xoxb-1"), api_url="http://127.0.0.1:9/api/", channel=CHANNEL)
    (check,) = await asyncio.to_thread(examine_slack, slack, (CHANNEL,))
    assert check.health is Health.FAIL
    assert "cannot be reached" in check.text


TITLE = {"type": "plain_text", "text": "x" * 25}
WRONG_VIEW = Example("modal freeze", "view", {"type": "modal", "title": TITLE, "blocks": []})
WRONG_MESSAGE = Example("promoted", "message", {"text": "x", "blocks": [{"type": "banner"}]})
FINE = Example("home", "view", {"type": "home", "blocks": []})


async def shown(playground: Playground, *examples: Example) -> list[Check]:
    slack = SlackSettings(bot_token=SecretStr(playground.bot_token), api_url=f"{playground.url}/api/", channel=CHANNEL)
    return list(await asyncio.to_thread(examine_shown, slack, examples))


async def test_what_slack_thinks_of_each_example_is_told_in_its_words(playground: Playground) -> None:
    """A form that would not open fails, a message that would come as text warns; both name the place."""
    assert [check.health for check in await shown(playground, FINE)] == [Health.OK]
    view, message = await shown(playground, FINE, WRONG_VIEW, WRONG_MESSAGE)
    assert view.health is Health.FAIL
    assert "the view “modal freeze” at /title/text: must be less than 25 characters" in view.text
    assert message.health is Health.WARN
    assert "the message “promoted” at /blocks/0/type: unsupported type: banner" in message.text


@pytest.mark.parametrize("code", ["unknown_method", "token_revoked", "invalid_arguments"])
async def test_a_slack_that_does_not_look_at_examples_is_no_verdict_on_them(playground: Playground, code: str) -> None:
    """It is said that it was not found out, and with which word of Slack's."""
    playground.fail("blocks.validate", code)
    (check,) = await shown(playground, FINE, FINE)
    assert check.health is Health.WARN
    assert code in check.text


async def test_a_pause_that_slack_asks_for_is_waited_out(playground: Playground) -> None:
    """The method has limits of its own."""
    playground.rate_limit("blocks.validate", retry_after=0)
    assert [check.health for check in await shown(playground, FINE)] == [Health.OK]
