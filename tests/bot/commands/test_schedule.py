"""The schedule from Slack, as it is typed."""

from datetime import date

import pytest

from bot.commands.command import Call
from bot.commands.parse import parse
from bot.commands.schedule import Schedule, Skip, skip
from bot.commands.table import Command
from core.operations.daily import Skipped
from tests.support.rig import Rig, begun, rig, slots  # noqa: F401 - fixtures of the other folder


@pytest.mark.parametrize(
    ("text", "command"),
    [
        pytest.param("schedule pause the fair", Schedule("pause", "the fair"), id="pause"),
        pytest.param("schedule Resume", Schedule("resume"), id="resume"),
        pytest.param("skip the fair", Skip("the fair"), id="skip-the-next-run"),
        pytest.param("skip tomorrow, the fair", Skip("the fair", 1), id="skip-tomorrow"),
        pytest.param("skip today", Skip("", 0), id="skip-today"),
        pytest.param("skip tomorrow's fair", Skip("tomorrow's fair"), id="a-reason-that-begins-so"),
    ],
)
def test_a_change_of_the_schedule_is_understood(text: str, command: Command) -> None:
    """Pause, go on, or skip one run, and why."""
    assert parse(text) == command


def test_tomorrow_is_tomorrow_in_the_zone_of_the_schedule(begun: Rig) -> None:  # noqa: F811 - the fixture's name
    """Whether or not today's run was made; the run that comes next is another one."""
    call = Call(begun.target, begun.people["olivia"], None, lambda: None, tuple, lambda _: None, lambda: None)  # type: ignore[arg-type,return-value]
    for typed, day in (("skip tomorrow the fair", date(2025, 10, 2)), ("skip the fair", date(2025, 10, 1))):
        command = parse(typed)
        assert isinstance(command, Skip)
        skipped = skip(call, command)
        assert isinstance(skipped, Skipped)
        assert skipped.day == day
