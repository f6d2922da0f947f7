"""Receipts and requests in a database, a file beside each receipt, and the witness of what was shown elsewhere.

Comes in: drafts and approvals. Goes out: sealed receipts, the state, flaws. Excluded: what receipts mean (core/rollout).

Hands on nothing: SQLAlchemy is imported late.
"""
