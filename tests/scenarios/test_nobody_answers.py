"""A request that nobody could approve says so when it is made, over the wire."""

from bot.playground.demo import CHANNEL
from tests.support.workspace import WAIT, Played, answers, cards, said, whispers


async def test_who_asks_is_told_that_no_approver_is_there(played: Played) -> None:
    """One approver has left, the other became a guest: the request waits, and the asker knows what to change."""
    playground, _ = played
    playground.workspace.users["U0AARON"].deleted = True
    playground.workspace.users["U0PRIYA"].is_restricted = True
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "promote looks good")
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "*Nobody may be there to answer.*"), WAIT)
    shown = next(text for answer in answers(playground, "U0OLIVIA") if "*Nobody may be there" in (text := said(answer)))
    assert "waits for an approver" in shown
    assert "Add somebody to `approvers` in the settings" in shown
    await playground.wait_for(lambda: cards(playground, "Approval needed"), WAIT)


async def test_where_one_is_there_nothing_is_said(played: Played) -> None:
    """One approver is enough, and the answer is only that the request waits."""
    playground, _ = played
    playground.workspace.users["U0AARON"].deleted = True
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "promote looks good")
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "waits for an approver"), WAIT)
    assert not whispers(playground, "U0OLIVIA", "Nobody may be there")
