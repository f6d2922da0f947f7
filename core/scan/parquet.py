"""A ledger as Parquet files by hour, for engines that read tables (core/scan/table.py): incremental and resumable.

`hour=2025093009/part-<part>-<batch>.parquet`, the hour in UTC. A batch is a fixed stretch of the ledger with its rotated siblings
(core/scan/family.py), and its files are written whole and then renamed, so that doing it again, or after a kill, writes the same
files and never a line twice. Lines that are no entries are rows too, at the time of their neighbour, so that what was skipped can
be counted there as well.

Needs pyarrow (the extra `warehouse`). Excluded: the meaning of a line (core/ledger/entry.py).
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import ConfigurationError
from core.ledger.entry import Entry, Skip, read_line
from core.ledger.window import HOUR_US
from core.scan.family import LedgerFamily
from core.scan.segments import LedgerFile
from core.settings.target import LedgerOptions
from core.system.files import make_folder, read_bounded, write_durably
from core.system.progress import OnProgress

SCHEMA = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("t_us", pa.int64(), nullable=False),
        pa.field("id", pa.string()),
        pa.field("t", pa.string()),
        pa.field("live_route", pa.string()),
        pa.field("shadow_argmax", pa.string()),
        pa.field("rolled_back", pa.bool_()),
        pa.field("anomaly_engaged", pa.bool_()),
        pa.field("r3", pa.float64()),
        pa.field("tri_delta_norm", pa.float64()),
        pa.field("pilot", pa.float64()),
    ]
)
"""Columns of the files. `kind` is entry, malformed or undated; `t_us` are microseconds since 1970, of a line that is no entry
those of the last entry before it. `rolled_back` and `anomaly_engaged` are null where no number tells; `r3` is 0 where the route
was masked and null where nothing tells."""
BATCH_SEGMENTS = 16
_FORM = 2
"""Raised whenever a column changes its meaning or its name."""
_STATE = "_anr_export.json"
_MAX_STATE_BYTES = 64 << 10
_HEAD_BYTES = 4096
_HEAD_DIGITS = 12
"""Hex digits of the head's digest in the names of files."""
_MAX_LINE = 16 << 10


