"""Past days through the gates.

Comes in: past ledgers and a policy. Goes out: what each day would have been, and a chart. Excluded: the live ledger
(core/scan).

Hands on nothing: matplotlib is imported late.
"""
