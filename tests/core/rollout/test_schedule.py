from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rollout.schedule import Schedule, begin_of, coming_run, due, next_run, preflight_due, run_day

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


def changes_of(zone: str, year: int) -> list[datetime]:
    """The days of a year, at noon UTC, on which the zone's clocks were changed since the day before."""
    noons = [datetime(year, 1, 1, 12, tzinfo=UTC) + timedelta(days=day) for day in range(366)]
    offsets = [noon.astimezone(ZoneInfo(zone)).utcoffset() for noon in noons]
    return [noons[place] for place in range(1, len(noons)) if offsets[place] != offsets[place - 1]]


@pytest.mark.parametrize("year", [2011, 2027])
def test_veto_outlook_announcement_and_run_mean_one_date_in_every_zone_and_through_every_gap(year: int) -> None:
    """All zones of tzdata, around each change of their clocks, run times near midnight and in the night.

    2011 has the day that Samoa left out; on 27 March 2027 the clocks of Nuuk jump over midnight.
    """
    for zone in sorted(available_timezones()):
        for noon in changes_of(zone, year):
            for at in (time(0, 10), time(2, 30), time(23, 30)):
                schedule = Schedule(zone=zone, at=at, preflight_minutes=30, grace_hours=0.5)
                for hours in range(-36, 13, 6):
                    now = noon + timedelta(hours=hours, minutes=7)
                    run = coming_run(now, schedule, ran=now - timedelta(days=3))
                    where = f"{zone} {at} {now}"
                    assert run.begins == begin_of(run.day, schedule), where
                    if run.begins <= now:
                        assert due(now, schedule) == run.day, where
                        continue
                    assert (next_run(now, schedule), run_day(now, schedule)) == (run.begins, run.day), where
                    assert due(run.begins, schedule) == run.day, where
                    assert preflight_due(run.begins - timedelta(minutes=1), schedule) == run.day, where


def test_a_veto_half_an_hour_before_midnight_in_nuuk_is_of_the_run_that_comes_next() -> None:
    """At 23:30 local time, which the clocks jump over: the run of the 27th begins on the 28th at 00:30, and is the 27th's."""
    schedule = Schedule(zone="America/Nuuk", at=time(23, 30))
    for now in ("2027-03-27T20:00", "2027-03-28T00:59", "2027-03-28T01:29"):
        run = coming_run(datetime.fromisoformat(now).replace(tzinfo=UTC), schedule)
        assert (run.day.isoformat(), f"{run.begins:%Y-%m-%dT%H:%M}") == ("2027-03-27", "2027-03-28T01:30")


def test_a_run_that_is_due_and_was_made_is_not_the_next() -> None:
    """Until it is made it comes next; afterwards the one of tomorrow does."""
    now, due_at = datetime(2025, 10, 1, 7, 30, tzinfo=UTC), datetime(2025, 10, 1, 7, 5, tzinfo=UTC)
    assert coming_run(now, ZURICH, due_at - timedelta(days=1)).day == date(2025, 10, 1)
    assert coming_run(now, ZURICH, due_at).day == date(2025, 10, 2)
