"""Journals of older, newer and foreign schemas. What is older was made by anr 0.1.0 itself (`older_journals/`)."""

import json
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from core.brake import brake
from core.errors import JournalNewer, JournalUnavailable
from core.journal.journal import Journal
from core.journal.schema import migrate
from core.journal.tables import TABLES, Database
from core.operations import propose
from core.receipts.receipt import Action
from core.watch.recover import recover
from tests.core.journal.test_older_journals import upgraded
from tests.support.rig import Rig

OLDER = Path(__file__).parents[1] / "older_journals"


def executed(path: Path, *statements: str) -> list[tuple[object, ...]]:
    """Run SQL in a journal, behind anr's back; return the rows of the last statement."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        rows: list[tuple[object, ...]] = []
        for statement in statements:
            rows = database.execute(statement).fetchall()
        return rows


def made_by_010(path: Path) -> Path:
    """Make an empty journal as 0.1.0 did."""
    executed(path, *json.loads((OLDER / "whole.json").read_text(encoding="utf-8"))["schema"])
    return path


def everything_in(path: Path) -> dict[str, bytes]:
    """Return the bytes of a journal's files by name; SQLite's shared memory is no content."""
    return {file.name: file.read_bytes() for file in path.parent.glob(f"{path.name}*") if not file.name.endswith("-shm")}


def from_the_future(rig: Rig, version: str = "0004") -> Path:
    """Leave a journal as an anr would that has made more of it since."""
    propose.init(rig.target, rig.people["olivia"], "begin")
    rig.target.journal.close()
    executed(
        rig.settings.journal,
        f"UPDATE alembic_version SET version_num = '{version}'",  # noqa: S608 - a version of the test's own
        "ALTER TABLE receipts ADD COLUMN colour TEXT",
        "PRAGMA wal_checkpoint(TRUNCATE)",
    )
    return rig.settings.journal


def test_the_newest_revision_is_the_one_that_this_anr_knows() -> None:
    """Each revision follows on the one before it, is named after its number, and the last one's number is `NEWEST`."""
    config = Config()
    config.set_main_option("script_location", str(migrate.VERSIONS.parent))
    config.set_main_option("version_locations", str(migrate.VERSIONS))
    config.set_main_option("path_separator", "newline")
    revisions = list(reversed(list(ScriptDirectory.from_config(config).walk_revisions())))
    numbers = [revision.revision for revision in revisions]
    assert numbers == [f"{number:04}" for number in range(1, migrate.NEWEST + 1)]
    assert [Path(revision.path).stem for revision in revisions] == [f"schema_{number}" for number in numbers]
    assert [revision.down_revision for revision in revisions] == [None, *numbers[:-1]]


def test_a_journal_that_was_migrated_is_made_like_one_that_was_begun(tmp_path: Path) -> None:
    """Statement by statement the database of 0.1.0, brought up, is the one that this anr makes; Alembic's own run agrees."""
    paths = [tmp_path / "begun.sqlite", made_by_010(tmp_path / "migrated.sqlite")]
    for path in paths:
        with Database(path, "production", 1.0, 0.0).rows(write=True):
            pass
    alembics = tmp_path / "alembic.sqlite"
    engine = create_engine(f"sqlite:///{alembics}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE anything (number)")
        migrate.bring_up(connection, TABLES)
        connection.exec_driver_sql("DROP TABLE anything")
    engine.dispose()
    schemas = [sorted(executed(path, "SELECT type, name, sql FROM sqlite_master")) for path in (*paths, alembics)]
    assert schemas[0] == schemas[1] == schemas[2]
    assert [executed(path, "SELECT version_num FROM alembic_version") for path in (*paths, alembics)] == [
        [(f"{migrate.NEWEST:04}",)]
    ] * 3


