"""Pure. Alertmanager's payload becomes alerts, and each alert the step that it asks for.

Comes in: the body of a webhook, rules. Goes out: alerts and steps. Excluded: doing them (core/brake).
"""
