"""Backups of the state, archives of the ledger, and pruning of receipts.

Comes in: a target and the moment. Goes out: what was kept and what was deleted, with a receipt. Excluded: restoring
(core/operations/restore.py).

Hands on nothing.
"""
