"""The modals that ask before something is done, over the wire."""

import asyncio
from typing import Any

from bot.playground.demo import CHANNEL
from bot.playground.server import Playground
from core.receipts.receipt import Action
from core.target.target import Target
from tests.support.workspace import WAIT, Played, answers, asked, cards, denied, has_button, pilot_in, said, shown, whispers


async def opened(playground: Playground, user: str, button: str) -> dict[str, Any]:
    """Ask for help, press a button on it, and return the modal that opens."""
    await playground.slash(user, CHANNEL, "/anr", "")
    await playground.wait_for(lambda: whispers(playground, user, "/anr rollback"), WAIT)
    await playground.click(user, CHANNEL, answers(playground, user)[-1]["ts"], button)
    return await shown(playground, user)


def text(**answers: str | None) -> dict[str, Any]:
    return {name: {name: {"value": value}} for name, value in answers.items()}


def choice(field: str, value: str) -> dict[str, Any]:
    return {field: {field: {"selected_option": {"value": value}}}}


async def test_a_promotion_is_asked_for_with_stage_and_reason(played: Played) -> None:
    """The next stage is chosen already; what was typed is on the card, and the modal is closed."""
    playground, _ = played
    view = await opened(playground, "U0OLIVIA", "ask_promote")
    assert "*Now:* 10% of live traffic" in said(view)
    assert ":large_green_circle: *GO*" in said(view)
    await playground.submit_view("U0OLIVIA", view["id"], text(reason="a good day\n<!channel> & <https://evil.example|here>"))
    await playground.wait_for(lambda: cards(playground, "Approval needed: 10% → 25%"), WAIT)
    card = said(cards(playground, "Approval needed")[0])
    assert "a good day &lt;!channel&gt; &amp; &lt;https://evil.example|here&gt;" in card
    assert playground.open_views("U0OLIVIA") == []
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "waits for an approver"), WAIT)


async def test_a_lower_stage_is_chosen_and_happens_at_once(played: Played) -> None:
    """A step down in the same modal needs no approval."""
    playground, settings = played
    view = await opened(playground, "U0OLIVIA", "ask_promote")
    await playground.submit_view("U0OLIVIA", view["id"], choice("stage", "0") | text(reason="quiet weekend"))
    await playground.wait_for(lambda: cards(playground, "Stepped down: 10% → 0%"), WAIT)
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.00"


async def test_a_freeze_acts_at_once_and_once(played: Played, target: Target) -> None:
    """Without a reason too; the same submission delivered again has no second effect."""
    playground, settings = played
    view = await opened(playground, "U0MEMBER", "ask_freeze")
    delivery = await playground.submit_view("U0MEMBER", view["id"], {})
    await playground.wait_for(lambda: cards(playground, "Frozen"), WAIT)
    assert "NOVA_ANR_ENABLED=0" in settings.target.settings_file.read_text(encoding="utf-8")
    await playground.redeliver(delivery)
    await playground.wait_for(lambda: whispers(playground, "U0MEMBER", "already done"), WAIT)
    assert [sealed.receipt.action for sealed in target.journal.receipts()].count(Action.FREEZE) == 1


async def test_a_freeze_can_keep_the_stage_and_end_by_itself(played: Played, target: Target) -> None:
    """Promotions are held, the router is not touched, and the card says both and when it ends."""
    playground, settings = played
    view = await opened(playground, "U0MEMBER", "ask_freeze")
    await playground.submit_view("U0MEMBER", view["id"], choice("mode", "keep") | text(lasts="2 days", reason="the fair"))
    await playground.wait_for(lambda: cards(playground, "Frozen, with the stage kept at 10%"), WAIT)
    card = said(cards(playground, "Frozen, with the stage kept at 10%")[0])
    assert "10% of live traffic goes on. The hold ends by itself <!date^" in card
    assert "`/anr unfreeze" in card
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.10"
    (hold,) = target.journal.state().holds
    assert hold.expires_at is not None
    assert (hold.keeps_stage, (hold.expires_at - hold.since).days) == (True, 2)


