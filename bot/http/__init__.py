"""The one HTTP server: the webhook of alerts, metrics, health, and Slack's requests in HTTP mode.

Comes in: requests. Goes out: alerts for core/brake, samples for Prometheus. Excluded: what an alert asks for.
"""
