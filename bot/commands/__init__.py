"""Pure. The text after `/anr` becomes a typed command.

Comes in: text. Goes out: a command, or why it was not understood. Excluded: who asks, and doing it (bot/dispatch).
"""