async def test_a_wrong_length_of_time_is_named_at_its_field_and_nothing_is_done(played: Played, target: Target) -> None:
    """The modal stays open with what was typed, and the router is as it was."""
    playground, _ = played
    view = await opened(playground, "U0MEMBER", "ask_freeze")
    delivery = await playground.submit_view("U0MEMBER", view["id"], text(lasts="until Monday"))
    assert set(delivery.errors) == {"lasts"}
    assert "for example 4h" in delivery.errors["lasts"]
    assert playground.open_views("U0MEMBER") != []
    assert not target.journal.state().frozen
    await playground.submit_view("U0MEMBER", view["id"], text(lasts="4h"))
    await playground.wait_for(lambda: cards(playground, "Frozen"), WAIT)


async def test_one_of_two_holds_is_lifted_with_what_was_found(played: Played, target: Target) -> None:
    """The modal names both holds; only the one that was chosen is lifted, and the rollout stays frozen."""
    playground, _ = played
    await playground.slash("U0MEMBER", CHANNEL, "/anr", "freeze errors in the checkout")
    await playground.slash("U0MEMBER", CHANNEL, "/anr", "freeze slow answers")
    await playground.wait_for(lambda: len(cards(playground, "Frozen")) == 2, WAIT)
    view = await opened(playground, "U0OLIVIA", "ask_unfreeze")
    assert "errors in the checkout" in said(view)
    assert "slow answers" in said(view)
    first, second = target.journal.state().holds
    picked = {"holds": {"holds": {"selected_options": [{"value": first.id}]}}}
    empty = await playground.submit_view("U0OLIVIA", view["id"], picked | text(found="  "))
    assert set(empty.errors) == {"found"}
    await playground.submit_view("U0OLIVIA", view["id"], picked | text(found="a bad deploy, reverted"))
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "1 hold lifted. 1 still in force."), WAIT)
    await playground.wait_for(lambda: cards(playground, "1 hold lifted, others in force"), WAIT)
    assert "“a bad deploy, reverted”" in said(cards(playground, "1 hold lifted, others in force")[0])
    assert target.journal.state().holds == (second,)


async def test_a_backup_is_picked_and_its_restore_waits_for_an_approval(played: Played, target: Target) -> None:
    """The list has the backup that was made, the card names it, and the rollout is not frozen yet."""
    playground, _ = played
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "backup")
    await playground.wait_for(lambda: cards(playground, "State backed up"), WAIT)
    (made,) = target.backups.found()
    view = await opened(playground, "U0OLIVIA", "ask_restore")
    assert made.name in said(view)
    await playground.submit_view("U0OLIVIA", view["id"], choice("backup", made.name) | text(reason="it learned from bad data"))
    await playground.wait_for(lambda: cards(playground, "Approval needed: restore"), WAIT)
    assert "it learned from bad data" in said(cards(playground, "Approval needed: restore")[0])
    assert not target.journal.state().frozen


async def test_a_denial_says_why(played: Played) -> None:
    """Deny asks for a reason; the card names who denied and why, and its buttons are gone."""
    playground, _ = played
    card = await asked(playground)
    await denied(playground, "U0PRIYA", card, "the weekend is near")
    await playground.wait_for(lambda: cards(playground, "Denied: 10% → 25%"), WAIT)
    ended = cards(playground, "Denied: 10% → 25%")[0]
    assert "<@U0PRIYA>" in said(ended)
    assert "the weekend is near" in said(ended)
    assert not has_button(ended)
    assert ended["ts"] == card["ts"]


async def test_the_modal_opens_before_anything_is_looked_up(played: Played) -> None:
    """While Slack does not say who somebody is, the modal is open already; it fills when Slack answers."""
    playground, _ = played
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "")
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "/anr rollback"), WAIT)
    silence = playground.stall("users.info")
    await playground.click("U0OLIVIA", CHANNEL, answers(playground, "U0OLIVIA")[-1]["ts"], "ask_promote")
    await playground.wait_for(lambda: playground.open_views("U0OLIVIA"), WAIT)
    assert "Looking at the router" in said(playground.open_views("U0OLIVIA")[-1])
    silence.set()
    view = await shown(playground, "U0OLIVIA")
    assert view["submit"]["text"] == "Go on"
    methods = [call.method for call in playground.api.calls]
    assert methods.index("views.open") < methods.index("views.update")


