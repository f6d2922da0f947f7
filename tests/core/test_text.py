from datetime import UTC, datetime, timedelta
from multiprocessing import Pipe

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import MAX_SPAN, Sentence, leading_span, parse_span, spoken, written

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


words = st.text(max_size=30)
moments = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(second=0, microsecond=0)
)


@given(st.lists(st.one_of(words, moments), max_size=6))
def test_a_sentence_reads_as_its_text_with_its_moments_in_utc(parts: list[str | datetime]) -> None:
    """On a terminal, in JSON and in a receipt it is that string; what the standard library reads in it are the same moments."""
    sentence = Sentence(*parts)
    assert sentence == "".join(written(part) if isinstance(part, datetime) else part for part in parts)
    for part in sentence.parts:
        if isinstance(part, datetime):
            assert datetime.fromisoformat(written(part).removesuffix(" UTC")).replace(tzinfo=UTC) == part


@given(words, moments, words)
def test_a_sentence_within_a_sentence_keeps_its_moments(before: str, moment: datetime, after: str) -> None:
    """A part that is a sentence is taken apart, also after it went to another process."""
    here, there = Pipe()
    with here, there:
        here.send(Sentence(before, moment))
        assert Sentence(there.recv(), after).parts == (before, moment, after)


@given(moments, st.text("ab .:-T0", max_size=20), st.text(" .ab", max_size=20))
def test_a_recorded_sentence_is_read_as_it_was_written(moment: datetime, before: str, after: str) -> None:
    """The string of a receipt gives the moments back that were written into it, and the same string."""
    sentence = Sentence(before, moment, after, moment)
    again = Sentence.recorded(str(sentence))
    assert again == sentence
    assert [part for part in again.parts if isinstance(part, datetime)] == [moment, moment]


@pytest.mark.parametrize(
    "text", ["2025-13-45 99:99 UTC", "2025-10-01 09:05 CET", "#2025-10-0109:05 UTC", "2025-1-1 09:05 UTC", " UTC UTC", "UTC", ""]
)
def test_what_only_looks_like_a_moment_stays_as_it_was_written(text: str) -> None:
    """No text makes the reading fail, and none is changed by it."""
    found = Sentence.recorded(text)
    assert str(found) == text
    assert not [part for part in found.parts if isinstance(part, datetime)]
