"""What one alert asks for, given how it was handled before.

Pure. Excluded: doing it (core/brake/respond.py).
"""

from dataclasses import dataclass
from enum import StrEnum

from core.alerts.payload import AlertStatus
from core.alerts.rules import Effect


class Handled(StrEnum):
    """What was done about an instance before."""

    NEW = "new"
    SHOWN = "shown"
    HELD = "held"
    LIFTED = "lifted"
    """A person lifted the hold while the alert went on."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done now.

    Attributes:
        freeze: a hold of its own, and the router into its safe settings.
        keep: the hold is in force; the router has to be in its safe settings.
        show: the story's card changes.
    """

    freeze: bool = False
    keep: bool = False
    show: bool = False


def next_step(effect: Effect, status: AlertStatus, standing: Handled, last: AlertStatus | None) -> Step:
    """Decide on one alert of a payload.

    An instance freezes once: a repeat keeps the hold, and a hold that a person lifted is not taken again. What resolves is
    shown and lifts nothing (rule 8). An instance that is first heard of as resolved is shown; one that fires after that
    freezes, because a brake too many is safe.

    Args:
        effect: what the rules say.
        status: what the payload says.
        standing: what was done before.
        last: the status that was noted last, None if nothing was.
    """
    if effect in {Effect.IGNORE, Effect.WATCHDOG}:
        return Step(keep=standing is Handled.HELD and status is AlertStatus.FIRING)
    changed = last is not status
    if status is AlertStatus.RESOLVED:
        return Step(show=changed)
    if standing is Handled.HELD:
        return Step(keep=True, show=changed)
    if effect is Effect.FREEZE and standing in {Handled.NEW, Handled.SHOWN}:
        return Step(freeze=True)
    return Step(show=changed)
