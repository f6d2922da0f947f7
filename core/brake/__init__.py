"""Rollback, freeze, hold and lift, and alerts that brake. The router first, the record afterwards.

Comes in: an order or alerts. Goes out: what was made safe and what could not be. Excluded: whatever raises traffic
(core/operations).
"""
