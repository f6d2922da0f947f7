import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ledger.seek import Place, seek
from core.ledger.window import HOUR_US, MINUTE_US, Window

SLACK_US = 15 * MINUTE_US
PACE_US = 27 * MINUTE_US
"""A ledger of 30 days in 1,600 segments."""


def window(start_us: int, hours: int = 24) -> Window:
    return Window(start_us + hours * HOUR_US, hours * 60)


def place_in(times: list[int | None], start_us: int, hours: int = 24) -> Place:
    return seek(len(times), window(start_us, hours), SLACK_US, times.__getitem__)


@given(
    st.lists(st.integers(0, 3 * HOUR_US), max_size=60),
    st.lists(st.integers(0, SLACK_US), min_size=60, max_size=60),
    st.sets(st.integers(0, 59)),
    st.integers(0, 60 * HOUR_US),
)
def test_nothing_of_the_window_stands_before_the_place(
    steps: list[int], late: list[int], silent: set[int], start_us: int
) -> None:
    """With lines out of order up to the slack, whatever segments tell no time."""
    written, times, now = [], [], 0
    for number, step in enumerate(steps):
        now += step
        written.append(now - late[number])
        times.append(None if number in silent else now - late[number])
    place = place_in(times, start_us)
    assert place.in_order
    assert all(time < start_us for time in written[: place.first])


@given(st.integers(0, 2**32), st.integers(3000, 6000), st.floats(0, 1))
def test_nothing_of_the_window_stands_before_the_place_in_a_long_ledger(seed: int, count: int, share: float) -> None:
    """Of segments that were never asked for too: the slack makes up for what they may hold."""
    rng = random.Random(seed)
    times = [number * MINUTE_US - rng.choice([0, 0, 0, SLACK_US]) for number in range(count)]
    start_us = int(share * count) * MINUTE_US
    place = place_in([*times], start_us)
    assert place.in_order
    assert all(time < start_us for time in times[: place.first])


def test_a_long_ledger_is_asked_for_few_times() -> None:
    """Of 100,000 segments fewer than 300, and the place is the last one that is surely old."""
    asked: set[int] = set()

    def time_of(number: int) -> int:
        asked.add(number)
        return number * PACE_US

    place = seek(100_000, window(99_900 * PACE_US), SLACK_US, time_of)
    assert place == Place(99_899)
    assert len(asked) < 300


@pytest.mark.parametrize(
    ("first", "count", "jump_h"),
    [
        pytest.param(1550, 30, -72, id="inside-the-window-three-days-back"),
        pytest.param(1552, 48, -72, id="back-until-the-ledger-ends"),
        pytest.param(1548, 5, -500, id="just-inside-the-window"),
        pytest.param(1500, 3, 30, id="before-the-window-into-it"),
        pytest.param(1544, 1, 30, id="one-segment-ahead-just-before-the-window"),
        pytest.param(800, 40, 360, id="long-before-far-ahead"),
    ],
)
def test_a_clock_that_jumped_never_hides_what_belongs_to_the_window(first: int, count: int, jump_h: int) -> None:
    """Either everything is read, or nothing of the window stands before the place."""
    times = [number * PACE_US + (jump_h * HOUR_US if first <= number < first + count else 0) for number in range(1600)]
    start_us = 1547 * PACE_US
    place = place_in([*times], start_us)
    if place.in_order:
        assert all(time < start_us for time in times[: place.first])
    else:
        assert place.first == 0


def test_times_out_of_order_beyond_the_slack_are_said() -> None:
    """A stretch ahead by a day, just before the window: everything is read, and the report says so."""
    times = [number * PACE_US + (24 * HOUR_US if 1530 <= number < 1535 else 0) for number in range(1600)]
    assert place_in([*times], 1547 * PACE_US) == Place(0, in_order=False)


def test_a_jump_long_ago_that_cannot_matter_does_not_make_every_report_slow() -> None:
    """An hour of wrong time three weeks ago is no reason to read three weeks."""
    times = [number * PACE_US + (HOUR_US if 400 <= number < 500 else 0) for number in range(1600)]
    assert place_in([*times], 1547 * PACE_US) == Place(1546)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_short_ledger_is_read_from_its_beginning(count: int) -> None:
    """The last segment still grows, so that it never tells where to begin."""
    assert place_in([number * PACE_US for number in range(count)], 0).first == 0


def test_a_ledger_that_tells_no_time_is_read_from_its_beginning() -> None:
    """Garbage of any length."""
    assert place_in([None] * 500, 0) == Place(0)
