"""Moves on the ladder from Slack, as they are typed."""

import pytest

from bot.commands.parse import parse
from bot.commands.rollout import Drift, Promote, Shadow
from bot.commands.table import Command


@pytest.mark.parametrize(
    ("text", "command"),
    [
        pytest.param("promote", Promote(), id="next-stage"),
        pytest.param("promote 25", Promote(25), id="named-stage"),
        pytest.param("promote 25% looks good", Promote(25, "looks good"), id="percent-and-reason"),
        pytest.param("promote --dry-run 50", Promote(50, dry_run=True), id="dry-run"),
        pytest.param("promote —dry-run", Promote(dry_run=True), id="a-phone-writes-a-dash"),
        pytest.param("promote 100 requests failed", Promote(100, "requests failed"), id="first-number-is-the-stage"),
        pytest.param("shadow the model was retrained", Shadow("the model was retrained"), id="shadow"),
        pytest.param("drift Reapply", Drift("reapply"), id="drift"),
        pytest.param("promote to 25 percent, looks fine", Promote(25, "looks fine"), id="as-a-sentence"),
        pytest.param("promote stage 50", Promote(50), id="the-word-stage"),
        pytest.param("promote 0.25 ok", Promote(25, "ok"), id="as-a-share"),
        pytest.param("promote next stage", Promote(), id="next-in-words"),
        pytest.param("promote 1000", Promote(1000), id="a-wrong-number-is-not-the-next-stage"),
    ],
)
def test_a_move_is_understood(text: str, command: Command) -> None:
    """Which stage, why, and whether it is only tried."""
    assert parse(text) == command
