"""What a restart of the bot must not lose."""

import asyncio

from bot.app import running
from bot.playground.demo import CHANNEL
from core.actors import Actor, ActorKind
from core.operations import propose, results
from core.target.order import Order
from core.target.target import Target
from tests.support.workspace import WAIT, Played, cards, stories, whispers


async def test_the_first_click_after_a_restart_is_not_eaten(scene: Played) -> None:
    """A request outlives the bot: the card that was posted before the restart is answered after it, in place."""
    playground, settings = scene
    async with running(settings):
        await playground.slash("U0OLIVIA", CHANNEL, "/anr", "promote")
        await playground.wait_for(
            lambda: [message for message in playground.messages(CHANNEL) if "Approval needed" in message["text"]], WAIT
        )
    card = stories(playground)[-1]
    async with running(settings):
        await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
        await playground.wait_for(
            lambda: [message for message in playground.messages(CHANNEL) if "Promoted" in message["text"]], WAIT
        )
    assert [message["ts"] for message in playground.messages(CHANNEL) if "Promoted" in message["text"]] == [card["ts"]]
    assert len(stories(playground)) == 2
    assert "NOVA_ANR_PILOT=0.25" in settings.target.settings_file.read_text(encoding="utf-8")


async def test_what_happened_while_the_bot_was_away_is_told_when_it_comes_back(scene: Played) -> None:
    """A request made at the terminal gets its card when the bot starts."""
    playground, settings = scene
    target = Target.at(settings.target, settings.access)
    roles = settings.access.roles_of("U0OLIVIA", full_member=True)
    order = Order(Actor(kind=ActorKind.SLACK, id="U0OLIVIA", roles=roles), "from the terminal")
    asked = await asyncio.to_thread(propose.propose, target, order)
    assert isinstance(asked, results.Asked)
    async with running(settings):
        await playground.wait_for(
            lambda: [message for message in playground.messages(CHANNEL) if "Approval needed" in message["text"]], WAIT
        )
    assert "from the terminal" in str(stories(playground)[-1]["blocks"])


async def test_without_approvers_nothing_can_be_promoted_and_the_answer_says_what_to_set(scene: Played) -> None:
    """A bot whose settings name nobody who could approve refuses the question itself; the brake still works."""
    playground, settings = scene
    alone = settings.model_copy(update={"operators": frozenset({"U0OLIVIA"}), "approvers": frozenset()})
    async with running(alone):
        await playground.slash("U0OLIVIA", CHANNEL, "/anr", "promote")
        await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "Set `approvers` in the settings"), WAIT)
        await playground.slash("U0OLIVIA", CHANNEL, "/anr", "rollback")
        await playground.wait_for(lambda: cards(playground, "Rolled back"), WAIT)
    assert Target.at(alone.target, alone.access).journal.pending() == ()
