"""Pure. A line of the ledger becomes an entry, entries become columns, columns become the figures of a window.

Comes in: bytes and a window. Goes out: figures, exact. Excluded: files, tables and processes (core/scan).

Hands on nothing: numpy is imported late.
"""
