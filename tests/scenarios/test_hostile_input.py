"""Bad input over the wire: a clear answer each, nothing lost, nothing promoted."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from bot.app import running
from bot.playground.demo import CHANNEL
from core.receipts.receipt import Action
from core.target.target import Target
from tests.support.workspace import WAIT, Played, answers, asked, cards, pilot_in, said, silenced, whispers

HOSTILE = "<!channel> <@U0AARON> <https://evil.example|the runbook> *bold* `code` & \u202egnp.exe\x00\n"


def left_to_slack(part: object) -> Iterator[object]:
    """The texts in which Slack would look for bare addresses, channel names and mentions."""
    if isinstance(part, dict):
        if part.get("type") == "mrkdwn" and part.get("verbatim") is not True:
            yield part["text"]
        for inner in part.values():
            yield from left_to_slack(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from left_to_slack(inner)


@pytest.mark.parametrize("word", ["promote", "rollback", "freeze"])
async def test_a_hostile_reason_of_4000_characters_is_shown_and_harmless(played: Played, target: Target, word: str) -> None:
    """It calls nobody, links nowhere and is cut where a receipt ends; the operation itself is done."""
    playground, _ = played
    reason = (HOSTILE * 60)[:4000]
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", f"{word} {reason}")
    titles = {"promote": "Approval needed", "rollback": "Rolled back", "freeze": "Frozen"}
    await playground.wait_for(lambda: cards(playground, titles[word]), WAIT)
    shown = "".join(said(message) for message in [*playground.messages(CHANNEL), *playground.ephemerals("U0OLIVIA")])
    assert "&lt;!channel&gt;" in shown
    for trap in ("<!channel>", "<https://evil.example", "\u202e", "\x00"):
        assert trap not in shown
    assert list(left_to_slack(playground.messages(CHANNEL))) == []
    recorded = target.journal.receipts()[-1].receipt.reason
    assert recorded.startswith("<!channel> <@U0AARON> <https://evil.example|the runbook>")
    assert len(recorded) <= 1000


@pytest.mark.parametrize("stage", ["11", "50", "999", "0x19"])
async def test_an_unknown_stage_or_one_that_is_not_next_is_refused(played: Played, target: Target, stage: str) -> None:
    """The answer names what is possible; nothing is asked for. What is no number is a reason."""
    playground, _ = played
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", f"promote {stage}")
    if stage == "0x19":
        await playground.wait_for(lambda: cards(playground, "“0x19”"), WAIT)
        return
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", ":no_entry:"), WAIT)
    assert target.journal.pending() == ()


async def test_a_missing_ledger_asks_for_nothing_and_says_so(played: Played, target: Target) -> None:
    """Promote and status both name the file; the rest of the status is still there."""
    playground, settings = played
    await silenced(playground)
    settings.target.ledger.unlink()
    settings.target.ledger.mkdir()
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "promote")
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "anr_ledger.ndjson"), WAIT)
    await playground.slash("U0MEMBER", CHANNEL, "/anr", "status")
    await playground.wait_for(lambda: whispers(playground, "U0MEMBER", "*Stage:* 10%"), WAIT)
    assert any("anr_ledger.ndjson" in said(answer) for answer in answers(playground, "U0MEMBER"))
    assert target.journal.pending() == ()


async def test_a_corrupt_journal_refuses_promotion_and_still_rolls_back(played: Played) -> None:
    """Nobody knows the stage, so that nothing goes up; the brake acts and says that it could not record."""
    playground, settings = played
    for file in settings.target.journal.parent.glob("anr_journal.sqlite*"):
        # SQLite maps the -shm file into memory: cutting it off under a connection is a SIGBUS, not a corrupt journal
        if "stories" not in file.name and not file.name.endswith("-shm"):
            file.write_bytes(b"not a database" * 400)
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "promote")
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "The journal"), WAIT)
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.10"
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "rollback")
    await playground.wait_for(
        lambda: whispers(playground, "U0OLIVIA", "not in the journal yet; it is recorded at the next chance"), WAIT
    )
    assert "NOVA_ANR_KILL=1" in settings.target.settings_file.read_text(encoding="utf-8")


async def test_a_locked_journal_leaves_the_request_waiting(played: Played, target: Target) -> None:
    """The click is answered with what to do; when the lock is gone the same click promotes."""
    playground, settings = played
    card = await asked(playground)
    blocker = sqlite3.connect(settings.target.journal, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
    await playground.wait_for(lambda: whispers(playground, "U0AARON", "cannot be written"), WAIT)
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.10"
    blocker.rollback()
    blocker.close()
    await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
    await playground.wait_for(lambda: cards(playground, "Promoted: 10% → 25%"), WAIT)
    assert target.journal.verify()[1] == ()


async def test_a_settings_file_that_cannot_be_written_promotes_nothing(played: Played, target: Target) -> None:
    """The promotion is recorded as not applied; the card says what went wrong."""
    playground, settings = played
    card = await asked(playground)
    text = settings.target.settings_file.read_text(encoding="utf-8")
    settings.target.settings_file.unlink()
    settings.target.settings_file.symlink_to("missing/anr.env")
    await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
    await playground.wait_for(lambda: whispers(playground, "U0AARON", "anr.env"), WAIT)
    assert not any(sealed.receipt.action is Action.PROMOTE for sealed in target.journal.receipts())
    settings.target.settings_file.unlink()
    settings.target.settings_file.write_text(text, encoding="utf-8")
    await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
    await playground.wait_for(lambda: cards(playground, "Promoted: 10% → 25%"), WAIT)


async def test_a_guest_cannot_use_the_buttons_either(played: Played, target: Target) -> None:
    """A click by somebody without a role is refused to them alone, and the card still waits."""
    playground, _ = played
    card = await asked(playground)
    await playground.click_stale(card, "U0GUEST", "approve", channel_id=CHANNEL)
    await playground.wait_for(lambda: whispers(playground, "U0GUEST", "You may not"), WAIT)
    assert len(target.journal.pending()) == 1


async def test_a_button_that_no_longer_exists_is_answered(played: Played) -> None:
    """An old message's button does nothing, and says so."""
    playground, _ = played
    card = await asked(playground)
    buttons = next(block for block in card["blocks"] if block["type"] == "actions")
    buttons["elements"][0]["action_id"] = "promote_now"
    await playground.click_stale(card, "U0AARON", "promote_now", channel_id=CHANNEL)
    await playground.wait_for(lambda: whispers(playground, "U0AARON", "no longer in use"), WAIT)


