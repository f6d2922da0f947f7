from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.blockkit.blocks import bounded, escape, prose
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
def test_moments_that_core_writes_are_shown_in_the_readers_zone(moment: datetime, around: str) -> None:
    """A sentence's moment in UTC becomes Slack's date with that fallback, and what stands around it is disarmed as ever."""
    moment = moment.replace(second=0, microsecond=0, tzinfo=UTC)
    written = f"{moment:%Y-%m-%d %H:%M} UTC"
    shown = prose(f"Paused since {written} by <!channel>.")
    assert (
        shown == f"Paused since <!date^{int(moment.timestamp())}^{{date_short_pretty}} {{time}}|{written}> by &lt;!channel&gt;."
    )
    assert escape(around) == prose(around) or "UTC" in around


@pytest.mark.parametrize("text", ["2025-13-45 99:99 UTC", "2025-10-01 09:05 CET", "#2025-10-0109:05 UTC"])
def test_what_only_looks_like_a_moment_stays_as_it_was_written(text: str) -> None:
    """No text makes the rendering fail."""
    assert prose(text) == text
