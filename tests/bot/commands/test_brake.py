"""The brake from Slack, as it is typed in a hurry."""

from datetime import timedelta

import pytest

from bot.commands.brake import Freeze, Hold, Rollback, Unfreeze
from bot.commands.parse import parse
from bot.commands.table import Command

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        pytest.param("freeze for 2 hours errors", Freeze("errors", 2 * HOUR), id="for-two-hours"),
        pytest.param("freeze 90m errors", Freeze("errors", 1.5 * HOUR), id="a-plain-length-of-time"),
        pytest.param("freeze for the fair", Freeze("for the fair"), id="for-something-else"),
        pytest.param("freeze --keep-stage --for 1h30 fair", Hold("fair", 1.5 * HOUR), id="keep"),
        pytest.param("freeze --now fair", Freeze("fair", at_once=True), id="without-the-approval-that-is-wanted"),
        pytest.param("freeze --kep-stage fair", Freeze("--kep-stage fair"), id="a-brake-is-never-refused"),
        pytest.param("roll back now", Rollback("now"), id="in-two-words"),
        pytest.param("rollback --now it burns", Rollback("it burns", at_once=True), id="alone"),
        pytest.param(
            "unfreeze `af326918`, 49a623 a bad deploy", Unfreeze("a bad deploy", ("af326918", "49a623")), id="holds-by-id"
        ),
        pytest.param("unfreeze --while-firing known", Unfreeze("known", while_firing=True), id="while-an-alert-fires"),
        pytest.param("unfreeze facade repaired", Unfreeze("facade repaired"), id="a-word-is-no-id"),
        pytest.param("stop", Rollback(), id="stop-means-rollback"),
        pytest.param("freeze it <!channel>", Freeze("it @channel"), id="a-call-is-plain-text"),
    ],
)
def test_a_brake_is_understood(text: str, command: Command) -> None:
    """What people type means one command."""
    assert parse(text) == command
