"""One router with everything that operates it: the facts, the lock, who orders what, and what is so now.

Comes in: the settings of a target. Goes out: facts and an overview. Excluded: changing anything (core/brake, core/operations).
"""
