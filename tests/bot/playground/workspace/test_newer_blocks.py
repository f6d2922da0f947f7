from typing import Any

import pytest

from bot.playground.workspace.limits import check_message, check_view

Json = dict[str, Any]
CARD: Json = {"type": "card", "title": {"type": "mrkdwn", "text": "x"}}


def text(length: int, kind: str = "mrkdwn") -> Json:
    return {"type": kind, "text": "x" * length}


def alert(**rest: Any) -> Json:
    blocks = [{"type": "alert", "text": text(1), **rest}]
    return {"type": "modal", "title": text(1, "plain_text"), "blocks": blocks}


@pytest.mark.parametrize(
    "block",
    [
        pytest.param({"type": "card", "title": text(150), "subtitle": text(150), "body": text(200)}, id="card"),
        pytest.param({"type": "carousel", "elements": [CARD] * 10}, id="10 cards"),
        pytest.param({"type": "context_actions", "elements": [{"type": "icon_button"}] * 5}, id="5 small buttons"),
        pytest.param({"type": "plan", "title": "x"}, id="plan"),
        pytest.param({"type": "task_card", "task_id": "1", "title": "x", "status": "complete"}, id="task"),
    ],
)
def test_a_newer_block_at_the_limit_is_accepted(block: Json) -> None:
    """What is exactly as long as Slack's types allow passes."""
    assert check_message([block]) == []


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        pytest.param(
            {"type": "card"},
            "must define at least one of `hero_image`, `title`, `actions` or `body` [json-pointer:/blocks/0]",
            id="empty card",
        ),
        pytest.param(
            {"type": "card", "body": text(201)}, "must be less than 201 characters [json-pointer:/blocks/0/body/text]", id="body"
        ),
        pytest.param(
            {"type": "carousel", "elements": [CARD] * 11},
            "no more than 10 items allowed [json-pointer:/blocks/0/elements]",
            id="11 cards",
        ),
        pytest.param(
            {"type": "task_card", "task_id": "1", "title": "x", "status": "late"},
            "must be one of: pending, in_progress, complete, error [json-pointer:/blocks/0/status]",
            id="state of a task",
        ),
        pytest.param({"type": "alert", "text": text(1)}, "unsupported type: alert [json-pointer:/blocks/0/type]", id="alert"),
    ],
)
def test_a_newer_block_past_the_limit_names_the_place(block: Json, problem: str) -> None:
    """What is one too many is refused with a pointer to the part."""
    assert check_message([block]) == [problem]


def test_an_alert_stands_in_views_and_has_one_of_five_levels() -> None:
    """As Slack documents it."""
    assert check_view(alert(level="warning")) == []
    refused = "must be one of: default, info, warning, error, success [json-pointer:/view/blocks/0/level]"
    assert check_view(alert(level="loud")) == [refused]
