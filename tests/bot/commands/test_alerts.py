"""What is clicked on a card of alerts."""

from typing import Any

import pytest

from bot.commands.alerts import Acknowledge, Silence, read_silence
from bot.commands.table import BUTTONS
from bot.views.modals import About

ALERTS = About("production", "a" * 32)


def answered(minutes: str | None, reason: str | None = None) -> dict[str, Any]:
    """The fields of the modal, as Slack sends them."""
    return {"minutes": {"selected_option": {"value": minutes} if minutes else None}, "reason": {"value": reason}}


def test_the_button_acknowledges_the_story_that_it_stands_on() -> None:
    """Its value is the id of the story, and nothing else."""
    assert BUTTONS["acknowledge"]("a" * 32) == Acknowledge(operation="a" * 32)


def test_a_silence_lasts_as_long_as_was_chosen() -> None:
    """Nothing that was chosen or written is lost or added."""
    means = Silence("a known fault", 120, operation="a" * 32, target="production")
    assert read_silence(answered("120", " a known fault "), ALERTS) == means


@pytest.mark.parametrize("minutes", [None, "7", "soon"])
def test_a_silence_lasts_as_long_as_one_of_the_choices(minutes: str | None) -> None:
    """What Slack cannot have offered silences nothing."""
    assert read_silence(answered(minutes), ALERTS) == {"minutes": "Choose how long."}
