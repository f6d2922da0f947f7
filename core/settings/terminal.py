"""Who sits at the terminal, and what their options count for there.

Excluded: the rules for that (core/settings/account.py), and what they may do then (core/rollout).
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.actors import Actor, ActorKind, Role
from core.settings.account import Account, account_here, distrusted, how_to_begin, is_targets_own, not_its_run
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
        begins: whether it may make the journal and its folders, where there are none: who makes them owns them.
    """

    actor: Actor
    distrust: str
    not_its_run: str
    begins: bool = True


def at_terminal(settings: Settings, target: TargetSettings) -> Terminal:
    """Return who sits at the terminal: the kernel names them, and the options file says who that is."""
    account, options = account_here(), options_file()
    distrust = distrusted(account, target, options, os.environ)
    own = account.uid is not None and is_targets_own(account, target, options)
    actor = _the_account(account) if own else _person(settings, account, trusted=not distrust)
    begins = account.uid is None or own
    return Terminal(actor, distrust, not_its_run(account, target, options, os.environ), begins)


def at_socket(settings: Settings, target: TargetSettings, account: Account, options: Path | None) -> Terminal:
    """Return who asks a running bot over its socket: the kernel names them, and the bot's options say who that is.

    Args:
        settings: the bot's.
        target: the router's settings.
        account: of whoever asks, as the kernel says; what they say themselves counts for nothing.
        options: the file that the bot's options come from; None if they come from its variables, which count for the bot.
    """
    if account.is_mapped:
        nobody = "The bot runs in a user namespace that does not know your account: nobody can tell who you are."
        return Terminal(_person(settings, account, trusted=False), nobody, nobody)
    if is_targets_own(account, target, options):
        return Terminal(_the_account(account), "", "")
    distrust = "" if options is None else distrusted(account, target, options, {})
    actor = _person(settings, account, trusted=not distrust)
    return Terminal(actor, distrust, not_its_run(account, target, options, None))


def _the_account(account: Account) -> Actor:
    return Actor(kind=ActorKind.ACCOUNT, id=account.name, roles=frozenset({Role.BRAKE}))


def who_brakes(settings: Settings, target: TargetSettings) -> Terminal:
    """Return who brakes at the terminal; where nobody can be told apart, whoever stands there: a brake waits for no answer."""
    return _whoever_brakes(lambda: at_terminal(settings, target))


def who_brakes_at_socket(settings: Settings, target: TargetSettings, account: Account, options: Path | None) -> Terminal:
    """Return who brakes over a running bot's socket; where nobody can be told apart, whoever it is, as at the terminal.

    Args:
        settings: as for `at_socket`.
        target: as there.
        account: as there.
        options: as there.
    """
    return _whoever_brakes(lambda: at_socket(settings, target, account, options))


def _whoever_brakes(who: Callable[[], Terminal]) -> Terminal:
    try:
        return who()
    except Exception:  # a directory of accounts that is down, a folder that cannot be followed, or a bug
        log.exception("who sits at the terminal cannot be told; whoever it is may brake")
        unknown = "Nobody can tell who sits there."
        return Terminal(Actor(kind=ActorKind.OS, id="unknown", roles=frozenset({Role.BRAKE})), unknown, unknown, begins=False)


def _person(settings: Settings, account: Account, *, trusted: bool) -> Actor:
    """Return the person with this account; where the options count for nothing they may brake, under the kernel's name."""
    number = str(account.uid)
    known = settings.access.identity(Actor(kind=ActorKind.OS, id=number if number in settings.access.people else account.name))
    (name,) = known.names
    roles = settings.access.roles_of(name, full_member=True)
    if trusted:
        return known.model_copy(update={"roles": roles})
    return Actor(kind=ActorKind.OS, id=account.name, roles=roles & {Role.BRAKE})


def who_may_begin(target: TargetSettings) -> str:
    """Say who else can begin the journal of a target than whoever sits there, as sentences."""
    return how_to_begin(account_here(), target)


def not_the_bots_run(target: TargetSettings) -> str:
    """Say why a bot in this process may not serve a target, as a sentence; empty if it may. Its own environment counts."""
    return not_its_run(account_here(), target, options_file(), None)
