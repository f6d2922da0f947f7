"""The app's home and the global shortcut, over the wire."""

import asyncio
from typing import Any

import pytest

from bot.app import running
from bot.playground.demo import CHANNEL
from bot.playground.server import Playground
from core.actors import Actor, ActorKind
from core.brake import brake
from core.receipts.receipt import Action
from core.target.target import Target
from tests.support.workspace import WAIT, Played, asked, cards, pilot_in, said, shown, whispers


def view_of(playground: Playground, user: str) -> dict[str, Any]:
    return playground.workspace.homes.get(user) or {}


async def opened(playground: Playground, user: str, words: str = "As of") -> dict[str, Any]:
    """Open somebody's home and return it once it says something."""
    await playground.open_home(user)
    await playground.wait_for(lambda: words in said(view_of(playground, user)), WAIT)
    return view_of(playground, user)


async def test_the_home_shows_what_is_so_now(played: Played) -> None:
    """Stage, what the router shows, schedule, gates, what was done last and the month are there, in sentences."""
    playground, _ = played
    text = said(await opened(playground, "U0MEMBER"))
    for words in (
        "*Stage:* 10% of live traffic, since <!date^",
        "🟢 demo: 10% of live traffic",
        "*Running router",
        "*Schedule:* next run <!date^",
        "*Gates now:* :large_green_circle: *GO*",
        "Stage over the last 30 days",
        "<@U0OLIVIA> began the journal",
    ):
        assert words in text, words


async def test_an_open_home_follows_what_happens(played: Played) -> None:
    """A freeze by somebody else is seen without opening it again, and so is its end at the terminal."""
    playground, _ = played
    await opened(playground, "U0OLIVIA")
    await playground.slash("U0MEMBER", CHANNEL, "/anr", "freeze errors in the checkout")
    await playground.wait_for(lambda: "errors in the checkout" in said(view_of(playground, "U0OLIVIA")), WAIT)
    await playground.wait_for(lambda: "*Stage:* 0%" in said(view_of(playground, "U0OLIVIA")), WAIT)
    assert "U0MEMBER" not in playground.workspace.homes


async def test_a_request_is_approved_from_the_home(played: Played) -> None:
    """The answer comes in a modal, because a home has no place for it; the card in the channel is over too."""
    playground, settings = played
    await opened(playground, "U0AARON")
    await asked(playground)
    await playground.wait_for(lambda: "Approval needed" in said(view_of(playground, "U0AARON")), WAIT)
    await playground.click_view("U0AARON", view_of(playground, "U0AARON")["id"], "approve")
    view = await shown(playground, "U0AARON")
    assert "Now at *25%*" in said(view)
    await playground.wait_for(lambda: cards(playground, "Promoted: 10% → 25%"), WAIT)
    await playground.wait_for(lambda: "Approval needed" not in said(view_of(playground, "U0AARON")), WAIT)
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.25"


async def test_who_may_not_approve_reads_so_beside_the_home(played: Played, target: Target) -> None:
    """The home's button has the check that the card's button has."""
    playground, _ = played
    await asked(playground)
    await opened(playground, "U0OLIVIA", "Approval needed")
    await playground.click_view("U0OLIVIA", view_of(playground, "U0OLIVIA")["id"], "approve")
    assert "somebody else has to approve it" in said(await shown(playground, "U0OLIVIA"))
    assert len(target.journal.pending()) == 1


async def test_a_freeze_from_the_home_answers_in_its_modal(played: Played, target: Target) -> None:
    """The modal that asked says what was done, and the router is named."""
    playground, _ = played
    await opened(playground, "U0MEMBER")
    await playground.click_view("U0MEMBER", view_of(playground, "U0MEMBER")["id"], "ask_freeze")
    view = await shown(playground, "U0MEMBER")
    assert "Router: *demo*" in said(view)
    await playground.submit_view("U0MEMBER", view["id"], {"reason": {"reason": {"value": "errors"}}})
    await playground.wait_for(lambda: "*Frozen: 0% of live traffic.*" in said(playground.open_views("U0MEMBER")[-1]), WAIT)
    assert target.journal.state().frozen


async def test_a_guest_and_a_stranger_see_nothing_in_their_homes(played: Played) -> None:
    """Neither stage nor receipts, and no button."""
    playground, _ = played
    for user in ("U0GUEST", "U0EXTERN"):
        view = await opened(playground, user, "You may not")
        assert "Stage" not in said(view)
        assert not [block for block in view["blocks"] if block["type"] == "actions"]


async def test_the_shortcut_freezes_from_anywhere(played: Played, target: Target) -> None:
    """No channel and no answer address: the modal opens, acts, and says so in its place."""
    playground, settings = played
    await playground.shortcut("U0MEMBER", "freeze_anr")
    view = await shown(playground, "U0MEMBER")
    await playground.submit_view("U0MEMBER", view["id"], {"reason": {"reason": {"value": "errors everywhere"}}})
    await playground.wait_for(lambda: "*Frozen: 0% of live traffic.*" in said(playground.open_views("U0MEMBER")[-1]), WAIT)
    await playground.wait_for(lambda: cards(playground, "Frozen"), WAIT)
    assert "errors everywhere" in said(cards(playground, "Frozen")[0])
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.00"
    assert target.journal.state().holds[0].actor.id == "U0MEMBER"