def test_whoever_only_looks_at_a_migrated_journal_writes_nothing(tmp_path: Path) -> None:
    """A journal of the newest schema is opened without the write lock: somebody else may hold it."""
    path = tmp_path / "journal.sqlite"
    with Database(path, "production", 1.0, 0.0).rows(write=True):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert Journal(path, target="production", receipts_dir=tmp_path / "logs", busy_seconds=0).receipts() == ()


def test_several_who_open_an_older_journal_at_once_migrate_it_once(rig: Rig) -> None:
    """Eight threads with databases of their own, begun together: one migrates, all read the same receipts."""
    upgraded(rig, "whole")
    together, heads = threading.Barrier(8), []

    def open_it() -> None:
        journal = Journal(rig.settings.journal, target="production", receipts_dir=rig.settings.receipts_dir, busy_seconds=60)
        together.wait()
        heads.append(journal.head())
        journal.close()

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(heads) == 8
    assert len(set(map(str, heads))) == 1
    assert executed(rig.settings.journal, "SELECT count(*) FROM alembic_version") == [(1,)]


@pytest.mark.parametrize(
    ("version", "named"),
    [
        pytest.param("0004", "(schema 4); this one knows 1", id="a-later-number"),
        pytest.param("9f2c", "(schema 9f2c); this one knows 1", id="no-number"),
    ],
)
def test_a_journal_of_a_newer_anr_is_refused_and_left_as_it_is(rig: Rig, version: str, named: str) -> None:
    """Every look and every write says who wrote it and what to do; not a byte of it changes, and nothing is called corrupt."""
    path = from_the_future(rig, version)
    before = everything_in(path)
    journal = rig.target.journal
    for look in (journal.state, journal.receipts, journal.head, journal.verify, journal.damage):
        with pytest.raises(JournalNewer) as refused:
            look()
        text = str(refused.value)
        assert "written by a newer anr" in text
        assert named in text
        for harmful in ("corrupt", "damaged", "restore", "delete", "move", "init"):
            assert harmful not in text, text
    with pytest.raises(JournalNewer):
        propose.init(rig.target, rig.people["olivia"], "again")
    journal.close()
    assert everything_in(path) == before


def test_a_brake_works_on_a_journal_of_a_newer_anr_and_is_recorded_by_it(rig: Rig) -> None:
    """The router is made safe, the answer says why it is not recorded, and once the schema is known again it is."""
    path = from_the_future(rig)
    before = everything_in(path)
    braked = brake.freeze(rig.target, rig.people["max"], "errors")
    assert isinstance(braked, brake.Braked)
    assert (braked.safe, braked.sealed, rig.setting("NOVA_ANR_PILOT")) == (True, None, "0.00")
    assert "written by a newer anr (schema 4)" in " ".join(braked.problems)
    assert everything_in(path) == before
    executed(path, "UPDATE alembic_version SET version_num = '0001'", "ALTER TABLE receipts DROP COLUMN colour")
    rig.clock.pass_(minutes=1)
    assert [sealed.receipt.action for sealed in recover(rig.target).late] == [Action.FREEZE]
    assert rig.target.journal.verify()[1] == ()


def test_a_newer_anr_that_migrates_the_journal_under_a_running_bot_stops_its_writing(rig: Rig) -> None:
    """A process that knows the journal open and good notices in its next transaction that it does not know it any more."""
    propose.init(rig.target, rig.people["olivia"], "begin")
    held = rig.target.journal.held_open(60)
    held.state()
    executed(rig.settings.journal, "UPDATE alembic_version SET version_num = '0004'")
    with pytest.raises(JournalNewer):
        held.state()
    executed(rig.settings.journal, "UPDATE alembic_version SET version_num = '0001'")
    assert held.state().stage == 10
    held.close()


