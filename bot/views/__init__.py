"""Pure. What one person sees: answers, modals, the home.

Comes in: results of operations. Goes out: blocks. Excluded: what the channel sees (bot/stories).
"""
