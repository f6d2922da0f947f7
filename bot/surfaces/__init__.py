"""One file per Slack surface, and their registration; none knows another.

Comes in: payloads from Slack. Goes out: commands for bot/dispatch. Excluded: doing them.
"""
