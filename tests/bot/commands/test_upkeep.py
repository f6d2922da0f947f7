"""Backups from Slack, as they are typed."""

import pytest

from bot.commands.command import Misunderstood
from bot.commands.parse import parse
from bot.commands.table import Command
from bot.commands.upkeep import Backup, Backups, Drill, ResetState, Restore


@pytest.mark.parametrize(
    ("text", "command"),
    [
        pytest.param("backups", Backups(), id="list"),
        pytest.param("backup now", Backup(), id="what-follows-means-nothing"),
        pytest.param("state reset it learned nonsense", ResetState("it learned nonsense"), id="reset"),
        pytest.param("drill", Drill(), id="drill"),
        pytest.param(
            "restore a.json --other-routes back to five",
            Restore("a.json", "back to five", other_routes=True),
            id="a-backup-with-other-routes",
        ),
        pytest.param("restore a.json —other-routes", Restore("a.json", other_routes=True), id="with-other-routes-from-a-phone"),
        pytest.param("restore `b.json` bad data", Restore("b.json", "bad data"), id="the-name-in-code"),
    ],
)
def test_upkeep_is_understood(text: str, command: Command) -> None:
    """Which backup, and why."""
    assert parse(text) == command


@pytest.mark.parametrize("text", ["state", "state delete", "state --reset"])
def test_only_a_reset_that_is_spelt_out_is_one(text: str) -> None:
    """The last resort is not understood in doubt."""
    assert isinstance(parse(text), Misunderstood)
