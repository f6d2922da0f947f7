"""Alertmanager's webhook payload -> what each alert in it asks for: freeze, be shown, or nothing.

Pure. Version 4 of the payload is Alertmanager's (`notify/webhook`, `template.Data`); unknown fields are allowed, sizes are
bounded. One cause is one alert instance: fingerprint and start. Repeats are the same cause; an alert that fires anew has
another start.

Excluded: HTTP (bot/http/webhook.py), and what was done about an instance before (core/brake/respond.py).
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from core.alerts.rules import AlertPolicy, Effect
from core.canonical import Moment, rfc3339
from core.text import clean_text

MAX_BODY_BYTES = 1 << 20
"""Longest payload that is read. A thousand alerts of ordinary size fit; Alertmanager's `max_alerts` keeps below it."""
MAX_ALERTS = 1000
MAX_LABELS = 128
_KEPT_LABELS, _KEPT_CHARACTERS, _KEPT_URL = 24, 120, 1000


class AlertStatus(StrEnum):
    """Whether the condition holds."""

    FIRING = "firing"
    RESOLVED = "resolved"


def _text_only(value: Any) -> Any:
    # a number would be taken for seconds since 1970
    if not isinstance(value, str):
        raise ValueError("a time is an RFC 3339 text")  # noqa: TRY004 - pydantic reports ValueErrors
    return value


_Time = Annotated[Moment, BeforeValidator(_text_only)]
_Labels = Annotated[
    dict[
        Annotated[str, StringConstraints(max_length=256)],
        Annotated[str, StringConstraints(max_length=32 << 10)],
    ],
    Field(max_length=MAX_LABELS),
]
_Url = Annotated[str, StringConstraints(max_length=16 << 10)]


class Alert(BaseModel):
    """One alert of a payload."""

    model_config = ConfigDict(frozen=True)

    status: AlertStatus
    labels: _Labels
    annotations: _Labels = Field(default_factory=dict)
    startsAt: _Time  # noqa: N815 - Alertmanager's name
    endsAt: _Time | None = None  # noqa: N815 - as above
    generatorURL: _Url = ""  # noqa: N815 - as above
    fingerprint: str = Field(pattern=r"^[0-9a-f]{1,64}$")


class Notification(BaseModel):
    """One payload: a group of alerts as it stands."""

    model_config = ConfigDict(frozen=True)

    version: Literal["4"]
    groupKey: str = Field(min_length=1, max_length=64 << 10)  # noqa: N815 - Alertmanager's name
    truncatedAlerts: int = Field(0, ge=0, strict=True)  # noqa: N815 - as above
    status: AlertStatus
    receiver: str = Field("", max_length=1024)
    groupLabels: _Labels = Field(default_factory=dict)  # noqa: N815 - as above
    commonLabels: _Labels = Field(default_factory=dict)  # noqa: N815 - as above
    commonAnnotations: _Labels = Field(default_factory=dict)  # noqa: N815 - as above
    externalURL: _Url = ""  # noqa: N815 - as above
    alerts: tuple[Alert, ...] = Field(max_length=MAX_ALERTS)


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
        return self.cause.startswith(_UNSEEN)

    def key_after(self, noted: "AlertFacts | None") -> str:
        """Return the key under which the journal notes this status of the instance once, after what it noted last."""
        ends = self.ends if self.status is AlertStatus.RESOLVED else noted.ends if noted else None
        return f"{self.status}:{self.cause}{':' + rfc3339(ends) if ends else ''}"


_UNSEEN = "alert:unseen-"


def facts_of(notification: Notification, policy: AlertPolicy) -> tuple[AlertFacts, ...]:
    """Return what each alert of a payload asks for; what was cut off by `max_alerts` is one more, if its group matches.

    The labels that the whole group has in common also hold for the alerts that were cut off: if those ask for a freeze,
    the alerts that nobody sees freeze too.
    """
    group = sha256(notification.groupKey.encode("utf-8", "surrogatepass")).hexdigest()[:20]
    found = [_facts(alert, notification, group, policy.effect(alert.labels)) for alert in notification.alerts]
    if notification.truncatedAlerts:
        found.append(_unseen(notification, group, policy))
    return tuple({facts.cause: facts for facts in found}.values())


def cause_of(fingerprint: str, starts_at: datetime) -> str:
    """Return the key of one alert instance."""
    return f"alert:{fingerprint}:{rfc3339(starts_at)}"


def operation_of(facts: AlertFacts) -> str:
    """Return the story that an alert begins if its group has none: the same for every delivery of the same payload."""
    return f"{facts.group}{max(0, int(facts.since.timestamp() * 1_000_000)):016x}"


def _facts(alert: Alert, notification: Notification, group: str, effect: Effect) -> AlertFacts:
    annotations = alert.annotations
    kept = {clean_text(name, _KEPT_CHARACTERS): clean_text(value, _KEPT_CHARACTERS) for name, value in _first(alert.labels)}
    resolved = alert.status is AlertStatus.RESOLVED
    return AlertFacts(
        cause=cause_of(alert.fingerprint, alert.startsAt),
        group=group,
        effect=effect,
        status=alert.status,
        name=clean_text(alert.labels.get("alertname", "") or "an alert without a name", _KEPT_CHARACTERS),
        summary=clean_text(annotations.get("summary") or annotations.get("description") or annotations.get("message") or ""),
        labels=kept,
        whole=kept == alert.labels,
        since=alert.startsAt,
        ends=alert.endsAt if resolved else None,
        generator_url=_link(alert.generatorURL),
        runbook_url=_link(annotations.get("runbook_url", "")),
        alertmanager_url=_link(notification.externalURL),
    )


def _unseen(notification: Notification, group: str, policy: AlertPolicy) -> AlertFacts:
    common = {**notification.commonLabels, **notification.groupLabels}
    oldest = min((alert.startsAt for alert in notification.alerts), default=None)
    since = oldest if oldest is not None else datetime.fromisoformat("1970-01-01T00:00:00Z")
    effect = policy.effect(common)
    named = {name: common[name] for name in ("alertname", "target", "severity") if name in common}
    return AlertFacts(
        cause=f"{_UNSEEN}{group}:{rfc3339(since)}",
        group=group,
        # nobody can see whether what was cut off holds the alert that always fires
        effect=Effect.IGNORE if effect is Effect.WATCHDOG else effect,
        status=notification.status,
        name=clean_text(common.get("alertname", "") or "alerts of this group", _KEPT_CHARACTERS),
        summary=f"{notification.truncatedAlerts:,} more alerts of this group were cut off by Alertmanager's max_alerts",
        labels={name: clean_text(value, _KEPT_CHARACTERS) for name, value in named.items()},
        whole=False,
        since=since,
        alertmanager_url=_link(notification.externalURL),
    )


def _first(labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the labels that are kept: those that tell alerts apart first."""
    telling = ("alertname", "target", "severity", "component")
    ordered = sorted(labels.items(), key=lambda item: (telling.index(item[0]) if item[0] in telling else len(telling), item[0]))
    return ordered[:_KEPT_LABELS]


def _link(url: str) -> str:
    """Return a link that may be shown: HTTP only, without anything that ends or redirects it; "" for any other."""
    plain = url.isascii() and url.isprintable() and not set(url) & set(' <>|"\\`')
    return url if plain and len(url) <= _KEPT_URL and url.startswith(("http://", "https://")) else ""
