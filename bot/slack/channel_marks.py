"""Reads the marks that the bot's own messages in a channel carry: outside of the journal, where everybody has seen them.

Only messages that Slack says this app posted count, and of those only the metadata: a text holds other people's words.

Excluded: comparing them with the chain (core/journal/verification.py), and posting them (bot/slack/outbox.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from slack_sdk import WebClient

from bot.slack.errors import SLACK_FAILED, said
from bot.slack.outbox import EVENT
from core.journal.marks import Mark, Marks
from core.settings.surfaces import SlackSettings

SOURCE = "the channel in Slack"
_PATIENCE_SECONDS = 10
_PAGE, _MOST_PAGES = 200, 5
"""How many messages are read at most: the newest. An older mark proves nothing that a newer one does not."""


def channel_marks(slack: SlackSettings, channel: str, target: str) -> Marks:
    """Return the marks of a target in the newest messages of a channel, and of the fallback channel if there is one.

    Args:
        slack: how Slack is reached.
        channel: where the target's messages are posted.
        target: whose marks are meant; several routers may share a channel.
    """
    token = slack.bot_token.get_secret_value()
    if not token or not channel:
        return Marks(
            SOURCE, problem="it cannot be read: slack.bot_token or slack.channel is not set. Nothing was compared with it"
        )
    client = WebClient(token, base_url=slack.api_url, timeout=_PATIENCE_SECONDS)
    found: list[Mark] = []
    try:
        identity = client.auth_test()
        ours = {str(identity[name]) for name in ("bot_id", "user_id") if identity.get(name)}
        for place in dict.fromkeys(filter(None, (channel, slack.fallback_channel))):
            found.extend(_marks_in(_newest(client, place), ours, target))
    except SLACK_FAILED as error:
        return Marks(SOURCE, tuple(found), f"it cannot be read ({said(error)}). Nothing was compared with the rest of it")
    return Marks(SOURCE, tuple(dict.fromkeys(found)))


def _newest(client: WebClient, channel: str) -> Iterator[Mapping[str, Any]]:
    cursor = ""
    for _ in range(_MOST_PAGES):
        page = client.conversations_history(channel=channel, include_all_metadata=True, limit=_PAGE, cursor=cursor or None)
        yield from page.get("messages") or ()
        cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            return


def _marks_in(messages: Iterator[Mapping[str, Any]], ours: set[str], target: str) -> Sequence[Mark]:
    found = []
    for message in messages:
        metadata = message.get("metadata") or {}
        payload = metadata.get("event_payload") or {}
        posted_by = {str(message.get("bot_id")), str(message.get("user"))}
        if metadata.get("event_type") == EVENT and payload.get("target") == target and posted_by & ours:
            mark = Mark.typed(str(payload.get("mark") or ""))
            found.extend([mark] if mark is not None else [])
    return found
