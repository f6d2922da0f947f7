"""What an app may do in the workspace, read from its manifest.

Excluded: reading manifest.yml (the caller passes the parsed mapping) and checking it against Slack's JSON Schema.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

EXAMPLE_MANIFEST: Final[Mapping[str, Any]] = {
    "display_information": {"name": "anr"},
    "features": {
        "app_home": {"home_tab_enabled": True, "messages_tab_enabled": False},
        "bot_user": {"display_name": "anr", "always_online": True},
        "slash_commands": [
            {"command": "/anr", "description": "The ANR rollout", "usage_hint": "[status]", "should_escape": False},
        ],
        "shortcuts": [
            {"name": "Freeze", "type": "global", "callback_id": "freeze", "description": "Freeze the rollout"},
            {"name": "Explain", "type": "message", "callback_id": "explain", "description": "Explain a message"},
        ],
    },
    "oauth_config": {
        "scopes": {
            "bot": [
                "channels:history",
                "channels:read",
                "chat:write",
                "commands",
                "files:write",
                "usergroups:read",
                "users:read",
            ]
        }
    },
    "settings": {
        "event_subscriptions": {"bot_events": ["app_home_opened"]},
        "interactivity": {"is_enabled": True},
        "socket_mode_enabled": True,
    },
}
"""A manifest that allows everything the playground can do, for tests of the playground itself."""


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """One entry of `features.slash_commands`.

    `should_escape` makes Slack write mentions, channels and links in the text as `<@U…|name>`, `<#C…|name>`, `<https://…>`.
    """

    command: str
    description: str
    usage_hint: str
    should_escape: bool


@dataclass(frozen=True, slots=True)
class Shortcut:
    """One entry of `features.shortcuts`; `kind` is `global` or `message`."""

    name: str
    kind: str
    callback_id: str


@dataclass(frozen=True, slots=True)
class AppManifest:
    """The grants and declarations of one app."""

    name: str
    bot_name: str
    scopes: frozenset[str]
    commands: tuple[SlashCommand, ...]
    shortcuts: tuple[Shortcut, ...]
    bot_events: frozenset[str]
    interactivity: bool
    socket_mode: bool
    home_tab: bool

    @classmethod
    def parse(cls, manifest: Mapping[str, Any]) -> "AppManifest":
        """Read the parts of a manifest that decide what is delivered and what is refused.

        Raises:
            ValueError: the manifest declares slash commands or shortcuts without the scope `commands`, which Slack
                refuses at installation.
        """
        features: Mapping[str, Any] = manifest.get("features") or {}
        settings: Mapping[str, Any] = manifest.get("settings") or {}
        bot_user: Mapping[str, Any] = features.get("bot_user") or {}
        name = str((manifest.get("display_information") or {}).get("name", "app"))
        scopes = frozenset(((manifest.get("oauth_config") or {}).get("scopes") or {}).get("bot") or ())
        commands = tuple(
            SlashCommand(
                command=entry["command"],
                description=entry.get("description", ""),
                usage_hint=entry.get("usage_hint", ""),
                should_escape=bool(entry.get("should_escape", False)),
            )
            for entry in features.get("slash_commands") or ()
        )
        shortcuts = tuple(
            Shortcut(name=entry["name"], kind=entry["type"], callback_id=entry["callback_id"])
            for entry in features.get("shortcuts") or ()
        )
        if (commands or shortcuts) and "commands" not in scopes:
            raise ValueError(
                "The app was not installed: its manifest declares slash commands or shortcuts without the bot scope "
                "'commands'. Add the scope under oauth_config.scopes.bot."
            )
        return cls(
            name=name,
            bot_name=str(bot_user.get("display_name", name)),
            scopes=scopes,
            commands=commands,
            shortcuts=shortcuts,
            bot_events=frozenset((settings.get("event_subscriptions") or {}).get("bot_events") or ()),
            interactivity=bool((settings.get("interactivity") or {}).get("is_enabled", False)),
            socket_mode=bool(settings.get("socket_mode_enabled", False)),
            home_tab=bool((features.get("app_home") or {}).get("home_tab_enabled", False)),
        )
