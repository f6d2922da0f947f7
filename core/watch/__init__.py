"""What anr does by itself between people's operations: it looks, says what it saw, and settles what died.

In: a target, its journal and what its router shows. Out: receipts of what was seen (a stage, a drift and its end, whether a brake
took effect), the guard's freeze, the outcome of an operation that died half-way.

Excluded: what people ask for (core/operations), and when the jobs run (bot/jobs.py).
"""