async def test_a_channel_that_is_not_allowed_gets_no_promotion_and_still_has_the_brake(scene: Played) -> None:
    """Where the settings name channels, nothing is operated elsewhere, except what makes the router safe."""
    playground, settings = scene
    slack = settings.slack.model_copy(update={"allowed_channels": frozenset({CHANNEL})})
    async with running(settings.model_copy(update={"slack": slack})):
        await playground.slash("U0OLIVIA", "C0RANDOM", "/anr", "promote good day")
        await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "not operated in this channel"), WAIT)
        assert cards(playground, "Approval needed") == []
        await playground.slash("U0OLIVIA", "C0RANDOM", "/anr", "rollback errors")
        await playground.wait_for(lambda: cards(playground, "Rolled back"), WAIT)
    assert pilot_in(settings.target.settings_file) == "NOVA_ANR_PILOT=0.00"


async def test_a_button_of_an_older_home_is_answered_directly(played: Played) -> None:
    """A home takes no answers, and this one was published by an earlier version."""
    playground, _ = played
    button = {"type": "button", "action_id": "of_old", "text": {"type": "plain_text", "text": "Old"}}
    old = playground.workspace.make_view({"type": "home", "blocks": [{"type": "actions", "elements": [button]}]})
    playground.workspace.homes["U0MEMBER"] = old
    await playground.click_view("U0MEMBER", old["id"], "of_old")
    conversation = playground.workspace.conversation("U0MEMBER").id
    await playground.wait_for(lambda: "no longer in use" in str(playground.messages(conversation)), WAIT)


def older(form: str, metadata: str, *fields: str) -> dict[str, Any]:
    """A form as an earlier version opened it."""
    plain = {"type": "plain_text", "text": "x"}
    blocks = [
        {"type": "input", "block_id": field, "label": plain, "element": {"type": "plain_text_input", "action_id": field}}
        for field in fields
    ]
    return {"type": "modal", "callback_id": form, "title": plain, "submit": plain, "private_metadata": metadata, "blocks": blocks}


async def test_the_brakes_form_of_an_earlier_version_brakes(played: Played) -> None:
    """It names its router as that version did, and knows no mode; whoever pressed it meant it."""
    playground, settings = played
    view = playground.workspace.open_modal("U0MEMBER", older("freeze", '{"site": "demo", "told": "x"}', "reason"))
    await playground.submit_view("U0MEMBER", view["id"], {"reason": {"reason": {"value": "old form"}}})
    await playground.wait_for(lambda: cards(playground, "old form"), WAIT)
    assert pilot_in(settings.target.settings_file).startswith("NOVA_ANR_PILOT=0.0")


@pytest.mark.parametrize(
    ("form", "metadata"),
    [("unfreeze", '{"target": "demo"}'), ("deny", "nonsense"), ("deny", "[]"), ("of_old", "{}")],
    ids=["a field that it lacks", "no JSON", "no object", "a form that is gone"],
)
async def test_another_form_of_an_earlier_version_does_nothing_and_says_so(played: Played, form: str, metadata: str) -> None:
    """In its own place: nobody waits for an answer that never comes."""
    playground, settings = played
    before = pilot_in(settings.target.settings_file)
    view = playground.workspace.open_modal("U0OLIVIA", older(form, metadata, "other"))
    delivery = await playground.submit_view("U0OLIVIA", view["id"], {"other": {"other": {"value": "x"}}})
    assert (delivery.acked, delivery.error) == (True, None)
    assert "from before an upgrade" in said(playground.open_views("U0OLIVIA")[-1])
    assert pilot_in(settings.target.settings_file) == before
