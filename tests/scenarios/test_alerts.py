"""Alerts from the webhook to the card, with a real bot."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from slack_sdk.web.async_client import AsyncWebClient

from bot.playground.demo import CHANNEL
from bot.playground.server import Playground
from core.alerts.rules import AlertRule
from core.receipts.receipt import Action
from core.settings.settings import Settings
from tests.scenarios.conftest import BOTH_MODES
from tests.support.alert_payloads import alert, payload
from tests.support.alerting import TOKEN, Stage, is_safe, listening, ready, target_of
from tests.support.workspace import WAIT, cards, said, whispers


@pytest_asyncio.fixture
async def stage(scene: tuple[Playground, Settings]) -> AsyncIterator[Stage]:
    """Playground, router, and a bot that alerts reach."""
    playground, settings = scene
    async with listening(settings) as (alertmanager, ours):
        await ready(alertmanager)
        yield playground, alertmanager, ours


def freezing(reason: str) -> dict[str, Any]:
    """The answers of the freeze modal, as it opens, with a reason."""
    rolled = {"text": {"type": "plain_text", "text": "Roll back"}, "value": "rollback"}
    return {"reason": {"reason": {"value": reason}}, "mode": {"mode": {"selected_option": rolled}}}


async def card(playground: Playground, words: str) -> dict[str, Any]:
    await playground.wait_for(lambda: cards(playground, words), WAIT)
    return cards(playground, words)[0]


async def test_an_alert_freezes_and_its_card_says_what_was_done(stage: Stage) -> None:
    """The answer is 200 and the router is safe; the card names the alert, its links, and the settings before and after."""
    playground, alertmanager, settings = stage
    status, answer = await alertmanager.send(payload(alert()))
    assert (status, answer["result"]) == (200, "accepted")
    assert is_safe(settings)
    text = said(await card(playground, "Frozen by alert: AnrRsiLow"))
    for expected in (
        "RSI is 0.71",
        "It served 10% before, 0% now.",
        "<https://runbook.example/anr|Runbook>",
        "ask_unfreeze",
        "acknowledge",
    ):
        assert expected in text
    assert "ask_silence" not in text
    (receipt,) = [sealed.receipt for sealed in target_of(settings).journal.receipts() if sealed.receipt.action is Action.FREEZE]
    assert receipt.alert is not None
    assert receipt.alert.name == "AnrRsiLow"


async def test_a_repeat_every_second_for_a_minute_is_one_freeze_and_one_message(stage: Stage) -> None:
    """Sixty deliveries, each answered with 200: one receipt and one message, which only what is seen of the router changes."""
    playground, alertmanager, settings = stage
    for _ in range(60):
        assert (await alertmanager.send(payload(alert())))[0] == 200
    await card(playground, "Frozen by alert")
    assert len(cards(playground, "AnrRsiLow")) == 1
    actions = [sealed.receipt.action for sealed in target_of(settings).journal.receipts()]
    assert [action for action in actions if action is not Action.OBSERVED][-1] is Action.FREEZE
    assert (actions.count(Action.FREEZE), actions.count(Action.ALERT)) == (1, 0)


async def test_two_alerts_one_resolved_are_one_card_that_says_so(stage: Stage) -> None:
    """Resolved is noted in place and unfreezes nothing."""
    playground, alertmanager, settings = stage
    await alertmanager.send(payload(alert("a"), alert("b", alertname="AnrSlotDown")))
    first = await card(playground, "AnrSlotDown")
    await alertmanager.send(
        payload(alert("a", status="resolved", end="2026-11-24T08:30:00Z"), alert("b", alertname="AnrSlotDown"))
    )
    await playground.wait_for(lambda: cards(playground, "resolved <!date"), WAIT)
    (shown,) = cards(playground, "AnrSlotDown")
    assert shown["ts"] == first["ts"]
    assert is_safe(settings)
    assert len(target_of(settings).journal.state().holds) == 2


async def test_an_observed_rule_says_what_it_would_have_frozen(scene: tuple[Playground, Settings]) -> None:
    """The router serves on; the card says that it would not."""
    playground, settings = scene
    rules = (AlertRule(match='component="anr"', then="freeze", mode="observe"),)
    async with listening(settings, rules=rules) as (alertmanager, ours):
        assert (await alertmanager.send(payload(alert())))[0] == 200
        text = said(await card(playground, "Would have frozen: AnrRsiLow"))
        assert "observed only" in text
        assert not is_safe(ours)


async def test_unfreezing_while_the_alert_fires_needs_the_box_and_a_reason(stage: Stage) -> None:
    """The form's first answer is a refusal; with box and reason the hold is lifted, and repeats do nothing."""
    playground, alertmanager, settings = stage
    await alertmanager.send(payload(alert()))
    shown = await card(playground, "Frozen by alert")

    async def answer(found: str, *, box: bool) -> None:
        await playground.click("U0OLIVIA", CHANNEL, shown["ts"], "ask_unfreeze")
        await playground.wait_for(lambda: "Still firing" in str(playground.open_views("U0OLIVIA")), WAIT)
        view = playground.open_views("U0OLIVIA")[-1]
        holds = next(block for block in view["blocks"] if block.get("block_id") == "holds")
        ticked = next(block for block in view["blocks"] if block.get("block_id") == "while_firing")
        values = {
            "found": {"found": {"value": found}},
            "holds": {"holds": {"selected_options": holds["element"]["options"]}},
            "while_firing": {"while_firing": {"selected_options": ticked["element"]["options"] if box else []}},
        }
        await playground.submit_view("U0OLIVIA", view["id"], values)

    await answer("looks fine", box=False)
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "still fires"), WAIT)
    assert len(target_of(settings).journal.state().holds) == 1
    await answer("the probe is wrong", box=True)
    await playground.wait_for(lambda: cards(playground, "Unfrozen while the alert fires"), WAIT)
    (now,) = cards(playground, "Unfrozen while the alert fires")
    assert now["ts"] == shown["ts"]
    assert "hold lifted by <@U0OLIVIA>" in said(now)
    assert "the probe is wrong" in said(now)
    assert "ask_unfreeze" not in said(now)
    assert (await alertmanager.send(payload(alert())))[0] == 200
    assert target_of(settings).journal.state().holds == ()


