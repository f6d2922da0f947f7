"""What can be asked for in Slack: each command as a value, with its parser, its modal and its one call into core.

Comes in: typed text, a filled-in modal, a click. Goes out: a command (or why it was not understood), and the result of core
when it is carried out. Excluded: who asks and which router is meant (bot/dispatch), and what results look like (bot/views).
"""
