"""What talks to Slack's Web API: calls, the paced outbox, deliveries, who may what, and the manifest.

Comes in: posts. Goes out: messages in a channel. Excluded: what they say (bot/stories, bot/views).
"""
