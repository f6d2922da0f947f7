from datetime import UTC, datetime, time

import pytest

from bot.jobs import due
from core.settings import Schedule

ZURICH = Schedule(zone="Europe/Zurich")
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
    ],
)
def test_the_daily_run_is_due_by_the_local_clock(schedule: Schedule, now: str, day: str | None) -> None:
    """Once per local date, by the zone's own clock, within the grace."""
    found = due(datetime.fromisoformat(now).replace(tzinfo=UTC), schedule)
    assert (found.isoformat() if found else None) == day
