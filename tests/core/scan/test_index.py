"""The index never changes what a report says: compared after every step that can happen to a ledger or to the index."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.errors import LedgerUnreadable
from core.ledger.entry import read_line
from core.ledger.figures import LedgerSpan, WindowMetrics
from core.ledger.tally import Tally
from core.ledger.window import Window
from core.scan.index import IndexPlace
from core.scan.scan import scan
from core.settings.target import LedgerOptions
from tests.support.ledger_lines import START, decision_text, ledger_bytes, odd_line
from tests.support.sweeps import sweep

JUNK = (b"{", b"\xff\xfe", b'{"t": "yesterday"}', b'{"id":"a"}', b"\x00" * 30, b"")
SMALL = 1500


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.scan.segments.SEGMENT_BYTES", SMALL)


def report(path: Path, now: datetime, index: Path | None = None, minutes: int = 60, **options: Any) -> WindowMetrics:
    place = IndexPlace(index, 120) if index else None
    return scan(path, Window.ending(now, minutes), 0.15, index=place, **options)


read_once = lru_cache(maxsize=None)(read_line)
"""A line means the same in each report that reads it again."""


def by_the_definition(path: Path, now: datetime, minutes: int) -> WindowMetrics:
    """Every line of the file by the reference reader, one after the other."""
    tally = Tally(Window.ending(now, minutes), 0.15)
    *lines, last = path.read_bytes().split(b"\n")
    for line in lines:
        tally.add(read_once(line))
    read = read_once(last)
    if not isinstance(read, str):
        tally.add(read)
    return tally.result(LedgerSpan(0, ""))


class Story:
    """A ledger to which things happen, one after the other."""

    def __init__(self, folder: Path, rng: random.Random, *, wild: bool) -> None:
        self.path, self.index = folder / "ledger.ndjson", folder / "index.sqlite"
        self.path.write_bytes(b"")
        self.rng, self.wild, self.now = rng, wild, START

    def lines(self) -> bytes:
        made = []
        for _ in range(self.rng.randrange(1, 30)):
            self.now += timedelta(seconds=self.rng.choice([1, 20, 20, 200, 2000]))
            at = self.now - timedelta(seconds=self.rng.randrange(900))
            if self.rng.random() < 0.1:
                made.append(odd_line(self.rng, at) if self.wild else self.rng.choice(JUNK))
            else:
                made.append(decision_text(self.rng, at).encode())
        return b"\n".join(made) + b"\n"

    def append(self) -> None:
        with self.path.open("ab") as stream:
            stream.write(self.lines())

    def append_torn(self) -> None:
        with self.path.open("ab") as stream:
            stream.write(self.lines()[: -self.rng.randrange(1, 60)])

    def rotate(self) -> None:
        self.path.rename(self.path.with_suffix(".old"))
        self.path.write_bytes(self.lines())

    def copy_truncate(self) -> None:
        shutil.copy(self.path, self.path.with_suffix(".copy"))
        os.truncate(self.path, 0)
        for _ in range(self.rng.randrange(4)):
            self.append()

    def truncate(self) -> None:
        os.truncate(self.path, self.rng.randrange(self.path.stat().st_size + 1))

    def replace(self) -> None:
        other = self.path.with_suffix(".new")
        data = self.path.read_bytes()
        other.write_bytes(data[: self.rng.randrange(len(data) + 1)] + b"\n" + self.lines())
        other.replace(self.path)

    def lose_the_index(self) -> None:
        self.index.unlink(missing_ok=True)

    def spoil_the_index(self) -> None:
        data = bytearray(self.index.read_bytes() if self.index.exists() else b"SQLite format 3\x00")
        if self.rng.random() < 0.3:
            data = data[: self.rng.randrange(len(data) + 1)]
        for _ in range(self.rng.choice([1, 1, 50])):
            if data:
                data[self.rng.randrange(len(data))] ^= 1 << self.rng.randrange(8)
        self.index.write_bytes(bytes(data))

    STEPS = (append,) * 6 + (append_torn, rotate, copy_truncate, truncate, replace, lose_the_index, spoil_the_index)

    def step(self) -> str:
        step = self.rng.choice(self.STEPS)
        step(self)
        return step.__name__


def said_of(path: Path, now: datetime, index: Path | None, minutes: int) -> object:
    """The report, or why there is none: after some of these steps no line of the file is a JSON object."""
    try:
        return report(path, now, index, minutes)
    except LedgerUnreadable as error:
        return str(error)


@sweep(6, 60)
def test_with_and_without_the_index_a_report_says_the_same(tmp_path_factory: pytest.TempPathFactory, rounds: int) -> None:
    """After each of 15 random appends, rotations, truncations, replacements and losses, for windows of several lengths."""

    @settings(max_examples=rounds)
    @given(st.integers(0, 2**32))
    @example(5660)  # nothing but broken lines
    @example(1069)  # a flipped bit in the time of a segment
    @example(114)  # cut inside a line that begins in a whole segment
    def law(seed: int) -> None:
        rng = random.Random(seed)
        story = Story(tmp_path_factory.mktemp("story"), rng, wild=True)
        for _ in range(15):
            done = story.step()
            minutes, now = rng.choice([5, 60, 120, 600]), story.now - timedelta(minutes=rng.choice([0, 0, 30, 90]))
            with_index = said_of(story.path, now, story.index, minutes)
            assert with_index == said_of(story.path, now, None, minutes), done
            assert said_of(story.path, now, story.index, minutes) == with_index, done

    law()


@sweep(4, 40)
def test_seeking_says_what_reading_every_line_says(tmp_path_factory: pytest.TempPathFactory, rounds: int) -> None:
    """As long as lines are out of order by no more than the slack, broken lines among them or not."""

    @settings(max_examples=rounds)
    @given(st.integers(0, 2**32))
    def law(seed: int) -> None:
        story = Story(tmp_path_factory.mktemp("story"), random.Random(seed), wild=False)
        for _ in range(12):
            story.append()
            for minutes in (5, 60, 600):
                found, expected = (
                    report(story.path, story.now, story.index, minutes),
                    by_the_definition(story.path, story.now, minutes),
                )
                assert (found.figures, found.hours, found.newest_us, found.skipped) == (
                    expected.figures,
                    expected.hours,
                    expected.newest_us,
                    expected.skipped,
                )
        assert report(story.path, story.now, None, 5).span.start > 0

    law()


def spoil_old_segments(path: Path, span: LedgerSpan) -> None:
    """Overwrite the middle of what was read, in place, with as many other bytes."""
    with path.open("r+b") as stream:
        stream.seek(span.start + 4 * SMALL)
        stream.write(b"#" * (span.size - 8 * SMALL))


@pytest.mark.parametrize("place", ["a-file", "memory"])
def test_what_was_read_is_not_read_again(tmp_path: Path, place: str) -> None:
    """Bytes that the index has are not looked at: spoiled in place they change nothing, and new lines still count."""
    path, now = tmp_path / "ledger.ndjson", START + timedelta(minutes=50)
    path.write_bytes(ledger_bytes(random.Random(1), 100, odd=0, step_s=30))
    if place == "memory":
        (tmp_path / "not-a-folder").write_text("")
    index = tmp_path / ("index.sqlite" if place == "a-file" else "not-a-folder/index.sqlite")
    first = report(path, now, index, 600)
    spoil_old_segments(path, first.span)
    assert report(path, now, index, 600) == first
    assert report(path, now, None, 600) != first
    with path.open("ab") as stream:
        stream.write(decision_text(random.Random(2), now).encode() + b"\n")
    assert report(path, now, index, 600).figures.decisions == first.figures.decisions + 1


@pytest.mark.parametrize("damage", ["garbage", "empty", "another-database", "older-format", "a-folder", "half-a-table"])
def test_an_index_that_cannot_be_used_is_made_anew_and_never_an_error(tmp_path: Path, damage: str) -> None:
    """Whatever stands in its place, the report is right."""
    path, index, now = tmp_path / "ledger.ndjson", tmp_path / "index.sqlite", START + timedelta(minutes=50)
    path.write_bytes(ledger_bytes(random.Random(1), 100, odd=0.1, step_s=30))
    expected = report(path, now)
    match damage:
        case "garbage":
            index.write_bytes(b"no database at all " * 500)
        case "empty":
            index.write_bytes(b"")
        case "a-folder":
            index.mkdir()
        case _:
            assert report(path, now, index) == expected
            with sqlite3.connect(index) as connection:
                if damage == "half-a-table":
                    connection.execute("DROP TABLE segments")
                elif damage == "older-format":
                    connection.execute("PRAGMA user_version=77")
                else:
                    connection.execute("DROP TABLE segments")
                    connection.execute(
                        "CREATE TABLE segments (number TEXT, end TEXT, sha256 TEXT, beyond TEXT, columns TEXT, checksum TEXT)"
                    )
                    connection.execute("INSERT INTO segments VALUES ('x', 'y', 'z', 'u', 'v', 'w')")
            connection.close()
    for _ in range(3):
        assert report(path, now, index) == expected


def test_rows_that_another_file_wrote_are_never_mixed_in(tmp_path: Path) -> None:
    """A process that still reads the file from before a rotation writes nothing into the new one's index, and reads again."""
    path, index, now = tmp_path / "ledger.ndjson", tmp_path / "index.sqlite", START + timedelta(minutes=50)
    path.write_bytes(ledger_bytes(random.Random(1), 200, odd=0, step_s=30))
    rotated = threading.Event()

    def rotate(_read: int, _size: int) -> None:
        if not rotated.is_set():
            rotated.set()
            path.rename(tmp_path / "old.ndjson")
            path.write_bytes(ledger_bytes(random.Random(2), 200, odd=0, step_s=30))
            report(path, now, index)

    found = report(path, now, index, on_progress=rotate)
    assert rotated.is_set()
    assert found == report(path, now)
    assert report(path, now, index) == report(path, now)


