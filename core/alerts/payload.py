"""Alerts of one payload -> what each of them asks for: freeze, be shown, or nothing.

Pure. Version 4 of the payload is Alertmanager's (`notify/webhook`, `template.Data`). One cause is one alert instance:
fingerprint and start. Repeats are the same cause; an alert that fires anew has another start. What of an alert could not be
read counts against safety: a rule that it may meet is met.

Excluded: bytes (core/alerts/reading.py), HTTP (bot/http/webhook.py), and what was done about an instance before
(core/brake/respond.py).
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256

from pydantic import BaseModel, ConfigDict, Field

from core.alerts.cause import AlertInstance, StatusCause, Unread, Unseen, parse_instance
from core.alerts.matchers import KnownLabels
from core.alerts.rules import AlertPolicy, Effect
from core.canonical import Moment, rfc3339
from core.text import clean_text

MAX_ALERTS = 1000
"""Alerts of one payload that are told apart; the others are one cause together."""
START_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)
"""The start of an alert whose own cannot be read, or is none that a calendar has."""
_KEPT_LABELS, _KEPT_CHARACTERS, _KEPT_URL = 24, 120, 1000
_GROUP_DIGITS = 20
"""Hex digits of a SHA-256 that tell groups of alerts apart."""


class AlertStatus(StrEnum):
    """Whether the condition holds."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of a payload, as far as it could be read.

    Attributes:
        instance: tells it from any other.
        starts: when it began; None if that cannot be read.
        ends: when it ended; None if it fires or that cannot be read.
        unread: what could not be read and may matter, each a sentence.
    """

    instance: AlertInstance
    status: AlertStatus
    labels: KnownLabels
    annotations: Mapping[str, str]
    starts: datetime | None = None
    ends: datetime | None = None
    generator_url: str = ""
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Notification:
    """One payload: a group of alerts as it stands, as far as it could be read.

    Attributes:
        digest: of the beginning of its bytes: tells payloads apart that cannot be read.
        truncated: how many alerts Alertmanager cut off; None if that cannot be read.
        group_labels: labels that every alert of the group has, also those that were cut off. The labels that a payload calls
            common, and its status, are those of the alerts that it shows (`notify/webhook` cuts first), so that they say nothing
            of the others.
        unread: what could not be read and may matter, each a sentence.
        lost: alerts may stand in what could not be read.
    """

    digest: str
    alerts: tuple[Alert, ...] = ()
    group_key: str = ""
    group_labels: Mapping[str, str] = field(default_factory=dict)
    truncated: int | None = 0
    external_url: str = ""
    unread: tuple[str, ...] = ()
    lost: bool = False


class AlertFacts(BaseModel):
    """What receipts and brake notes keep of an alert, cleaned and bounded.

    Attributes:
        cause: identity of the instance, by which it has one effect.
        group: digest of Alertmanager's group key.
        labels: what a person reads; `whole` says whether nothing was cut, so that a silence on them is exact.
        ends: when it was resolved.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cause: str = Field(max_length=160)
    group: str = Field(pattern=r"^[0-9a-f]{20}$")
    effect: Effect
    status: AlertStatus
    name: str
    summary: str
    labels: dict[str, str]
    whole: bool
    since: Moment
    ends: Moment | None = None
    generator_url: str = ""
    runbook_url: str = ""
    alertmanager_url: str = ""

    def is_for(self, target: str, targets: Collection[str]) -> bool:
        """Whether the alert means this one of `targets`: it names it in its label `target`, or it names none of them.

        An alert that names no target of ours may be anybody's, so it brakes all of them.
        """
        named = self.labels.get("target")
        return named == target or named not in targets

    @property
    def is_unseen(self) -> bool:
        """Whether this stands for the alerts that Alertmanager cut off."""
        return isinstance(parse_instance(self.cause), Unseen)

    @property
    def fingerprint(self) -> str:
        """What all instances of this alert have in common; each has a start of its own."""
        return parse_instance(self.cause).fingerprint

    def is_after(self, other: "AlertFacts") -> bool:
        """Whether this is a later instance of the same alert, so that the other one is over."""
        return self.since > other.since > START_UNKNOWN and self.fingerprint == other.fingerprint

    def key_after(self, changes: int) -> str:
        """Return the key under which the journal notes this status of the instance once.

        Args:
            changes: how often the journal has noted another status of the instance before.
        """
        return str(StatusCause(self.status, parse_instance(self.cause), changes))


