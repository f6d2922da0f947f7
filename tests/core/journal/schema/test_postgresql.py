"""The revisions on PostgreSQL itself: what they make there is what the journal's tables are, to pg_dump."""

import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from core.journal.schema.migrate import VERSIONS
from core.journal.tables import TABLES

pytestmark = pytest.mark.postgresql

ACCOUNT = "postgres" if os.name == "posix" and os.geteuid() == 0 else None
"""PostgreSQL refuses to run as root."""


class Server:
    """A cluster of its own, reached by a socket in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (programs,) = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
        self._programs = programs

    def run(self, program: str, *words: str, text: str = "") -> str:
        done = subprocess.run(
            [self._programs / program, *words],
            input=text,
            user=ACCOUNT,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def made_of(self, database: str, sql: str) -> str:
        """Run SQL in a database of its own; return its schema as pg_dump writes it."""
        at = ("-h", str(self.folder))
        self.run("createdb", *at, database)
        self.run("psql", *at, "-v", "ON_ERROR_STOP=1", "-q", database, text=sql)
        dump = self.run("pg_dump", *at, "--schema-only", "--no-owner", database)
        return "\n".join(line for line in dump.splitlines() if line and not line.startswith(("--", "\\")))


@pytest.fixture
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="anr-pg-", dir="/tmp"))
    if ACCOUNT is not None:
        shutil.chown(folder, ACCOUNT, ACCOUNT)
    server = Server(folder)
    try:
        server.run("initdb", "-D", "data", "-A", "trust", "--no-sync", "-E", "UTF8")
        server.run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", f"-c listen_addresses='' -k {folder}", "start")
        yield server
    finally:
        subprocess.run(
            [server._programs / "pg_ctl", "-D", "data", "-m", "immediate", "stop"], user=ACCOUNT, cwd=folder, check=False
        )
        shutil.rmtree(folder)


def migrated() -> str:
    """The SQL of all revisions, one after the other."""
    out = io.StringIO()
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": out})
    with Operations.context(context):
        for revision in sorted(VERSIONS.glob("schema_*.py")):
            upgrade: Callable[[], None] = import_module(f"core.journal.schema.versions.{revision.stem}").upgrade
            upgrade()
    return out.getvalue()


def begun() -> str:
    """The SQL of the tables that a new journal gets."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy has no type here
    parts = [str(CreateTable(table).compile(dialect=dialect)) for table in TABLES.sorted_tables]
    indexes = [index for table in TABLES.sorted_tables for index in table.indexes]
    return ";\n".join([*parts, *(str(CreateIndex(index).compile(dialect=dialect)) for index in indexes), ""])


def test_the_revisions_make_on_postgresql_what_a_new_journal_has(server: Server) -> None:
    """Tables, keys and indexes are the same to pg_dump; where they are, the first revision changes nothing."""
    expected = server.made_of("begun", begun())
    assert "CREATE TABLE public.receipts" in expected
    assert server.made_of("migrated", migrated()) == expected
    assert server.made_of("both", begun() + migrated()) == expected
