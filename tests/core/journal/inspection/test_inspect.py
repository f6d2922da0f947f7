"""Everything that is believed of a journal; the ways to alter it are in tests/torture/test_forgery.py."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core.journal.journal import Journal
from tests.core.journal.test_journal import about, draft, journal_in, request


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = journal_in(tmp_path)
    made.append(draft(1, cause="slash:1"))
    made.append(about(2, "a1"), request("a1"))
    return made


CHANGES = {
    "UPDATE receipts SET cause = 'slash:2' WHERE seq = 1": "#1: the row's cause is not what the receipt says",
    "UPDATE receipts SET cause = x'736c6173683a31' WHERE seq = 1": "#1: the row's cause is not what the receipt says",
    "UPDATE receipts SET operation = 'o9' WHERE seq = 1": "#1: the row's operation is not what the receipt says",
    "UPDATE receipts SET id = 'r9' WHERE seq = 2": "#2: the row's id is not what the receipt says",
    "UPDATE receipts SET seq = 'two' WHERE seq = 2": "a receipt's row has a number that is none",
    "UPDATE receipts SET target = 'staging' WHERE seq = 2": "a receipt of 'production' is filed under 'staging'",
    "UPDATE approvals SET status = 'approved'": "request a1 was altered: its row calls it a1, approved",
    "UPDATE approvals SET target = 'staging'": "request a1, which #2 tells of, is gone",
    "CREATE TRIGGER t AFTER INSERT ON receipts BEGIN DELETE FROM approvals; END": "the database has a trigger 't'",
    "CREATE VIEW v AS SELECT * FROM receipts": "the database has a view 'v'",
}


@pytest.mark.parametrize(("statement", "problem"), CHANGES.items(), ids=list(CHANGES))
def test_what_is_not_what_the_chain_says_is_named(journal: Journal, tmp_path: Path, statement: str, problem: str) -> None:
    """Each column, each request, and what the database does by itself."""
    assert journal.verify()[1] == ()
    with closing(sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)) as connection:
        connection.execute(statement)
    assert any(flaw.problem.startswith(problem) for flaw in journal.verify()[1]), journal.verify()[1]


def test_keys_that_keep_nothing_unique_are_named(journal: Journal, tmp_path: Path) -> None:
    """A cause whose column may hold it twice has two effects."""
    with closing(sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE other AS SELECT * FROM receipts")
        connection.execute("DROP TABLE receipts")
        connection.execute("ALTER TABLE other RENAME TO receipts")
    problems = {flaw.problem for flaw in journal.verify()[1]}
    assert problems == {
        f"the table 'receipts' no longer keeps {columns} unique" for columns in ("target, seq", "target, id", "target, cause")
    }
