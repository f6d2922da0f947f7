"""The schedule from Slack, as it is typed."""

import pytest

from bot.commands.parse import parse
from bot.commands.schedule import Schedule, Skip
from bot.commands.table import Command


@pytest.mark.parametrize(
    ("text", "command"),
    [
        pytest.param("schedule pause the fair", Schedule("pause", "the fair"), id="pause"),
        pytest.param("schedule Resume", Schedule("resume"), id="resume"),
        pytest.param("skip the fair", Skip("the fair"), id="skip-the-next-run"),
    ],
)
def test_a_change_of_the_schedule_is_understood(text: str, command: Command) -> None:
    """Pause, go on, or skip one run, and why."""
    assert parse(text) == command
