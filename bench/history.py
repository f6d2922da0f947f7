"""A journal with a long history, made in seconds: every receipt follows on the one before it, and has its file.

Two receipts are sealed as the journal seals them, one that changes nothing and one about an alert; the others are their bytes
with another number, time, id, cause, operation and predecessor, chained anew. Snapshots are stated as often as the journal states
them. `anr verify` holds it to be whole.
"""

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from core.actors import ALERTMANAGER
from core.alerts.payload import AlertFacts, AlertStatus
from core.alerts.rules import Effect
from core.canonical import canonical_bytes, rfc3339
from core.journal.snapshots import EVERY, snapshot_of
from core.receipts.chain import Sealed, file_name, seal
from core.receipts.drafts.alerts import alert_noted, alerts_silenced
from core.receipts.drafts.origin import Origin
from core.receipts.evidence import AddedUp
from core.receipts.receipt import Statement
from core.target.target import Target

_ID, _OPERATION, _CAUSE = "1" * 32, "2" * 36, "a-cause-of-the-benchmark"
_BEGAN = datetime.now(UTC) - timedelta(days=30)
_STEP = timedelta(seconds=2)
"""Apart enough that the whole lies in the last month, which no pruning takes away."""
_ALERTS = 5
"""One receipt in so many is about an alert, which a state notes."""


def grow(target: Target, receipts: int) -> None:
    """Add so many receipts to a journal that has at least one."""
    newest, state = target.journal.receipts(last=1)[0], target.journal.state(whole=True)
    target.journal.close()
    stated, snapshot = snapshot_of(state)
    columns = ("target", "seq", "id", "cause", "operation", "data", "digest")
    insert = f"INSERT INTO receipts ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - names of ours
    last = newest.receipt.seq + (receipts - 1) // EVERY * EVERY + 1
    with closing(sqlite3.connect(target.settings.journal)) as journal, journal:
        journal.executemany(insert, _rows(target, newest, receipts, stated))
        journal.execute(
            "CREATE TABLE IF NOT EXISTS snapshots (target VARCHAR(31), seq INTEGER, data BLOB, PRIMARY KEY (target, seq))"
        )
        journal.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?)", (target.settings.name, last, snapshot))


def _rows(target: Target, newest: Sealed, receipts: int, stated: AddedUp) -> Iterator[tuple[str, int, str, str, str, bytes, str]]:
    first, name = newest.receipt.seq + 1, target.settings.name
    silence, alert = _patterns(target, first, newest.digest)
    adds_up = canonical_bytes({"adds_up": stated.model_dump()})[1:-2].decode()
    prev = newest.digest
    for number in range(first, first + receipts):
        pattern, action = (alert, "alert") if number % _ALERTS == 0 else (silence, "silence")
        if (number - first) % EVERY == 0:
            pattern = pattern.replace('"adds_up":null', adds_up)
        stamp = rfc3339(_BEGAN + number * _STEP)
        receipt_id, operation, cause = uuid.uuid4().hex, f"{uuid.uuid4().hex}0000", f"{_CAUSE}-{number}"
        filled = {"seq": number, "ts": stamp, "id": receipt_id, "cause": cause, "operation": operation, "prev": prev}
        data = pattern
        for field, value in filled.items():
            data = data.replace(f"<{field}>", str(value))
        kept = data.encode()
        prev = sha256(kept).hexdigest()
        (target.settings.receipts_dir / file_name(number, stamp, action)).write_bytes(kept)
        yield name, number, receipt_id, cause, operation, kept, prev


def _patterns(target: Target, number: int, prev: str) -> tuple[str, str]:
    """Return texts of receipts with the names of what differs in brackets: of one that changes nothing, and about an alert."""
    origin = Origin(_OPERATION, _BEGAN, ALERTMANAGER, "a benchmark's history", _CAUSE)
    since = datetime(2025, 10, 1, 9, 5, tzinfo=UTC)
    labels = {"alertname": "AnrSlow", "component": "anr", "severity": "info"}
    facts = AlertFacts(
        cause="0123456789abcdef:2025-10-01T09:05:00.000000Z",
        group="0" * 20,
        effect=Effect.NOTIFY,
        status=AlertStatus.RESOLVED,
        name="AnrSlow",
        summary="a benchmark's alert",
        labels=labels,
        whole=True,
        since=since,
    )
    statements = alerts_silenced(origin, "Nothing was silenced."), alert_noted(origin, facts)
    silence, alert = (_bracketed(target, statement, number, prev) for statement in statements)
    return silence, alert


def _bracketed(target: Target, statement: Statement, number: int, prev: str) -> str:
    text = seal(target.draft(statement, _ID), target=target.settings.name, seq=number, prev=prev).data.decode()
    differing = {
        f'"seq":{number}': '"seq":<seq>',
        rfc3339(_BEGAN): "<ts>",
        f'"id":"{_ID}"': '"id":"<id>"',
        f'"cause":"{_CAUSE}"': '"cause":"<cause>"',
        f'"operation":"{_OPERATION}"': '"operation":"<operation>"',
        f'"prev":"{prev}"': '"prev":"<prev>"',
    }
    for there, bracketed in differing.items():
        if text.count(there) != 1:
            raise AssertionError(f"{there} is {text.count(there)} times in {text}")
        text = text.replace(there, bracketed)
    return text
