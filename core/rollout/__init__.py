"""Pure. What the receipts add up to, and what may happen next.

Comes in: receipts, a gate report, who asks. Goes out: the state, a decision or a refusal with its code, what lies ahead.
Excluded: doing it (core/operations).
"""