def test_the_index_stays_as_small_as_its_window(tmp_path: Path) -> None:
    """Ten days of a ledger, reported on every hour: the index keeps two hours, and a longer look does not swell it for good."""
    path, index = tmp_path / "ledger.ndjson", tmp_path / "index.sqlite"
    path.write_bytes(b"")
    rng, sizes = random.Random(3), []
    for hour in range(1, 240):
        at = START + timedelta(hours=hour)
        with path.open("ab") as stream:
            stream.write(b"".join(decision_text(rng, at - timedelta(seconds=s)).encode() + b"\n" for s in range(3500, 0, -100)))
        assert report(path, at, index).figures.decisions == 36 - 1
        if hour == 100:
            report(path, at, index, 6000)
            assert index.stat().st_size > 100_000
            report(path, at, index)
        sizes.append(index.stat().st_size)
    with sqlite3.connect(index) as connection:
        kept = connection.execute("SELECT count(*) FROM segments").fetchone()[0]
    connection.close()
    assert kept < 3 * 36 * 400 // SMALL
    assert max(sizes[-20:]) < path.stat().st_size // 20


WRITER = """
import sys, random, time
from datetime import timedelta
from tests.support.ledger_lines import START, decision_text
rng = random.Random(9)
with open(sys.argv[1], "ab", buffering=0) as stream:
    for number in range(4000):
        data = decision_text(rng, START + timedelta(seconds=number)).encode() + b"\\n"
        cut = rng.randrange(len(data))
        stream.write(data[:cut])
        stream.write(data[cut:])
"""
REPORTER = """
import sys
from datetime import timedelta
from pathlib import Path
import core.scan.segments, core.scan.scan
from core.scan.index import IndexPlace
from core.ledger.figures import Window
core.scan.segments.SEGMENT_BYTES = 1500
core.scan.scan._KEPT_AT_ONCE = 2
from tests.support.ledger_lines import START
print("ready", flush=True)
while True:
    window = Window.ending(START + timedelta(seconds=4000), 60)
    core.scan.scan.scan(Path(sys.argv[1]), window, 0.15, index=IndexPlace(Path(sys.argv[2]), 60))
    if len(sys.argv) > 3:
        Path(sys.argv[2]).unlink(missing_ok=True)
"""
ROOT = Path(__file__).parents[3]


