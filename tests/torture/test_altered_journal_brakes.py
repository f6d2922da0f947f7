"""A journal that an insider altered, or a bad sector did: whatever its rows hold by then, nothing keeps a brake from acting."""

import sqlite3
from contextlib import closing

import pytest

from core.brake import brake
from core.brake.respond import AlertResponder
from core.router.control import SAFE_SETTINGS
from core.target.target import Target
from tests.support.alert_payloads import alert, heard
from tests.support.rig import Rig

pytestmark = pytest.mark.torture


def is_safe(rig: Rig) -> bool:
    return rig.target.router.settings().carries(SAFE_SETTINGS)


def make_live(rig: Rig) -> None:
    rig.settings.settings_file.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.25\nNOVA_ANR_KILL=0\n", encoding="utf-8")


def alter_newest(rig: Rig, column: str, value: object) -> None:
    """Change a column of the newest receipt, as whoever may write the journal can; SQLite takes any type in any column."""
    rig.target.journal.close()
    with closing(sqlite3.connect(rig.settings.journal)) as database:
        newest = "(SELECT max(seq) FROM receipts)"
        database.execute(f"UPDATE receipts SET {column} = ? WHERE seq = {newest}", (value,))  # noqa: S608 - ours
        database.commit()


ALTERED = [
    pytest.param(column, value, id=f"{column}-{name}")
    for column in ("operation", "digest", "seq", "id", "cause", "data", "target")
    for name, value in {"bytes": b"\xff\x00", "number": 1.5, "infinite": float("inf"), "empty": "", "long": "x" * 100_000}.items()
]


@pytest.mark.parametrize(("column", "value"), ALTERED)
def test_a_column_of_the_journal_turned_into_something_else_keeps_no_brake_from_acting(
    begun: Rig, column: str, value: object
) -> None:
    """An insider, or a bad sector: a repeat, a new alert and a person's brake act on a router that was raised since."""
    first = heard(alert("ab", start="2026-11-24T08:00:00Z"))
    responder = AlertResponder(begun.target)
    responder.note_down(responder.act(first))
    responder.close()
    alter_newest(begun, column, value)
    target = Target.at(begun.settings, begun.target.access, begun.clock)
    other = AlertResponder(target)
    try:
        for facts in (first, heard(alert("cd", start="2026-11-24T09:00:00Z"))):
            make_live(begun)
            other.note_down(other.act(facts))
            assert is_safe(begun)
        for cause in ("slack:abc", None):
            make_live(begun)
            assert isinstance(brake.rollback(target, begun.people["olivia"], "errors", cause), brake.Braked)
            assert is_safe(begun)
    finally:
        other.close()
        target.journal.close()
