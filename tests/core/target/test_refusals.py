from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.target.refusals import (
    TOLD_FOR,
    UNMATCHED_FOR,
    Refusal,
    RefusalsUnreadable,
    keep_refusals,
    keep_unmatched,
    refusals,
    unmatched,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def refused(result: str = "unauthorised", at: datetime = NOW, text: str = "no token") -> Refusal:
    return Refusal(at, 401, result, text)


def test_refusals_of_the_last_hour_are_counted_by_their_kind(tmp_path: Path) -> None:
    """The newest stands first; one that is older than an hour is forgotten, and is not counted with the next."""
    keep_refusals(tmp_path, [refused(at=NOW - timedelta(hours=3))])
    keep_refusals(tmp_path, [refused(at=NOW - timedelta(minutes=50)), refused("malformed", NOW - timedelta(minutes=9))])
    keep_refusals(tmp_path, [refused()])
    found = refusals(tmp_path, NOW)
    assert [(refusal.result, refusal.count) for refusal in found] == [("unauthorised", 2), ("malformed", 1)]
    assert refusals(tmp_path, NOW + TOLD_FOR + timedelta(seconds=1)) == ()


def test_names_of_the_last_day_are_told(tmp_path: Path) -> None:
    """With when each was heard last."""
    keep_unmatched(tmp_path, ["A", "B"], NOW - timedelta(hours=20))
    keep_unmatched(tmp_path, ["A"], NOW)
    assert unmatched(tmp_path, NOW) == {"A": NOW, "B": NOW - timedelta(hours=20)}
    assert unmatched(tmp_path, NOW + UNMATCHED_FOR) == {"A": NOW}


def test_where_nothing_was_kept_nothing_is_told(tmp_path: Path) -> None:
    """A folder that nobody has made yet is no error."""
    assert refusals(tmp_path / "none", NOW) == ()
    assert unmatched(tmp_path / "none", NOW) == {}


@pytest.mark.parametrize("damaged", [b"", b"{}", b"[1]", b'[{"at": 5}]', b"\xff", b"[" * 100_000, b"x" * (1 << 20)])
def test_what_cannot_be_read_is_said_and_is_kept_anew(tmp_path: Path, damaged: bytes) -> None:
    """A damaged file is never "nobody was refused", and the next refusal replaces it."""
    for name in ("webhook_refusals", "alerts_unmatched"):
        (tmp_path / name).write_bytes(damaged)
    if damaged != b"{}":  # an empty object holds nothing either
        with pytest.raises(RefusalsUnreadable):
            refusals(tmp_path, NOW)
        with pytest.raises(RefusalsUnreadable):
            unmatched(tmp_path, NOW)
    keep_refusals(tmp_path, [refused()])
    keep_unmatched(tmp_path, ["A"], NOW)
    assert len(refusals(tmp_path, NOW)) == len(unmatched(tmp_path, NOW)) == 1


@given(texts=st.lists(st.text(max_size=400), max_size=80))
def test_however_many_and_whatever_is_kept_stays_bounded_and_readable(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    """At most fifty of each, on any text."""
    folder = tmp_path_factory.mktemp("refusals")
    keep_refusals(folder, [refused(f"r{place}", text=text) for place, text in enumerate(texts)])
    keep_unmatched(folder, texts, NOW)
    assert len(refusals(folder, NOW)) <= 50
    assert len(unmatched(folder, NOW)) <= 50
