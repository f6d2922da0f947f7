"""Outside texts as Slack sends them, read as people read them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.blockkit.blocks import escape
from bot.slack.texts import read, said_in


@pytest.mark.parametrize(
    ("sent", "read_as"),
    [
        ("a &lt;b&gt; &amp; c", "a <b> & c"),
        ("<@U012AB3CD|olivia> and <@U012AB3CD>", "@olivia and @U012AB3CD"),
        ("<#C012AB3CD|ops> and <#C012AB3CD>", "#ops and #C012AB3CD"),
        ("<!subteam^S012AB3CD|@oncall> <!subteam^S012AB3CD>", "@oncall @S012AB3CD"),
        ("<!here> <!channel|channel> <!everyone>", "@here @channel @everyone"),
        ("<!date^1392734382^{date}|18 February>", "18 February"),
        ("<mailto:a@b.example|a@b.example> <mailto:a@b.example>", "a@b.example a@b.example"),
        ("see <https://b.example/x?a=1&amp;b=2|the graph>", "see https://b.example/x?a=1&b=2"),
        ("5 &lt; 6 <", "5 < 6 <"),
    ],
)
def test_slacks_own_marks_become_what_people_see(sent: str, read_as: str) -> None:
    """Escapes, labels, groups, calls, addresses and links."""
    assert read(sent) == read_as


@given(st.text().filter(lambda text: "\0" not in text and "&" not in text))
def test_whatever_somebody_wrote_is_read_back(text: str) -> None:
    """Slack escapes three characters; nothing that stood between them looks like one of its marks afterwards."""
    assert read(escape(text)) == text


@pytest.mark.parametrize(
    ("message", "said"),
    [
        pytest.param({"text": "R&amp;D is down"}, "R&D is down", id="text"),
        pytest.param({"text": "", "attachments": [{"fallback": "[FIRING:1]"}]}, "[FIRING:1]", id="fallback"),
        pytest.param(
            {"attachments": [{"title": "[FIRING:1] AnrRsiLow", "text": "RSI &lt; 0.85", "fallback": "x"}]},
            "[FIRING:1] AnrRsiLow RSI < 0.85",
            id="title and text",
        ),
        pytest.param(
            {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "<!here> look"}}]}, "@here look", id="blocks"
        ),
        pytest.param(
            {"blocks": [{"type": "rich_text", "elements": [{"elements": [{"type": "text", "text": "so slow"}]}]}]},
            "so slow",
            id="rich text",
        ),
        pytest.param({}, "", id="nothing"),
        pytest.param({"text": None, "blocks": "x", "attachments": [3, None]}, "", id="nonsense"),
    ],
)
def test_a_message_says_its_text_or_else_what_it_shows(message: dict[str, Any], said: str) -> None:
    """Messages of bots often have no text."""
    assert said_in(message) == said
