"""To act alone, over the wire: promotion against failing gates and its review; brakes that want an approval."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from bot.app import running
from bot.playground.demo import CHANNEL
from bot.playground.server import Playground
from core.actors import Approvable, ApprovalRule
from core.settings.settings import Settings
from core.target.target import Target
from tests.scenarios.test_waiting_cards import spoil
from tests.support.workspace import WAIT, Played, answers, cards, pilot_in, said, shown, whispers

BRAKES = {
    Approvable.ROLLBACK: ApprovalRule(needed=1),
    Approvable.FREEZE: ApprovalRule(needed=1),
}


def because(reason: str) -> dict[str, Any]:
    return {"reason": {"reason": {"value": reason}}}


async def refused(playground: Playground, user: str) -> dict[str, Any]:
    """Ask for a promotion that the gates refuse, and return the answer."""

    def found() -> list[dict[str, Any]]:  # others come meanwhile, as that the router was seen
        return [answer for answer in answers(playground, user) if "NO-GO" in said(answer)]

    before = len(found())
    await playground.slash(user, CHANNEL, "/anr", "promote")
    await playground.wait_for(lambda: len(found()) > before, WAIT)
    return found()[-1]


async def alone(playground: Playground, user: str, reason: str) -> None:
    """Break the glass from the refusal."""
    answer = await refused(playground, user)
    await playground.click(user, CHANNEL, answer["ts"], "ask_break_glass")
    view = await shown(playground, user)
    await playground.submit_view(user, view["id"], because(reason))


async def test_an_approver_breaks_the_glass_and_another_reviews_it(played: Played) -> None:
    """Gates and reason on the message, the other approver named so that Slack tells them, the review ends it."""
    playground, settings = played
    spoil(settings)
    answer = await refused(playground, "U0OLIVIA")
    assert "NO-GO" in said(answer)
    assert "ask_break_glass" not in said(answer)
    answer = await refused(playground, "U0AARON")
    await playground.click("U0AARON", CHANNEL, answer["ts"], "ask_break_glass")
    view = await shown(playground, "U0AARON")
    assert "10% → 25% of live traffic *alone*" in said(view)
    assert "<@U0PRIYA>" in said(view)
    delivery = await playground.submit_view("U0AARON", view["id"], because("short"))
    assert "at least 10 characters" in str(delivery.response)
    await playground.submit_view("U0AARON", view["id"], because("the canary <!channel> counts wrong"))
    await playground.wait_for(lambda: cards(playground, "Break-glass promotion: 10% → 25%"), WAIT)
    await playground.wait_for(lambda: pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.25", WAIT)
    await playground.wait_for(lambda: "Now at *25%*" in said(cards(playground, "Break-glass promotion")[0]), WAIT)
    card = cards(playground, "Break-glass promotion: 10% → 25%")[0]
    assert "Gates passed over: Rollbacks per 1,000 live decisions" in said(card)
    assert "Not waited for: <@U0PRIYA>" in said(card)
    assert "“the canary &lt;!channel&gt; counts wrong”" in said(card)

    await alone_is_refused(playground, "U0AARON")
    await playground.click("U0AARON", CHANNEL, card["ts"], "ask_review")
    assert "somebody else has to review it" in said(await shown(playground, "U0AARON"))
    await playground.click("U0PRIYA", CHANNEL, card["ts"], "ask_review")
    view = await shown(playground, "U0PRIYA")
    await playground.submit_view("U0PRIYA", view["id"], because("it was right"))
    await playground.wait_for(lambda: "*Reviewed* by <@U0PRIYA>" in said(cards(playground, "Break-glass promotion")[0]), WAIT)
    reviewed = cards(playground, "Break-glass promotion: 10% → 25%")
    assert [message["ts"] for message in reviewed] == [card["ts"]]
    assert "ask_review" not in said(reviewed[0])
    target = Target.at(settings.target, settings.access)
    assert target.journal.state().unreviewed is None
    assert target.journal.verify()[1] == ()


async def alone_is_refused(playground: Playground, user: str) -> None:
    """The next break-glass waits for the review of the last."""
    answer = await refused(playground, user)
    await playground.click(user, CHANNEL, answer["ts"], "ask_break_glass")
    assert "was not reviewed by anybody else yet" in said(await shown(playground, user))
    await playground.close_view(user, playground.open_views(user)[-1]["id"])


@pytest_asyncio.fixture
async def braking(scene: Played) -> AsyncIterator[tuple[Playground, Settings, Target]]:
    """The bot with settings that want an approval for rollback and freeze."""
    playground, settings = scene
    asking = settings.model_copy(update={"approvals": BRAKES})
    async with running(asking):
        await playground.wait_for(lambda: cards(playground, "The journal begins"), WAIT)
        yield playground, asking, Target.at(asking.target, asking.access)


@pytest.mark.parametrize("word", ["rollback", "freeze"])
async def test_a_brake_that_wants_an_approval_waits_for_it(braking: tuple[Playground, Settings, Target], word: str) -> None:
    """It is asked for, nothing changes, another person's click makes the router safe, and the one card tells it all."""
    playground, settings, target = braking
    await playground.slash("U0MEMBER", CHANNEL, "/anr", f"{word} p99 is high")
    await playground.wait_for(lambda: whispers(playground, "U0MEMBER", "*Asked, not done yet.*"), WAIT)
    await playground.wait_for(lambda: cards(playground, f"Approval needed: {word}"), WAIT)
    card = cards(playground, f"Approval needed: {word}")[0]
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.10"
    await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
    done = "Rolled back" if word == "rollback" else "Frozen"
    await playground.wait_for(lambda: cards(playground, done), WAIT)
    await playground.wait_for(lambda: target.journal.pending() == (), WAIT)
    await playground.wait_for(lambda: "approve" not in str(cards(playground, done)[0]["blocks"][-2]), WAIT)
    ended = cards(playground, done)
    assert [message["ts"] for message in ended] == [card["ts"]]
    assert "<@U0AARON>" in said(ended[0])
    assert "Settings written and synced, router restarted" in said(ended[0])
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.00"


@pytest.mark.parametrize("how", ["button", "typed"])
async def test_whoever_cannot_wait_brakes_alone_and_the_others_are_told(
    braking: tuple[Playground, Settings, Target], how: str
) -> None:
    """From the card or with `--now`: safe at once, the approvers named, the request over."""
    playground, settings, target = braking
    if how == "button":
        await playground.slash("U0OLIVIA", CHANNEL, "/anr", "rollback p99 is high")
        await playground.wait_for(lambda: cards(playground, "Approval needed: rollback"), WAIT)
        card = cards(playground, "Approval needed: rollback")[0]
        await playground.click("U0MEMBER", CHANNEL, card["ts"], "rollback_now")
    else:
        await playground.slash("U0MEMBER", CHANNEL, "/anr", "rollback --now p99 is high")
    await playground.wait_for(lambda: cards(playground, "Not waited for: <@U0AARON>, <@U0PRIYA>"), WAIT)
    await playground.wait_for(lambda: target.journal.pending() == (), WAIT)
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.00"
    await playground.wait_for(lambda: not buttons_of(cards(playground, "Not waited for")[0]), WAIT)
    assert len(cards(playground, "Rolled back")) == 1


def buttons_of(card: dict[str, Any]) -> list[dict[str, Any]]:
    return [block for block in card["blocks"] if block["type"] == "actions"]
