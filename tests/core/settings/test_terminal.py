from pathlib import Path

import pytest

from core.actors import ActorKind, Role
from core.settings.account import Account
from core.settings.settings import load
from core.settings.terminal import at_socket, at_terminal, not_the_bots_run
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


def test_over_the_socket_the_bots_options_say_who_somebody_is(typed: Terminal) -> None:
    """An account of no list may brake; one that the options name has its roles; the account that runs anr is no person."""
    settings = load()
    roles = {
        uid: at_socket(settings, settings.target, Account(uid, str(uid), frozenset({uid})), typed.file).actor.roles
        for uid in (PERSON, ANOTHER, 40003)
    }
    assert roles == {PERSON: {Role.BRAKE, Role.OPERATE}, ANOTHER: frozenset(Role), 40003: {Role.BRAKE}}
    own = at_socket(settings, settings.target, Account(typed.file.stat().st_uid, "anr"), typed.file)
    assert (own.actor.kind, own.not_its_run) == (ActorKind.ACCOUNT, "")


def test_over_the_socket_no_variable_of_the_caller_is_asked_and_the_bots_count(
    typed: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables of this process are the bot's: they say who is who for everybody."""
    monkeypatch.setenv("ANR_PEOPLE", f'{{"{PERSON}": "UAARON"}}')
    settings = load()
    found = at_socket(settings, settings.target, Account(PERSON, str(PERSON)), None)
    assert (found.actor.kind, found.actor.id, found.distrust) == (ActorKind.SLACK, "UAARON", "")


def test_whoever_could_have_written_the_bots_options_only_brakes_over_the_socket(typed: Terminal) -> None:
    """As at the terminal."""
    typed.file.chmod(0o646)
    settings = load()
    found = at_socket(settings, settings.target, Account(PERSON, str(PERSON)), typed.file)
    assert (found.actor.roles, "could have written" in found.distrust) == (frozenset({Role.BRAKE}), True)


def test_an_account_that_the_bots_namespace_does_not_know_is_nobody(typed: Terminal) -> None:
    """All such accounts have one number: two people would be one."""
    typed.write(operators=["os:nobody"], approvers=["os:nobody"])
    settings = load()
    found = at_socket(settings, settings.target, Account(65534, "nobody", is_mapped=True), typed.file)
    assert (found.actor.roles, "does not know your account" in found.distrust) == (frozenset({Role.BRAKE}), True)