def started(code: str, *words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})


@pytest.mark.torture
def test_a_report_that_is_killed_at_any_moment_leaves_an_index_that_is_right(tmp_path: Path) -> None:
    """Killed 15 times, while it fills an index: the next report says what one without an index says."""
    path, index, now = tmp_path / "ledger.ndjson", tmp_path / "index.sqlite", START + timedelta(seconds=4000)
    path.write_bytes(ledger_bytes(random.Random(4), 4000, odd=0.02))
    expected, rng = report(path, now), random.Random(5)
    for _ in range(15):
        process = started(REPORTER, path, index, "anew")
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert report(path, now, index) == expected
        assert report(path, now, index) == expected


def test_several_processes_and_threads_share_an_index_while_the_router_writes(tmp_path: Path) -> None:
    """Each report is right for the ledger as far as it saw it."""
    path, index, now = tmp_path / "ledger.ndjson", tmp_path / "index.sqlite", START + timedelta(seconds=4000)
    path.write_bytes(b"")
    writer, reporter = started(WRITER, path), started(REPORTER, path, index)
    with ThreadPoolExecutor(3) as pool:

        def reports(_: int) -> list[WindowMetrics]:
            found: list[WindowMetrics] = []
            while writer.poll() is None or not found:
                found.append(report(path, now, index))
            return found

        seen = [metrics for found in pool.map(reports, range(3)) for metrics in found]
    reporter.kill()
    reporter.communicate()
    assert writer.wait() == 0
    writer.communicate()
    seen.append(report(path, now, index))
    data, copy = path.read_bytes(), tmp_path / "copy.ndjson"
    for metrics in random.Random(6).sample(seen, min(len(seen), 40)) + seen[-1:]:
        copy.write_bytes(data[: metrics.span.start + metrics.span.size])
        expected = report(copy, now)
        assert (metrics.figures, metrics.hours, metrics.skipped) == (expected.figures, expected.hours, expected.skipped)
    assert seen[-1].figures.decisions == 3600


