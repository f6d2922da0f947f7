import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.alerts import (
    MAX_ALERTS,
    RUNBOOK_RULES,
    AlertPolicy,
    AlertRule,
    AlertStatus,
    Effect,
    Notification,
    Standing,
    Step,
    next_step,
    operation_of,
)
from tests.core.alert_payloads import alert, heard, parsed, payload

FIRING, RESOLVED = AlertStatus.FIRING, AlertStatus.RESOLVED


@pytest.mark.parametrize(
    ("labels", "effect"),
    [
        pytest.param({}, Effect.FREEZE, id="an-anr-page-freezes"),
        pytest.param({"severity": "critical"}, Effect.FREEZE, id="an-anr-critical-freezes"),
        pytest.param({"severity": "warning"}, Effect.NOTIFY, id="an-anr-warning-is-shown"),
        pytest.param({"severity": "homepage"}, Effect.NOTIFY, id="the-expression-is-anchored"),
        pytest.param({"component": "db"}, Effect.IGNORE, id="another-component-is-ignored"),
        pytest.param({"alertname": "Watchdog", "severity": "page"}, Effect.WATCHDOG, id="the-watchdog-is-none-of-these"),
    ],
)
def test_the_runbooks_rules_decide_when_no_others_are_set(labels: dict[str, str], effect: Effect) -> None:
    """If any ANR alert pages, freeze; the rest of ANR's alerts are shown; other components are ignored."""
    assert [facts.effect for facts in heard(alert(**labels))] == [effect]


def test_the_first_rule_that_matches_decides_and_observe_freezes_nothing() -> None:
    """Modes are per rule: one alert is only observed while all others act."""
    watched = AlertRule(match='alertname="AnrTryout"', then="freeze", mode="observe")
    policy = AlertPolicy(rules=(watched, *RUNBOOK_RULES))
    found = heard(alert("a", alertname="AnrTryout"), alert("b"), policy=policy)
    assert [facts.effect for facts in found] == [Effect.WOULD_FREEZE, Effect.FREEZE]


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


@pytest.mark.parametrize(
    ("label", "meant"),
    [
        pytest.param("eu", {"eu"}, id="names-one"),
        pytest.param(None, {"eu", "us"}, id="names-none"),
        pytest.param("https://probe.example", {"eu", "us"}, id="names-something-else"),
    ],
)
def test_an_alert_brakes_the_target_that_it_names_or_else_all(label: str | None, meant: set[str]) -> None:
    """An alert that nobody can place brakes everything: a brake too many is safe."""
    (facts,) = heard(alert(**({"target": label} if label else {})))
    assert {name for name in ("eu", "us") if facts.is_for(name, ("eu", "us"))} == meant


STEPS = {
    # effect, status, standing, last: freeze, keep, show
    ("freeze", "firing", "new", None): (True, False, False),
    ("freeze", "firing", "shown", "resolved"): (True, False, False),
    ("freeze", "firing", "shown", "firing"): (True, False, False),
    ("freeze", "firing", "held", "firing"): (False, True, False),
    ("freeze", "firing", "held", "resolved"): (False, True, True),
    ("freeze", "firing", "lifted", "firing"): (False, False, False),
    ("freeze", "firing", "lifted", "resolved"): (False, False, True),
    ("freeze", "resolved", "new", None): (False, False, True),
    ("freeze", "resolved", "held", "firing"): (False, False, True),
    ("freeze", "resolved", "held", "resolved"): (False, False, False),
    ("freeze", "resolved", "lifted", "firing"): (False, False, True),
    ("would_freeze", "firing", "new", None): (False, False, True),
    ("would_freeze", "firing", "shown", "firing"): (False, False, False),
    ("would_freeze", "firing", "held", "firing"): (False, True, False),
    ("notify", "firing", "new", None): (False, False, True),
    ("notify", "firing", "shown", "firing"): (False, False, False),
    ("notify", "resolved", "shown", "firing"): (False, False, True),
    ("notify", "resolved", "shown", "resolved"): (False, False, False),
    ("ignore", "firing", "new", None): (False, False, False),
    ("watchdog", "firing", "new", None): (False, False, False),
}


@pytest.mark.parametrize("case", STEPS, ids=lambda case: "-".join(str(part) for part in case))
def test_every_alert_has_its_step(case: tuple[str, str, str, str | None]) -> None:
    """Repeats keep, what was lifted stays lifted, what resolves is shown."""
    effect, status, standing, last = case
    step = next_step(Effect(effect), AlertStatus(status), Standing(standing), AlertStatus(last) if last else None)
    assert step == Step(*STEPS[case])


@pytest.mark.parametrize("case", tuple(product(Effect, AlertStatus, Standing, (None, *AlertStatus))))
def test_nothing_but_a_firing_alert_that_never_froze_freezes(
    case: tuple[Effect, AlertStatus, Standing, AlertStatus | None],
) -> None:
    """Over every combination: resolved never freezes, held and lifted never freeze again, observe and notify never freeze."""
    effect, status, standing, last = case
    freezes = effect is Effect.FREEZE and status is FIRING and standing in {Standing.NEW, Standing.SHOWN}
    step = next_step(effect, status, standing, last)
    assert step.freeze == freezes
    assert step.keep == (status is FIRING and standing is Standing.HELD)


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


@pytest.mark.parametrize("match", ["", "component", 'a=~"("'])
def test_a_rule_that_cannot_be_understood_is_an_error_at_the_start(match: str) -> None:
    """A rule that never matches would be a brake that is not there."""
    with pytest.raises(ValidationError):
        AlertRule(match=match, then="freeze")
