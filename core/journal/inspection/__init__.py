"""Everything that is believed of a journal, held against its chain, by several processes beside each other.

Comes in: the rows of a target and the folder of its receipts. Goes out: what can be read, and flaws. Excluded: what was shown
elsewhere (core/journal/verification.py).

Hands on nothing: it is imported by who verifies.
"""
