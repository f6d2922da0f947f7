"""What Slack tells an app: slash commands, interactions and events, in the shapes of its documentation.

Excluded: whether it is sent, and how (`people`, `delivery`). Sources:
https://docs.slack.dev/interactivity/implementing-slash-commands and
https://docs.slack.dev/reference/interaction-payloads.
"""

import copy
import re
from collections.abc import Mapping
from typing import Any, Final

from bot.playground.workspace.workspace import APP_ID, BOT_USER, TEAM_DOMAIN, TEAM_ID, Channel, Json, User, Workspace

VERIFICATION_TOKEN: Final = "playground"  # noqa: S105 -- Slack's deprecated token, sent in every payload; proves nothing

_MENTION = re.compile(r"(?<![\w<])@([\w.-]+)")
_CHANNEL = re.compile(r"(?<![\w<&])#([\w-]+)")
_LINK = re.compile(r"(?<!<)\bhttps?://[^\s<>|]+")


def slash(
    workspace: Workspace, user: User, channel: Channel, command: str, text: str, *, escape: bool, response_url: str
) -> Json:
    """Describe a slash command. Empty values are sent as empty strings, as in Slack's form."""
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": TEAM_ID if workspace.enterprise_id else user.team_id,
        "team_domain": TEAM_DOMAIN if workspace.enterprise_id or user.team_id == TEAM_ID else "elsewhere",
        **({"enterprise_id": workspace.enterprise_id} if workspace.enterprise_id else {}),
        "channel_id": channel.id,
        "channel_name": "directmessage" if channel.is_im else channel.name,
        "user_id": user.id,
        "user_name": user.name,
        "command": command,
        "text": escaped(workspace, text) if escape else text,
        "api_app_id": APP_ID,
        "is_enterprise_install": "true" if workspace.org_wide else "false",
        "response_url": response_url,
        "trigger_id": workspace.issue_trigger(user.id),
    }


