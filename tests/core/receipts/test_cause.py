import calendar
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.alerts.cause import AlertInstance, StatusCause, Unread, Unseen
from core.canonical import rfc3339
from core.receipts import cause
from core.receipts.cause import MAX_KEY, Cause, day_of, parse

DAY = date(2025, 10, 1)
MOMENT = datetime(2025, 10, 1, 9, 5, tzinfo=UTC)
INSTANCE = AlertInstance("0123456789abcdef", "2026-11-24T08:00:00.123456Z")

TEXTS = [
    pytest.param(cause.Daily(DAY), "daily:2025-10-01", id="daily"),
    pytest.param(cause.Preflight(DAY), "preflight:2025-10-01", id="preflight"),
    pytest.param(cause.Skip(DAY), "skip:2025-10-01", id="skip"),
    pytest.param(cause.Missed(DAY), "missed:2025-10-01", id="missed"),
    pytest.param(cause.Backup(DAY), "backup:2025-10-01", id="backup"),
    pytest.param(cause.Prune(2025, 1), "prune:2025-W01", id="prune"),
    pytest.param(cause.Drill(2025, 40), "drill:2025-W40", id="drill"),
    pytest.param(cause.DrillAlerts(2025, 40), "drill-alerts:2025-W40", id="drill-alerts"),
    pytest.param(cause.Archive(2025, 9), "archive:2025-09", id="archive"),
    pytest.param(cause.Guard("observe", MOMENT), "guard:observe:2025-10-01T09:05:00.000000Z", id="guard"),
    pytest.param(cause.Observed(41, 2), "observed:41:2", id="observed"),
    pytest.param(cause.Acknowledged("e7a2a451"), "acknowledge:e7a2a451", id="acknowledge"),
    pytest.param(cause.Approved("qg65uqr79h"), "approval:qg65uqr79h", id="approval"),
    pytest.param(
        cause.Slash("13345224609.738474920.8088930838d88f008e0"), "slash:13345224609.738474920.8088930838d88f008e0", id="slash"
    ),
    pytest.param(cause.Submission("V1"), "view:V1", id="view"),
    pytest.param(cause.BlockAction("1.1:2.2"), "click:1.1:2.2", id="click"),
    pytest.param(INSTANCE, "alert:0123456789abcdef:2026-11-24T08:00:00.123456Z", id="alert"),
    pytest.param(AlertInstance("no-0af3", "start-77aa"), "alert:no-0af3:start-77aa", id="alert-whose-start-cannot-be-read"),
    pytest.param(Unseen("e7a2", "2026-11-24T08:00:00.123456Z"), "alert:unseen-e7a2:2026-11-24T08:00:00.123456Z", id="unseen"),
    pytest.param(Unread("0af3"), "alert:unread-0af3", id="unread"),
    pytest.param(StatusCause("firing", INSTANCE), "firing:alert:0123456789abcdef:2026-11-24T08:00:00.123456Z", id="firing"),
    pytest.param(
        StatusCause("resolved", INSTANCE, 3), "resolved:alert:0123456789abcdef:2026-11-24T08:00:00.123456Z:3", id="resolved"
    ),
]
"""Every kind of key, with the text that stands in journals."""


@pytest.mark.parametrize(("key", "text"), TEXTS)
def test_a_key_has_the_text_that_stands_in_journals(key: Cause, text: str) -> None:
    """A key that were written otherwise would have its effect a second time."""
    assert str(key) == text
    assert parse(text) == key


IDS = st.text(st.characters(codec="utf-8"), max_size=MAX_KEY)
HEX = st.text("0123456789abcdef", min_size=1, max_size=64)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
STARTS = MOMENTS.map(rfc3339) | HEX.map("start-{}".format)
INSTANCES = (
    st.builds(AlertInstance, HEX | HEX.map("no-{}".format), STARTS)
    | st.builds(Unseen, HEX, MOMENTS.map(rfc3339))
    | st.builds(Unread, HEX)
)
WEEKS = {"year": st.integers(2000, 9999), "week": st.integers(1, 53)}
KEYS: st.SearchStrategy[Cause] = st.one_of(
    *(st.builds(kind, st.dates()) for kind in (cause.Daily, cause.Preflight, cause.Skip, cause.Missed, cause.Backup)),
    *(st.builds(kind, **WEEKS) for kind in (cause.Prune, cause.Drill, cause.DrillAlerts)),
    st.builds(cause.Archive, st.integers(1, 9999), st.integers(1, 12)),
    st.builds(cause.Guard, st.sampled_from(["observe", "act"]), MOMENTS),
    st.builds(cause.Observed, st.integers(0, 10**9), st.integers(0, 10**9)),
    *(st.builds(kind, IDS) for kind in (cause.Acknowledged, cause.Approved, cause.Slash, cause.Submission, cause.BlockAction)),
    INSTANCES,
    st.builds(StatusCause, st.sampled_from(["firing", "resolved"]), INSTANCES, st.integers(0, 10**6)),
)


@given(KEYS)
def test_every_key_reads_back_as_what_it_is(key: Cause) -> None:
    """One key, one text, whatever an outside id holds."""
    assert parse(str(key)) == key


@given(KEYS, KEYS)
def test_two_keys_never_share_a_text(one: Cause, other: Cause) -> None:
    """What is not the same has its own effect."""
    assert (str(one) == str(other)) == (one == other)


@given(
    st.text(max_size=40)
    | st.builds("{}:{}".format, st.sampled_from(["daily", "prune", "guard", "observed"]), st.text(max_size=12))
)
def test_what_is_read_is_written_the_same(text: str) -> None:
    """A text of nobody's is refused, not made into somebody's key."""
    try:
        key = parse(text)
    except ValueError:
        return
    assert str(key) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "daily",
        "daily:",
        "daily:20251001",
        "daily:2025-W40-3",
        "daily:2025-10-01:1",
        "prune:2025-40",
        "archive:2025-9",
        "guard:observe:2025-10-01T09:05:00Z",
        "guard:observe",
        "observed:01:1",
        "observed:1",
        "alert:",
        "firing:daily:2025-10-01",
        "nobody:1",
    ],
)
def test_a_text_that_is_no_key_is_refused(text: str) -> None:
    """Nearly a key is none."""
    with pytest.raises(ValueError, match=r"cause key|not the key|date|isoformat"):
        parse(text)


@given(st.text(max_size=2 * MAX_KEY))
def test_an_outside_id_is_cut_so_that_the_journal_keeps_its_key(text: str) -> None:
    """As it always was: the word, a colon, and the first characters."""
    for kind, word in ((cause.Slash, "slash"), (cause.Submission, "view"), (cause.BlockAction, "click")):
        assert str(kind.of(text)) == f"{word}:{text}"[:200]


def test_weeks_are_those_of_the_iso_calendar() -> None:
    """The keys of every day of a year are those that the calendar of the standard library tells."""
    for month in range(1, 13):
        for day in range(1, calendar.monthrange(2026, month)[1] + 1):
            at = date(2026, month, day)
            year, week, _ = at.isocalendar()
            assert str(cause.Prune(year, week)) == at.strftime("prune:%G-W%V")
            assert str(cause.Archive(at.year, at.month)) == at.strftime("archive:%Y-%m")


def test_only_keys_of_a_date_name_one() -> None:
    """A story that somebody takes for a run's names no date by chance."""
    assert [day_of(text) for text in ("skip:2025-10-01", "slash:2025-10-01", "daily:now", "", None)] == [
        DAY,
        None,
        None,
        None,
        None,
    ]
