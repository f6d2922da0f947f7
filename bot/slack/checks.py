"""Slack's part of `doctor`: the token, its scopes against the manifest, the channels, and what could not be delivered.

Excluded: everything that is not Slack's (core/doctor/check.py, core/doctor/own_checks.py).
"""

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler

from bot.slack.deliveries import Deliveries
from bot.slack.errors import SLACK_FAILED, code_of, said
from bot.slack.groups import WITHOUT_MEMBERS
from bot.slack.manifest import BOT_SCOPES
from bot.slack.members import Installation
from core.actors import AccessPolicy
from core.doctor.check import Check, Health
from core.settings.surfaces import SlackSettings
from core.system.bounded_http import in_words

_PATIENCE_SECONDS = 5
_CHANNEL_ID = re.compile("[CG][A-Z0-9]{2,30}")
_MOST_NAMED = 5
"""Messages that are named one by one."""
_REINSTALL = "Install the app once more from `manifest.yml`, and put the new bot token into the settings."


def examine_slack(
    slack: SlackSettings, channels: tuple[str, ...], access: AccessPolicy | None = None, people: Mapping[str, str] | None = None
) -> tuple[Check, ...]:
    """Ask Slack about the token, its scopes, the channels and whom the settings name. A fault is a check that fails, no error.

    Args:
        slack: how Slack is reached.
        channels: where messages are posted.
        access: who holds which role.
        people: Slack user id of each operating-system user.
    """
    if not slack.bot_token.get_secret_value():
        return (Check("slack token", Health.WARN, "No bot token is set: only the command line works.", "Set slack.bot_token."),)
    client = WebClient(slack.bot_token.get_secret_value(), base_url=slack.api_url, timeout=_PATIENCE_SECONDS)
    named = sorted({*(access.names if access else ()), *(people or {}).values()})
    return tuple(_examined(client, slack, channels, named))


@dataclass(frozen=True, slots=True)
class Example:
    """One example of what is shown in Slack.

    Attributes:
        name: which one it is, in a few words.
        kind: `message` or `view`, as blocks.validate takes it.
        content: the message with its blocks, or the view.
    """

    name: str
    kind: str
    content: Mapping[str, Any]


def examine_shown(slack: SlackSettings, examples: Sequence[Example]) -> tuple[Check, ...]:
    """Show each example to Slack's own check, and say what Slack thinks of it.

    Nothing is shown to anybody, and no scope is needed (https://docs.slack.dev/reference/methods/blocks.validate).

    Args:
        slack: how Slack is reached.
        examples: what is to be looked at.
    """
    name = "slack blocks"
    if not slack.bot_token.get_secret_value():
        return (Check(name, Health.WARN, "No bot token is set: Slack was shown nothing.", "Set slack.bot_token."),)
    client = WebClient(slack.bot_token.get_secret_value(), base_url=slack.api_url, timeout=_PATIENCE_SECONDS)
    client.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=3))
    refused: list[Check] = []
    for example in examples:
        try:
            # in the body: slack_sdk's own method puts all of it into the address
            client.api_call("blocks.validate", data={example.kind: json.dumps(example.content)})
        except SlackApiError as error:
            if code_of(error) != f"invalid_{example.kind}":
                return (*refused, _not_shown(name, error))
            refused.extend(_refusals(name, example, error))
        except SLACK_FAILED as error:
            return (*refused, _not_shown(name, error))
    if refused:
        return tuple(refused)
    return (Check(name, Health.OK, f"Slack takes the example of each of the {len(examples)} messages, modals and homes."),)


def _not_shown(name: str, error: Exception) -> Check:
    return Check(name, Health.WARN, f"Slack does not say what it thinks of the examples ({said(error)}).", "Ask again later.")


def _refusals(name: str, example: Example, error: SlackApiError) -> Iterator[Check]:
    """A view that Slack refuses does not open; a message that it refuses comes as plain text."""
    health = Health.FAIL if example.kind == "view" else Health.WARN
    remedy = "Report it with this line." + (" It comes as plain text." if example.kind == "message" else " It does not open.")
    for problem in (error.response.get("errors") or [{}])[:_MOST_NAMED]:
        where = f" at {problem.get('pointer')}" if problem.get("pointer") else ""
        text = f"Slack refuses the {example.kind} “{example.name}”{where}: {problem.get('message') or code_of(error)}."
        yield Check(name, health, text, remedy)


def examine_deliveries(deliveries: Deliveries) -> tuple[Check, ...]:
    """Say which messages the channel lacks: those that Slack refuses for good, and those that wait."""
    name = "slack messages"
    try:
        parked, waiting = deliveries.parked(), deliveries.waiting()
    except sqlite3.Error as error:
        text = f"What could not be delivered cannot be read ({error})."
        return (Check(name, Health.WARN, text, "Losing that file loses no message; see whether it is readable."),)
    if not parked and not waiting:
        return (Check(name, Health.OK, "The channel shows every story."),)
    return (
        *(
            Check(
                name,
                Health.WARN,
                f"Slack refuses a message of story {refused.operation}"
                f"{f', its reply {refused.part}' if refused.part else ''} ({refused.error}).",
                "Correct what Slack's word says, and press “Try again” on the app's home; `anr receipts` has what it tells.",
            )
            for refused in parked[:_MOST_NAMED]
        ),
        *(
            Check(
                name,
                Health.WARN,
                f"Story {queued.operation} is not shown as it stands ({queued.error}).",
                "It is tried again by itself, and at once with “Try again” on the app's home; `anr receipts` has what it tells.",
            )
            for queued in waiting[:_MOST_NAMED]
        ),
    )


