"""The app's manifest: exactly the commands, scopes, events and interactivity that the code uses.

`manifest.yml` is the one for Socket Mode, as YAML; a test pins both to each other, to the code and to Slack's own schemas.
"""

from copy import deepcopy
from typing import Any
from urllib.parse import urlsplit

from core.errors import ConfigurationError

COMMAND = "/anr"
EVENTS_PATH = "/slack/events"
"""Where the bot takes what Slack sends in HTTP mode."""
BOT_SCOPES = (
    "channels:history",
    "chat:write",
    "commands",
    "files:write",
    "groups:history",
    "usergroups:read",
    "users:read",
)

MANIFEST: dict[str, Any] = {
    "display_information": {
        "name": "ANR rollout",
        "description": "Promotes, rolls back and freezes the ANR router, with approvals and receipts.",
        "background_color": "#1f3a5f",
    },
    "features": {
        "app_home": {"home_tab_enabled": True, "messages_tab_enabled": True, "messages_tab_read_only_enabled": True},
        "bot_user": {"display_name": "anr", "always_online": True},
        "slash_commands": [
            {
                "command": COMMAND,
                "description": "Operate the rollout of the ANR router",
                "usage_hint": "status | promote | rollback | freeze | help",
                "should_escape": True,
            },
        ],
        "shortcuts": [
            {
                "name": "Freeze ANR",
                "type": "global",
                "callback_id": "freeze_anr",
                "description": "Roll the ANR router back, or only hold its promotions",
            },
            {
                "name": "Freeze because of this",
                "type": "message",
                "callback_id": "freeze_because",
                "description": "Put the ANR router in its safe settings and hold every promotion",
            },
        ],
    },
    "oauth_config": {"scopes": {"bot": list(BOT_SCOPES)}},
    "settings": {
        "event_subscriptions": {"bot_events": ["app_home_opened"]},
        "interactivity": {"is_enabled": True},
        "org_deploy_enabled": False,
        "socket_mode_enabled": True,
        "token_rotation_enabled": False,
    },
}
"""For Socket Mode."""


def manifest_over_http(host: str) -> dict[str, Any]:
    """Return the manifest for HTTP mode: Slack sends commands, clicks and events to `host`.

    Args:
        host: where Slack reaches the bot, as `https://anr.example.com`; a path in front of the bot's own may follow.

    Raises:
        ConfigurationError: it is not an https address without query and fragment.
    """
    parts = urlsplit(host)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
        raise ConfigurationError(
            f"{host!r} is not an address that Slack can reach. Nothing was printed; give it as https://anr.example.com.",
        )
    url = f"{host.rstrip('/')}{EVENTS_PATH}"
    manifest = deepcopy(MANIFEST)
    for command in manifest["features"]["slash_commands"]:
        command["url"] = url
    settings = manifest["settings"]
    settings["event_subscriptions"]["request_url"] = url
    settings["interactivity"]["request_url"] = url
    settings["socket_mode_enabled"] = False
    return manifest
