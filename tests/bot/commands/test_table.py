"""The table of commands says everything about each of them, once."""

from collections import Counter
from typing import get_args

import pytest

from bot.commands.brake import Freeze, Rollback
from bot.commands.table import BUTTONS, MODALS, SYNONYMS, TABLE, WORDS, Command, explained, row_of
from bot.playground.workspace.limits import check_message
from core.actors import Role


def test_every_command_has_one_row() -> None:
    """A class without a row could be parsed and not carried out; a row without its class would hide from the type checker."""
    assert Counter(row.kind for row in TABLE) == Counter(get_args(Command))


def test_no_word_button_or_modal_stands_for_two_commands() -> None:
    """Whoever adds a row cannot take away another's word without this failing."""
    words = [*(row.word for row in TABLE if row.typed), *(synonym for row in TABLE for synonym in row.synonyms)]
    names = [row.modal.form.name for row in TABLE if row.modal is not None]
    buttons = [name for row in TABLE for name in row.buttons]
    for all_of_them in (words, names, buttons):
        assert [what for what, times in Counter(all_of_them).items() if times > 1] == []
    assert set(SYNONYMS.values()) <= set(WORDS)


def test_every_word_is_explained() -> None:
    """`/anr help` names each word that can be typed, and nothing that cannot."""
    sections = [block["text"]["text"].splitlines() for block in explained() if block["type"] == "section"]
    assert [lines[0] for lines in sections] == ["*Emergency*", "*Look*", "*Change*", "*Upkeep*"]
    explained_words = {line.removeprefix("`/anr ").split("`")[0] for lines in sections for line in lines[1:]}
    missing = {word for word in WORDS if word != "help" and not any(word in line.split() for line in explained_words)}
    assert missing == set()
    assert {line.split()[0] for line in explained_words} <= set(WORDS)
    assert check_message(explained()) == []


def test_only_the_brake_brakes() -> None:
    """A row that said so by mistake would be open to everybody while Slack is down."""
    assert {row.word for row in TABLE if row.brakes} == {"freeze", "rollback"}
    assert all(row.role is Role.BRAKE for row in TABLE if row.brakes)


@pytest.mark.parametrize("name", sorted(BUTTONS))
def test_a_button_stands_for_a_command_of_its_own_row(name: str) -> None:
    """What a click means is the command whose row names the button."""
    assert name in row_of(BUTTONS[name]("abcdefghjk")).buttons


@pytest.mark.parametrize(("name", "kind"), [("freeze_now", Freeze), ("rollback_now", Rollback)])
def test_do_it_now_acts_in_place_of_the_request_on_whose_card_it_stands(name: str, kind: type[Freeze | Rollback]) -> None:
    """It waits for nobody, and ends that request and no other."""
    assert BUTTONS[name]("abcdefghjk") == kind(at_once=True, operation="abcdefghjk")


def test_every_modal_fits_where_slack_shows_it() -> None:
    """A title and a button take 24 characters (Slack: views), and a modal that asks for something can be submitted."""
    for row in MODALS.values():
        assert row.modal is not None
        assert 0 < len(row.modal.form.title) <= 24
        assert 0 < len(row.modal.form.submit) <= 24