class _State(BaseModel):
    """How far it went.

    Attributes:
        form: the `_FORM` of the files; the first one had no number.
        head: digest of the ledger's first bytes, which tells one ledger from the next.
        part: what the names of files begin with; a stretch that begins elsewhere has another one, and replaces none of theirs.
        begin: where in this ledger it began; what stands before it was exported from the ledger before.
        batch: the first batch that is not complete.
        last_t_us: time of the last entry before that batch.
        last_line: the last line that was exported; each character stands for a byte.
    """

    model_config = ConfigDict(extra="forbid")

    form: int = 1
    head_bytes: int
    head: str
    part: str = ""
    begin: int = 0
    batch: int = 0
    last_t_us: int | None = None
    last_line: str = ""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did: rows written, among them those written again, and the files that hold them.

    Attributes:
        rows: how many were written, among them those written again.
        files: how many files hold them.
    """

    rows: int
    files: int


def export(path: Path, folder: Path, on_progress: OnProgress, options: LedgerOptions | None = None) -> Exported:
    """Export what is new in a ledger and its rotated siblings.

    Args:
        path: the ledger.
        folder: where the files are written.
        on_progress: told how many bytes of how many were read.
        options: whose siblings are the ledger's own.

    Raises:
        LedgerUnreadable: the ledger cannot be read, or was rotated just now.
        ConfigurationError: the folder cannot be written, or holds the state of something else.
    """
    options = options or LedgerOptions()
    try:
        make_folder(folder)
        before = _read_state(folder)
        since = before.last_t_us if before is not None and before.last_t_us is not None else 0
        with LedgerFamily(path, since, others=options.other_ledgers, rotated=options.rotated) as ledger:
            return _export(ledger, _state_for(ledger, before), folder, on_progress)
    except OSError as error:
        text = f"{folder} cannot be written ({error.strerror or error}). What was not exported is exported by the next run."
        raise ConfigurationError(text) from error


def _export(ledger: LedgerFile, state: _State, folder: Path, on_progress: OnProgress) -> Exported:
    rows = files = 0
    for first in range(state.batch * BATCH_SEGMENTS, ledger.segments, BATCH_SEGMENTS):
        numbers = range(first, min(first + BATCH_SEGMENTS, ledger.segments))
        batch = _Batch(state.last_t_us)
        complete = len(numbers) == BATCH_SEGMENTS
        for number in numbers:
            segment = ledger.segment(number)
            complete = complete and segment.whole
            batch.add(segment.lines, segment.end, state.begin)
            on_progress(min((number + 1) * ledger.segment_bytes, ledger.size), ledger.size)
        for hour, table in batch.tables():
            _write(
                folder / f"hour={hour}",
                f"part-{state.part or state.head[:_HEAD_DIGITS]}-{first // BATCH_SEGMENTS:06d}.parquet",
                table,
            )
            rows, files = rows + table.num_rows, files + 1
        if batch.last_line:
            state.last_line = batch.last_line
        if complete:
            state.batch, state.last_t_us = first // BATCH_SEGMENTS + 1, batch.last_t_us
        write_durably(folder / _STATE, state.model_dump_json().encode(), mode=0o640)
    return Exported(rows, files)


def _read_state(folder: Path) -> _State | None:
    path = folder / _STATE
    try:
        state = _State.model_validate_json(read_bounded(path, _MAX_STATE_BYTES, follow=False))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        text = f"{path} is not the state of an export. Nothing was exported; export into another folder, or remove it."
        raise ConfigurationError(text) from error
    if state.form != _FORM:
        text = (
            f"{folder} holds files of another version of anr, which say less. Nothing was exported; export into another folder."
        )
        raise ConfigurationError(text)
    return state


def _state_for(ledger: LedgerFile, before: _State | None) -> _State:
    """Go on where it was left, also in a ledger whose beginning is not read any more; begin anew in another one."""
    if before is not None and before.head_bytes <= ledger.size and before.head == _head(ledger, before.head_bytes):
        return before
    head_bytes = min(_HEAD_BYTES, ledger.size)
    head, begin = _head(ledger, head_bytes), _end_of(ledger, before.last_line if before else "")
    return _State(
        form=_FORM,
        head_bytes=head_bytes,
        head=head,
        part=sha256(f"{head} {begin}".encode()).hexdigest()[:_HEAD_DIGITS] if begin else head[:_HEAD_DIGITS],
        begin=begin,
        last_t_us=before.last_t_us if before and begin else None,
    )


def _head(ledger: LedgerFile, count: int) -> str:
    return sha256(ledger.bytes_at(0, count)).hexdigest()


def _end_of(ledger: LedgerFile, line: str) -> int:
    """Return where a line ends in the ledger, or 0 if it is not there."""
    wanted = b"\n" + line.encode("latin-1") + b"\n"
    for number in range(ledger.segments - 1, -1, -1) if line else ():
        segment = ledger.segment(number)
        lines = b"\n" + segment.lines
        place = lines.rfind(wanted)
        if place >= 0:
            return segment.end - len(lines) + place + len(wanted)
    return 0


class _Batch:
    """Rows by hour."""

    def __init__(self, last_t_us: int | None) -> None:
        self.last_t_us = last_t_us
        self.last_line = ""
        self._before_any_date: list[Skip] = []
        self._rows: dict[int, list[tuple[Any, ...]]] = defaultdict(list)

    def add(self, lines: bytes, end: int, begin: int) -> None:
        """Add whole lines that end at `end`, without those that end at or before `begin`."""
        at = end - len(lines)
        for line in lines.split(b"\n"):
            at += len(line) + 1
            read = read_line(line)
            if read is None or at <= begin:
                continue
            self.last_line = line.decode("latin-1") if len(line) <= _MAX_LINE else ""
            if isinstance(read, Skip):
                self._add_skip(read)
            else:
                self._add_entry(read)

    def _add_skip(self, kind: Skip) -> None:
        if self.last_t_us is None:
            self._before_any_date.append(kind)
        else:
            self._rows[self.last_t_us // HOUR_US].append((str(kind), self.last_t_us, *([None] * (len(SCHEMA) - 2))))

    def _add_entry(self, entry: Entry) -> None:
        self.last_t_us = entry.t_us
        while self._before_any_date:
            self._add_skip(self._before_any_date.pop())
        facts = (entry.id, entry.t, entry.live_route, entry.argmax, entry.rollback, entry.engaged, entry.r3, entry.tri)
        self._rows[entry.t_us // HOUR_US].append(("entry", entry.t_us, *map(_storable, facts), entry.live_pilot))

    def tables(self) -> Iterator[tuple[str, pa.Table]]:
        """Yield a table for each hour, named as its folder is."""
        for hour, rows in sorted(self._rows.items()):
            columns = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), SCHEMA, strict=True)]
            yield datetime.fromtimestamp(hour * HOUR_US // 1_000_000, UTC).strftime("%Y%m%d%H"), pa.table(columns, schema=SCHEMA)


def _storable(value: Any) -> Any:
    """Return a value as Parquet can hold it: JSON's texts may have half of a surrogate pair, which UTF-8 cannot write."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) and not value.isascii() else value


def _write(folder: Path, name: str, table: pa.Table) -> None:
    make_folder(folder)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_durably(folder / name, sink.getvalue().to_pybytes(), mode=0o640)