@dataclass(frozen=True, slots=True)
class Judged:
    """What a payload asks for.

    Attributes:
        facts: its alerts, each cause once; what was cut off or could not be read is a cause, too.
        unjudged: what nobody can say, each a sentence; what may freeze is among the facts as if it did.
        unmatched: names of alerts that no rule matches, though they seem to be about ANR.
    """

    facts: tuple[AlertFacts, ...]
    unjudged: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()


def judge(notification: Notification, policy: AlertPolicy) -> Judged:
    """Return what each alert of a payload asks for, and what could not be judged.

    Alerts that Alertmanager cut off (`max_alerts`) are one more cause: what a rule may ask for them, given the labels by which
    the group was made, is asked for.
    """
    key = notification.group_key or json.dumps(dict(notification.group_labels), sort_keys=True)
    group = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:_GROUP_DIGITS]
    unjudged = dict.fromkeys(notification.unread)
    found: dict[AlertInstance, _Asking] = {}
    unmatched: dict[str, None] = {}
    for alert in notification.alerts:
        effect, certain = policy.judge(alert.labels)
        unjudged |= dict.fromkeys(alert.unread)
        if not certain:
            unjudged["what an alert asks for cannot be told, because labels that a rule asks for could not be read"] = None
        fires = alert.status is AlertStatus.FIRING
        if effect is Effect.IGNORE and fires and _is_about_anr(alert.labels.values):
            unmatched[_name(alert.labels.values)] = None
        one, before = _Asking(alert, effect), found.get(alert.instance)
        if before is None or one.urgency >= before.urgency:
            found[alert.instance] = one  # what is the same instance twice fires if either does, and asks for the graver thing
    told, rest = _told_apart(tuple(found.values()))
    facts = [_facts(message.alert, notification, group, message.effect) for message in told]
    if notification.truncated != 0 or rest:
        facts.append(_unseen(notification, group, policy, rest))
    if notification.lost:
        facts.append(unread(notification.digest, "; ".join(notification.unread), policy))
    return Judged(tuple(facts), tuple(unjudged), tuple(unmatched))


@dataclass(frozen=True, slots=True)
class _Asking:
    """An alert and what it asks for."""

    alert: Alert
    effect: Effect

    @property
    def urgency(self) -> tuple[bool, int]:
        """What is urgent comes first: the greater, the more urgent."""
        return self.alert.status is AlertStatus.FIRING, self.effect.gravity


def _told_apart(found: tuple[_Asking, ...]) -> tuple[tuple[_Asking, ...], tuple[_Asking, ...]]:
    """Return the gravest alerts, those that fire first, and the rest that are more than are told apart."""
    if len(found) <= MAX_ALERTS:
        return found, ()
    ranked = sorted(found, key=lambda asking: (asking.effect is Effect.WATCHDOG, asking.urgency), reverse=True)
    return tuple(ranked[:MAX_ALERTS]), tuple(
        asking for asking in ranked[MAX_ALERTS:] if asking.effect.gravity > Effect.IGNORE.gravity
    )


def unread(digest: str, why: str, policy: AlertPolicy) -> AlertFacts:
    """Return what stands for the alerts of a payload that nobody can read: what any alert may ask for.

    Args:
        digest: tells such payloads apart, in hexadecimal digits.
        why: why it cannot be read, for people.
        policy: what alerts ask for.
    """
    effect, _ = policy.judge(KnownLabels({}, whole=False))
    return AlertFacts(
        cause=str(Unread(digest)),
        group=digest[:_GROUP_DIGITS].ljust(_GROUP_DIGITS, "0"),
        effect=effect,
        status=AlertStatus.FIRING,
        name="alerts that could not be read",
        summary=clean_text(why),
        labels={},
        whole=False,
        since=START_UNKNOWN,
    )


def operation_of(facts: AlertFacts) -> str:
    """Return the story that an alert begins if its group has none: the same for every delivery of the same payload."""
    return f"{facts.group}{max(0, int(facts.since.timestamp() * 1_000_000)):016x}"


