import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.alerts.payload import MAX_ALERTS, Notification, operation_of
from core.alerts.rules import Effect
from tests.support.alert_payloads import alert, heard, parsed, payload


def test_the_identity_of_a_cause_is_fingerprint_and_start() -> None:
    """A repeat is the same cause, whatever else changed; an alert that fires anew is another."""
    first, again, anew = (
        heard(alert("ab", start="2026-11-24T08:00:00Z", severity="page"))[0],
        heard(alert("ab", start="2026-11-24T08:00:00Z", severity="critical"))[0],
        heard(alert("ab", start="2026-11-24T09:00:00Z"))[0],
    )
    assert first.cause == again.cause == "alert:ab:2026-11-24T08:00:00.000000Z"
    assert anew.cause != first.cause


def test_alerts_that_were_cut_off_freeze_if_their_group_matches() -> None:
    """`truncatedAlerts` above zero is one more cause with the labels that the group has in common."""
    shown, unseen = heard(alert(severity="warning"), truncatedAlerts=7)
    assert (shown.effect, unseen.effect, unseen.is_unseen) == (Effect.NOTIFY, Effect.FREEZE, True)
    assert "7 more alerts" in unseen.summary
    common = {"alertname": "AnrRsiLow", "component": "db"}
    assert [one.effect for one in heard(alert(component="db"), truncatedAlerts=7, commonLabels=common)] == [Effect.IGNORE] * 2


def test_the_same_alert_twice_in_one_payload_is_one_cause() -> None:
    """Duplicates are one fact, and the newer text of two counts."""
    assert len(heard(alert("ab"), alert("ab"))) == 1


def broken(**changed: Any) -> str:
    return json.dumps(payload(alert(), **changed))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="empty"),
        pytest.param("[]", id="a-list"),
        pytest.param("null", id="null"),
        pytest.param(broken(version="3"), id="another-version"),
        pytest.param(broken(version=4), id="a-number-as-version"),
        pytest.param(broken(groupKey=""), id="no-group"),
        pytest.param(broken(truncatedAlerts=-1), id="negative-count"),
        pytest.param(broken(truncatedAlerts="many"), id="a-text-as-count"),
        pytest.param(broken(truncatedAlerts=True), id="true-as-count"),
        pytest.param(broken(status="pending"), id="unknown-status"),
        pytest.param(broken(alerts={}), id="alerts-as-object"),
        pytest.param(broken(commonLabels=[]), id="labels-as-list"),
        pytest.param(json.dumps(payload({**alert(), "labels": {"severity": 5}})), id="a-number-as-label"),
        pytest.param(json.dumps(payload({**alert(), "startsAt": 1_700_000_000})), id="a-number-as-time"),
        pytest.param(json.dumps(payload({**alert(), "startsAt": "2026-11-24T08:00:00"})), id="a-time-without-offset"),
        pytest.param(json.dumps(payload({**alert(), "fingerprint": "../../etc"})), id="a-path-as-fingerprint"),
        pytest.param(json.dumps(payload({**alert(), "fingerprint": ""})), id="no-fingerprint"),
        pytest.param(json.dumps(payload(*[alert()] * (MAX_ALERTS + 1))), id="too-many-alerts"),
        pytest.param(json.dumps(payload(alert(**{f"l{n}": "x" for n in range(200)}))), id="too-many-labels"),
        pytest.param('{"version": "4", "alerts": ' + "[" * 100_000, id="deep-nesting"),
        pytest.param(broken().replace("RSI is 0.71", "\\ud800"), id="a-lone-surrogate"),
    ],
)
def test_what_is_no_payload_is_refused(body: str) -> None:
    """Wrong types, sizes and depths are one kind of error, and nothing else is raised."""
    with pytest.raises(ValidationError):
        Notification.model_validate_json(body)


def test_unknown_fields_are_allowed() -> None:
    """A newer Alertmanager may say more."""
    notification = parsed(payload({**alert(), "new": [1]}, notification_reason="x", routeLabels={}))
    assert notification.alerts[0].fingerprint == "0123456789abcdef"


def test_hostile_labels_are_kept_clean_and_bounded() -> None:
    """Line breaks, NUL, direction marks and long texts do not reach a receipt; links that are not plain HTTP are dropped."""
    one = alert(alertname="A\u202eB\x00C\nD <!channel>", extra="x" * 5000)
    one |= {"generatorURL": "javascript:alert(1)"}
    one["annotations"] = {"summary": "s\n" * 9000, "runbook_url": "https://x.example/>|<!here>"}
    (facts,) = heard(one)
    assert facts.name == "A B C D <!channel>"
    assert (facts.generator_url, facts.runbook_url) == ("", "")
    assert len(facts.labels["extra"]) == 120
    assert len(facts.summary) <= 500
    assert not facts.whole
    assert len(facts.model_dump_json()) < 16_000


def test_the_labels_that_tell_alerts_apart_are_kept_first() -> None:
    """However many labels an alert has, its name, target and severity stay."""
    (facts,) = heard(alert(target="eu", **{f"a{n}": "x" for n in range(60)}))
    assert len(facts.labels) == 24
    assert {"alertname", "target", "severity", "component"} <= set(facts.labels)


label_values = st.text(max_size=40)


@given(labels=st.dictionaries(st.text(min_size=1, max_size=20), label_values, max_size=30), truncated=st.integers(0, 3))
def test_any_labels_make_facts_that_a_receipt_can_hold(labels: dict[str, str], truncated: int) -> None:
    """Facts survive JSON, are bounded, and name a story of at most 40 characters."""
    body = payload({**alert(), "labels": labels}, truncatedAlerts=truncated, commonLabels=labels)
    try:
        notification = parsed(body)
    except ValidationError:
        return  # a lone surrogate
    for facts in heard({**alert(), "labels": labels}, truncatedAlerts=truncated, commonLabels=labels):
        assert facts == type(facts).model_validate_json(facts.model_dump_json())
        assert len(operation_of(facts)) <= 40
        assert all(text.isprintable() for text in (facts.name, facts.summary, *facts.labels, *facts.labels.values()))
    assert notification.version == "4"


@given(order=st.permutations(["a", "b", "c"]))
def test_the_order_of_alerts_does_not_change_what_they_ask_for(order: list[str]) -> None:
    """The set of causes and effects is the same however the payload is ordered."""
    found = heard(*(alert(one, severity="page" if one == "b" else "warning") for one in order))
    assert {(facts.cause[6], facts.effect) for facts in found} == {("a", "notify"), ("b", "freeze"), ("c", "notify")}
