"""The app's manifest: exactly the commands, scopes, events and interactivity that the code uses.

`manifest.yml` is this, as YAML; a test pins both to each other and to the code.
"""

from typing import Any

COMMAND = "/anr"
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
                "usage_hint": "status | report | promote [stage] | rollback | freeze | unfreeze | receipts | verify | "
                "backups | backup | restore NAME | help",
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
                "name": "Freeze ANR because of this",
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
