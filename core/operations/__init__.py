"""Gather, decide, apply: the ladder, its requests, the daily run, drift, restore and recovery.

Comes in: an order. Goes out: a result: moved, asked, refused. Excluded: the rules (core/rollout), and the brake (core/brake).

Hands on nothing.
"""
