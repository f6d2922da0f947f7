"""The main story over the real protocol: playground, simulated router and bot, as `anr demo` runs them."""

import asyncio
from functools import partial

import pytest

from bot.playground.demo import CHANNEL
from bot.playground.server import Playground
from core.actors import Actor, ActorKind, Role
from core.brake import brake
from core.receipts.receipt import Action
from core.router.control import SAFE_SETTINGS
from core.target.target import Target
from tests.support.workspace import (
    WAIT,
    Played,
    answers,
    asked,
    cards,
    denied,
    done,
    has_button,
    pilot_in,
    said,
    silenced,
    whispers,
)


def more_whispers(playground: Playground, user: str, than: int) -> bool:
    return len(answers(playground, user)) > than


async def test_a_promotion_goes_from_the_question_to_the_routers_settings(played: Played, target: Target) -> None:
    """Asked by one, refused to the same, approved by another: the settings change, the card ends, the receipts verify."""
    playground, settings = played
    card = await asked(playground)
    assert "10% → 25%" in said(card)
    assert "<@U0OLIVIA>" in said(card)

    await playground.click("U0OLIVIA", CHANNEL, card["ts"], "approve")
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "somebody else has to approve it"), WAIT)
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.10"

    await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
    await playground.wait_for(lambda: cards(playground, "Promoted: 10% → 25%"), WAIT)
    ended = cards(playground, "Promoted: 10% → 25%")[0]
    assert ended["ts"] == card["ts"]
    assert "<@U0AARON>" in said(ended)
    assert not has_button(ended)
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.25"
    assert target.journal.verify()[1] == ()
    assert target.journal.state().stage == 25


async def test_a_denied_request_promotes_nothing_and_names_who_denied(played: Played, target: Target) -> None:
    """Deny ends the request: the card says who, the buttons are gone, the pilot stays."""
    playground, settings = played
    card = await asked(playground)
    await denied(playground, "U0PRIYA", card, "too early")
    await playground.wait_for(lambda: cards(playground, "Denied: 10% → 25%"), WAIT)
    ended = cards(playground, "Denied: 10% → 25%")[0]
    assert "<@U0PRIYA>" in said(ended)
    assert not has_button(ended)
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.10"


async def test_two_approvers_who_click_at_once_promote_once(played: Played, target: Target) -> None:
    """Two simultaneous approvals have one effect, and both people get an answer."""
    playground, _ = played
    card = await asked(playground)
    await asyncio.gather(
        playground.click("U0AARON", CHANNEL, card["ts"], "approve"),
        playground.click("U0PRIYA", CHANNEL, card["ts"], "approve"),
    )
    await playground.wait_for(lambda: answers(playground, "U0AARON") and answers(playground, "U0PRIYA"), WAIT)
    outcomes = [sealed.receipt for sealed in target.journal.receipts() if sealed.receipt.phase == "outcome"]
    assert [(receipt.result, receipt.stage_after) for receipt in outcomes] == [("applied", 25)]


async def test_a_freeze_between_request_and_click_wins(played: Played, target: Target) -> None:
    """What was frozen after it was asked is not promoted by a click, and the card says why."""
    playground, settings = played
    card = await asked(playground)
    await playground.slash("U0MEMBER", CHANNEL, "/anr", "freeze errors <!channel>")
    await playground.wait_for(lambda: cards(playground, "Frozen"), WAIT)
    await playground.click_stale(card, "U0AARON", "approve", channel_id=CHANNEL)
    await playground.wait_for(lambda: cards(playground, "Not promoted"), WAIT)
    assert "The rollout was frozen after this request was made" in said(cards(playground, "Not promoted")[0])
    assert "NOVA_ANR_ENABLED=0" in settings.target.settings_file.read_text(encoding="utf-8")
    assert not any("<!channel>" in said(message) for message in playground.messages(CHANNEL))
    assert target.journal.state().frozen


async def test_gates_that_turned_red_between_request_and_click_stop_the_promotion(played: Played, target: Target) -> None:
    """Everything is measured again at the click."""
    playground, settings = played
    card = await asked(playground)
    await silenced(playground)
    settings.target.ledger.write_bytes(b"")
    await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
    await playground.wait_for(lambda: cards(playground, "Not promoted"), WAIT)
    assert "The gates no longer pass" in said(cards(playground, "Not promoted")[0])
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.10"


async def test_slack_is_down_during_a_rollback_and_the_message_comes_later(played: Played, target: Target) -> None:
    """The router is safe before Slack hears of it; the story is told when Slack is back."""
    playground, settings = played
    playground.api.down = True
    somebody = Actor(kind=ActorKind.OS, id="oncall", roles=frozenset({Role.BRAKE}))
    braked = await asyncio.to_thread(brake.rollback, target, somebody, "pager")
    assert isinstance(braked, brake.Braked)
    assert braked.safe
    assert "NOVA_ANR_KILL=1" in settings.target.settings_file.read_text(encoding="utf-8")
    playground.api.down = False
    await playground.wait_for(lambda: cards(playground, "Rolled back"), WAIT)
    assert "`oncall` (terminal)" in said(cards(playground, "Rolled back")[0])


async def test_a_rollback_typed_while_slacks_api_is_down_acts_at_once(played: Played, target: Target) -> None:
    """Slack delivers the command and takes no call: no name, no answer, no message, and the router is safe all the same."""
    playground, _ = played
    await playground.wait_for(lambda: cards(playground, "The journal begins"), WAIT)
    playground.api.down = True
    await playground.slash("U0MEMBER", CHANNEL, "/anr", "rollback errors")
    async with asyncio.timeout(WAIT):
        while not await asyncio.to_thread(lambda: target.router.settings().carries(SAFE_SETTINGS)):
            pass
    assert not cards(playground, "Rolled back")
    playground.api.down = False
    await playground.wait_for(lambda: cards(playground, "Rolled back"), WAIT)
    assert "<@U0MEMBER>" in said(cards(playground, "Rolled back")[0])
    assert done(target) == [Action.INIT, Action.ROLLBACK]


