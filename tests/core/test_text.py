from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import MAX_SPAN, leading_span, parse_span, spoken

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
        pytest.param("2hours", 2 * HOUR, id="a-word-as-unit"),
        pytest.param("2 hours", 2 * HOUR, id="a-space-before-the-unit"),
        pytest.param("90 min", 90 * MINUTE, id="an-abbreviation"),
        pytest.param("1h30", 90 * MINUTE, id="minutes-without-a-unit"),
        pytest.param("1 hour and 30 minutes", 90 * MINUTE, id="in-words"),
        pytest.param("1.5 h", 90 * MINUTE, id="a-fraction"),
        pytest.param("1,5 h", 90 * MINUTE, id="a-comma"),
        pytest.param("an hour", HOUR, id="an-article"),
        pytest.param("A day", DAY, id="an-article-in-capitals"),
        pytest.param("1 day 4 hours", DAY + 4 * HOUR, id="two-units"),
        pytest.param("2h 2h", None, id="a-unit-twice"),
        pytest.param("2 hours ago", None, id="something-behind-it"),
        pytest.param("soon", None, id="no-number"),
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
    ("text", "span", "rest"),
    [
        pytest.param("2h errors since noon", 2 * HOUR, "errors since noon", id="a-reason"),
        pytest.param("90 min, 5xx", 90 * MINUTE, ", 5xx", id="a-comma"),
        pytest.param("30m 2h errors", 30 * MINUTE, "2h errors", id="a-larger-unit"),
        pytest.param("1 hour and then we look", HOUR, "and then we look", id="an-and-of-the-sentence"),
    ],
)
def test_what_follows_a_length_of_time_is_left_as_it_was_written(text: str, span: timedelta, rest: str) -> None:
    """It is the reason of a freeze, and no word of it is lost."""
    assert leading_span(text) == (span, rest)


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
