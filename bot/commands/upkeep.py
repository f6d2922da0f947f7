"""Commands about the bandit's state: its backups, the drills, and what is asked for: a restore, or a reset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.blockkit.fields import chosen, written
from bot.commands.command import Addressed, Call, Misunderstood
from bot.commands.phrases import cut, option, plain
from bot.views import modals
from bot.views.modals import About, View, Wrong
from core.actors import Actor
from core.brake.alert_drill import AlertDrilled, drill_alerts
from core.operations import propose
from core.operations.results import Asked, Refused
from core.rollout.refusals import Refuse
from core.router.backups import Backup as StateBackup
from core.target.target import Target
from core.upkeep.backup import BackedUp, back_up
from core.upkeep.drill import Drilled
from core.upkeep.drill import drill as drill_upkeep


@dataclass(frozen=True, slots=True)
class Backups(Addressed):
    """The backups, each checked."""


@dataclass(frozen=True, slots=True)
class Backup(Addressed):
    """A new backup."""


@dataclass(frozen=True, slots=True)
class Restore(Addressed):
    """A backup is to be put back.

    Attributes:
        name: the backup's, as `backups` lists it.
        other_routes: also one with other routes than the newest valid one.
    """

    name: str
    reason: str = ""
    other_routes: bool = False


@dataclass(frozen=True, slots=True)
class ResetState(Addressed):
    """The state is to be removed: the last resort."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Drill(Addressed):
    """Backups and journal are tried out, away from everything live.

    Attributes:
        alerts: the alert path is tried out in their place.
    """

    alerts: bool = False


def backups(call: Call, _command: Backups) -> Sequence[StateBackup]:
    """List the backups."""
    return call.target.backups.found()


def backup(call: Call, _command: Backup) -> BackedUp | Refuse:
    """Back the state up now."""
    return back_up(call.target, call.actor, cause=call.cause)


def restore(call: Call, command: Restore) -> Asked | Refused:
    """Ask for a backup to be put back."""
    return propose.restore(call.target, call.order(command.reason), command.name, other_routes=command.other_routes)


def reset_state(call: Call, command: ResetState) -> Asked | Refused:
    """Ask for the state to be removed."""
    return propose.reset_state(call.target, call.order(command.reason))


def drill(call: Call, command: Drill) -> Drilled | AlertDrilled | Refuse:
    """Try backups and journal out, or whether an alert arrives."""
    if command.alerts:
        return drill_alerts(call.target, call.actor, cause=call.cause)
    return drill_upkeep(call.target, call.actor, cause=call.cause)


def parse_restore(rest: str) -> Restore | Misunderstood:
    """Understand `restore NAME [--other-routes] [reason]`."""
    name, reason = cut(rest)
    name = plain(name).strip("`")[:100]
    if not name:
        return Misunderstood("`restore` needs the name of a backup; `/anr backups` lists them.")
    head, after = cut(reason)
    other_routes = option(head) == "other-routes"
    return Restore(name, plain(after if other_routes else reason), other_routes)


def parse_drill(rest: str) -> Drill:
    """Understand `drill` and `drill alerts`."""
    return Drill(alerts=cut(rest)[0].lower() == "alerts")


def parse_state(rest: str) -> ResetState | Misunderstood:
    """Understand `state reset`; nothing is done to the state for a word that is not spelt out."""
    word, reason = cut(rest)
    if word.lower() != "reset":
        return Misunderstood("`state` needs one of `state reset`.")
    return ResetState(plain(reason))


def ask_restore(target: Target, _actor: Actor, about: About) -> View:
    """Return the choice of a backup."""
    return modals.restore(About(target.settings.name, "", about.response_url), target.backups.found())


def read_restore(values: Mapping[str, Any], about: About) -> Restore | Wrong:
    """Return which backup is to be put back, if it says why."""
    name, reason = chosen(values, "backup"), written(values, "reason")
    wrong = {} if name else {"backup": "Choose a backup."}
    wrong |= {} if reason else {"reason": "Say what is wrong with the state: whoever approves wants to know."}
    return wrong or Restore(name, reason, target=about.target)
