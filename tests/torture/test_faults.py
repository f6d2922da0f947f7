"""The harness that kills and fails writes sees every way in which our code reaches the disk."""

import errno
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest

from tests.torture.faults import Failing, Killed, killed_everywhere, run

pytestmark = pytest.mark.torture


def writes(folder: Path) -> str:
    """Reach the disk in every way that Python offers."""
    (folder / "text").write_text("a", encoding="ascii")
    with (folder / "text").open("ab", buffering=0) as raw:
        raw.write(b"b")
        os.fsync(raw.fileno())
    descriptor, name = tempfile.mkstemp(dir=folder, prefix="temporary-")
    os.write(descriptor, b"c")
    os.close(descriptor)
    Path(name).replace(folder / "named")
    shutil.copyfile(folder / "text", folder / "copy")
    (folder / "copy").unlink()
    return (folder / "text").read_text(encoding="ascii")


def records(folder: Path) -> int:
    """Commit two transactions."""
    with sqlite3.connect(folder / "db", isolation_level=None) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE t (x)")
        database.execute("INSERT INTO t VALUES (1)")
        count = database.execute("SELECT count(*) FROM t").fetchone()[0]
    database.close()
    return int(count)


def test_every_way_to_the_disk_is_a_boundary(tmp_path: Path) -> None:
    """Nothing is written that was not announced, in the order in which it happens."""
    ended = run(writes, tmp_path)
    assert ended.returned == "ab"
    seen = [
        (what, Path(path).name.partition("-")[0]) for what, _, path in (boundary.rpartition(" ") for boundary in ended.boundaries)
    ]
    assert [call for call in seen if call != ("sendfile", "copy")] == [
        ("open", "text"),
        ("write", "text"),
        ("open", "text"),
        ("write", "text"),
        ("fsync", "text"),
        ("open", "temporary"),
        ("write", "temporary"),
        ("os.rename", "named"),
        ("open", "copy"),
        ("os.remove", "copy"),
    ]


def test_every_commit_of_sqlite_is_boundaries(tmp_path: Path) -> None:
    """The write-ahead log is written and synced for each transaction."""
    ended = run(records, tmp_path)
    assert ended.returned == 1
    log = [what for what, _, path in (boundary.rpartition(" ") for boundary in ended.boundaries) if path.endswith("db-wal")]
    assert log.count("sqlite sync") >= 2
    assert sum(what in {"sqlite write", "sqlite pwrite", "sqlite pwrite64"} for what in log) >= 4


def test_a_death_comes_before_its_boundary(tmp_path: Path) -> None:
    """What was to be renamed is not, and everything before it is there."""
    whole = run(writes, tmp_path)
    number = next(index for index, boundary in enumerate(whole.boundaries, 1) if boundary.startswith("os.rename"))
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    ended = run(writes, tmp_path, fault=Killed(at=number))
    assert ended.killed
    assert len(ended.boundaries) == number
    assert not (tmp_path / "named").exists()
    assert (tmp_path / "text").read_bytes() == b"ab"


def test_all_deaths_are_died_once(tmp_path: Path) -> None:
    """There are as many as boundaries, and the last run lives."""

    def emptied() -> tuple[Path]:
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        return (tmp_path,)

    endings = list(killed_everywhere(emptied, records))
    assert [ended.killed for ended in endings] == [True] * (len(endings) - 1) + [False]
    assert len(endings) == len(endings[-1].boundaries) + 1


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EACCES], ids=errno.errorcode.get)
def test_a_disk_that_fails_is_what_python_and_sqlite_see(tmp_path: Path, error: int) -> None:
    """The error arrives as the operating system's own."""
    ended = run(writes, tmp_path, fault=Failing(error, "*/text"))
    assert ended.raised is not None
    assert issubclass(ended.raised[0], OSError)
    assert os.strerror(error) in ended.raised[1]
    ended = run(records, tmp_path, fault=Failing(error, "*/db*"))
    assert ended.raised is not None
    assert issubclass(ended.raised[0], sqlite3.OperationalError)
    assert ended.failed
