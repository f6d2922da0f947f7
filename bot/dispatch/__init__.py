"""Who asks, which router is meant, one call into core in a worker thread, one answer.

Comes in: a command and who sent it. Goes out: an answer to that person. Excluded: understanding what was clicked
(bot/surfaces).
"""
