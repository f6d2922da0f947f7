"""Copies of the journal under attack: writers, full disks, files that are put in its place, copies that were altered."""

import errno
import os
import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.actors import SCHEDULER
from core.errors import JournalUnavailable
from core.journal.copies.copies import Copies, wrong_with
from core.journal.journal import Journal
from core.receipts.receipt import Action, Draft, Phase
from tests.support.rig import NOW


def journal_of(folder: Path, target: str = "production") -> Journal:
    return Journal(folder / "journal.sqlite", target=target, receipts_dir=folder / target, busy_seconds=60)


def record(journal: Journal, name: str) -> None:
    journal.append(Draft(id=name, operation=name, ts=NOW, action=Action.DAILY, phase=Phase.EVENT, actor=SCHEDULER))


def numbers_in(copy: Path) -> list[int]:
    with closing(sqlite3.connect(f"{copy.as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        return [seq for (seq,) in database.execute("SELECT seq FROM receipts ORDER BY seq")]


@pytest.fixture
def copies(tmp_path: Path) -> Copies:
    """The copies of a journal with two receipts of one target and one of another; two are kept."""
    for target, count in (("production", 2), ("staging", 1)):
        with closing(journal_of(tmp_path, target)) as journal:
            for number in range(count):
                record(journal, f"{number}")
    return Copies(tmp_path / "journal.sqlite", tmp_path / "copies", 2)


def test_a_copy_is_one_file_with_every_targets_receipts(copies: Copies, tmp_path: Path) -> None:
    """It needs no log beside it, only its account and group may read it, and it opens as a journal."""
    copy = copies.take(NOW)
    assert [path.name for path in (tmp_path / "copies").iterdir()] == ["journal_20251001_090500.sqlite"]
    assert (copy.made_at, copy.size, copy.path.stat().st_mode & 0o777) == (NOW, copy.path.stat().st_size, 0o640)
    assert wrong_with(copy.path) is None
    for target, count in (("production", 2), ("staging", 1)):
        journal = Journal(copy.path, target=target, receipts_dir=tmp_path / target)
        assert (len(journal.verify()[0]), journal.verify()[1]) == (count, ())
        journal.close()


def test_a_copy_that_is_made_while_others_write_is_one_moment(copies: Copies, tmp_path: Path) -> None:
    """A writer that never stops delays no copy and tears none: each holds the first receipts, without a gap."""
    stop = threading.Event()

    def write() -> None:
        with closing(journal_of(tmp_path)) as journal:
            number = 0
            while not stop.is_set():
                record(journal, f"w{number}")
                number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = [numbers_in(copies.take(NOW + timedelta(seconds=number)).path) for number in range(6)]
    finally:
        stop.set()
        writer.join()
    for numbers in made:
        production = numbers[1:] if numbers[:2] == [1, 1] else numbers
        assert production == list(range(1, len(production) + 1))


def test_what_is_recorded_between_reading_and_copying_is_in_the_next_copy(
    copies: Copies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receipt that comes in the worst moment neither spoils the copy nor is torn into it."""
    connect = sqlite3.connect

    class Late(sqlite3.Connection):
        def backup(self, *into: Any, **options: Any) -> None:
            with closing(journal_of(tmp_path)) as journal:
                record(journal, "between")
            super().backup(*into, **options)

    monkeypatch.setattr(sqlite3, "connect", lambda address, **options: connect(address, factory=Late, **options))
    made = copies.take(NOW).path
    monkeypatch.undo()
    assert numbers_in(made) == [1, 1, 2]
    assert numbers_in(copies.take(NOW).path) == [1, 1, 2, 3]


def test_copies_that_are_one_too_many_go_once_a_newer_one_is_good(copies: Copies) -> None:
    """The two newest stay; of one second, each has a name of its own."""
    made = [copies.take(NOW + timedelta(days=day)).path.name for day in (0, 1, 1)]
    assert made == ["journal_20251001_090500.sqlite", "journal_20251002_090500.sqlite", "journal_20251002_090500_2.sqlite"]
    assert [copy.path.name for copy in copies.found()] == made[:0:-1]


def test_a_full_disk_leaves_the_copies_that_there_are(copies: Copies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that cannot be synced has no name, leaves nothing behind, and pushes no older one out."""
    before = [copies.take(NOW + timedelta(days=day)).path for day in (0, 1)]

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(JournalUnavailable, match="No space left"):
            copies.take(NOW + timedelta(days=2))
    assert sorted((tmp_path / "copies").iterdir()) == before


def test_a_journal_that_is_replaced_while_it_is_copied_is_not_taken_for_the_copied_one(
    copies: Copies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another file stands in the journal's place when the copy is done: it is nobody's copy, and is thrown away."""
    connect = sqlite3.connect
    other = tmp_path / "other.sqlite"
    other.write_bytes((tmp_path / "journal.sqlite").read_bytes())

    def connect_and_replace(address: str, **options: Any) -> sqlite3.Connection:
        opened: sqlite3.Connection = connect(address, **options)
        if "journal.sqlite" in address and other.exists():
            opened.execute("SELECT count(*) FROM receipts").fetchone()
            other.rename(tmp_path / "journal.sqlite")
        return opened

    monkeypatch.setattr(sqlite3, "connect", connect_and_replace)
    with pytest.raises(JournalUnavailable, match="another file was put in the journal's place"):
        copies.take(NOW)
    assert list((tmp_path / "copies").iterdir()) == []


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        pytest.param("UPDATE receipts SET data = replace(data, 'daily', 'DAILY') WHERE seq = 2", "#2 was altered", id="altered"),
        pytest.param("DELETE FROM receipts WHERE seq = 1 AND target = 'production'", "#1", id="cut-at-its-head"),
        pytest.param("DELETE FROM receipts", "no receipts", id="emptied"),
        pytest.param("DROP TABLE receipts", "cannot be read", id="no-table"),
    ],
)
def test_a_copy_that_was_altered_is_named(copies: Copies, attack: str, said: str) -> None:
    """What is wrong is read from the copy's own bytes."""
    copy = copies.take(NOW).path
    with closing(sqlite3.connect(copy, isolation_level=None)) as database:
        database.execute(attack)
    assert said in str(wrong_with(copy))


@pytest.mark.parametrize("bytes_", [b"", b"\0" * 8192, b"SQLite format 3\0" + b"\xff" * 4096], ids=["empty", "nul", "torn"])
def test_a_copy_that_is_no_database_is_named(tmp_path: Path, bytes_: bytes) -> None:
    """What a crash of the machine or a bad disk leaves is no copy, and no traceback."""
    copy = tmp_path / "journal_20251001_090500.sqlite"
    copy.write_bytes(bytes_)
    assert wrong_with(copy) is not None


def test_only_files_with_the_name_of_a_copy_are_copies(copies: Copies, tmp_path: Path) -> None:
    """Links, other journals' copies, and dates that do not exist are nobody's to count or to delete."""
    copy = copies.take(NOW).path
    (tmp_path / "copies" / "journal_20251003_090500.sqlite").symlink_to(copy)
    for name in ("journal_20259999_090500.sqlite", "other_20251003_090500.sqlite", "journal_20251003_090500.db", "notes.txt"):
        (tmp_path / "copies" / name).write_bytes(b"")
    assert [found.path for found in copies.found()] == [copy]
    assert Copies(tmp_path / "journal.sqlite", tmp_path / "never", 2).found() == ()


def test_what_a_killed_copy_left_is_cleared_once_nobody_can_be_at_it(copies: Copies, tmp_path: Path) -> None:
    """A file without a copy's name goes after a day; one that is younger may be somebody's who copies just now."""
    copies.take(NOW)
    old, young = (tmp_path / "copies" / f".journal.{name}.tmp" for name in ("old", "young"))
    for path, hours in ((old, 25), (young, 23)):
        path.write_bytes(b"half")
        at = (NOW - timedelta(hours=hours)).timestamp()
        os.utime(path, (at, at))
    copies.take(NOW)
    assert (old.exists(), young.exists()) == (False, True)
