"""The forms that ask for a reason, over the wire in both modes."""

from typing import Any

from bot.playground.demo import CHANNEL
from bot.playground.server import Playground
from core.receipts import Action
from core.site import Site
from tests.scenarios.workspace import WAIT, Played, cards, said, whispers


async def opened(playground: Playground, user: str, button: str) -> dict[str, Any]:
    """Ask for help, press a button on it, and return the form that opens."""
    await playground.slash(user, CHANNEL, "/anr", "help")
    await playground.wait_for(lambda: whispers(playground, user, "/anr rollback"), WAIT)
    await playground.click(user, CHANNEL, playground.ephemerals(user)[-1]["ts"], button)
    await playground.wait_for(lambda: playground.open_views(user), WAIT)
    return playground.open_views(user)[-1]


def reason(text: str | None) -> dict[str, Any]:
    return {"reason": {"reason": {"value": text}}}


async def test_a_promotion_is_asked_for_with_the_reason_from_the_form(played: Played) -> None:
    """What was typed into the form is on the card, and the form is closed."""
    playground, _ = played
    view = await opened(playground, "U0OLIVIA", "ask_promote")
    await playground.submit_view("U0OLIVIA", view["id"], reason("a good day\n<!channel> & <https://evil.example|here>"))
    await playground.wait_for(lambda: cards(playground, "Approval wanted"), WAIT)
    card = said(cards(playground, "Approval wanted")[0])
    assert "a good day &lt;!channel&gt; &amp; &lt;https://evil.example|here&gt;" in card
    assert playground.open_views("U0OLIVIA") == []
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "waits for an approver"), WAIT)


async def test_a_freeze_from_the_form_acts_at_once_and_once(played: Played, site: Site) -> None:
    """Without a reason too; the same submission delivered again has no second effect."""
    playground, settings = played
    view = await opened(playground, "U0MEMBER", "ask_freeze")
    delivery = await playground.submit_view("U0MEMBER", view["id"], reason(None))
    await playground.wait_for(lambda: cards(playground, "Frozen"), WAIT)
    assert "NOVA_ANR_ENABLED=0" in settings.target.settings_file.read_text(encoding="utf-8")
    await playground.redeliver(delivery)
    await playground.wait_for(lambda: whispers(playground, "U0MEMBER", "already done"), WAIT)
    assert [one.receipt.action for one in site.journal.receipts()].count(Action.FREEZE) == 1


async def test_a_form_that_slack_does_not_open_says_what_to_type(played: Played) -> None:
    """The person is not left with a button that does nothing."""
    playground, _ = played
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "help")
    await playground.wait_for(lambda: playground.ephemerals("U0OLIVIA"), WAIT)
    playground.fail("views.open", "expired_trigger_id")
    await playground.click("U0OLIVIA", CHANNEL, playground.ephemerals("U0OLIVIA")[-1]["ts"], "ask_freeze")
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "type `/anr freeze REASON` instead"), WAIT)


async def test_a_member_who_is_no_operator_is_refused_after_the_form(played: Played, site: Site) -> None:
    """The role is checked when the form is submitted, and nothing is asked for."""
    playground, _ = played
    view = await opened(playground, "U0MEMBER", "ask_promote")
    await playground.submit_view("U0MEMBER", view["id"], reason("please"))
    await playground.wait_for(lambda: whispers(playground, "U0MEMBER", "You may not"), WAIT)
    assert site.journal.pending() == ()