@pytest.mark.parametrize("user", ["U0GUEST", "U0EXTERN"])
async def test_the_shortcut_of_a_guest_or_a_stranger_opens_nothing_to_submit(played: Played, target: Target, user: str) -> None:
    """The modal turns into a refusal as soon as it is known who it is, and a submission that was quicker does nothing."""
    playground, _ = played
    await playground.slash(user, CHANNEL, "/anr", "status")  # so that the bot knows them as what they are
    await playground.wait_for(lambda: whispers(playground, user, "You may not"), WAIT)
    silence = playground.stall("users.info") if user == "U0GUEST" else None
    await playground.shortcut(user, "freeze_anr")
    await playground.wait_for(lambda: playground.open_views(user), WAIT)
    if silence is not None:
        await playground.submit_view(user, playground.open_views(user)[-1]["id"], {})
        silence.set()
    await playground.wait_for(lambda: "You may not" in said(playground.open_views(user)[-1]), WAIT)
    assert playground.open_views(user)[-1]["submit"] is None
    assert not any(sealed.receipt.action is Action.FREEZE for sealed in target.journal.receipts())


async def test_an_answer_reaches_whoever_closed_the_modal(played: Played) -> None:
    """It comes in their conversation with the app, where only they read it."""
    playground, _ = played
    await playground.shortcut("U0MEMBER", "freeze_anr")
    view = await shown(playground, "U0MEMBER")
    playground.fail("views.update", "not_found", times=99)
    await playground.submit_view("U0MEMBER", view["id"], {})
    conversation = playground.workspace.conversation("U0MEMBER").id
    await playground.wait_for(
        lambda: [message for message in playground.messages(conversation) if "*Frozen: 0% of live traffic.*" in said(message)],
        WAIT,
    )


async def test_a_home_that_was_open_before_a_restart_is_kept_up_to_date_after_it(scene: Played) -> None:
    """What happened while the bot was away, and after it came back, is seen without opening the home again."""
    playground, settings = scene
    async with running(settings):
        await opened(playground, "U0OLIVIA")
    target = Target.at(settings.target, settings.access)
    roles = settings.access.roles_of("U0OLIVIA", full_member=True)
    await asyncio.to_thread(brake.freeze, target, Actor(kind=ActorKind.SLACK, id="U0OLIVIA", roles=roles), "at night")
    async with running(settings):
        await playground.wait_for(lambda: "at night" in said(view_of(playground, "U0OLIVIA")), WAIT)


@pytest.mark.parametrize("kept", ["", "[]", '{"U0OLIVIA": "yesterday"}', "not JSON"])
async def test_a_broken_memory_of_homes_stops_nothing(scene: Played, kept: str) -> None:
    """The bot starts, and a home that is opened again is kept up to date."""
    playground, settings = scene
    settings.target.journal.with_suffix(".homes.json").write_text(kept, encoding="utf-8")
    async with running(settings):
        await opened(playground, "U0OLIVIA")


async def test_a_home_survives_a_slack_that_does_not_take_it(played: Played) -> None:
    """What was not published at first is published at the next look."""
    playground, _ = played
    playground.fail("views.publish", "internal_error")
    await opened(playground, "U0OLIVIA")


async def test_what_slack_refuses_is_told_in_the_home_and_tried_again_from_there(played: Played) -> None:
    """A parked card stands in the home with Slack's word for it; the button brings it to the channel."""
    playground, _ = played
    await playground.wait_for(lambda: cards(playground, "The journal begins"), WAIT)
    playground.fail("chat.postMessage", "msg_too_long", times=99, about="Frozen")  # what is seen of the router tries anew
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "freeze errors")
    await playground.wait_for(lambda: any(call.error == "msg_too_long" for call in playground.api.calls), WAIT)
    home = await opened(playground, "U0OLIVIA", "Slack refuses its message (msg_too_long)")
    assert not cards(playground, "errors")
    playground.api.clear_faults()
    await playground.click_view("U0OLIVIA", home["id"], "deliver_again")
    await playground.wait_for(lambda: cards(playground, "errors"), WAIT)
    await playground.wait_for(lambda: "msg_too_long" not in said(view_of(playground, "U0OLIVIA")), WAIT)


async def test_a_home_that_slack_refused_for_good_comes_when_there_is_something_new_to_show(played: Played) -> None:
    """Nobody has to open it again."""
    playground, _ = played
    playground.fail("views.publish", "not_enabled")
    await playground.open_home("U0OLIVIA")
    await playground.wait_for(lambda: any(call.error == "not_enabled" for call in playground.api.calls), WAIT)
    await playground.slash("U0MEMBER", CHANNEL, "/anr", "freeze errors")
    await playground.wait_for(lambda: "errors" in said(view_of(playground, "U0OLIVIA")), WAIT)
