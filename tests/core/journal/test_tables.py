"""How the journal's rows are found."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from core.journal.tables import Database, Rows


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        pytest.param(lambda rows: rows.receipts(operation="o"), "ix_receipts_operation (operation=?)", id="a-story"),
        pytest.param(
            lambda rows: rows.newest_operation("ab"), "ix_receipts_operation (operation>? AND", id="the-newest-of-a-group"
        ),
        pytest.param(lambda rows: rows.operations_of(["a"]), "(target=? AND cause=?)", id="stories-of-causes"),
        pytest.param(lambda rows: rows.operation_of("i"), "(target=? AND id=?)", id="the-story-of-a-receipt"),
        pytest.param(lambda rows: rows.receipts(first=1), "(target=? AND seq>?)", id="the-oldest"),
        pytest.param(lambda rows: rows.receipts(after=3), "(target=? AND seq>?)", id="what-came-after"),
    ],
)
def test_what_a_brake_asks_costs_no_look_at_every_receipt(tmp_path: Path, asked: Any, index: str) -> None:
    """SQLite's own plan names the index that tells most receipts apart, however long the journal is."""
    database = Database(tmp_path / "journal.sqlite", "anr", 1.0, 0.0)
    plans: list[str] = []

    def plan(connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        cursor = connection.connection.cursor()
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        plans.extend(row[3] for row in cursor.fetchall())

    with database.rows(write=True) as rows:
        event.listen(database.engine, "before_cursor_execute", plan)
        assert isinstance(rows, Rows)
        asked(rows)
    database.engine.dispose()
    assert index in plans[0]
