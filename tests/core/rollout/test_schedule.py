from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rollout.schedule import Schedule, begin_of, due, next_run

ZURICH = Schedule(zone="Europe/Zurich")
LATE = Schedule(zone="Europe/Zurich", at=time(23, 30))
NIGHT = Schedule(zone="Europe/Zurich", at=time(2, 30))


@pytest.mark.parametrize(
    ("schedule", "now", "day"),
    [
        pytest.param(ZURICH, "2025-10-01T07:04:59", None, id="before-its-time"),
        pytest.param(ZURICH, "2025-10-01T07:05:00", "2025-10-01", id="at-its-time"),
        pytest.param(ZURICH, "2025-10-01T13:04:59", "2025-10-01", id="late-within-the-grace"),
        pytest.param(ZURICH, "2025-10-01T13:05:00", None, id="after-the-grace"),
        pytest.param(ZURICH, "2025-03-30T07:05:00", "2025-03-30", id="the-day-the-clocks-go-forward"),
        pytest.param(ZURICH, "2025-10-26T08:05:00", "2025-10-26", id="the-day-the-clocks-go-back"),
        pytest.param(ZURICH, "2025-10-26T08:04:59", None, id="not-an-hour-early-that-day"),
        pytest.param(NIGHT, "2025-03-30T01:30:00", "2025-03-30", id="a-time-that-does-not-exist-comes-after-the-jump"),
        pytest.param(NIGHT, "2025-10-26T00:30:00", "2025-10-26", id="a-time-that-comes-twice-is-due-the-first-time"),
        pytest.param(ZURICH, "2024-02-29T08:05:00", "2024-02-29", id="a-leap-day"),
        pytest.param(LATE, "2025-10-01T21:30:00", "2025-10-01", id="shortly-before-midnight"),
        pytest.param(LATE, "2025-10-02T03:29:59", "2025-10-01", id="the-grace-reaches-over-midnight"),
        pytest.param(LATE, "2025-10-02T03:30:00", None, id="and-ends-there"),
    ],
)
def test_the_daily_run_is_due_by_the_local_clock(schedule: Schedule, now: str, day: str | None) -> None:
    """Once per local date, by the zone's own clock, within the grace."""
    found = due(datetime.fromisoformat(now).replace(tzinfo=UTC), schedule)
    assert (found.isoformat() if found else None) == day


schedules = st.builds(
    Schedule,
    zone=st.sampled_from(["UTC", "Europe/Zurich", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]),
    at=st.times().map(lambda at: at.replace(tzinfo=None)),
    grace_hours=st.floats(0.1, 23),
)


@given(schedules, st.dates(date(2012, 1, 2), date(2030, 12, 30)))
def test_every_date_has_its_run_when_it_begins(schedule: Schedule, day: date) -> None:
    """In any zone, on any date, also those on which clocks change: the run of a date is due at its beginning."""
    assert due(begin_of(day, schedule), schedule) == day


@given(schedules, st.datetimes(datetime(2012, 1, 2), datetime(2030, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001 - made aware
def test_the_next_run_is_the_first_moment_at_which_another_date_is_due(schedule: Schedule, now: datetime) -> None:
    """It lies ahead, within two days, and begins a date that is not due yet."""
    ahead = next_run(now, schedule)
    assert now < ahead <= now + timedelta(hours=50)
    assert due(ahead, schedule) != due(now, schedule)
