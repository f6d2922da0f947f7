"""Payloads as Alertmanager sends them."""

import json
from typing import Any

from core.alerts.payload import AlertFacts, Judged, Notification, judge
from core.alerts.reading import read_notification
from core.alerts.rules import AlertPolicy

PAGE = {"alertname": "AnrRsiLow", "component": "anr", "severity": "page"}
START = "2026-11-24T08:00:00.123456789Z"


def alert(
    fingerprint: str = "0123456789abcdef",
    *,
    status: str = "firing",
    start: str = START,
    end: str = "0001-01-01T00:00:00Z",
    **labels: str,
) -> dict[str, Any]:
    """One alert that pages, unless its labels say otherwise."""
    return {
        "status": status,
        "labels": {**PAGE, **labels},
        "annotations": {"summary": "RSI is 0.71", "runbook_url": "https://runbook.example/anr"},
        "startsAt": start,
        "endsAt": end,
        "generatorURL": "http://prometheus.example/graph?g0.expr=anr_rsi",
        "fingerprint": fingerprint,
    }


def payload(*alerts: dict[str, Any], group: str = '{}:{alertname="AnrRsiLow"}', **changed: Any) -> dict[str, Any]:
    """One notification of a group."""
    firing = any(alert["status"] == "firing" for alert in alerts)
    return {
        "version": "4",
        "groupKey": group,
        "truncatedAlerts": 0,
        "status": "firing" if firing else "resolved",
        "receiver": "anr",
        "groupLabels": {"alertname": "AnrRsiLow"},
        "commonLabels": dict(PAGE),
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example:9093",
        "alerts": list(alerts),
        **changed,
    }


def parsed(body: dict[str, Any]) -> Notification:
    return read_notification(json.dumps(body).encode())


def judged(body: dict[str, Any], policy: AlertPolicy | None = None) -> Judged:
    """What the policy (the runbook's, unless another is given) makes of a payload."""
    return judge(parsed(body), policy or AlertPolicy())


def heard(*alerts: dict[str, Any], policy: AlertPolicy | None = None, **changed: Any) -> tuple[AlertFacts, ...]:
    """What the policy (the runbook's, unless another is given) makes of a payload with these alerts."""
    return judged(payload(*alerts, **changed), policy).facts
