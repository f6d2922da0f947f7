"""The rollout of the ANR router, without Slack, HTTP servers or schedulers. Synchronous; usable alone.

ledger - figures -> gates - report -> rollout - decision -> operations - intent -> router - settings -> journal - receipt

pure   errors actors canonical text; ledger (lines become figures), alerts (what an alert asks for), gates (figures become a
       report), receipts (what each step leaves behind), rollout (what they add up to, what may happen next)
io     system (files, logs, clock), settings (every option), scan (ledgers, read fast), router (settings file, health, marks),
       journal (receipts in a database)
shell  target (one router with what operates it), brake (the router first, the record afterwards), upkeep (backup, prune,
       archive, drill), operations (gather, decide, apply), watch (what anr sees and settles by itself), doctor (checks),
       backtest (past days), cli (the command line)

Who may import whom: the contracts in pyproject.toml. A folder is pure or it is not.
"""
