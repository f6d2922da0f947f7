"""Which schema a journal's database has, and the way to the newest.

A migration is one transaction that begins by taking the database's write lock: whoever else opens the journal waits, and finds
it done; a process that dies leaves it as it was. Nobody goes back: an anr that does not know a schema reads nothing of it, since
what it wrote into it could not be trusted.

Excluded: the revisions (core/journal/schema/versions).
"""

import threading
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, inspect

from core.system.logs import logger

log = logger(__name__)

NEWEST = 1
"""The number of the newest revision in `versions`."""
VERSIONS = Path(__file__).with_name("versions")
_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Where Alembic keeps the number (https://alembic.sqlalchemy.org/en/latest/tutorial.html)."""
_RECORDED = f"SELECT version_num FROM {_version.name}"  # noqa: S608 - the name above; asked in every transaction, and so as it is
_one_at_a_time = threading.Lock()
"""Alembic keeps what it runs in globals of the process (`alembic.op`)."""


class SchemaUnknown(ValueError):
    """The database is of a schema that this anr does not know; the text is its number, as it stands there."""


def schema_of(connection: Connection) -> int | None:
    """Return the schema of a database; 0 if its tables have no number yet, None if it is empty.

    Raises:
        SchemaUnknown: this anr does not know it.
    """
    tables = inspect(connection).get_table_names()
    if _version.name in tables and (number := recorded(connection)) is not None:
        return number
    return 0 if tables else None


def recorded(connection: Connection) -> int | None:
    """Return the number that a database keeps; None if it keeps none.

    Raises:
        SchemaUnknown: this anr does not know it.
    """
    found = [str(number) for number in connection.exec_driver_sql(_RECORDED).scalars()]
    if len(found) > 1 or any(not number.isdecimal() or int(number) > NEWEST for number in found):
        raise SchemaUnknown(", ".join(number.lstrip("0")[:40] for number in found))
    return int(found[0]) if found else None


def begin(connection: Connection, tables: MetaData) -> None:
    """Make the tables of an empty database, and say which schema they are: as the revisions would, and without Alembic."""
    tables.create_all(connection)
    _version.create(connection)
    connection.execute(_version.insert().values(version_num=f"{NEWEST:04}"))


def bring_up(connection: Connection, tables: MetaData) -> None:
    """Bring a database to the newest schema, in the transaction of a connection that holds the write lock.

    Args:
        connection: the database.
        tables: what the newest schema has.

    Raises:
        SchemaUnknown: this anr does not know its schema.
        SQLAlchemyError: it cannot be done; nothing is changed once the transaction is given up.
    """
    found = schema_of(connection)
    if found == NEWEST:  # somebody else was quicker
        return
    if found is None:
        begin(connection, tables)
        return
    from alembic import command  # noqa: PLC0415 - slow to import, and a journal is migrated once
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("version_locations", str(VERSIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    with _one_at_a_time:
        command.upgrade(config, "head")
    log.info("the journal was migrated", schema_before=found, schema=schema_of(connection))
