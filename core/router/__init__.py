"""The router as anr touches it: its settings file, its reload, its health, its state with backups, and the brake's marks.

Comes in: settings to serve. Goes out: what the router shows. Excluded: deciding what to serve (core/rollout).

Hands on nothing: urllib3 is imported late, and a brake does not wait for it.
"""
