from pathlib import Path

import pytest

from core.actors import ActorKind, Role
from core.settings.settings import load
from core.settings.terminal import at_terminal, not_the_bots_run
from tests.support.rig import Rig
from tests.support.terminal import ANOTHER, PERSON, Terminal


@pytest.fixture
def typed(begun: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A site with an operator at the terminal whom the options know by number, and an approver whom they know in Slack."""
    return Terminal(
        begun, tmp_path, monkeypatch, operators=[f"os:{PERSON}"], approvers=["UAARON"], people={str(ANOTHER): "UAARON"}
    )


def test_who_sits_at_the_terminal_is_who_the_file_says(typed: Terminal) -> None:
    """Somebody with a Slack id acts under it and with its roles, anybody else as the operating system's user."""
    settings = load()
    own = at_terminal(settings, settings.target).actor
    assert (own.kind, own.id, own.roles) == (ActorKind.OS, str(PERSON), frozenset({Role.BRAKE, Role.OPERATE}))
    typed.is_used_by(ANOTHER)
    mapped = at_terminal(settings, settings.target).actor
    assert (mapped.kind, mapped.id, mapped.roles) == (ActorKind.SLACK, "UAARON", frozenset(Role))


def test_the_account_that_runs_anr_is_no_person(typed: Terminal) -> None:
    """It brakes and runs the schedule, and nobody gets its name into a list."""
    typed.is_used_by_its_account()
    typed.write(approvers=["UAARON", "os:root"], operators=["os:root"])
    settings = load()
    found = at_terminal(settings, settings.target)
    assert (found.actor.kind, found.actor.is_person, found.actor.roles) == (ActorKind.ACCOUNT, False, frozenset({Role.BRAKE}))
    assert (found.distrust, found.not_its_run, not_the_bots_run(settings.target)) == ("", "", "")


def test_whose_options_count_for_nothing_brakes_under_the_kernels_name(typed: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who calls themselves somebody else by a variable is not taken for them, not even to brake."""
    monkeypatch.setenv("ANR_PEOPLE", f'{{"{PERSON}": "UAARON"}}')
    settings = load()
    found = at_terminal(settings, settings.target)
    assert (found.actor.kind, found.actor.id, found.actor.roles) == (ActorKind.OS, str(PERSON), frozenset({Role.BRAKE}))
    assert "ANR_PEOPLE" in found.distrust
    assert found.not_its_run
    assert "not the account" in not_the_bots_run(settings.target)
    assert typed("rollback").exit_code == 0