async def test_the_brakes_modal_is_whole_while_slack_is_silent_about_people(played: Played) -> None:
    """Nobody waits to freeze: the form is complete when it opens, and acts while users.info hangs."""
    playground, settings = played
    await playground.slash("U0MEMBER", CHANNEL, "/anr", "")
    await playground.wait_for(lambda: whispers(playground, "U0MEMBER", "/anr rollback"), WAIT)
    silences = [playground.stall("users.info") for _ in range(2)]
    await playground.click("U0MEMBER", CHANNEL, answers(playground, "U0MEMBER")[-1]["ts"], "ask_freeze")
    view = await shown(playground, "U0MEMBER")
    await playground.submit_view("U0MEMBER", view["id"], text(reason="errors"))
    await playground.wait_for(lambda: cards(playground, "Frozen"), WAIT)
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.00"
    for silence in silences:
        silence.set()


async def test_a_modal_that_slack_does_not_open_says_what_to_type(played: Played) -> None:
    """The person is not left with a button that does nothing."""
    playground, _ = played
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "")
    await playground.wait_for(lambda: answers(playground, "U0OLIVIA"), WAIT)
    playground.fail("views.open", "expired_trigger_id")
    await playground.click("U0OLIVIA", CHANNEL, answers(playground, "U0OLIVIA")[-1]["ts"], "ask_freeze")
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "type `/anr freeze` with a reason instead"), WAIT)


async def test_whoever_fills_in_a_form_for_an_hour_is_answered_all_the_same(played: Played) -> None:
    """Slack takes no answer beside the click any more; it comes in the conversation with the app."""
    playground, _ = played
    view = await opened(playground, "U0MEMBER", "ask_freeze")
    for response_url in playground.workspace.response_urls.values():
        response_url.issued -= 3600
    await playground.submit_view("U0MEMBER", view["id"], {})
    conversation = playground.workspace.conversation("U0MEMBER").id
    await playground.wait_for(
        lambda: [message for message in playground.messages(conversation) if "*Frozen: 0% of live traffic.*" in said(message)],
        WAIT,
    )


async def test_who_may_not_unfreeze_reads_so_in_the_modal(played: Played, target: Target) -> None:
    """The role is looked up before the questions are asked, and there is nothing to submit."""
    playground, _ = played
    await playground.slash("U0MEMBER", CHANNEL, "/anr", "freeze errors")
    await playground.wait_for(lambda: cards(playground, "Frozen"), WAIT)
    view = await opened(playground, "U0MEMBER", "ask_unfreeze")
    assert "You may not unfreeze" in said(view)
    assert view["submit"] is None
    assert target.journal.state().frozen


async def test_a_guest_sees_no_form_even_on_a_stale_card(played: Played, target: Target) -> None:
    """A click from outside opens a modal that only refuses; the request still waits."""
    playground, _ = played
    card = await asked(playground)
    await playground.click_stale(card, "U0GUEST", "ask_deny", channel_id=CHANNEL)
    view = await shown(playground, "U0GUEST")
    assert "You may not" in said(view)
    assert view["submit"] is None
    assert len(target.journal.pending()) == 1


async def test_a_click_that_slack_delivers_twice_opens_one_modal(played: Played) -> None:
    """The second delivery finds its trigger used, and nobody is told about a failure."""
    playground, _ = played
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "")
    await playground.wait_for(lambda: answers(playground, "U0OLIVIA"), WAIT)
    click = await playground.click("U0OLIVIA", CHANNEL, answers(playground, "U0OLIVIA")[-1]["ts"], "ask_promote")
    await shown(playground, "U0OLIVIA")
    await playground.redeliver(click)
    refused = await asyncio.wait_for(_refused(playground), WAIT)
    assert refused == "exchanged_trigger_id"
    assert len(playground.open_views("U0OLIVIA")) == 1
    assert not whispers(playground, "U0OLIVIA", "did not open")


async def _refused(playground: Playground) -> str:
    """The error of a refused views.open, once there is one."""

    def found() -> str | None:
        return next((call.error for call in playground.api.calls if call.method == "views.open" and call.error), None)

    return str(await playground.wait_for(found, WAIT))