def test_other_processes_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading that is split says what one process says, and fills the same index."""
    monkeypatch.setattr("core.scan.segments.SEGMENT_BYTES", 100_000)
    path, now = tmp_path / "ledger.ndjson", START + timedelta(seconds=10_000)
    path.write_bytes(ledger_bytes(random.Random(7), 10_000, odd=0.02))
    alone = report(path, now, minutes=600, options=LedgerOptions(processes=1, parallel_mb=1))
    index = tmp_path / "index.sqlite"
    assert report(path, now, index, 600, options=LedgerOptions(processes=3, parallel_mb=1)) == alone
    assert report(path, now, index, 600) == alone


@pytest.mark.parametrize("damage", ["pages", "types"])
def test_damage_that_shows_only_when_it_is_read_is_gone_at_the_next_report(tmp_path: Path, damage: str) -> None:
    """The report is right, and the one after it has an index again."""
    path, index, now = tmp_path / "ledger.ndjson", tmp_path / "index.sqlite", START + timedelta(minutes=50)
    path.write_bytes(ledger_bytes(random.Random(1), 400, odd=0, step_s=30))
    expected = report(path, now, index, 600)
    if damage == "pages":
        data = bytearray(index.read_bytes())
        data[4096 * 2 :] = b"\xaa" * (len(data) - 4096 * 2)
        index.write_bytes(bytes(data))
    else:
        with sqlite3.connect(index) as connection:
            connection.execute("UPDATE segments SET end = 'far', sha256 = 7, checksum = 'x'")
        connection.close()
    for _ in range(2):
        assert report(path, now, index, 600) == expected
    report(path, now, index, 600)
    spoil_old_segments(path, expected.span)
    assert report(path, now, index, 600) == expected
