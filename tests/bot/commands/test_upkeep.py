"""Backups from Slack, as they are typed."""

import pytest

from bot.commands.parse import parse
from bot.commands.table import Command
from bot.commands.upkeep import Backup, Backups, Restore


@pytest.mark.parametrize(
    ("text", "command"),
    [
        pytest.param("backups", Backups(), id="list"),
        pytest.param("backup now", Backup(), id="what-follows-means-nothing"),
        pytest.param("restore `b.json` bad data", Restore("b.json", "bad data"), id="the-name-in-code"),
    ],
)
def test_upkeep_is_understood(text: str, command: Command) -> None:
    """Which backup, and why."""
    assert parse(text) == command
