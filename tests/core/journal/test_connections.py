"""A journal is read where it lies: by an account that may write nothing, on a read-only mount, as a copy, beside a writer."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.errors import JournalUnavailable
from core.journal.journal import Journal
from tests.core.journal.test_journal import draft, journal_in
from tests.core.system.test_files import denied, nobodys_folder


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def readable(folder: Path) -> None:
    """Let the account that owns the folder read what lies in it; whoever made it may be root."""
    for path in (folder, *folder.rglob("*")):
        if os.geteuid() == 0:
            os.chown(path, folder.stat().st_uid, folder.stat().st_gid)
        path.chmod(0o500 if path.is_dir() else 0o400)


def record(folder: Path, count: int) -> Journal:
    journal = journal_in(folder)
    for number in range(1, count + 1):
        journal.append(draft(number))
    return journal


@pytest.fixture
def folder() -> Iterator[Path]:
    with nobodys_folder() as made:
        yield made


def test_an_account_that_may_write_nothing_reads_a_journal_at_rest(folder: Path) -> None:
    """Nothing is made beside it: no log, no index, no lock."""
    record(folder, 3).close()
    readable(folder)
    before = files_in(folder)
    with denied(folder, 0o500), closing(journal_in(folder)) as journal:
        sealed, flaws = journal.verify()
    assert (len(sealed), flaws) == (3, ())
    assert files_in(folder) == before


def test_a_seized_copy_with_its_log_has_its_newest_receipts(folder: Path, tmp_path: Path) -> None:
    """What was committed last lies in the write-ahead log alone; without its index SQLite itself would not open it there."""
    record(tmp_path / "live", 2).close()
    with closing(sqlite3.connect(tmp_path / "live" / "journal.sqlite", isolation_level=None)) as holds_the_log_open:
        holds_the_log_open.execute("SELECT count(*) FROM receipts").fetchall()
        live = journal_in(tmp_path / "live")
        live.append(draft(3))
        shutil.copytree(tmp_path / "live" / "logs", folder / "logs")
        for name in ("journal.sqlite", "journal.sqlite-wal"):
            shutil.copyfile(tmp_path / "live" / name, folder / name)
    live.close()
    readable(folder)
    before = files_in(folder)
    assert set(before) == {"journal.sqlite", "journal.sqlite-wal"}
    with denied(folder, 0o500), closing(journal_in(folder)) as journal:
        sealed, flaws = journal.verify()
    assert (len(sealed), flaws) == (3, ())
    assert files_in(folder) == before


def test_beside_an_open_journal_an_account_that_may_write_nothing_reads_what_was_committed(folder: Path) -> None:
    """Log and index are there and are only read."""
    record(folder, 2).close()
    with closing(sqlite3.connect(folder / "journal.sqlite", isolation_level=None)) as writer:
        writer.execute("UPDATE receipts SET cause = cause")  # in the log alone
        readable(folder)
        with denied(folder, 0o500), closing(journal_in(folder)) as journal:
            assert len(journal.verify()[0]) == 2


def test_nobody_who_looks_waits_for_a_writer_or_keeps_one_waiting(tmp_path: Path) -> None:
    """With a transaction open that writes, a journal that was never looked at is verified at once, and the writer goes on."""
    record(tmp_path, 2).close()
    with closing(sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None, timeout=0)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with closing(journal_in(tmp_path, busy_seconds=0)) as journal:
            assert len(journal.verify()[0]) == 2
            with journal._rows() as rows:
                assert rows.head() is not None
                writer.execute("UPDATE receipts SET cause = cause")
                writer.execute("COMMIT")
                writer.execute("BEGIN IMMEDIATE")
                writer.execute("ROLLBACK")


def test_looking_at_a_journal_that_was_never_made_makes_none(tmp_path: Path) -> None:
    """`anr verify` after `rm -r ops` leaves no empty journal behind."""
    with closing(journal_in(tmp_path / "ops")) as journal:
        readable, flaws = journal.verify()
        assert (readable.count, flaws) == (0, ())
        assert journal.head() is None
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_may_not_even_be_read_is_unavailable(folder: Path) -> None:
    """It is never an empty one."""
    record(folder, 1).close()
    readable(folder)
    (folder / "journal.sqlite").chmod(0)
    with denied(folder, 0o500), closing(journal_in(folder)) as journal, pytest.raises(JournalUnavailable):
        journal.verify()
