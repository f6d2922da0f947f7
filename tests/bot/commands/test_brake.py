"""The brake from Slack, as it is typed in a hurry."""

from datetime import timedelta

import pytest

from bot.commands.brake import Freeze, Hold, Rollback, Unfreeze
from bot.commands.command import Misunderstood
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
        pytest.param("freeze errors --keep-stage", Hold("errors"), id="an-option-counts-wherever-it-stands"),
        pytest.param("freeze errors --for 2h —now", Freeze("errors", 2 * HOUR, at_once=True), id="after-the-reason"),
        pytest.param("freeze slow for 2 hours now", Freeze("slow for 2 hours now"), id="in-a-reason-for-is-a-word"),
        pytest.param("rollback it burns --now", Rollback("it burns", at_once=True), id="now-at-the-end"),
        pytest.param("unfreeze #08419718 fixed", Unfreeze("fixed", ("08419718",)), id="a-hash-comes-off"),
        pytest.param("unfreeze hold “af326918”, (49a623) ok", Unfreeze("ok", ("af326918", "49a623")), id="quotes-and-brackets"),
        pytest.param("unfreeze known --while-firing", Unfreeze("known", while_firing=True), id="option-after-the-reason"),
        pytest.param("unfreeze 5xx gone", Unfreeze("5xx gone"), id="short-and-no-id"),
        pytest.param("*freeze*, errors!", Freeze("errors!"), id="decorated"),
        pytest.param("“rollback”", Rollback(), id="in-quotes"),
        pytest.param("stop", Rollback(), id="stop-means-rollback"),
        pytest.param("freeze it <!channel>", Freeze("it @channel"), id="a-call-is-plain-text"),
    ],
)
def test_a_brake_is_understood(text: str, command: Command) -> None:
    """What people type means one command."""
    assert parse(text) == command


@pytest.mark.parametrize(
    "typed", ["#0841971g", "#fixed", "08419", "0841971x it is fixed", "af326918 0841971x", "--all", "x --al"]
)
def test_what_looks_like_an_id_and_is_none_lifts_nothing(typed: str) -> None:
    """Taken for a reason, every hold would be lifted by a mistake in one character."""
    assert isinstance(parse(f"unfreeze {typed}"), Misunderstood)
