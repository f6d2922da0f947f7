import re
from pathlib import Path
from typing import Any

import yaml

from bot import shortcuts
from bot.manifest import BOT_SCOPES, COMMAND, MANIFEST

ROOT = Path(__file__).parents[1]
NEEDS: dict[str, set[str]] = {
    "apps.connections.open": set(),  # the app-level token's own scope, which no manifest declares
    "auth.test": set(),
    "chat.postMessage": {"chat:write"},
    "chat.update": {"chat:write"},
    "conversations.history": {"channels:history", "groups:history"},
    "conversations.replies": {"channels:history", "groups:history"},
    "files.upload.v2": {"files:write"},
    "usergroups.users.list": {"usergroups:read"},
    "users.info": {"users:read"},
    "views.open": set(),
    "views.update": set(),
    "views.publish": set(),
}
"""The scopes of every Web API method that the bot calls (Slack's documentation of each)."""


def sources() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "bot").glob("*.py")))


def test_the_yaml_is_the_manifest_that_the_code_declares() -> None:
    """manifest.yml and bot/manifest.py say the same."""
    written: dict[str, Any] = yaml.safe_load((ROOT / "manifest.yml").read_text(encoding="utf-8"))
    assert written == MANIFEST


def test_scopes_are_exactly_those_of_the_methods_that_are_called() -> None:
    """No scope is missing, and none is asked for that nothing uses."""
    families = "auth|chat|conversations|files|usergroups|users|views"
    called = {name.replace("_", ".") for name in re.findall(r"client\.([a-z]+_[A-Za-z0-9_]+)\(", sources())}
    called |= set(re.findall(rf'"((?:{families})\.[A-Za-z.]+)"', sources()))
    assert called == set(NEEDS)
    assert set().union(*NEEDS.values()) | {"commands"} == set(BOT_SCOPES)


def test_commands_and_interactivity_are_those_that_are_listened_to() -> None:
    """Every declared command has a listener and the other way round; buttons need interactivity."""
    assert set(re.findall(r"@app\.command\((\w+)\)", sources())) == {"COMMAND"}
    assert [one["command"] for one in MANIFEST["features"]["slash_commands"]] == [COMMAND]
    assert bool(re.findall(r"@app\.action\(", sources())) == MANIFEST["settings"]["interactivity"]["is_enabled"]
    events = re.findall(r'@app\.event\("(\w+)"\)', sources())
    assert events == MANIFEST["settings"]["event_subscriptions"]["bot_events"]
    assert len(re.findall(r"@app\.shortcut\(", sources())) == len(MANIFEST["features"]["shortcuts"])
    assert [one["callback_id"] for one in MANIFEST["features"]["shortcuts"]] == [shortcuts.FREEZE, shortcuts.BECAUSE]
