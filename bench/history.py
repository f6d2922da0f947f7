"""A journal with a long history, made in seconds: every receipt follows on the one before it, and has its file.

One receipt is sealed as the journal seals it; the others are its bytes with another number, time, id, cause, operation and
predecessor, chained anew. `anr verify` holds it to be whole.
"""

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from core.actors import ALERTMANAGER
from core.canonical import rfc3339
from core.receipts.chain import Sealed, seal
from core.receipts.drafts.alerts import alerts_silenced
from core.receipts.drafts.origin import Origin
from core.target.target import Target

_ID, _OPERATION, _CAUSE = "1" * 32, "2" * 36, "a-cause-of-the-benchmark"
_BEGAN = datetime.now(UTC) - timedelta(days=30)
_STEP = timedelta(seconds=20)
"""Apart enough that the whole lies in the last month, which no pruning takes away."""


def grow(target: Target, receipts: int) -> None:
    """Add so many receipts to a journal that has at least one."""
    newest = target.journal.receipts(last=1)[0]
    target.journal.close()
    (columns,) = (("target", "seq", "id", "cause", "operation", "data", "digest"),)
    insert = f"INSERT INTO receipts ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - names of ours
    with closing(sqlite3.connect(target.settings.journal)) as journal, journal:
        journal.executemany(insert, _rows(target, newest, receipts))


def _rows(target: Target, newest: Sealed, receipts: int) -> Iterator[tuple[str, int, str, str, str, bytes, str]]:
    first, name = newest.receipt.seq + 1, target.settings.name
    pattern = _pattern(target, first, newest.digest)
    prev = newest.digest
    for number in range(first, first + receipts):
        stamp = rfc3339(_BEGAN + number * _STEP)
        receipt_id, operation, cause = uuid.uuid4().hex, f"{uuid.uuid4().hex}0000", f"{_CAUSE}-{number}"
        filled = {"seq": number, "ts": stamp, "id": receipt_id, "cause": cause, "operation": operation, "prev": prev}
        data = pattern
        for field, value in filled.items():
            data = data.replace(f"<{field}>", str(value))
        kept = data.encode()
        prev = sha256(kept).hexdigest()
        short = f"{stamp[:19].replace('-', '').replace(':', '')}Z"
        (target.settings.receipts_dir / f"anr_{short}_{number:06d}_silence.json").write_bytes(kept)
        yield name, number, receipt_id, cause, operation, kept, prev


def _pattern(target: Target, number: int, prev: str) -> str:
    """Return a receipt's text with the names of what differs in brackets."""
    origin = Origin(_OPERATION, _BEGAN, ALERTMANAGER, "a benchmark's history", _CAUSE)
    draft = target.draft(alerts_silenced(origin, "Nothing was silenced."), _ID)
    text = seal(draft, target=target.settings.name, seq=number, prev=prev).data.decode()
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