@pytest.mark.parametrize("how", ["renamed", "copied"])
def test_an_older_journal_that_is_put_in_the_place_of_an_open_one_is_brought_up(rig: Rig, tmp_path: Path, how: str) -> None:
    """Whoever puts a copy from before the upgrade back under a bot that runs: the next look migrates it, or the one after."""
    propose.init(rig.target, rig.people["olivia"], "begin")
    held = rig.target.journal.held_open(60)
    held.state()
    older = tmp_path / "older.sqlite"
    with closing(sqlite3.connect(rig.settings.journal)) as now, closing(sqlite3.connect(older)) as copy:
        now.backup(copy)
        copy.execute("DROP TABLE alembic_version")
    if how == "renamed":
        for file in rig.settings.journal.parent.glob("journal.sqlite-*"):
            file.unlink()
        older.rename(rig.settings.journal)
    else:
        with closing(sqlite3.connect(older)) as copy, closing(sqlite3.connect(rig.settings.journal)) as now:
            copy.backup(now)
        with pytest.raises(JournalUnavailable):
            held.head()
    assert held.state().stage == 10
    assert executed(rig.settings.journal, "SELECT version_num FROM alembic_version") == [("0001",)]
    held.close()


@pytest.fixture
def unwritable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that lets this account write nothing, as a read-only medium does."""
    monkeypatch.setattr(os, "access", lambda _path, mode, **_: mode != os.W_OK)


@pytest.mark.usefixtures("unwritable")
def test_an_older_journal_that_may_only_be_read_is_verified_without_a_change(rig: Rig) -> None:
    """A seized copy from 0.1.0 on a read-only medium: it is migrated in memory, and verifies; the file stays as it was."""
    upgraded(rig, "whole")
    before = rig.settings.journal.read_bytes()
    sealed, flaws = rig.target.journal.verify()
    assert (len(sealed), flaws) == (22, ())
    assert rig.settings.journal.read_bytes() == before


NEXT = """
from alembic import op
from sqlalchemy import Column, Integer

revision = "0002"
down_revision = "0001"

def upgrade():
    op.create_table("second", Column("number", Integer))
    op.execute("INSERT INTO second SELECT count(*) FROM receipts")
    {more}
"""


@pytest.fixture
def next_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let this anr be of a version whose schema goes on from today's; the argument is what its revision does at its end."""

    def write(more: str) -> None:
        versions = tmp_path / "versions"
        versions.mkdir()
        for revision in migrate.VERSIONS.glob("schema_*.py"):
            (versions / revision.name).write_text(revision.read_text(encoding="utf-8"), encoding="utf-8")
        (versions / "schema_0002.py").write_text(NEXT.format(more=more), encoding="utf-8")
        monkeypatch.setattr(migrate, "VERSIONS", versions)
        monkeypatch.setattr(migrate, "NEWEST", 2)
        monkeypatch.setattr("core.journal.tables.NEWEST", 2)

    return write


def test_a_journal_goes_through_every_schema_between(rig: Rig, next_schema: Callable[[str], None]) -> None:
    """A journal of 0.1.0 that is opened by a version two schemas on gets both steps, and its receipts verify."""
    next_schema("")
    upgraded(rig, "frozen")
    assert rig.target.journal.verify()[1] == ()
    assert executed(rig.settings.journal, "SELECT version_num FROM alembic_version") == [("0002",)]
    assert executed(rig.settings.journal, "SELECT number FROM second") == [(4,)]


def test_a_migration_that_fails_in_its_last_step_leaves_the_journal_as_it_was(
    rig: Rig, next_schema: Callable[[str], None]
) -> None:
    """All steps are one transaction; the brake works meanwhile, and a corrected version goes on from the older schema."""
    next_schema('op.execute("DELETE FROM nowhere")')
    upgraded(rig, "frozen")
    before = executed(rig.settings.journal, "SELECT type, name, sql FROM sqlite_master")
    with pytest.raises(JournalUnavailable, match="nowhere"):
        rig.target.journal.state()
    braked = brake.rollback(rig.target, rig.people["max"], "slow")
    assert isinstance(braked, brake.Braked)
    assert (braked.safe, braked.sealed) == (True, None)
    assert executed(rig.settings.journal, "SELECT type, name, sql FROM sqlite_master") == before
