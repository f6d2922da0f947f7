"""Pure. What each receipt states, one constructor for each action: nobody else fills in a receipt's fields.

Comes in: whose story it is (`Origin`) and the facts of the action. Goes out: a `Statement`. Excluded: what every receipt carries
besides, its id, build, host and runbook (core/target/target.py), and numbering it (core/receipts/chain.py).
"""
