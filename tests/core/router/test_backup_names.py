from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.router.backup_names import backup_made_at, backup_name, backups_to_delete, newest_first
from tests.core.upkeep.test_archive_names import NOW, moments


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
