"""What the channel sees: one message per story, derived from the journal.

Comes in: receipts. Goes out: posts. Excluded: what one person sees (bot/views), and delivering (bot/slack).
"""
