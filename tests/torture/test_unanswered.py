"""Every documented error of each call with which people are answered, once: nobody is told nothing, and no brake waits for it.

The table is tests/slack_methods/errors.json: Slack's own method pages, as somebody else collected them.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.app import running
from bot.playground.demo import CHANNEL
from bot.playground.server import Playground
from bot.slack import answering, calls
from bot.surfaces import home as homes
from bot.surfaces import modals
from core.errors import ConfigurationError
from tests.support.workspace import WAIT, begun, said, scenery

pytestmark = pytest.mark.torture
TABLE: dict[str, str] = json.loads((Path(__file__).parents[1] / "slack_methods" / "errors.json").read_text(encoding="utf-8"))
ERRORS = {method: sorted({*codes.split(), *TABLE["every_method"].split()}) for method, codes in TABLE.items() if "." in method}
TOKEN = {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope"} | {
    "not_allowed_token_type"
}
"""Errors that say that the token is wrong, so that no waiting helps (Slack's documentation of auth.test)."""
DIRECT = "D0MEMBER"


@pytest_asyncio.fixture
async def playground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Playground]:
    """A bot whose pauses are short, in a workspace without tiers."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for module in (answering, modals):
        monkeypatch.setattr(module, "_FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(homes, "POLL_SECONDS", 0.05)
    monkeypatch.setitem(calls._PACES, "views.publish", (1_000, 1.0))
    async with scenery(tmp_path) as (made, settings), running(settings):
        made.api.tiers.clear()
        await begun(made)
        yield made


def direct(playground: Playground) -> list[str]:
    """What the app has written to the member directly."""
    return [said(message) for message in playground.messages(DIRECT)] if DIRECT in playground.workspace.channels else []


def was_answered(playground: Playground, method: str, code: str) -> bool:
    return any((call.method, call.error) == (method, code) for call in playground.api.calls)


async def shortcut(playground: Playground) -> None:
    playground.workspace.modals.clear()
    await playground.shortcut("U0MEMBER", "freeze_anr")


async def test_a_form_that_does_not_open_is_told_directly(playground: Playground) -> None:
    """Whatever Slack answers to views.open; only of a click that was delivered twice its form is open already."""
    for count, code in enumerate(sorted(set(ERRORS["views.open"]) - {"exchanged_trigger_id"}), 1):
        playground.fail("views.open", code)
        await shortcut(playground)
        await playground.wait_for(lambda: len(direct(playground)) == count, WAIT)  # noqa: B023 - waited for
        assert "did not open the form" in direct(playground)[-1]
        assert was_answered(playground, "views.open", code)
        assert playground.open_views("U0MEMBER") == []


async def test_a_form_is_filled_in_all_the_same_or_it_is_said_that_it_is_not(playground: Playground) -> None:
    """Whatever Slack answers once to views.update while a form is loaded; a form that was closed meanwhile needs nothing."""
    told = 0
    for code in sorted(set(ERRORS["views.update"]) - {"not_found"}):
        playground.workspace.modals.clear()
        playground.fail("views.update", code)
        card = playground.messages(CHANNEL)[0]
        await playground.slash("U0OLIVIA", CHANNEL, "/anr", "help")
        opener = await playground.wait_for(
            lambda: [one for one in playground.ephemerals("U0OLIVIA") if "ask_unfreeze" in str(one)], WAIT
        )
        await playground.click("U0OLIVIA", CHANNEL, opener[-1]["ts"], "ask_unfreeze")

        def loaded() -> bool:
            return "not frozen" in str(playground.open_views("U0OLIVIA"))

        def is_said() -> bool:
            return sum("did not fill in the form" in said(one) for one in playground.ephemerals("U0OLIVIA")) > told  # noqa: B023

        await playground.wait_for(lambda: loaded() or is_said(), WAIT)
        told += is_said()
        assert was_answered(playground, "views.update", code), card
    assert told == len({"hash_conflict", "view_too_large", "duplicate_external_id", "invalid_arguments"})


async def test_an_answer_to_a_form_comes_in_the_form_or_directly(playground: Playground) -> None:
    """Whatever Slack answers once to views.update; the brake has acted in either case."""
    for count, code in enumerate(ERRORS["views.update"], 1):
        await shortcut(playground)
        view = (await playground.wait_for(lambda: playground.open_views("U0MEMBER"), WAIT))[0]
        playground.fail("views.update", code)
        await playground.submit_view("U0MEMBER", view["id"], {"reason": {"reason": {"value": f"errors {count}"}}})

        def answered() -> bool:
            shown = str(direct(playground)) + str(playground.open_views("U0MEMBER"))
            return shown.count("Settings written") + shown.count("Already") > 0 or "safe" in shown

        await playground.wait_for(answered, WAIT)
        playground.workspace.channels.pop(DIRECT, None)
        assert was_answered(playground, "views.update", code)


async def test_an_answer_that_is_refused_beside_a_command_comes_directly_also_when_that_fails_once(
    playground: Playground,
) -> None:
    """Every code of a response_url, and every documented error of the direct message after it."""
    places = ("no_service", "expired_url", "used_url", "invalid_payload", "invalid_blocks", "channel_not_found")
    for number, code in enumerate(ERRORS["chat.postMessage"]):
        playground.responses.refusals.extend([places[number % len(places)]] * 2)
        playground.fail("chat.postMessage", code, about="U0MEMBER")
        await playground.slash("U0MEMBER", CHANNEL, "/anr", "verify")
        await playground.wait_for(lambda: "receipts verify" in str(direct(playground)), WAIT)
        playground.workspace.channels.pop(DIRECT, None)
        assert was_answered(playground, "chat.postMessage", code)


async def test_a_home_that_slack_did_not_take_comes_by_itself_or_with_the_next_thing_to_show(playground: Playground) -> None:
    """Whatever Slack answers once to views.publish."""
    for number, code in enumerate(ERRORS["views.publish"]):
        playground.workspace.homes.clear()
        playground.fail("views.publish", code)
        await playground.open_home("U0MEMBER")
        await playground.wait_for(lambda: was_answered(playground, "views.publish", code), WAIT)  # noqa: B023 - waited for
        await playground.slash("U0MEMBER", CHANNEL, "/anr", f"freeze --keep-stage home {number}")
        await playground.wait_for(lambda: "U0MEMBER" in playground.workspace.homes, WAIT)


@pytest.mark.parametrize("method", ["auth.test", "apps.connections.open"])
async def test_only_a_token_that_is_wrong_stops_the_bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """With the sentence that says so. Whatever else Slack answers, the bot waits for Slack, and is there when it is back."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("bot.app._RETRY_SECONDS", 0.01)
    async with scenery(tmp_path) as (made, settings):
        made.api.tiers.clear()
        for code in ERRORS[method]:
            made.api.clear_faults()
            made.fail(method, code)
            if code in TOKEN:
                with pytest.raises(ConfigurationError, match=code):
                    await _started(made, settings)
            else:
                await _started(made, settings)
            assert was_answered(made, method, code)


async def _started(playground: Playground, settings: Any) -> None:
    async with running(settings):
        await playground.wait_for(lambda: playground.socket_mode.connections, WAIT)
