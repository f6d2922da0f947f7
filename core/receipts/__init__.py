"""Pure. What each step leaves behind, and the chain that binds it.

Comes in: a draft. Goes out: canonical bytes with a digest, and flaws in a chain. Excluded: keeping them (core/journal).
"""