def _examined(client: WebClient, slack: SlackSettings, channels: tuple[str, ...], named: Sequence[str]) -> Iterator[Check]:
    try:
        answer = client.auth_test()
    except SLACK_FAILED as error:
        yield _token(error, slack)
        return
    who, team = answer.get("user"), answer.get("team")
    yield Check("slack token", Health.OK, f"Slack takes it: {who} in {team}.")
    yield _scopes(answer.headers)
    for channel in dict.fromkeys(channels):
        yield _membership(client, channel)
    places = {*channels, slack.fallback_channel, *slack.allowed_channels} - {""}
    if wrong := sorted(place for place in places if not _CHANNEL_ID.fullmatch(place)):
        text = f"{', '.join(wrong)}: no channel's id."
        yield Check("slack ids", Health.FAIL, text, "A channel's id begins with C or G; Slack shows it in the channel's details.")
    yield from _named(client, named, Installation.of(answer))


def _named(client: WebClient, named: Sequence[str], installation: Installation) -> Iterator[Check]:
    """Look for the people and groups whom the settings name; what Slack does not know holds no role."""
    name, asked = "slack people", [person_or_group for person_or_group in named if person_or_group[:1] in {"S", "U", "W"}]
    found = 0
    for person_or_group in asked:
        try:
            problem = (
                _group_problem(client, person_or_group)
                if person_or_group.startswith("S")
                else _person_problem(client, person_or_group, installation)
            )
        except SLACK_FAILED as error:
            yield Check(name, Health.WARN, f"Slack does not say who {person_or_group} is ({said(error)}).", "Ask again later.")
            continue
        found += not problem
        if problem:
            remedy = "Nobody holds a role by it: correct `operators`, `approvers` and `people` in the settings."
            yield Check(name, Health.WARN, problem, remedy)
    if asked and found == len(asked):
        yield Check(name, Health.OK, f"Slack knows every one of the {found} people and groups in the settings.")


def _group_problem(client: WebClient, group: str) -> str:
    try:
        members = client.usergroups_users_list(usergroup=group).get("users") or ()
    except SlackApiError as error:
        if code_of(error) not in WITHOUT_MEMBERS:
            raise
        return f"The user group {group} is gone, disabled or not in the workspace's plan ({code_of(error)})."
    return "" if members else f"The user group {group} has no members."


def _person_problem(client: WebClient, person: str, installation: Installation) -> str:
    try:
        user = client.users_info(user=person).get("user") or {}
    except SlackApiError as error:
        if code_of(error) not in {"user_not_found", "user_not_visible"}:
            raise
        return f"Slack knows nobody with the id {person} ({code_of(error)})."
    member = installation.is_home_of(user)
    if member is None:
        return f"Slack does not say to which workspace {person} belongs: only the brake is open to them."
    return "" if member else f"{person} is a guest, a bot, deactivated or of another workspace."


def _token(error: Exception, slack: SlackSettings) -> Check:
    if isinstance(error, SlackApiError):
        return Check("slack token", Health.FAIL, f"Slack refuses the bot token ({error.response.get('error')}).", _REINSTALL)
    text = f"{slack.api_url} cannot be reached ({in_words(error)})."
    return Check("slack token", Health.FAIL, text, "See whether this machine reaches Slack; everything but Slack goes on.")


def _scopes(headers: dict[str, str]) -> Check:
    said = next((value for name, value in headers.items() if name.lower() == "x-oauth-scopes"), None)
    if said is None:
        return Check("slack scopes", Health.WARN, "Slack does not say which scopes the token has.", _REINSTALL)
    held = {scope.strip() for scope in said.split(",")}
    if missing := sorted(set(BOT_SCOPES) - held):
        return Check("slack scopes", Health.FAIL, f"The token lacks {', '.join(missing)}.", _REINSTALL)
    more = sorted(held - set(BOT_SCOPES))
    text = f"It has the {len(BOT_SCOPES)} scopes of the manifest."
    if more:
        return Check("slack scopes", Health.WARN, f"{text} It also has {', '.join(more)}, which nothing uses.", _REINSTALL)
    return Check("slack scopes", Health.OK, text)


def _membership(client: WebClient, channel: str) -> Check:
    name = "slack channel"
    if not channel:
        return Check(name, Health.FAIL, "No channel is set.", "Set slack.channel to the channel's id.")
    try:
        client.conversations_history(channel=channel, limit=1)
    except SLACK_FAILED as error:
        code = error.response.get("error") if isinstance(error, SlackApiError) else type(error).__name__
        remedies = {
            "not_in_channel": "Invite it there: `/invite @anr`.",
            "channel_not_found": "Set the channel's id, not its name; a private channel has to invite the bot first.",
            "is_archived": "Set another channel, or restore this one.",
        }
        text = f"The bot cannot be in {channel} ({code})."
        return Check(name, Health.FAIL, text, remedies.get(str(code), "See Slack's word for it, and try again."))
    return Check(name, Health.OK, f"The bot is in {channel}.")
