from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.blockkit.blocks import escape, section
from bot.commands.brake import Freeze, Rollback
from bot.commands.command import Misunderstood
from bot.commands.looks import Status
from bot.commands.parse import parse
from bot.commands.phrases import bare
from bot.commands.rollout import Promote
from bot.commands.table import SYNONYMS, TABLE, WORDS, Command, row_of


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("rolback", "rollback"),
        ("statsu", "status"),
        ("frieze", "freeze"),
        ("xyzzy", None),
        ("approve", None),
        ("schedule", None),
        ("schedule stop", None),
        ("drift", None),
        ("promote --force", None),
        ("promote 0.255", None),
        ("please freeze now", "freeze"),
        ("receipts 100", None),
        ("receipts olivia", None),
    ],
)
def test_a_mistake_does_nothing_and_names_the_nearest_word(text: str, nearest: str | None) -> None:
    """A mistake is never taken for a command."""
    found = parse(text)
    assert isinstance(found, Misunderstood)
    assert found.nearest == nearest


@given(st.text(max_size=4000))
def test_every_text_is_a_command_or_a_mistake(text: str) -> None:
    """Nothing that can be typed is an error of the parser."""
    found = parse(text)
    assert isinstance(found, Misunderstood) or row_of(found).word in WORDS


BRAKES = sorted(
    {row.word for row in TABLE if row.brakes and row.typed} | {word for word, of in SYNONYMS.items() if WORDS[of].brakes}
)
AROUND = st.text("“”‘’\"'`*_~!?.,:;()[]#", max_size=3)


@given(st.sampled_from(BRAKES), AROUND, AROUND, st.sampled_from([str.lower, str.upper]), st.text(max_size=60).map(escape))
@example("freeze", "", "", str.lower, "--force it")
@example("rollback", "", "", str.lower, "--dry-run")
def test_whoever_types_a_brake_brakes_whatever_stands_around_it(
    word: str,
    before: str,
    after: str,
    cased: Callable[[str], str],
    rest: str,
) -> None:
    """Quotes, code marks, exclamation marks, capitals, options that do not exist: nobody looks up how it is typed at 3 a.m."""
    found = parse(f"{before}{cased(word)}{after} {rest}")
    assert not isinstance(found, Misunderstood)
    assert row_of(found).brakes


@given(st.text(max_size=200) | st.lists(st.sampled_from([*WORDS, *SYNONYMS, "it", "now", "--dry-run"]), max_size=5).map(" ".join))
def test_whoever_types_no_brake_does_not_brake(text: str) -> None:
    """Only the first word says what is done; a brake's name further on is part of a reason."""
    found = parse(text)
    first = bare((text.split() or [""])[0])
    assert first in BRAKES or isinstance(found, Misunderstood) or not row_of(found).brakes


@given(st.text(max_size=8000))
def test_outside_text_is_disarmed_and_bounded(text: str) -> None:
    """No mention or link survives, no text is longer than Slack takes, and no escape is cut in half."""
    block = section(escape(text))
    shown = block["text"]["text"]
    assert "<" not in shown
    assert len(shown) <= 3000
    assert all(shown[at:].startswith(("&amp;", "&lt;", "&gt;")) for at, sign in enumerate(shown) if sign == "&")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        pytest.param("status staging", Status(target="staging"), id="after-the-word"),
        pytest.param("promote Staging 25 ok", Promote(25, "ok", target="staging"), id="before-the-stage"),
        pytest.param("freeze production is ill", Freeze("is ill", target="production"), id="before-the-reason"),
        pytest.param("roll back staging", Rollback(target="staging"), id="after-two-words"),
        pytest.param("freeze all is ill", Freeze("all is ill"), id="no-name"),
    ],
)
def test_one_of_several_routers_is_named_after_the_command(text: str, command: Command) -> None:
    """Where there are several routers, the word after the command may be one of them."""
    assert parse(text, ["production", "staging"]) == command


def test_the_only_router_needs_no_name_and_takes_none() -> None:
    """With one router every word belongs to the reason."""
    assert parse("freeze production is ill", ["production"]) == Freeze("production is ill")
