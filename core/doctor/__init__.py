"""Checks of the router's parts and of anr's own, each with what to do next.

Comes in: a target. Goes out: checks; one that breaks is itself a finding. Excluded: Slack's part (bot/slack/checks.py).
"""
