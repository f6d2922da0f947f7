"""`anr manifest`."""

import json

from typer.testing import CliRunner

import bot.cli.table  # noqa: F401 - adds the bot's commands
from bot.slack.manifest import MANIFEST
from core.cli.app import app


def test_anr_manifest_prints_what_the_mode_needs() -> None:
    """Socket Mode without an address; in HTTP mode command, events and interactivity all have the bot's URL."""
    printed = CliRunner().invoke(app, ["manifest"])
    assert json.loads(printed.stdout) == MANIFEST
    over_http = json.loads(CliRunner().invoke(app, ["manifest", "--http", "https://anr.example.com/bot/"]).stdout)
    url = "https://anr.example.com/bot/slack/events"
    assert [command["url"] for command in over_http["features"]["slash_commands"]] == [url]
    assert over_http["settings"]["event_subscriptions"] == {"bot_events": ["app_home_opened"], "request_url": url}
    assert over_http["settings"]["interactivity"] == {"is_enabled": True, "request_url": url}
    assert over_http["settings"]["socket_mode_enabled"] is False


def test_an_address_that_slack_cannot_reach_prints_nothing() -> None:
    """Nobody pastes half a manifest: the address is refused, and the output stays empty."""
    refused = CliRunner().invoke(app, ["manifest", "--http", "http://anr.example.com"])
    assert (refused.exit_code != 0, refused.stdout) == (True, "")
