"""One message per story, whatever Slack does to the calls that post and update it."""

import pytest

from bot.playground.demo import CHANNEL
from tests.support.workspace import WAIT, Played, asked, begun, cards, said, whispers


async def test_a_posting_whose_answer_was_lost_is_found_and_not_repeated(played: Played) -> None:
    """Slack took the message but the answer never came: it is found by its metadata and goes on being the story's message."""
    playground, _ = played
    await begun(playground)
    playground.fail("chat.postMessage", status=500, after_effect=True, about="Approval needed")
    card = await asked(playground)
    await playground.click("U0AARON", CHANNEL, card["ts"], "approve")
    await playground.wait_for(lambda: cards(playground, "Promoted: 10% → 25%"), WAIT)
    assert [message["ts"] for message in cards(playground, "10% → 25%")] == [card["ts"]]


async def test_without_the_history_a_message_comes_twice_rather_than_never(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the channel cannot be read for as long as anybody waits for it, the story is told again."""
    playground, _ = played
    monkeypatch.setattr("bot.slack.outbox._UNCONFIRMED_SECONDS", 0.0)
    await begun(playground)
    playground.fail("chat.postMessage", status=500, after_effect=True, about="Approval needed")
    playground.fail("conversations.history", "missing_scope")
    await asked(playground)
    await playground.wait_for(lambda: len(cards(playground, "Approval needed")) == 2, WAIT)


async def test_a_rate_limit_delays_the_message_and_loses_nothing(played: Played) -> None:
    """A 429 is waited out as long as Slack says; the answer to the person does not wait for it."""
    playground, _ = played
    await begun(playground)
    playground.rate_limit("chat.postMessage", retry_after=1, times=2)
    await playground.slash("U0MEMBER", CHANNEL, "/anr", "rollback errors")
    await playground.wait_for(lambda: whispers(playground, "U0MEMBER", "Rolled back"), WAIT)
    await playground.wait_for(lambda: cards(playground, "Rolled back"), WAIT)
    assert len(cards(playground, "Rolled back")) == 1


async def test_blocks_that_slack_refuses_are_shown_as_text(played: Played) -> None:
    """A message that cannot be shown as it should be is not lost."""
    playground, _ = played
    await begun(playground)
    playground.fail("chat.postMessage", "invalid_blocks", about="Rolled back")
    await playground.slash("U0MEMBER", CHANNEL, "/anr", "rollback errors")
    await playground.wait_for(lambda: cards(playground, "Rolled back"), WAIT)
    posted = [call for call in playground.api.calls if call.method == "chat.postMessage" and "Rolled back" in str(call.arguments)]
    assert [(call.error, bool(call.arguments.get("blocks"))) for call in posted] == [("invalid_blocks", True), (None, False)]


async def test_a_message_that_somebody_deleted_is_posted_anew(played: Played) -> None:
    """The story goes on in a new message."""
    playground, _ = played
    card = await asked(playground)
    del playground.workspace.channels[CHANNEL].messages[card["ts"]]
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", f"deny {request_of(card)} no")
    await playground.wait_for(lambda: cards(playground, "Denied: 10% → 25%"), WAIT)
    assert cards(playground, "Denied: 10% → 25%")[0]["ts"] != card["ts"]


def request_of(card: dict[str, object]) -> str:
    """The id of the request on a card, as a person reads it."""
    return said(card).split("request `")[1].split("`")[0]
