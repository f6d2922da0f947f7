"""Pure. The pieces that every message is built of: blocks, fields and whole posts.

Excluded: what a message says (bot/stories, bot/views), and sending it (bot/slack).
"""