async def test_an_acknowledgement_stands_on_the_card_and_counts_once(stage: Stage) -> None:
    """The first person is named; the button goes; a second click is told so."""
    playground, alertmanager, settings = stage
    await alertmanager.send(payload(alert()))
    shown = await card(playground, "Frozen by alert")
    first = await playground.click("U0OLIVIA", CHANNEL, shown["ts"], "acknowledge")
    await playground.wait_for(lambda: cards(playground, "acknowledged by <@U0OLIVIA>"), WAIT)
    await playground.redeliver(first)
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "acknowledged this already"), WAIT)
    assert "'action_id': 'acknowledge'" not in said(cards(playground, "acknowledged by")[0])
    assert [sealed.receipt.action for sealed in target_of(settings).journal.receipts()].count(Action.ACKNOWLEDGE) == 1


async def test_the_message_shortcut_freezes_because_of_any_message(stage: Stage) -> None:
    """The form quotes the message; what was typed is the reason; the member may brake."""
    playground, _, settings = stage
    shown = await card(playground, "The journal begins")
    await playground.message_shortcut("U0MEMBER", CHANNEL, shown["ts"], "freeze_because")
    await playground.wait_for(lambda: playground.open_views("U0MEMBER"), WAIT)
    view = playground.open_views("U0MEMBER")[-1]
    assert "because of a message: 🏁 The journal begins https://" in str(view["blocks"])
    await playground.submit_view("U0MEMBER", view["id"], freezing("because of that"))
    await playground.wait_for(lambda: cards(playground, "because of that"), WAIT)
    assert is_safe(settings)


async def test_a_button_of_alertmanagers_own_message_freezes(stage: Stage) -> None:
    """Posted with the bot's token by `slack_configs`, in Slack's legacy shape; the card quotes its title."""
    playground, _, settings = stage
    client = AsyncWebClient(token=playground.bot_token, base_url=f"{playground.url}/api/")
    freeze = {"name": "brake", "type": "button", "text": "Freeze", "value": "freeze"}
    own = {"callback_id": "anr_alert", "title": "AnrRsiLow", "fallback": "AnrRsiLow: RSI is low", "actions": [freeze]}
    posted = await client.chat_postMessage(channel=CHANNEL, text="", attachments=[own])
    delivery = await playground.click_attachment("U0MEMBER", CHANNEL, posted["ts"], 1, "freeze")
    assert delivery.acked
    text = said(await card(playground, "from Alertmanager's message: AnrRsiLow"))
    assert "<@U0MEMBER>" in text
    assert is_safe(settings)


async def test_two_groups_are_two_cards(stage: Stage) -> None:
    """Each cause group has its own message."""
    playground, alertmanager, _ = stage
    await alertmanager.send(payload(alert("a"), group="one"))
    await alertmanager.send(payload(alert("b", alertname="AnrSlotDown"), group="two"))
    await card(playground, "AnrSlotDown")
    assert len({message["ts"] for message in cards(playground, "Frozen by alert")}) == 2


