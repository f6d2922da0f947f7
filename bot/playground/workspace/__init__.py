"""The state of the pretended workspace, and Slack's limits."""
