import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from bot.slack.manifest import BOT_SCOPES, COMMAND, MANIFEST, manifest_over_http
from bot.surfaces import shortcuts
from core.errors import ConfigurationError

ROOT = Path(__file__).parents[3]
NEEDS: dict[str, set[str]] = {
    "apps.connections.open": set(),  # the app-level token's own scope, which no manifest declares
    "auth.test": set(),
    "blocks.validate": set(),
    "chat.delete": {"chat:write"},
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
    paths = (path for path in sorted((ROOT / "bot").rglob("*.py")) if "playground" not in path.parts)
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def test_the_yaml_is_the_manifest_that_the_code_declares() -> None:
    """manifest.yml and bot/slack/manifest.py say the same."""
    written: dict[str, Any] = yaml.safe_load((ROOT / "manifest.yml").read_text(encoding="utf-8"))
    assert written == MANIFEST


def test_scopes_are_exactly_those_of_the_methods_that_are_called() -> None:
    """No scope is missing, and none is asked for that nothing uses."""
    families = "auth|blocks|chat|conversations|files|usergroups|users|views"
    called = {name.replace("_", ".") for name in re.findall(r"client\.([a-z]+_[A-Za-z0-9_]+)[(,]", sources())}
    called.discard("api.call")  # the method is its first argument
    called |= set(re.findall(rf'"((?:{families})\.[A-Za-z.]+)"', sources()))
    assert called == set(NEEDS)
    assert set().union(*NEEDS.values()) | {"commands"} == set(BOT_SCOPES)


def test_commands_and_interactivity_are_those_that_are_listened_to() -> None:
    """Every declared command has a listener and the other way round; buttons need interactivity."""
    assert set(re.findall(r"@app\.command\((\w+)\)", sources())) == {"COMMAND"}
    assert [command["command"] for command in MANIFEST["features"]["slash_commands"]] == [COMMAND]
    assert bool(re.findall(r"@app\.action\(", sources())) == MANIFEST["settings"]["interactivity"]["is_enabled"]
    events = re.findall(r'@app\.event\("(\w+)"\)', sources())
    assert events == MANIFEST["settings"]["event_subscriptions"]["bot_events"]
    assert len(re.findall(r"@app\.shortcut\(", sources())) == len(MANIFEST["features"]["shortcuts"])
    assert [shortcut["callback_id"] for shortcut in MANIFEST["features"]["shortcuts"]] == [shortcuts.FREEZE, shortcuts.BECAUSE]


def refusals(manifest: dict[str, Any], version: int) -> list[str]:
    """What Slack's own schema of this major version finds wrong."""
    schema = ROOT / "tests" / "slack_manifest_schema" / f"manifest.schema.{version}.0.0.json"
    found = Draft7Validator(json.loads(schema.read_text(encoding="utf-8"))).iter_errors(manifest)
    return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in found]


@pytest.mark.parametrize("version", [1, 2])
def test_slacks_own_schemas_accept_the_manifest_in_both_modes(version: int) -> None:
    """It was refused for a shortcut's name of 26 characters (24 are allowed), and every test here was content."""
    assert refusals(MANIFEST, version) == []
    assert refusals(manifest_over_http("https://anr.example.com"), version) == []
    too_long = json.loads(json.dumps(MANIFEST).replace("Freeze because of this", "Freeze ANR because of this"))
    assert refusals(too_long, version) == ["features/shortcuts/1/name: 'Freeze ANR because of this' is too long"]


@pytest.mark.parametrize("host", ["http://anr.example.com", "anr.example.com", "https://", "https://anr.example.com?x=1", ""])
def test_an_address_that_slack_cannot_reach_is_refused(host: str) -> None:
    """Slack sends to https only."""
    with pytest.raises(ConfigurationError, match="is not an address that Slack can reach"):
        manifest_over_http(host)
