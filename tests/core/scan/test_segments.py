import random
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.ledger.decode import decode
from core.ledger.entry import MAX_LINE_BYTES, is_json_object
from core.scan.segments import LedgerFile
from tests.support.ledger_lines import ledger_bytes


def lines_of(data: bytes) -> list[bytes]:
    """The whole lines of a ledger, the last one without its LF if it is not torn."""
    *lines, last = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return lines + ([last] if last and is_json_object(last) else [])


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from([4, 7, 64, 333, 5000]), st.booleans())
def test_segments_hold_every_line_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    segment_bytes: int,
    bom: bool,  # noqa: FBT001 - drawn, not passed by hand
) -> None:
    """However small the segments, their lines are those of the ledger; a torn last line is not there yet."""
    rng = random.Random(seed)
    data = (b"\xef\xbb\xbf" if bom else b"") + ledger_bytes(rng, rng.randrange(8), odd=0.5)
    data = data[: rng.randrange(len(data) + 1)]
    path = tmp_path_factory.mktemp("ledger") / "ledger.ndjson"
    path.write_bytes(data)
    with LedgerFile(path, segment_bytes=segment_bytes) as ledger:
        segments = [ledger.segment(number) for number in range(ledger.segments)]
    found = [line for segment in segments for line in segment.lines.split(b"\n") if segment.lines]
    kept = [line for line in lines_of(data) if line]
    assert [line for line in found if line] == kept


def test_a_whole_segment_never_changes_when_the_ledger_grows(tmp_path: Path) -> None:
    """What the index keeps stays true: lines, end and digest of a whole segment are the same in every longer ledger."""
    path = tmp_path / "ledger.ndjson"
    data = ledger_bytes(random.Random(5), 40, odd=0.3)
    seen: dict[int, object] = {}
    for size in range(1, len(data), 37):
        path.write_bytes(data[:size])
        with LedgerFile(path, segment_bytes=700) as ledger:
            for segment in map(ledger.segment, range(ledger.segments)):
                if segment.whole:
                    assert seen.setdefault(segment.number, segment) == segment
                    assert segment.sha256 == sha256(data[segment.number * 700 : segment.number * 700 + 700]).digest()
    assert len(seen) > 10


@pytest.mark.parametrize("closed", [True, False])
def test_a_line_that_is_too_long_is_never_held_whole(tmp_path: Path, closed: bool) -> None:  # noqa: FBT001 - a parameter
    """It begins in one segment, is malformed once it has ended, and the line after it is read as always."""
    path = tmp_path / "ledger.ndjson"
    path.write_bytes(b"{}\n" + b"x" * (5 * MAX_LINE_BYTES) + (b"\n{}\n" if closed else b""))
    with LedgerFile(path, segment_bytes=MAX_LINE_BYTES) as ledger:
        segments = [ledger.segment(number) for number in range(ledger.segments)]
    assert max(len(segment.lines) for segment in segments) <= MAX_LINE_BYTES + 10
    columns = [decode(segment.lines) for segment in segments]
    assert sum(len(column.skipped_kind) for column in columns) == (3 if closed else 1)
