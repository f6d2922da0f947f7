import random
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.columns import Columns
from core.decode import decode
from core.decoded import Decoded, all_decoded
from core.ledger import MAX_LINE_BYTES, is_json_object
from core.segments import LedgerFile
from tests.core.ledger_lines import ledger_bytes
from tests.core.test_decode import as_lists


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
    assert sum(len(one.skipped_kind) for one in columns) == (3 if closed else 1)


def plain(segments: list[Decoded]) -> list[object]:
    return [(one.number, one.end, one.whole, one.sha256, as_lists(one.columns)) for one in segments]


def ledger_of(tmp_path: Path, lines: int) -> Path:
    path = tmp_path / "ledger.ndjson"
    path.write_bytes(ledger_bytes(random.Random(8), lines, odd=0.05))
    return path


def test_several_processes_read_what_one_reads(tmp_path: Path) -> None:
    """The same segments in the same order, whoever read which."""
    with LedgerFile(ledger_of(tmp_path, 3000), segment_bytes=10_000) as ledger:
        numbers = range(2, ledger.segments)
        alone = plain(list(all_decoded(ledger, numbers, 0, lambda: None)))
        assert plain(list(all_decoded(ledger, numbers, 2, lambda: None))) == alone


def test_a_process_that_dies_while_it_helps_costs_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One cannot be started, one says nothing sensible, one dies after its first answer: every segment is there."""
    path, python = ledger_of(tmp_path, 2000), sys.executable
    with LedgerFile(path, segment_bytes=10_000) as ledger:
        alone = plain(list(all_decoded(ledger, range(ledger.segments), 0, lambda: None)))
        one = next(iter(all_decoded(ledger, [0], 0, lambda: None))).packed()
        given = tmp_path / "given"
        first_then_gone = (
            f"import sys, pathlib; print({ledger.identity!r}, flush=True); sys.stdin.readline()\n"
            f"pathlib.Path({str(given)!r}).touch(); sys.stdout.buffer.write({one[:-3]!r})"
        )
        for code in ("raise SystemExit(1)", "print('nonsense')", first_then_gone):
            script = tmp_path / "python"
            script.write_text(f"#!{python}\n{code}\n", encoding="utf-8")
            script.chmod(0o755)
            monkeypatch.setattr("core.decoded.sys.executable", str(script))
            patience = time.monotonic() + 20 if code is first_then_gone else 0

            def until_it_was_given_one(patience: float = patience) -> None:
                while time.monotonic() < patience and not given.exists():
                    time.sleep(0.01)

            assert plain(list(all_decoded(ledger, range(ledger.segments), 2, until_it_was_given_one))) == alone
        assert given.exists()
        monkeypatch.setattr("core.decoded.sys.executable", str(tmp_path / "missing"))
        assert plain(list(all_decoded(ledger, range(ledger.segments), 1, lambda: None))) == alone


def test_no_process_is_left_when_reading_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stops in the middle, because time is up, leaves nobody working."""
    started: list[subprocess.Popen[bytes]] = []

    class Watched(subprocess.Popen[bytes]):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)  # type: ignore[call-overload]
            started.append(self)

    monkeypatch.setattr("core.decoded.subprocess.Popen", Watched)
    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise TimeoutError

    with LedgerFile(ledger_of(tmp_path, 2000), segment_bytes=10_000) as ledger, pytest.raises(TimeoutError):
        list(all_decoded(ledger, range(ledger.segments), 2, stop))
    assert len(started) == 2
    assert all(process.returncode is not None for process in started)


def test_packed_columns_of_nothing_are_columns() -> None:
    """A segment in which no line begins has columns too."""
    assert as_lists(Columns.unpacked(decode(b"").packed())) == as_lists(decode(b""))
