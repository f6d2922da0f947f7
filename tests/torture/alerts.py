"""An independent reader of alert payloads, and payloads for it and the webhook: hostile, mutated, cut.

The reader knows nothing of the project's: plain `json`, and the runbook's rule by hand. What it finds is what has to brake.
"""

import copy
import json
import random
from typing import Any

START = "2026-11-24T08:00:00.123456789Z"


def real(firing: bool = True, **labels: str) -> dict[str, Any]:  # noqa: FBT001, FBT002 - as a table of cases reads best
    """A payload as Alertmanager 0.25 sends it."""
    every = {"alertname": "AnrRsiLow", "component": "anr", "severity": "page", **labels}
    one = {
        "status": "firing" if firing else "resolved",
        "labels": every,
        "annotations": {"summary": "RSI is 0.71", "runbook_url": "https://runbook.example/anr"},
        "startsAt": START,
        "endsAt": "0001-01-01T00:00:00Z" if firing else "2026-11-24T09:00:00Z",
        "generatorURL": "http://prometheus.example/graph?g0.expr=anr_rsi",
        "fingerprint": "0123456789abcdef",
    }
    return {
        "receiver": "anr",
        "status": one["status"],
        "alerts": [one],
        "groupLabels": {"alertname": every["alertname"]},
        "commonLabels": every,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example:9093",
        "version": "4",
        "groupKey": '{}:{alertname="AnrRsiLow"}',
        "truncatedAlerts": 0,
    }


def pages(body: bytes) -> bool:
    """Whether an alert that fires and pages can be read in these bytes: ANR's component, severity page or critical."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return False
    alerts = payload.get("alerts") if isinstance(payload, dict) else None
    for alert in alerts if isinstance(alerts, list) else ():
        if not isinstance(alert, dict) or alert.get("status") != "firing":
            continue
        labels = alert.get("labels")
        if not isinstance(labels, dict) or labels.get("alertname") == "Watchdog":
            continue
        severity = labels.get("severity")
        if labels.get("component") == "anr" and severity in ("page", "critical"):
            return True
    return False


ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        5,
        1.5,
        10**30,
        "",
        "4",
        "firing",
        "resolved",
        "anr",
        "page",
        "critical",
        "Watchdog",
        [],
        {},
        [[]],
    ),
    *("x" * 300, "x" * 40_000, "\x00", "\ud800", "\u202e", '"', "\\", "{", "}", "é\\u0000", "99999-01-01T00:00:00Z"),
    *("0000-01-01T00:00:00Z", "2026-11-24T08:00:00", "https://x.example/", {"a": 1}, ["firing"], {"severity": ["page"]}),
)


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(deeper for key, inner_value in inner for deeper in places(inner_value, (*place, key)))]


def changed(chosen: random.Random, payload: Any) -> Any:
    """The payload with one thing replaced, removed, doubled or added."""
    payload = copy.deepcopy(payload)
    *way, last = chosen.choice(places(payload)[1:] or [("alerts",)])
    holder = payload
    for step in way:
        holder = holder[step]
    kind = chosen.randrange(5)
    if kind == 0:
        del holder[last]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(chosen.randint(0, len(holder)), copy.deepcopy(chosen.choice([holder[last], *ODD])))
    elif kind == 2 and isinstance(holder, dict):
        name = chosen.choice(["component", "severity", "alertname", "status", "x", "n" * 300])
        holder[name] = copy.deepcopy(chosen.choice(ODD))
    elif kind == 3 and isinstance(payload, dict):
        other = real(severity=chosen.choice(["page", "critical", "warning"]), component=chosen.choice(["anr", "db"]))["alerts"]
        payload["alerts"] = [*(payload["alerts"] if isinstance(payload.get("alerts"), list) else []), *other]
    else:
        holder[last] = copy.deepcopy(chosen.choice(ODD))
    return payload


def payload(chosen: random.Random) -> bytes:
    """A payload that was changed a few times, and sometimes its bytes, too."""
    value: Any = real(chosen.random() < 0.8, severity=chosen.choice(["page", "page", "critical", "warning", "none"]))
    for _ in range(chosen.choice([0, 1, 1, 2, 3, 6])):
        if isinstance(value, (dict, list)) and value:
            value = changed(chosen, value)
    text = json.dumps(value, ensure_ascii=chosen.random() < 0.7, indent=chosen.choice([None, None, 1]))
    body = text.encode(chosen.choice(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16"]), "surrogatepass")
    return spoilt(chosen, body) if chosen.random() < 0.3 else body


def spoilt(chosen: random.Random, body: bytes) -> bytes:
    """Bytes that were cut, doubled, swapped or replaced."""
    begin, end = sorted((chosen.randint(0, len(body)), chosen.randint(0, len(body))))
    return chosen.choice(
        [
            body[:end],
            body[begin:],
            body[:begin] + body[end:],
            body[:end] + body[begin:],
            body[:begin] + chosen.randbytes(3) + body[begin:],
            body[:begin] + chosen.choice([b'"', b"{", b"]", b",", b"\\", b":", b" "]) + body[begin + 1 :],
            body + body,
        ]
    )
