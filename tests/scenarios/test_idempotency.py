"""One effect for each cause, and everybody told truthfully: deliveries that come twice, late, and to another process."""

import asyncio

import pytest

from bot.app import running
from bot.playground.demo import CHANNEL
from core.receipts.receipt import Action, Phase
from core.settings.settings import Settings
from core.target.target import Target
from tests.support.workspace import WAIT, Played, answers, asked, cards, denied, pilot_in, whispers


def effects(settings: Settings, action: Action) -> int:
    """How many receipts say that it was done."""
    target = Target.at(settings.target, settings.access)
    try:
        done = [sealed.receipt for sealed in target.journal.receipts() if sealed.receipt.action is action]
        return len([receipt for receipt in done if receipt.phase is not Phase.INTENT])
    finally:
        target.journal.close()


@pytest.mark.parametrize(
    ("text", "action", "told"),
    [
        pytest.param("promote good day", Action.REQUEST, "already done", id="promote"),
        pytest.param("promote 0 too early", Action.LOWER, "already done", id="step-down"),
        pytest.param("rollback errors", Action.ROLLBACK, "already done", id="rollback"),
        pytest.param("freeze errors", Action.FREEZE, "already done", id="freeze"),
    ],
)
async def test_a_command_delivered_again_after_a_restart_has_no_second_effect(
    scene: Played, text: str, action: Action, told: str
) -> None:
    """The last retry may come minutes later, to a process that never saw the first: the journal knows the cause."""
    playground, settings = scene
    async with running(settings):
        delivery = await playground.slash("U0OLIVIA", CHANNEL, "/anr", text)
        await playground.wait_for(lambda: effects(settings, action) == 1, WAIT)
    async with running(settings):
        await playground.redeliver(delivery, retry_num=3, retry_reason="http_timeout")
        await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", told), WAIT)
    assert effects(settings, action) == 1


async def test_an_unfreeze_delivered_again_lifts_no_later_hold(scene: Played) -> None:
    """A hold that came after the first delivery is not lifted by the second."""
    playground, settings = scene
    async with running(settings):
        await playground.slash("U0OLIVIA", CHANNEL, "/anr", "freeze errors")
        await playground.wait_for(lambda: effects(settings, Action.FREEZE) == 1, WAIT)
        lifted = await playground.slash("U0OLIVIA", CHANNEL, "/anr", "unfreeze healed")
        await playground.wait_for(lambda: effects(settings, Action.UNFREEZE) == 1, WAIT)
        await playground.slash("U0OLIVIA", CHANNEL, "/anr", "freeze more errors")
        await playground.wait_for(lambda: effects(settings, Action.FREEZE) == 2, WAIT)
        await playground.redeliver(lifted)
        await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "already"), WAIT)
    target = Target.at(settings.target, settings.access)
    assert [hold.reason for hold in target.journal.state().holds] == ["more errors"]
    target.journal.close()


async def test_a_double_click_and_a_second_approver_at_the_same_moment_promote_once(played: Played) -> None:
    """Two people press Approve together and one of them twice: one promotion, and each of them hears how it ended."""
    playground, settings = played
    card = await asked(playground)
    await asyncio.gather(
        playground.click("U0AARON", CHANNEL, card["ts"], "approve"),
        playground.click("U0AARON", CHANNEL, card["ts"], "approve"),
        playground.click("U0PRIYA", CHANNEL, card["ts"], "approve"),
    )
    await playground.wait_for(lambda: cards(playground, "Promoted"), WAIT)
    await playground.wait_for(lambda: sum(len(answers(playground, user)) for user in ("U0AARON", "U0PRIYA")) >= 3, WAIT)
    told = [str(answer) for user in ("U0AARON", "U0PRIYA") for answer in answers(playground, user)]
    assert len([answer for answer in told if "Now at" in answer]) == 1
    assert len([answer for answer in told if "already approved" in answer]) == 2
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.25"
    assert effects(settings, Action.PROMOTE) == 1


async def test_a_denial_delivered_again_after_a_restart_denies_nothing_more(scene: Played) -> None:
    """The card is over; who clicked is told so, and the next request is not touched."""
    playground, settings = scene
    async with running(settings):
        card = await asked(playground)
        click = await denied(playground, "U0AARON", card, "too early")
        await playground.wait_for(lambda: cards(playground, "Denied"), WAIT)
        await playground.slash("U0OLIVIA", CHANNEL, "/anr", "promote again")
        await playground.wait_for(lambda: cards(playground, "Approval needed"), WAIT)
    async with running(settings):
        await playground.redeliver(click, retry_num=1, retry_reason="http_timeout")
        await playground.wait_for(lambda: whispers(playground, "U0AARON", "already denied"), WAIT)
    assert effects(settings, Action.DENY) == 1
    assert len(cards(playground, "Approval needed")) == 1
