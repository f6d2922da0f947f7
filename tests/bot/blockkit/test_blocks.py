from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.blockkit.blocks import because, bounded, escape, prose
from core.text import Sentence
from tests.bot.views.test_answers import anything


@given(anything, st.integers(10, 3000))
def test_bounded_never_cuts_inside_an_escaped_character(text: str, limit: int) -> None:
    """What is left is within the limit, and every ampersand still begins an entity."""
    cut = bounded(escape(text), limit)
    assert len(cut) <= limit
    for part in cut.split("&")[1:]:
        assert part.startswith(("amp;", "lt;", "gt;"))


@pytest.mark.parametrize("text", ["<!channel>", "<@U1>", "<https://evil.example|x>", "a & b", "&lt;"])
def test_escape_disarms(text: str) -> None:
    """What Slack shows is exactly what was typed."""
    shown = escape(text)
    assert "<" not in shown
    assert shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == text


@given(st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2090, 1, 1)), anything)  # noqa: DTZ001 - Hypothesis wants it
def test_a_sentences_moments_are_shown_in_the_readers_zone(moment: datetime, around: str) -> None:
    """A moment in a sentence becomes Slack's date with what it is in UTC as fallback; what stands around it is disarmed."""
    moment = moment.replace(second=0, microsecond=0, tzinfo=UTC)
    shown = prose(Sentence("Paused since ", moment, " by <!channel>."))
    date = f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} {{time}}|{moment:%Y-%m-%d %H:%M} UTC>"
    assert shown == f"Paused since {date} by &lt;!channel&gt;."
    assert prose(around) == escape(around)


def test_nothing_is_looked_for_in_a_text() -> None:
    """What somebody writes is shown as they wrote it, also where it looks like a moment."""
    assert prose("since 2025-10-01 09:05 UTC") == "since 2025-10-01 09:05 UTC"


def test_the_permalink_in_a_reason_can_be_followed_and_nothing_else_in_it() -> None:
    """Whoever reads why it was frozen gets to the message; a page elsewhere that looks like one stays text."""
    link = "https://acme.slack.com/archives/C0ANROPS/p1759309500123456"
    assert because(f"because of a message: errors {link}").endswith(f"errors <{link}|the message>”")
    for other in (
        "https://evil.example/archives/C0ANROPS/p1759309500123456",
        f"{link}?x=<!here>",
        "https://a.slack.com.evil/archives",
    ):
        assert "<" not in because(other)
