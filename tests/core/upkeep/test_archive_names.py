from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from core.upkeep.archive_names import Month, archived_month, archives_to_delete, is_packed, rotated_at, rotated_name

NOW = datetime(2026, 11, 24, 9, 5, tzinfo=UTC)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds the zone
ledgers = st.sampled_from(["anr_ledger.ndjson", "ledger.v2.ndjson", "decisions", "a+b(c).ndjson"])


@given(ledgers, moments)
def test_a_name_says_when_the_file_was_the_ledger(ledger: str, moment: datetime) -> None:
    """To the second, packed or not; only what is packed is an archive of a month."""
    name = rotated_name(ledger, moment)
    assert rotated_at(name, ledger) == rotated_at(f"{name}.gz", ledger) == moment.replace(microsecond=0)
    assert (is_packed(name), is_packed(f"{name}.gz")) == (False, True)
    assert archived_month(name, ledger) is None
    assert archived_month(f"{name}.gz", ledger) == Month.of(moment)


@given(ledgers, st.from_regex(r"[a-z_+().]{0,12}[-._]?[0-9]{0,8}[T_-]?[0-9]{0,6}Z?(\.ndjson)?(\.gz)?", fullmatch=True))
def test_whatever_is_no_name_of_ours_is_none(ledger: str, name: str) -> None:
    """Only what would be given again."""
    at = rotated_at(name, ledger)
    assert at is None or name.removesuffix(".gz") == rotated_name(ledger, at)


def test_archives_are_kept_for_twelve_months() -> None:
    """In November the November of the year before stays, its October goes, and what is no archive is not touched."""
    names = [
        "anr_ledger-20251101T000000Z.ndjson.gz",
        "anr_ledger-20251031T235959Z.ndjson.gz",
        "anr_ledger-20251031T235959Z.ndjson",
        "anr_ledger-20251399T235959Z.ndjson.gz",
        "anr_ledger-20200101.ndjson.gz",
        "anr_ledger.ndjson-20200101.gz",
        "anr_ledger_b-20200101T000000Z.ndjson.gz",
        "anr_ledger_202511.ndjson.gz",
        "anr_ledger_202510.ndjson.gz",
        "anr_ledger_202510_2.ndjson.gz",
        "anr_ledger_199901.txt",
    ]
    gone = ["anr_ledger-20251031T235959Z.ndjson.gz", "anr_ledger_202510.ndjson.gz", "anr_ledger_202510_2.ndjson.gz"]
    assert archives_to_delete(names, "anr_ledger.ndjson", NOW, 12) == gone


@given(st.integers(100, 9000), st.integers(1, 12), st.integers(0, 1000))
def test_the_month_before_is_one_less(year: int, number: int, months: int) -> None:
    """Going back month by month is going back at once."""
    month = Month(year, number)
    stepped = month
    for _ in range(months):
        stepped = stepped.before(1)
    assert month.before(months) == stepped
