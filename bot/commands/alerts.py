"""Commands about a group of alerts, whose story `operation` is: acknowledge it, silence it. Only cards offer them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.blockkit.fields import chosen, written
from bot.commands.command import Addressed, Call
from bot.views import answers, modals
from bot.views.modals import About, View, Wrong
from core.actors import Actor
from core.brake import answers as alert_answers
from core.brake.answers import Acknowledged, Silenced
from core.rollout.refusals import Refuse
from core.target.target import Target


@dataclass(frozen=True, slots=True)
class Acknowledge(Addressed):
    """Somebody looks after it."""


@dataclass(frozen=True, slots=True)
class Silence(Addressed):
    """Alertmanager sends no more about it for a while.

    Attributes:
        minutes: how long.
    """

    reason: str = ""
    minutes: int = 60


def acknowledge(call: Call, command: Acknowledge) -> Acknowledged | Refuse:
    """Note that somebody looks after it."""
    return alert_answers.acknowledge(call.target, call.order(), command.operation)


def silence(call: Call, command: Silence) -> Silenced | Refuse:
    """Silence it in Alertmanager."""
    return alert_answers.silence(call.target, call.order(command.reason), command.operation, command.minutes)


def ask_silence(target: Target, _actor: Actor, about: About) -> View:
    """Return the question for how long."""
    firing = alert_answers.firing_of(target, about.argument)
    if not firing:
        return modals.told(modals.SILENCE, about, answers.failure("No alert of this group fires any more."))
    return modals.silence(replace(about, target=target.settings.name), firing)


def read_silence(values: Mapping[str, Any], about: About) -> Silence | Wrong:
    """Return for how long it is to be silent."""
    minutes = chosen(values, "minutes")
    if minutes not in {str(silence) for silence in modals.SILENCES}:
        return {"minutes": "Choose how long."}
    return Silence(written(values, "reason"), int(minutes), operation=about.argument, target=about.target)
