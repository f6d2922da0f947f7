"""Ledgers on disk and in tables, read fast.

Comes in: a path or a URL, a window. Goes out: figures of the window. Excluded: what an entry means (core/ledger) and what the
figures say (core/gates).

Hands on nothing: numpy, ibis and pyarrow are imported late.
"""
