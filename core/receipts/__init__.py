"""Pure. What each step leaves behind, and the chain that binds it.

Comes in: the facts of an action. Goes out: what its receipt states (`drafts`), what set it off (`cause`), what it does to
the rollout (`effect`), canonical bytes with a digest, and flaws in a chain. Excluded: keeping them (core/journal), adding
them up (core/rollout/state.py).
"""