async def test_slack_hangs_and_the_rollback_does_not_wait_for_it(played: Played, target: Target) -> None:
    """Slack takes the command but does not say who typed it: the router is safe before Slack answers."""
    playground, settings = played
    answering = playground.stall("users.info")
    await playground.slash("U0MEMBER", CHANNEL, "/anr", "rollback errors")
    await playground.wait_for(lambda: cards(playground, "Rolled back"), WAIT)
    assert "NOVA_ANR_KILL=1" in settings.target.settings_file.read_text(encoding="utf-8")
    answering.set()


async def test_a_known_guest_stays_a_guest_while_slack_is_silent(played: Played, target: Target) -> None:
    """Who was a guest when Slack last said so cannot use its silence."""
    playground, _ = played
    await playground.slash("U0GUEST", CHANNEL, "/anr", "status")
    await playground.wait_for(lambda: whispers(playground, "U0GUEST", "You may not"), WAIT)
    playground.fail("users.info", status=500)
    count = len(answers(playground, "U0GUEST"))
    await playground.slash("U0GUEST", CHANNEL, "/anr", "rollback")
    await playground.wait_for(lambda: more_whispers(playground, "U0GUEST", count), WAIT)
    assert "You may not" in said(answers(playground, "U0GUEST")[-1])
    assert done(target) == [Action.INIT]


async def test_slack_cannot_say_who_approves_and_nothing_is_approved(played: Played, target: Target) -> None:
    """Promotion fails closed: an approver whom Slack does not confirm is refused, and the request waits."""
    playground, _ = played
    card = await asked(playground)
    # before it is answered, Slack is asked who could approve
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "waits for an approver"), WAIT)
    playground.fail("users.info", status=500)
    await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
    await playground.wait_for(lambda: whispers(playground, "U0AARON", "does not say at present who you are"), WAIT)
    assert len(target.journal.pending()) == 1


async def test_a_step_down_between_request_and_click_makes_the_card_stale(played: Played, target: Target) -> None:
    """The request was made at 10%: after a step down to 0% the click promotes nothing, and the card says so."""
    playground, settings = played
    card = await asked(playground)
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "promote 0 slower")
    await playground.wait_for(lambda: cards(playground, "Stepped down: 10% → 0%"), WAIT)
    await playground.click_stale(card, "U0AARON", "approve", channel_id=CHANNEL)
    await playground.wait_for(lambda: cards(playground, "Not promoted"), WAIT)
    ended = cards(playground, "Not promoted")[0]
    assert ended["ts"] == card["ts"]
    assert not has_button(ended)
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.00"
    assert target.journal.state().stage == 0


async def test_a_redelivered_click_approves_once(played: Played, target: Target) -> None:
    """The same envelope again finds the request answered; nothing is promoted twice, and the person is told."""
    playground, settings = played
    card = await asked(playground)
    delivery = await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
    await playground.wait_for(lambda: cards(playground, "Promoted: 10% → 25%"), WAIT)
    before = done(target)
    count = len(answers(playground, "U0AARON"))
    await playground.redeliver(delivery)
    await playground.wait_for(lambda: more_whispers(playground, "U0AARON", count), WAIT)
    assert "approved" in said(answers(playground, "U0AARON")[-1])
    assert done(target) == before
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.25"


async def test_a_redelivered_command_asks_once(played: Played, target: Target) -> None:
    """The same envelope again has no second effect, and the person is told so."""
    playground, _ = played
    delivery = await playground.slash("U0OLIVIA", CHANNEL, "/anr", "rollback")
    await playground.wait_for(lambda: cards(playground, "Rolled back"), WAIT)
    await playground.redeliver(delivery)
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "already done"), WAIT)
    assert [sealed.receipt.action for sealed in target.journal.receipts()].count(Action.ROLLBACK) == 1


@pytest.mark.parametrize("user", ["U0GUEST", "U0EXTERN"], ids=["guest", "other-workspace"])
async def test_who_is_no_full_member_may_do_nothing(played: Played, target: Target, user: str) -> None:
    """A guest and somebody of another workspace get a refusal from every word that does something; no receipt is written."""
    playground, _ = played
    before = done(target)
    for words in ("promote", "rollback", "freeze", "unfreeze", "status"):
        count = len(answers(playground, user))
        await playground.slash(user, CHANNEL, "/anr", words)
        await playground.wait_for(partial(more_whispers, playground, user, count), WAIT)
        assert "You may not" in said(answers(playground, user)[-1])
    assert done(target) == before


async def test_a_mistyped_word_gets_the_nearest_one(played: Played) -> None:
    """A mistake is answered to the person alone, with what was probably meant."""
    playground, _ = played
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "rolback")
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "Did you mean `/anr rollback`?"), WAIT)


async def test_status_names_stage_and_gates(played: Played) -> None:
    """Status says where the router is and what every gate thinks."""
    playground, _ = played
    await playground.slash("U0MEMBER", CHANNEL, "/anr", "status")
    await playground.wait_for(lambda: whispers(playground, "U0MEMBER", "*Stage:* 10%"), WAIT)
    shown = said(answers(playground, "U0MEMBER")[-1])
    assert "9 of 9 gates pass" in shown
