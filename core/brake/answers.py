"""What people do about a group of alerts: acknowledge it, silence it in Alertmanager.

Excluded: freezing (core/brake/respond.py) and lifting holds (core/operations/propose.py).
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from core.actors import Role
from core.alerts.payload import AlertFacts, AlertStatus
from core.brake.alertmanager import ask_for_silence
from core.errors import AnrError, CauseAlreadyRecorded
from core.receipts.chain import Sealed
from core.receipts.drafts.alerts import alerts_acknowledged, alerts_silenced
from core.receipts.drafts.origin import Origin
from core.rollout.refusals import Code, Refuse, not_allowed
from core.target.order import Order
from core.target.target import Target
from core.text import clean_text

_MOST_SILENCED = 20
"""Alerts of one group for which a silence is asked at once."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Somebody looks after a group of alerts."""

    sealed: Sealed


@dataclass(frozen=True, slots=True)
class Silenced:
    """Alertmanager sends no more notifications about some alerts for a while. Holds are as they were.

    Attributes:
        left: alerts that could not be silenced, each with why.
    """

    sealed: Sealed
    left: tuple[str, ...]


def acknowledge(target: Target, order: Order, operation: str) -> Acknowledged | Refuse:
    """Note that somebody looks after a group of alerts. It changes nothing else, and the first counts.

    Raises:
        JournalError: it could not be noted.
    """
    if not order.actor.roles:
        return not_allowed(order.actor, "acknowledge alerts", "operators")
    if not alerts_of(target, operation):
        return _no_such_story()
    draft = target.draft(alerts_acknowledged(Origin(operation, target.clock(), order.actor)))
    try:
        return Acknowledged(target.journal.append(draft))
    except CauseAlreadyRecorded as error:
        return Refuse(Code.ALREADY_DONE, f"Somebody acknowledged this already: receipt #{error.seq}. Nothing was done again.")


def silence(target: Target, order: Order, operation: str, minutes: int) -> Silenced | Refuse:
    """Silence the alerts of a group that fire, each by exactly its labels, for so many minutes.

    Args:
        target: the router that is meant, and whose Alertmanager is asked.
        order: who asks, and why.
        operation: the story of the group.
        minutes: how long, in minutes from now.

    Raises:
        JournalError: nothing was silenced, or it was and could not be noted.
    """
    if Role.OPERATE not in order.actor.roles:
        return not_allowed(order.actor, "silence alerts", "operators")
    if not target.settings.alertmanager_url:
        return Refuse(Code.NOT_CONFIGURED, "No `alertmanager_url` is set. Nothing was silenced.")
    now = target.clock()
    if done := target.done_before(order.cause):
        return done
    firing = firing_of(target, operation)
    if not firing:
        return _no_such_story()
    silenced, left = [], [f"{facts.name}: more than {_MOST_SILENCED} alerts" for facts in firing[_MOST_SILENCED:]]
    until = now + timedelta(minutes=minutes)
    for facts in firing[:_MOST_SILENCED]:
        if not facts.whole:
            left.append(f"{facts.name}: its labels are too many or too long to be kept whole")
            continue
        try:
            ask_for_silence(
                target.settings.alertmanager_url, facts.labels, now, until, by=order.actor.id, comment=_comment(order)
            )
            silenced.append(facts)
        except AnrError as error:
            left.append(f"{facts.name}: {error}")
    if not silenced:
        return Refuse(Code.NOT_SILENCED, "Nothing was silenced.", tuple(left))
    names = ", ".join(dict.fromkeys(facts.name for facts in silenced))
    draft = target.draft(
        alerts_silenced(
            replace(order.origin(now), operation=operation),
            f"{names} silenced in Alertmanager for {minutes / 60:g} h ({len(silenced)} alerts)",
        ),
    )
    return Silenced(target.journal.append(draft), tuple(left))


def alerts_of(target: Target, operation: str) -> tuple[AlertFacts, ...]:
    """Return the alerts of a group's story as they were heard last; empty if there is no such story.

    Raises:
        JournalError: the story cannot be read.
    """
    heard = [sealed.receipt.alert for sealed in target.journal.of_operation(operation) if sealed.receipt.alert is not None]
    return tuple({facts.cause: facts for facts in heard}.values())


def firing_of(target: Target, operation: str) -> tuple[AlertFacts, ...]:
    """Return the alerts of a group that still fire, as far as anybody has heard.

    Raises:
        JournalError: the story cannot be read.
    """
    return tuple(facts for facts in alerts_of(target, operation) if facts.status is AlertStatus.FIRING)


def holds_of(target: Target, operation: str) -> frozenset[str]:
    """Return the ids of a story's holds that are in force.

    Raises:
        JournalError: the story or the state cannot be read.
    """
    added = {hold.id for sealed in target.journal.of_operation(operation) for hold in sealed.receipt.holds_added}
    return frozenset(hold.id for hold in target.journal.state().holds if hold.id in added)


def _comment(order: Order) -> str:
    return clean_text(order.reason) or "silenced from Slack"


def _no_such_story() -> Refuse:
    return Refuse(Code.NO_ALERT, "No alert of this group fires, or there is no such group here. Nothing was done.")
