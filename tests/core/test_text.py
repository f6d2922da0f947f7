from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import MAX_SPAN, parse_span, spoken

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        pytest.param("90m", 90 * MINUTE, id="minutes"),
        pytest.param("2h", 2 * HOUR, id="hours"),
        pytest.param("3d", 3 * DAY, id="days"),
        pytest.param("1d2h30m", DAY + 2 * HOUR + 30 * MINUTE, id="all-of-them"),
        pytest.param("2H", 2 * HOUR, id="capitals"),
        pytest.param("1m", MINUTE, id="the-shortest"),
        pytest.param("30d", MAX_SPAN, id="the-longest"),
        pytest.param("31d", None, id="too-long"),
        pytest.param("0h", None, id="no-time-at-all"),
        pytest.param("", None, id="nothing"),
        pytest.param("2", None, id="without-a-unit"),
        pytest.param("2hours", None, id="words"),
        pytest.param("-2h", None, id="backwards"),
        pytest.param("30m2h", None, id="out-of-order"),
        pytest.param("٢h", None, id="digits-of-another-script"),
        pytest.param("errors", None, id="a-reason"),
    ],
)
def test_a_span_is_days_hours_and_minutes_or_nothing(text: str, span: timedelta | None) -> None:
    """What is not plainly a length of time is none, so that it stays part of a reason."""
    assert parse_span(text) == span


@given(st.text(max_size=60))
def test_no_text_makes_a_span_fail_or_grow_beyond_its_bound(text: str) -> None:
    """Any text is a span within the bounds, or none."""
    span = parse_span(text)
    assert span is None or MINUTE <= span <= MAX_SPAN


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(0), "0 min"),
        (12 * MINUTE, "12 min"),
        (2 * HOUR, "2 h"),
        (2 * HOUR + 5 * MINUTE, "2 h 5 min"),
        (3 * DAY + 4 * HOUR + 59 * MINUTE, "3 d 4 h"),
        (-HOUR, "0 min"),
    ],
)
def test_a_length_of_time_is_spoken_in_its_largest_units(span: timedelta, words: str) -> None:
    """Ages are read at a glance; a clock that was set back makes no negative age."""
    assert spoken(span) == words
