"""The brake from Slack, as it is typed in a hurry."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.commands.brake import Freeze, Hold, Rollback, Unfreeze
from bot.commands.command import Misunderstood
from bot.commands.parse import parse
from bot.commands.phrases import plain
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


_BRAKES = dict.fromkeys(("freeze",), Freeze) | dict.fromkeys(("rollback", "stop", "abort", "revert"), Rollback)
_AROUND = st.text(st.sampled_from("`´'\"“”‘’«»()[]{}*_~,;:.!?#-–—/|\u200b"), max_size=3)


@given(
    st.sampled_from(sorted(_BRAKES)), _AROUND, _AROUND, st.sampled_from([str.lower, str.upper, str.title]), st.text(max_size=40)
)
def test_whoever_types_a_brake_with_any_decoration_brakes(
    word: str, before: str, after: str, case: Callable[[str], str], rest: str
) -> None:
    """Quotes, brackets, marks of code, bold, exclamation marks, capitals, whatever follows: it is the brake that was typed."""
    found = parse(f"{before}{case(word)}{after} {rest}")
    assert isinstance(found, (_BRAKES[word], Hold))


@given(st.text(max_size=60))
@example("unfreeze freeze")
@example("promote freeze")
@example("why rollback")
@example("freezer")
@example("please freeze")
@example("freeze,errors")
def test_whoever_does_not_type_a_brake_does_not_brake(text: str) -> None:
    """A brake is the first word, whole: nothing else moves the router to its safe settings."""
    leading = re.match(r"[\W_]*([^\W_]*)", plain(text))
    if leading is None or leading[1].lower() not in {*_BRAKES, "roll"}:
        assert not isinstance(parse(text), (Freeze, Rollback, Hold))


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("freeze <!subteam^S0SRE|@sre> saw errors", "@sre saw errors"),
        ("freeze see <mailto:ops@x.example|ops@x.example>", "see ops@x.example"),
        ("freeze <!here> &lt;5%", "@here <5%"),
    ],
)
def test_a_reason_is_read_as_people_read_it(typed: str, reason: str) -> None:
    """Groups, addresses and calls by their names, as Slack shows them to whoever typed them."""
    assert parse(typed) == Freeze(reason)