async def test_the_watchdog_keeps_the_alert_path_alive_and_its_silence_refuses_promotion(stage: Stage) -> None:
    """Before it was ever heard a promotion is refused with the gate's reason; afterwards it may be asked for."""
    playground, alertmanager, settings = stage
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "promote")
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "the Watchdog alert was never heard"), WAIT)
    assert (await alertmanager.send(payload(alert(alertname="Watchdog", severity="none"))))[0] == 200
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "promote")
    await playground.wait_for(lambda: cards(playground, "Approval needed"), WAIT)
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "status")
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "Alert path"), WAIT)
    assert not is_safe(settings)


async def test_with_slack_journal_and_ledger_broken_the_alert_freezes_and_is_answered_with_200(
    scene: tuple[Playground, Settings],
) -> None:
    """A bot that is started while Slack is away, on a journal that is no database, without a ledger: the brake works."""
    playground, settings = scene
    target = settings.every_target[0]
    good = target.journal.read_bytes()
    for suffix in ("-wal", "-shm"):
        target.journal.with_name(target.journal.name + suffix).unlink(missing_ok=True)
    target.journal.write_bytes(b"not a database" * 1000)
    target.ledger.unlink()
    playground.api.down = True
    async with listening(settings) as (alertmanager, ours):
        assert (await alertmanager.send(payload(alert())))[0] == 200
        assert is_safe(ours)
        assert (await alertmanager.send(payload(alert("b", severity="warning"), group="b")))[0] == 503
        assert (await alertmanager.get("/readyz"))[0] == 200  # it brakes
        for purpose, reason in (("promotion", "journal"), ("slack", "has not said yet who the bot is")):
            status, told = await alertmanager.get(f"/readyz?for={purpose}")
            assert (status, reason in told) == (503, True), purpose
    target.journal.write_bytes(good)
    playground.api.down = False
    async with listening(settings):
        await card(playground, "Frozen by alert: AnrRsiLow")
    (receipt,) = [sealed.receipt for sealed in target_of(settings).journal.receipts() if sealed.receipt.action is Action.FREEZE]
    assert receipt.late


@pytest.mark.parametrize("scene", BOTH_MODES, indirect=True)
async def test_a_bot_that_was_started_while_slack_was_away_joins_when_it_is_back(
    scene: tuple[Playground, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alerts freeze at once; people reach the bot as soon as Slack says who it is."""
    playground, settings = scene
    monkeypatch.setattr("bot.app._RETRY_SECONDS", 0.05)
    playground.fail("auth.test", "internal_error", times=10_000)
    async with listening(settings) as (alertmanager, ours):
        status, told = await alertmanager.get("/readyz")
        assert (status, "has not said yet who the bot is" in told) == (200, True)
        assert (await alertmanager.get("/readyz?for=promotion"))[0] == 200
        assert (await alertmanager.get("/readyz?for=slack"))[0] == 503
        assert (await alertmanager.send(payload(alert())))[0] == 200
        assert is_safe(ours)
        playground.api.clear_faults()
        await ready(alertmanager)
        await playground.slash("U0OLIVIA", CHANNEL, "/anr", "status")
        await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "Frozen:* yes"), WAIT)


async def test_a_router_that_cannot_be_made_safe_is_answered_with_503_until_it_is(stage: Stage) -> None:
    """Alertmanager comes again; the freeze is one."""
    playground, alertmanager, settings = stage
    file = settings.every_target[0].settings_file
    kept = file.read_bytes()
    file.unlink()
    file.mkdir()
    status, answer = await alertmanager.send(payload(alert()))
    assert (status, answer["result"]) == (503, "unfinished")
    assert "come again" in answer["text"]
    await card(playground, "the router may not be safe")
    file.rmdir()
    file.write_bytes(kept)
    assert (await alertmanager.send(payload(alert())))[0] == 200
    assert is_safe(settings)
    assert len(target_of(settings).journal.state().holds) == 1


@pytest.mark.parametrize("scene", BOTH_MODES, indirect=True)
async def test_metrics_and_health_answer_in_both_modes(stage: Stage) -> None:
    """One server serves them beside Slack's requests and beside Socket Mode."""
    _, alertmanager, _ = stage
    assert (await alertmanager.get("/readyz?for=coffee"))[0] == 400
    for path in ("/metrics", "/livez", "/healthz", "/readyz", "/readyz?for=promotion", "/readyz?for=slack"):
        status, text = await alertmanager.get(path)
        assert (status, bool(text)) == (200, True), path


async def test_the_token_stands_nowhere_that_people_or_files_see(stage: Stage) -> None:
    """Not in metrics, receipts or messages."""
    playground, alertmanager, settings = stage
    await alertmanager.send(payload(alert()))
    await card(playground, "Frozen by alert")
    _, metrics = await alertmanager.get("/metrics")
    receipts = b"".join(sealed.data for sealed in target_of(settings).journal.receipts())
    assert TOKEN not in metrics + receipts.decode() + str(playground.messages(CHANNEL))
