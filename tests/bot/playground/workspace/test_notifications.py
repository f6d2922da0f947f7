from typing import Any

import pytest

from bot.playground.workspace.notifications import SHOWN_MAX, notified, on_lock_screen
from bot.playground.workspace.workspace import BOT_USER, Workspace

Json = dict[str, Any]
GROUPS = {"S0APPROVERS": ["U0AARON", "U0PRIYA"]}
HERE = {"U0OLIVIA", "U0AARON", "U0PRIYA", "U0MEMBER"}


def bot(text: str, **rest: Any) -> Json:
    return {"user": BOT_USER, "text": text, **rest}


@pytest.mark.parametrize(
    ("message", "rung"),
    [
        pytest.param(bot("Promoted"), set(), id="nobody is named"),
        pytest.param(bot("<@U0OLIVIA> promoted"), {"U0OLIVIA"}, id="a person"),
        pytest.param(bot("<!subteam^S0APPROVERS|@approvers> please"), {"U0AARON", "U0PRIYA"}, id="a group"),
        pytest.param(bot("<!here> look"), HERE, id="everybody"),
        pytest.param(
            bot("x", blocks=[{"type": "section", "text": {"type": "mrkdwn", "text": "<@U0AARON>"}}]), {"U0AARON"}, id="block"
        ),
        pytest.param(bot("x", metadata={"event_payload": {"text": "<@U0AARON>"}}), set(), id="metadata"),
        pytest.param(bot("&lt;@U0AARON&gt;"), set(), id="escaped"),
        pytest.param(bot("<@U0GONE>"), set(), id="who is not here"),
    ],
)
def test_a_posting_rings_for_whom_it_names(message: Json, rung: set[str]) -> None:
    """And for nobody else."""
    assert notified(message, [], GROUPS, HERE) == rung


def test_a_reply_rings_for_whoever_is_in_the_thread() -> None:
    """Who wrote there or was called there; never for its author."""
    thread = [bot("<@U0OLIVIA> asks"), {"user": "U0AARON", "text": "why?"}]
    assert notified(bot("because"), thread, GROUPS, HERE) == {"U0OLIVIA", "U0AARON"}
    assert notified({"user": "U0AARON", "text": "ok"}, thread, GROUPS, HERE) == {"U0OLIVIA"}


def test_a_lock_screen_shows_the_text_without_markup_and_not_all_of_it() -> None:
    """Names for ids, labels for links, moments in words."""
    text = "<@U0OLIVIA>: 10% &amp; up, <https://x|the card>, <!date^1^{time}|09:05>"
    assert on_lock_screen(text, {"U0OLIVIA": "Olivia Ortiz"}) == "@Olivia Ortiz: 10% & up, the card, 09:05"
    assert len(on_lock_screen("x" * 500, {})) == SHOWN_MAX


def test_an_update_rings_for_nobody_and_a_direct_message_always() -> None:
    """As Slack does it: what a card turns into later is news to nobody's phone."""
    workspace = Workspace()
    channel = workspace.channels["C0ANROPS"]
    message = workspace.post(channel, workspace.bot_message("Approval wanted <@U0AARON>"))
    message["text"] = "Promoted <@U0PRIYA>"
    assert workspace.notifications["U0AARON"] == [
        {"title": "anr in #anr-ops", "text": "Approval wanted @Aaron Abara", "channel": "C0ANROPS", "ts": message["ts"]}
    ]
    workspace.post(workspace.conversation("U0PRIYA"), workspace.bot_message("psst"))
    assert [one["title"] for one in workspace.notifications["U0PRIYA"]] == ["anr"]
