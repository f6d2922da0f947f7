"""The journal's rows in a database, by way of SQLAlchemy: tables, queries and transactions.

A transaction is durable when its block ends (core/journal/connections.py). This is imported when a journal is first
read or written: SQLAlchemy is slow to import, and a brake acts before it is recorded.

Excluded: what the rows mean (core/journal/journal.py).
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    create_engine,
    delete,
    func,
    insert,
    inspect,
    literal_column,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from core.errors import JournalCorrupt, JournalNewer, JournalUnavailable
from core.journal.connections import connecting, copied, identity, is_only_missing, is_ours_to_write, looking_at
from core.journal.schema.migrate import NEWEST, SchemaUnknown, begin, bring_up, recorded, schema_of
from core.receipts.chain import Sealed
from core.system.files import close_to_strangers, make_folder

Row = tuple[int, bytes, str]
"""A receipt's number, bytes and digest."""

TABLES = MetaData()
"""What the newest schema has."""
_receipts = Table(
    "receipts",
    TABLES,
    Column("target", String(31), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("id", String(40), nullable=False),
    Column("cause", String(200)),
    Column("operation", String(40), nullable=False, index=True),
    Column("data", LargeBinary, nullable=False),
    Column("digest", String(64), nullable=False),
    UniqueConstraint("target", "id"),
    UniqueConstraint("target", "cause"),
)
_approvals = Table(
    "approvals",
    TABLES,
    Column("target", String(31), primary_key=True),
    Column("id", String(40), primary_key=True),
    Column("status", String(20), nullable=False, index=True),
    Column("data", LargeBinary, nullable=False),
)
_AIDS = MetaData()
"""What only saves time: made with the first row, and missed by nobody."""
_snapshots = Table(
    "snapshots",
    _AIDS,
    Column("target", String(31), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)
_AT_ONCE = 512
"""Rows that are fetched at a time where a whole journal is walked: nobody else's thread waits for more."""
_OPERATIONS_OF = select(_receipts.c.cause, _receipts.c.operation).where(
    _receipts.c.target == bindparam("of"), _receipts.c.cause.in_(bindparam("causes", expanding=True))
)
"""Put together once: a brake asks this before it acts, and building the query took longer than answering it."""


_DIGEST_DIGITS = 64
_KEEPS_UNIQUE = (UniqueConstraint, PrimaryKeyConstraint)


class Database:
    """The database of one journal."""

    def __init__(self, path: Path, target: str, busy_seconds: float, idle_seconds: float) -> None:
        self._path = path
        self._target = target
        self._busy_seconds = busy_seconds
        self.engine = connecting(path, busy_seconds, idle_seconds)
        self._ready: tuple[int, int] | None = None

    @contextmanager
    def rows(self, *, write: bool = False) -> Iterator["Rows"]:
        """Yield the rows of the target, in one transaction that is durable at the end of the block.

        Raises:
            JournalUnavailable: the journal cannot be read or written at present; nothing was changed.
            JournalNewer: it is of a schema that this anr does not know; nothing was read or changed.
        """
        try:
            with self._open(write=write) as engine, engine.connect() as opened:
                connection = opened.execution_options(anr_write=write)
                with connection.begin():
                    self._refuse_older(connection)
                    yield Rows(connection, self._target)
        except SchemaUnknown as error:
            self._ready = None
            raise JournalNewer(
                f"The journal {self._path} was written by a newer anr (schema {error}); this one knows {NEWEST}. Nothing of it "
                "was read or changed: keep it and its receipts, and install the newer anr again. `rollback` and `freeze` still "
                "work; what they do is recorded once that has started."
            ) from None
        except (SQLAlchemyError, OSError) as error:
            self._ready = None
            cause = getattr(error, "orig", None) or error
            raise JournalUnavailable(
                f"The journal {self._path} cannot be {'written' if write else 'read'} ({cause}). "
                "Nothing was recorded; see whether the disk is full, the file is locked or its permissions are wrong.",
            ) from error

    @contextmanager
    def _open(self, *, write: bool) -> Iterator[Engine]:
        """Yield what connects to the database; whoever only looks makes no file, and takes no lock that a writer waits for."""
        if not write and is_only_missing(self._path):
            engine = _empty()
            try:
                yield engine
            finally:
                engine.dispose()
        elif not write and self._path.is_file() and not is_ours_to_write(self._path):
            with looking_at(self._path, self._busy_seconds) as engine, _of_the_newest_schema(engine) as readable:
                yield readable
        else:
            if self._ready is None or self._ready != identity(self._path):
                make_folder(self._path.parent)
                close_to_strangers(self._path)
                self._bring_up()
                self._ready = identity(self._path)
            yield self.engine

    def _bring_up(self) -> None:
        """Make the tables of a new journal, and bring those of an older one to the newest schema; else nothing is written."""
        with self.engine.connect() as opened:
            with opened.execution_options(anr_write=False).begin():
                found = schema_of(opened)
            if found != NEWEST:
                with opened.execution_options(anr_write=True).begin():
                    bring_up(opened, TABLES)

    def _refuse_older(self, connection: Connection) -> None:
        """Refuse a journal that was put in the place of the one that this process had opened, and is older.

        Raises:
            JournalUnavailable: it is of an older schema; the next look brings it up.
            SchemaUnknown: it is of a newer one: another process, of a newer anr, has brought it up.
        """
        if recorded(connection) != NEWEST:
            self._ready = None
            raise JournalUnavailable(
                f"The journal {self._path} was replaced by an older one while this ran. Nothing was done; give the command again."
            )


def _empty() -> Engine:
    """Return a database without rows, in place of one that was never made: whoever only looks makes none."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    with engine.begin() as connection:
        begin(connection, TABLES)
    return engine


@contextmanager
def _of_the_newest_schema(engine: Engine) -> Iterator[Engine]:
    """Yield a database that this account may only read, or a copy of an older one in memory, brought to the newest schema."""
    with engine.connect() as connection, connection.begin():
        found = schema_of(connection)
    if found == NEWEST:
        yield engine
        return
    with copied(engine) as copy:
        with copy.begin() as connection:
            bring_up(connection, TABLES)
        yield copy


class ReceiptRow(NamedTuple):
    """A receipt's row as the database holds it, whatever somebody made of it."""

    seq: object
    id: object
    cause: object
    operation: object
    data: object
    digest: object


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one target in one transaction."""

    _connection: Connection
    _target: str

    def receipts(
        self,
        *,
        after: int = 0,
        first: int | None = None,
        last: int | None = None,
        operation: str | None = None,
        cause: str | None = None,
        cause_from: str | None = None,
        saying: bytes | None = None,
    ) -> list[Row]:
        """Return receipts in order of number: those after a number, of an operation, with a cause, or only the `last` few.

        Args:
            after: the number below the first receipt that is wanted.
            first: at most how many, the oldest; None for all.
            last: at most how many, the newest; None for all.
            operation: only those of this operation; None for those of any.
            cause: only the one with this cause key; None for any.
            cause_from: only those whose cause key begins so; None for any.
            saying: only those in whose bytes this stands; None for any. All of them are gone through, by the database.
        """
        query = self._of_receipts(_receipts.c.seq, _receipts.c.data, _receipts.c.digest, by_operation=operation is not None)
        query = query.where(_receipts.c.seq > after)
        if operation is not None:
            query = query.where(_receipts.c.operation == operation)
        if cause is not None:
            query = query.where(_receipts.c.cause == cause)
        if cause_from is not None:
            query = query.where(_receipts.c.cause >= cause_from, _receipts.c.cause < cause_from + "~")
        if saying is not None:
            query = query.where(func.instr(_receipts.c.data, saying) > 0)
        query = (
            query.order_by(_receipts.c.seq).limit(first) if last is None else query.order_by(_receipts.c.seq.desc()).limit(last)
        )
        return sorted(_row(row) for row in self._connection.execute(query))

    def walk(self, *, after: int = 0, through: int | None = None) -> Iterator[Row]:
        """Yield receipts in order of number, a few at a time: a long journal is never in memory as a whole.

        Args:
            after: the number below the first receipt that is wanted.
            through: the number of the last one; None for all.
        """
        query = self._of_receipts(_receipts.c.seq, _receipts.c.data, _receipts.c.digest).where(_receipts.c.seq > after)
        if through is not None:
            query = query.where(_receipts.c.seq <= through)
        found = self._connection.execute(query.order_by(_receipts.c.seq), execution_options={"yield_per": _AT_ONCE})
        for some in found.partitions():
            for row in some:
                yield _row(row)

    def count(self) -> int:
        """Return how many receipts there are."""
        return self._connection.execute(self._of_receipts(func.count())).scalar() or 0

    def everything(self) -> Iterator[ReceiptRow]:
        """Yield every column of every receipt, in order of number, as it stands; rows whose number is none come last."""
        query = self._of_receipts(*(_receipts.c[name] for name in ReceiptRow._fields)).order_by(_receipts.c.seq)
        for row in self._connection.execute(query, execution_options={"yield_per": _AT_ONCE}):
            yield ReceiptRow(*row)

    def digests(self, numbers: Collection[int]) -> dict[int, str]:
        """Return the digest of each of these receipts that there is, and of the oldest of all, by number."""
        columns = (_receipts.c.seq, _receipts.c.digest)
        oldest = self._connection.execute(self._of_receipts(*columns).order_by(_receipts.c.seq).limit(1)).all()
        named = self._connection.execute(self._of_receipts(*columns).where(_receipts.c.seq.in_(numbers))).all()
        return {row.seq: str(row.digest) for row in (*oldest, *named)}

    def newest_snapshot(self) -> tuple[int, bytes] | None:
        """Return the newest snapshot with the number of the receipt that goes on from it, or None if there is none."""
        if not inspect(self._connection).has_table(_snapshots.name):
            return None
        query = select(_snapshots.c.seq, _snapshots.c.data).where(_snapshots.c.target == self._target)
        found = self._connection.execute(query.order_by(_snapshots.c.seq.desc()).limit(1)).first()
        return None if found is None or not isinstance(found.seq, int) else (found.seq, _bytes(found.data))

    def snapshots(self) -> list[tuple[object, bytes]]:
        """Return every snapshot with the number of the receipt that goes on from it, as it stands there."""
        if not inspect(self._connection).has_table(_snapshots.name):
            return []
        query = select(_snapshots.c.seq, _snapshots.c.data).where(_snapshots.c.target == self._target)
        return [(row.seq, _bytes(row.data)) for row in self._connection.execute(query)]

    def put_snapshot(self, seq: int, data: bytes, kept: int) -> None:
        """Add a snapshot, and delete all but the newest `kept`."""
        _AIDS.create_all(self._connection)
        self._connection.execute(insert(_snapshots).values(target=self._target, seq=seq, data=data))
        ours = _snapshots.c.target == self._target
        newest = select(_snapshots.c.seq).where(ours).order_by(_snapshots.c.seq.desc()).limit(kept)
        self._connection.execute(delete(_snapshots).where(ours, _snapshots.c.seq.not_in(newest)))

    def all_requests(self) -> list[tuple[object, object, bytes]]:
        """Return id, status and bytes of every request."""
        columns = (_approvals.c.id, _approvals.c.status, _approvals.c.data)
        query = select(*columns).where(_approvals.c.target == self._target).order_by(_approvals.c.id)
        return [(row.id, row.status, _bytes(row.data)) for row in self._connection.execute(query)]

    def filed_elsewhere(self) -> list[str]:
        """Return the targets under which receipts of this one are filed, so that nobody finds them."""
        ours = f'"target":"{self._target}"'.encode()
        query = select(_receipts.c.target).where(_receipts.c.target != self._target, func.instr(_receipts.c.data, ours) > 0)
        return sorted({str(name) for name in self._connection.execute(query.distinct()).scalars()})

    def strange_in_schema(self) -> list[str]:
        """Say what in the database is not as anr makes it: what acts by itself at a write, and keys that keep nothing unique."""
        query = "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'view') ORDER BY name"
        problems = [
            f"the database has a {kind} {name!r}, which anr never makes" for kind, name in self._connection.exec_driver_sql(query)
        ]
        looks = inspect(self._connection)
        for table in TABLES.sorted_tables:
            if not looks.has_table(table.name):
                problems.append(f"the database has no table {table.name!r}")
                continue
            kept = {tuple(constraint["column_names"]) for constraint in looks.get_unique_constraints(table.name)}
            kept.add(tuple(looks.get_pk_constraint(table.name)["constrained_columns"]))
            wanted = {
                tuple(column.name for column in constraint.columns)
                for constraint in table.constraints
                if isinstance(constraint, _KEEPS_UNIQUE)
            }
            problems += [
                f"the table {table.name!r} no longer keeps {', '.join(columns)} unique" for columns in sorted(wanted - kept)
            ]
        return problems

    def head(self) -> tuple[int, str] | None:
        """Return number and digest of the newest receipt, or None if there is none.

        Raises:
            JournalCorrupt: its row has none: a tampered one may hold bytes in their place.
        """
        query = self._of_receipts(_receipts.c.seq, _receipts.c.digest).order_by(_receipts.c.seq.desc()).limit(1)
        last = self._connection.execute(query).first()
        if last is None:
            return None
        if not isinstance(last.digest, str) or len(last.digest) != _DIGEST_DIGITS:
            raise JournalCorrupt("The newest receipt's row has a digest that is none. Run `anr verify`.")
        return _number(last.seq), last.digest

    def number_of(self, *, cause: str) -> int | None:
        """Return the number of the receipt with a cause, or None.

        Raises:
            JournalCorrupt: its number is none.
        """
        query = self._of_receipts(_receipts.c.seq).where(_receipts.c.cause == cause)
        found = self._connection.execute(query).scalar()
        return None if found is None else _number(found)

    def operation_of(self, receipt_id: str) -> str | None:
        """Return the operation of the receipt with an id, or None."""
        query = self._of_receipts(_receipts.c.operation).where(_receipts.c.id == receipt_id)
        return _text(self._connection.execute(query).scalar())

    def operations_of(self, causes: Collection[str]) -> dict[str, str]:
        """Return the operation by cause, of those causes that were recorded."""
        found = self._connection.execute(_OPERATIONS_OF, {"of": self._target, "causes": list(causes)})
        return {cause: operation for cause, operation in found if isinstance(operation, str)}

    def newest_operation(self, prefix: str) -> str | None:
        """Return the newest operation whose id begins so, or None."""
        begins = (_receipts.c.operation >= prefix, _receipts.c.operation < prefix + "~")
        query = self._of_receipts(_receipts.c.operation, by_operation=True).where(*begins)
        return _text(self._connection.execute(query.order_by(_receipts.c.seq.desc()).limit(1)).scalar())

    def insert(self, sealed: Sealed) -> None:
        """Add a receipt."""
        receipt = sealed.receipt
        values = {"seq": receipt.seq, "id": receipt.id, "cause": receipt.cause, "operation": receipt.operation}
        values |= {"target": self._target, "data": sealed.data, "digest": sealed.digest}
        self._connection.execute(insert(_receipts).values(**values))

    def delete_receipts(self, through: int) -> None:
        """Delete the receipts up to a number."""
        self._connection.execute(delete(_receipts).where(_receipts.c.target == self._target, _receipts.c.seq <= through))
        if inspect(self._connection).has_table(_snapshots.name):
            gone = (_snapshots.c.target == self._target, _snapshots.c.seq <= through)
            self._connection.execute(delete(_snapshots).where(*gone))

    def requests(self, *, request_id: str | None = None, status: str | None = None) -> list[bytes]:
        """Return the bytes of requests: of the one with an id, or of those with a status."""
        query = select(_approvals.c.data).where(_approvals.c.target == self._target)
        if request_id is not None:
            query = query.where(_approvals.c.id == request_id)
        if status is not None:
            query = query.where(_approvals.c.status == status)
        return list(self._connection.execute(query).scalars())

    def put_request(self, request_id: str, status: str, data: bytes) -> None:
        """Add a request, or put it in the place of the one with its id."""
        values: dict[str, Any] = {"status": status, "data": data}
        if self._connection.execute(update(_approvals).where(*self._is_request(request_id)).values(**values)).rowcount == 0:
            self._connection.execute(insert(_approvals).values(target=self._target, id=request_id, **values))

    def delete_request(self, request_id: str) -> None:
        """Delete a request, if there is one with this id."""
        self._connection.execute(delete(_approvals).where(*self._is_request(request_id)))

    def quick_check(self) -> str:
        """Return what SQLite's own check of the database says: `ok`, or what it finds wrong."""
        return str(self._connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())

    def _of_receipts(self, *columns: ColumnElement[Any], by_operation: bool = False) -> Any:
        """Select columns of the target's receipts.

        Args:
            columns: which.
            by_operation: only those of few operations are wanted. SQLite, which keeps no statistics here, would rather go
                through all of the target: a unary plus keeps it from that index (sqlite.org/optoverview.html, "the + operator").
        """
        target: ColumnElement[str] = literal_column("+receipts.target") if by_operation else _receipts.c.target
        return select(*columns).where(target == self._target)

    def _is_request(self, request_id: str) -> tuple[ColumnElement[bool], ...]:
        return _approvals.c.target == self._target, _approvals.c.id == request_id


def _row(row: Any) -> Row:
    """Return number, bytes and digest; a tampered row may hold text where bytes belong, and must still be checked.

    Raises:
        JournalCorrupt: its number is none.
    """
    seq, data, digest = row
    return _number(seq), _bytes(data), str(digest)


def _number(seq: Any) -> int:
    if not isinstance(seq, int):
        raise JournalCorrupt("A receipt's row has a number that is none. Run `anr verify`.")
    return seq


def _text(told: Any) -> str | None:
    return told if isinstance(told, str) else None


def _bytes(data: object) -> bytes:
    return data if isinstance(data, bytes) else str(data).encode("utf-8", "surrogatepass")
