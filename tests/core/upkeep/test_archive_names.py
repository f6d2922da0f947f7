from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.upkeep.archive_names import Month, archive_name, archived_month, archives_to_delete, first_month_to_stay

NOW = datetime(2026, 11, 24, 9, 5, tzinfo=UTC)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds the zone


@given(moments, st.integers(1, 400))
def test_only_whole_months_that_ended_long_enough_ago_leave_the_ledger(now: datetime, days: int) -> None:
    """Every decision that is younger than the days that are kept stays, and the cut lies at the beginning of a month."""
    begins = first_month_to_stay(now, days).begins
    assert begins <= now - timedelta(days=days) < begins + timedelta(days=31)
    assert (begins.day, begins.hour, begins.minute, begins.second, begins.microsecond) == (1, 0, 0, 0, 0)


@given(st.integers(1, 9998), st.integers(1, 12), st.integers(1, 9999))
def test_the_name_of_an_archive_says_its_month(year: int, number: int, attempt: int) -> None:
    """The name reads back as the month."""
    assert archived_month(archive_name(Month(year, number), attempt)) == Month(year, number)


def test_archives_are_kept_for_twelve_months() -> None:
    """In November the November of the year before stays, its October goes, and what is no archive is not touched."""
    names = [
        "anr_ledger_202511.ndjson.gz",
        "anr_ledger_202510.ndjson.gz",
        "anr_ledger_202510_2.ndjson.gz",
        "anr_ledger_199901.txt",
    ]
    assert archives_to_delete(names, NOW, 12) == ["anr_ledger_202510.ndjson.gz", "anr_ledger_202510_2.ndjson.gz"]


@given(st.integers(100, 9000), st.integers(1, 12), st.integers(0, 1000))
def test_the_month_before_is_one_less(year: int, number: int, months: int) -> None:
    """Going back month by month is going back at once."""
    month = Month(year, number)
    stepped = month
    for _ in range(months):
        stepped = stepped.before(1)
    assert month.before(months) == stepped