def escaped(workspace: Workspace, text: str) -> str:
    """Write mentions, channels and links of a typed text as Slack does when `should_escape` is on."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    people = {user.name: user.id for user in workspace.users.values()}
    channels = {channel.name: channel.id for channel in workspace.channels.values()}

    def mention(found: re.Match[str]) -> str:
        name = found[1]
        return f"<@{people[name]}|{name}>" if name in people else found[0]

    def reference(found: re.Match[str]) -> str:
        name = found[1]
        return f"<#{channels[name]}|{name}>" if name in channels else found[0]

    text = _LINK.sub(lambda found: f"<{found[0]}>", text)
    return _CHANNEL.sub(reference, _MENTION.sub(mention, text))


def _interaction(workspace: Workspace, kind: str, user: User) -> Json:
    return {
        "type": kind,
        "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": user.team_id},
        "api_app_id": APP_ID,
        "token": VERIFICATION_TOKEN,
        "team": None if workspace.org_wide else {"id": TEAM_ID, "domain": TEAM_DOMAIN},
        "enterprise": {"id": workspace.enterprise_id, "name": "Organisation"} if workspace.enterprise_id else None,
        "is_enterprise_install": workspace.org_wide,
        "trigger_id": workspace.issue_trigger(user.id),
    }


def _place(channel: Channel) -> Json:
    return {"id": channel.id, "name": "directmessage" if channel.is_im else channel.name}


def message_action(workspace: Workspace, user: User, channel: Channel, message: Json, action: Json, response_url: str) -> Json:
    """Describe a click on an element of a message, as `block_actions`."""
    container: Json = {
        "type": "message",
        "message_ts": message["ts"],
        "channel_id": channel.id,
        "is_ephemeral": bool(message.get("is_ephemeral")),
    }
    if message.get("thread_ts"):
        container["thread_ts"] = message["thread_ts"]
    payload = _interaction(workspace, "block_actions", user)
    payload |= {
        "container": container,
        "channel": _place(channel),
        "state": {"values": {}},
        "response_url": response_url,
        "actions": [action],
    }
    if not message.get("is_ephemeral"):
        # Slack keeps no copy of what only one person sees.
        payload["message"] = copy.deepcopy(message)
    return payload


def attachment_action(
    workspace: Workspace, user: User, channel: Channel, message: Json, clicked: tuple[int, Json], response_url: str
) -> Json:
    """Describe a click on a button of a legacy attachment, as `interactive_message`.

    Args:
        workspace: where it happened.
        user: who clicked.
        channel: where the message is.
        message: as it is shown.
        clicked: the attachment's place among the message's, from 1, and the button.
        response_url: takes the answers.
    """
    number, button = clicked
    attachment = message["attachments"][number - 1]
    return _interaction(workspace, "interactive_message", user) | {
        "callback_id": attachment.get("callback_id", ""),
        "actions": [{name: button[name] for name in ("name", "type", "value") if name in button}],
        "channel": _place(channel),
        "action_ts": workspace.next_ts(),
        "message_ts": message["ts"],
        "attachment_id": str(number),
        "is_app_unfurl": False,
        "original_message": copy.deepcopy(message),
        "response_url": response_url,
    }


def view_action(workspace: Workspace, user: User, view: Json, action: Json) -> Json:
    """Describe a click on an element of a modal or a home, as `block_actions`."""
    payload = _interaction(workspace, "block_actions", user)
    payload |= {
        "container": {"type": "view", "view_id": view["id"]},
        "view": copy.deepcopy(view),
        "actions": [action],
    }
    return payload


def view_submission(workspace: Workspace, user: User, view: Json) -> Json:
    """Describe a submitted modal; the answers are in `view.state.values`."""
    return _interaction(workspace, "view_submission", user) | {"view": copy.deepcopy(view), "response_urls": []}


def view_closed(workspace: Workspace, user: User, view: Json) -> Json:
    """Describe a modal that the person closed; there is no trigger in it."""
    payload = _interaction(workspace, "view_closed", user) | {"view": copy.deepcopy(view), "is_cleared": False}
    del payload["trigger_id"]
    return payload


def global_shortcut(workspace: Workspace, user: User, callback_id: str) -> Json:
    """Describe a global shortcut: no channel, no response_url."""
    return _interaction(workspace, "shortcut", user) | {"callback_id": callback_id, "action_ts": workspace.next_ts()}


def message_shortcut(
    workspace: Workspace, user: User, channel: Channel, message: Json, *, callback_id: str, response_url: str
) -> Json:
    """Describe a message shortcut, as `message_action`."""
    return _interaction(workspace, "message_action", user) | {
        "callback_id": callback_id,
        "action_ts": workspace.next_ts(),
        "message_ts": message["ts"],
        "channel": _place(channel),
        "message": copy.deepcopy(message),
        "response_url": response_url,
    }


def event(workspace: Workspace, inner: Mapping[str, Any]) -> Json:
    """Wrap an event for the Events API."""
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": TEAM_ID,
        "api_app_id": APP_ID,
        "event": dict(inner),
        "type": "event_callback",
        "event_id": workspace.next_id("Ev"),
        "event_time": int(workspace.clock()),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": TEAM_ID,
                "user_id": BOT_USER,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": False,
        "event_context": "4-playground",
    }


def clicked_element(element: Json, block_id: str, action_ts: str, *, value: str | None, selected: object) -> Json:
    """Describe what was done to one element, as it stands in `actions`.

    Args:
        element: the element as it is shown.
        block_id: the block that holds it.
        action_ts: when it was done.
        value: replaces the element's value, for inputs.
        selected: the chosen option, or the chosen id, date or options, by the element's type.
    """
    kind = element["type"]
    action: Json = {
        "action_id": element["action_id"],
        "block_id": block_id,
        "type": kind,
        "action_ts": action_ts,
    }
    for name in ("text", "value", "style", "confirm", "url", "placeholder"):
        if name in element:
            action[name] = copy.deepcopy(element[name])
    if value is not None:
        action["value"] = value
    if selected is not None:
        action[_SELECTED_KEY.get(kind, "selected_option")] = selected
    return action


_SELECTED_KEY: Final[Mapping[str, str]] = {
    "checkboxes": "selected_options",
    "multi_static_select": "selected_options",
    "users_select": "selected_user",
    "multi_users_select": "selected_users",
    "channels_select": "selected_channel",
    "conversations_select": "selected_conversation",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
}
