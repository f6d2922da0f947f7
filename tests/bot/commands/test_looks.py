"""Looks from Slack, as they are typed."""

import pytest

from bot.commands.looks import Doctor, Help, Receipts, Status, Verify
from bot.commands.parse import parse
from bot.commands.table import Command


@pytest.mark.parametrize(
    ("text", "command"),
    [
        pytest.param("", Help(), id="nothing-is-help"),
        pytest.param("  STATUS ", Status(), id="case-and-spaces"),
        pytest.param("receipts 10 <@U0OLIVIA|olivia>", Receipts(10, "U0OLIVIA"), id="whose-and-how-many"),
        pytest.param("receipts of <@W0OLIVIA>", Receipts(person="W0OLIVIA"), id="a-mention-without-a-name"),
        pytest.param("doctor all", Doctor(every=True), id="every-check"),
        pytest.param("verify #12 0c6082f58fd0", Verify("#12 0c6082f58fd0"), id="a-mark-from-a-message"),
    ],
)
def test_a_look_is_understood(text: str, command: Command) -> None:
    """What is to be looked at, whose and how many."""
    assert parse(text) == command
