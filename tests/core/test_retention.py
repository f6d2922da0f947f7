from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.actors import Actor, ActorKind
from core.pruning import PruneLimit, prunable
from core.receipts import GENESIS, Action, Hold, Phase, Receipt
from core.retention import (
    Month,
    archive_name,
    archived_month,
    archives_to_delete,
    backup_made_at,
    backup_name,
    backups_to_delete,
    first_month_to_stay,
    newest_first,
)
from core.rollout import RolloutState, UnsettledIntent

NOW = datetime(2026, 11, 24, 9, 5, tzinfo=UTC)
OLIVIA = Actor(kind=ActorKind.SLACK, id="UOLIVIA")
moments = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds the zone


@given(moments, st.integers(1, 9999))
def test_the_name_of_a_backup_says_when_it_was_made(at: datetime, attempt: int) -> None:
    """The name reads back as the second of the backup, whichever number of that second it is."""
    assert backup_made_at(backup_name(at, attempt)) == at.replace(microsecond=0)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../anr_state_20261124_090500.json",
        "anr_state_20261124_090500.json/..",
        "anr_state_20261124_090500.json\n",
        "anr_state_20261324_090500.json",
        "anr_state_20261124_090500_1.json",
        "anr_state_20261124_090500_02.json",
        "anr_state_20261124_090500_.json",
        "anr_state_２０２６1124_090500.json",  # digits, but not ASCII
        "anr_state_20261124_090500.json.sha256",
        ".anr_state_20261124_090500.json.x.tmp",
        "anr_state.json",
    ],
)
def test_what_is_not_the_name_of_a_backup_is_none(name: str) -> None:
    """No path, no checksum, no temporary file and no impossible date is taken for a backup."""
    assert backup_made_at(name) is None
    assert newest_first([name]) == []


def test_of_one_second_the_later_backup_is_the_newer_one() -> None:
    """Numbers are compared as numbers: the tenth of a second is newer than its second."""
    names = [backup_name(NOW, attempt) for attempt in (1, 2, 10)]
    assert newest_first([names[1], "other.json", names[2], names[0], backup_name(NOW + timedelta(seconds=1))]) == [
        backup_name(NOW + timedelta(seconds=1)),
        names[2],
        names[1],
        names[0],
    ]


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 10))
def test_the_newest_valid_backups_always_stay(valid: list[bool], keep: int) -> None:
    """Whatever is not valid, the `keep` newest valid backups stay, and everything older than them goes."""
    backups = [(str(number), is_valid) for number, is_valid in enumerate(valid)]
    gone = set(backups_to_delete(backups, keep))
    left = [(name, is_valid) for name, is_valid in backups if name not in gone]
    assert sum(is_valid for _, is_valid in left) == min(keep, sum(valid))
    assert backups[: len(left)] == left
    if gone:
        assert left[-1][1]


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


def receipt(seq: int, days_ago: float, operation: str = "", **facts: object) -> Receipt:
    standing = {"id": f"r{seq}", "operation": operation or f"o{seq}", "ts": NOW - timedelta(days=days_ago), "actor": OLIVIA}
    standing |= {"action": Action.DAILY, "phase": Phase.EVENT, "target": "production", "seq": seq, "prev": GENESIS}
    return Receipt.model_validate({**standing, **facts})


HOLD = Hold(id="h1", actor=OLIVIA, reason="page", since=NOW - timedelta(days=100))
CUTOFF = NOW - timedelta(days=90)
OPEN = UnsettledIntent(
    seq=2, operation="o2", action=Action.PROMOTE, actor=OLIVIA, from_stage=10, to_stage=25, since=NOW - timedelta(days=100)
)
OLD = [receipt(1, 120), receipt(2, 110), receipt(3, 100), receipt(4, 89)]


@pytest.mark.parametrize(
    ("receipts", "state", "waiting", "limit"),
    [
        pytest.param([], RolloutState(), (), PruneLimit(0), id="an empty journal"),
        pytest.param(OLD, RolloutState(), (), PruneLimit(3), id="what is older than 90 days"),
        pytest.param([receipt(1, 90)], RolloutState(), (), PruneLimit(0), id="exactly 90 days old stays"),
        pytest.param(OLD[:3], RolloutState(), (), PruneLimit(3), id="everything, if all is old"),
        pytest.param(
            [receipt(7, 120), receipt(8, 1), receipt(9, 120)], RolloutState(), (), PruneLimit(7), id="a clock that ran ahead"
        ),
        pytest.param(
            [receipt(1, 120), receipt(2, 100, "o4"), receipt(3, 100, "o9"), receipt(4, 89, "o4"), receipt(5, 1, "o9")],
            RolloutState(),
            (),
            PruneLimit(1),
            id="a story that goes on later is not cut in two",
        ),
        pytest.param(
            [receipt(1, 120, "a"), receipt(2, 110, "b"), receipt(3, 105, "a"), receipt(4, 100, "b"), receipt(5, 1, "b")],
            RolloutState(),
            (),
            PruneLimit(0),
            id="stories that overlap stay together",
        ),
        pytest.param(
            [receipt(1, 120), receipt(2, 110, holds_added=(HOLD,)), receipt(3, 100)],
            RolloutState(holds=(HOLD,)),
            (),
            PruneLimit(1, "Receipt #2 and those after it stay: hold h1 is in force."),
            id="an open hold",
        ),
        pytest.param(
            [receipt(1, 120), receipt(2, 110, holds_added=(HOLD,)), receipt(3, 100)],
            RolloutState(),
            (),
            PruneLimit(3),
            id="a lifted hold",
        ),
        pytest.param(
            [receipt(1, 120), receipt(2, 110, approval_id="q1"), receipt(3, 100)],
            RolloutState(),
            ("q1",),
            PruneLimit(1, "Receipt #2 and those after it stay: request q1 waits for an answer."),
            id="a request that waits",
        ),
        pytest.param(
            OLD,
            RolloutState(unsettled=OPEN),
            (),
            PruneLimit(1, "Receipt #2 and those after it stay: operation #2 has no outcome yet."),
            id="an intent without an outcome",
        ),
    ],
)
def test_only_what_nothing_needs_is_pruned(
    receipts: list[Receipt], state: RolloutState, waiting: tuple[str, ...], limit: PruneLimit
) -> None:
    """Receipts from before the cutoff go, from the first one on, up to the first that something still needs."""
    assert prunable(receipts, state, waiting, CUTOFF) == limit


@given(st.lists(st.tuples(st.integers(80, 100), st.integers(0, 5)), max_size=25))
def test_no_story_is_cut_in_two(drawn: list[tuple[int, int]]) -> None:
    """However stories overlap: what goes and what stays have no story in common, and nothing that goes is young."""
    receipts = [receipt(seq, days, f"story{story}") for seq, (days, story) in enumerate(drawn, 1)]
    through = prunable(receipts, RolloutState(), (), CUTOFF).through
    gone, left = receipts[:through], receipts[through:]
    assert not {one.operation for one in gone} & {one.operation for one in left}
    assert all(one.ts < CUTOFF for one in gone)
    if gone != receipts:  # nothing more could have gone
        longer = {one.operation for one in receipts[: through + 1]}
        assert left[0].ts >= CUTOFF or any(one.operation in longer for one in left[1:])
