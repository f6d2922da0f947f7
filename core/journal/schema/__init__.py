"""The version of the journal's database: an older one is brought to the newest before it is used, a newer one is left alone.

Comes in: a connection in a transaction. Goes out: a database of the newest schema, or why it is not. Excluded: rows
(core/journal/tables.py).

`versions/` has a revision a file, each with the number of the schema that it makes; Alembic runs them, and is imported only then.
"""
