"""The rollout of the ANR router, without Slack, HTTP servers or schedulers. Synchronous; usable alone.

ledger lines --seek, segments, decode--> columns --totals--> figures of a window --gates--> gate report
gate report, state --decisions, approvals--> decision --operations, approving--> intent receipt
intent --actuation, router--> the router's settings --> outcome receipt --journal, rollout--> state
alert --matchers, alerts--> what it asks for --alerting, braking--> safe settings, a hold, a receipt

pure   canonical errors actors matchers alerts ledger columns decode seek metrics backtest past_decisions totals gates
       guard receipts rollout timeline decisions drift approvals report outcomes schedule retention pruning blockers
       break_glass envfile target
io     log_lines logs clock arrays sharing files parquet_export warehouse past_ledgers segments decoded ledger_index
       ledger_scan ledger_tail journal_connections journal_rows journal witness brake watchdog alertmanager router backups
       leases ledger_months ledger_cut lock
shell  site upkeep archiving actuation braking alerting restoring holding approving operations emergency preflight
       alert_answers realigning pausing watching insight doctor doctor_house recovery overview lookout verification settings
       progress terminal endings views backtest_chart cli_options cli_site cli_backtest cli_ledger cli_upkeep cli_emergency
       cli_insight cli_report cli_records cli_status cli_brake cli_rollout cli
"""
