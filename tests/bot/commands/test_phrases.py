from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands.parse import parse
from bot.commands.phrases import duration
from bot.commands.rollout import Promote


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("2h", 120),
        ("2 hours", 120),
        ("90 min", 90),
        ("1h30", 90),
        ("1h30m", 90),
        ("1 hour and 30 minutes", 90),
        ("1.5 h", 90),
        ("an hour", 60),
        ("A day", 1440),
        ("1 day 4 hours", 1680),
        ("30d", 43200),
        ("31 days", None),
        ("0h", None),
        ("-2h", None),
        ("2", None),
        ("soon", None),
        ("2 hours ago", None),
        ("", None),
    ],
)
def test_a_length_of_time_is_understood_as_people_write_it(text: str, minutes: int | None) -> None:
    """What is not plainly a length of time between a minute and thirty days is none."""
    assert duration(text) == (None if minutes is None else timedelta(minutes=minutes))


@given(st.text(max_size=300))
def test_no_text_is_an_impossible_length_of_time(text: str) -> None:
    """Whatever is written, what comes of it lies within the bounds."""
    span = duration(text)
    assert span is None or timedelta(minutes=1) <= span <= timedelta(days=30)


@given(st.integers(0, 99), st.sampled_from(["{} %", "{}%", "to {} percent", "stage {}", "{}, ok", "0.{:02d}"]))
def test_a_stage_is_the_number_that_was_written_however_it_was_written(percent: int, written: str) -> None:
    """As a percentage or as a share, in a sentence or alone: never another stage, and never the next one instead."""
    found = parse(f"promote {written.format(percent)}")
    assert isinstance(found, Promote)
    assert found.stage == percent