def _facts(alert: Alert, notification: Notification, group: str, effect: Effect) -> AlertFacts:
    annotations, labels = alert.annotations, alert.labels.values
    kept = {clean_text(name, _KEPT_CHARACTERS): clean_text(value, _KEPT_CHARACTERS) for name, value in _first(labels)}
    links = (annotations.get("runbook_url"), annotations.get("runbook"), labels.get("runbook_url"), labels.get("runbook"))
    return AlertFacts(
        cause=str(alert.instance),
        group=group,
        effect=effect,
        status=alert.status,
        name=_name(labels),
        summary=clean_text(annotations.get("summary") or annotations.get("description") or annotations.get("message") or ""),
        labels=kept,
        whole=kept == labels and alert.labels.whole and not alert.labels.unread,
        since=alert.starts or START_UNKNOWN,
        ends=alert.ends if alert.status is AlertStatus.RESOLVED else None,
        generator_url=_link(alert.generator_url),
        runbook_url=next((link for url in links if url and (link := _link(url))), ""),
        alertmanager_url=_link(notification.external_url),
    )


def _unseen(notification: Notification, group: str, policy: AlertPolicy, rest: tuple[_Asking, ...]) -> AlertFacts:
    """Return what stands for the alerts that Alertmanager cut off, and for those that are too many to be told apart."""
    known, effects, status = notification.group_labels, {asking.effect for asking in rest}, AlertStatus.RESOLVED
    if notification.truncated != 0:
        effects.add(policy.judge(KnownLabels(known, whole=False))[0])
        status = AlertStatus.FIRING  # whatever the payload says of itself: that is said of the alerts that it shows
    if any(asking.alert.status is AlertStatus.FIRING for asking in rest):
        status = AlertStatus.FIRING
    # nobody can see whether what was cut off holds the alert that always fires
    effect = max((*effects, Effect.IGNORE), key=lambda possible: possible.gravity)
    since = min((alert.starts for alert in notification.alerts if alert.starts is not None), default=START_UNKNOWN)
    named = {name: known[name] for name in ("alertname", "target", "severity") if name in known}
    cut = notification.truncated
    parts = (
        f"{cut:,} more alerts of this group were cut off by Alertmanager's max_alerts" if cut else "",
        "how many alerts of this group were cut off cannot be read" if cut is None else "",
        f"{len(rest):,} more alerts of this group are one hold together" if rest else "",
    )
    return AlertFacts(
        cause=str(Unseen(group, rfc3339(since))),
        group=group,
        effect=effect,
        status=status,
        name=clean_text(known.get("alertname", "") or "alerts of this group", _KEPT_CHARACTERS),
        summary="; ".join(part for part in parts if part),
        labels={name: clean_text(value, _KEPT_CHARACTERS) for name, value in named.items()},
        whole=False,
        since=since,
        alertmanager_url=_link(notification.external_url),
    )


def _name(labels: Mapping[str, str]) -> str:
    return clean_text(labels.get("alertname", "") or "an alert without a name", _KEPT_CHARACTERS)


def _is_about_anr(labels: Mapping[str, str]) -> bool:
    """Whether an alert that no rule matches seems to be one of ANR's: its labels name it, as a word."""
    return any(_ANR.search(value[:_KEPT_CHARACTERS]) for value in labels.values())


_ANR = re.compile(r"(?:^|[^A-Za-z])anr(?![a-z])|Anr(?![a-z])|(?:^|[^A-Z])ANR(?![A-Z])")


def _first(labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the labels that are kept: those that tell alerts apart first."""
    telling = ("alertname", "target", "severity", "component")
    ordered = sorted(labels.items(), key=lambda item: (telling.index(item[0]) if item[0] in telling else len(telling), item[0]))
    return ordered[:_KEPT_LABELS]


def _link(url: str) -> str:
    """Return a link that may be shown: HTTP only, without anything that ends or redirects it; "" for any other."""
    plain = len(url) <= _KEPT_URL and url.isascii() and url.isprintable() and not set(url) & set(' <>|"\\`')
    return url if plain and url.startswith(("http://", "https://")) else ""
