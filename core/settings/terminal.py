"""Who sits at the terminal, and what their options count for there.

Excluded: the rules for that (core/settings/account.py), and what they may do then (core/rollout).
"""

import os
from dataclasses import dataclass

from core.actors import Actor, ActorKind, Role
from core.settings.account import Account, account_here, distrusted, is_targets_own, not_its_run
from core.settings.settings import Settings, options_file
from core.settings.target import TargetSettings
from core.system.logs import logger

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Terminal:
    """Who sits at the terminal of a target, and what their options count for.

    Attributes:
        actor: a person with an account of their own, or the account that runs anr for the target, which is nobody's hand.
        distrust: why their options say nothing about raising traffic, a sentence: they may look and brake. Empty if they do.
        not_its_run: why this process may not make the scheduled run, a sentence; empty if it may.
    """

    actor: Actor
    distrust: str
    not_its_run: str


def at_terminal(settings: Settings, target: TargetSettings) -> Terminal:
    """Return who sits at the terminal: the kernel names them, and the options file says who that is."""
    account, options = account_here(), options_file()
    distrust = distrusted(account, target, options, os.environ)
    if account.uid is not None and is_targets_own(account, target, options):
        actor = Actor(kind=ActorKind.ACCOUNT, id=account.name, roles=frozenset({Role.BRAKE}))
    else:
        actor = _person(settings, account, trusted=not distrust)
    return Terminal(actor, distrust, not_its_run(account, target, options, os.environ))


def who_brakes(settings: Settings, target: TargetSettings) -> Actor:
    """Return who brakes at the terminal; where nobody can be told apart, whoever stands there: a brake waits for no answer."""
    try:
        return at_terminal(settings, target).actor
    except Exception:  # a directory of accounts that is down, a folder that cannot be followed, or a bug
        log.exception("who sits at the terminal cannot be told; whoever it is may brake")
        return Actor(kind=ActorKind.OS, id="unknown", roles=frozenset({Role.BRAKE}))


def _person(settings: Settings, account: Account, *, trusted: bool) -> Actor:
    """Return the person with this account; where the options count for nothing they may brake, under the kernel's name."""
    number = str(account.uid)
    known = settings.access.identity(Actor(kind=ActorKind.OS, id=number if number in settings.access.people else account.name))
    (name,) = known.names
    roles = settings.access.roles_of(name, full_member=True)
    if trusted:
        return known.model_copy(update={"roles": roles})
    return Actor(kind=ActorKind.OS, id=account.name, roles=roles & {Role.BRAKE})


def not_the_bots_run(target: TargetSettings) -> str:
    """Say why a bot in this process may not serve a target, as a sentence; empty if it may. Its own environment counts."""
    return not_its_run(account_here(), target, options_file(), None)
