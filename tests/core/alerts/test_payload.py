import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.alerts.cause import AlertInstance
from core.alerts.payload import MAX_ALERTS, AlertStatus, operation_of
from core.alerts.rules import Effect
from tests.support.alert_payloads import alert, heard, judged, parsed, payload

FIRING, RESOLVED = AlertStatus.FIRING, AlertStatus.RESOLVED


def test_the_identity_of_a_cause_is_fingerprint_and_start() -> None:
    """A repeat is the same cause, whatever else changed; an alert that fires anew is another."""
    first, again, anew = (
        heard(alert("ab", start="2026-11-24T08:00:00Z", severity="page"))[0],
        heard(alert("ab", start="2026-11-24T08:00:00Z", severity="critical"))[0],
        heard(alert("ab", start="2026-11-24T09:00:00Z"))[0],
    )
    assert first.cause == again.cause == "alert:ab:2026-11-24T08:00:00.000000Z"
    assert anew.cause != first.cause


@pytest.mark.parametrize(
    ("group", "effect"),
    [
        pytest.param({"alertname": "AnrRsiLow"}, Effect.FREEZE, id="the-rest-may-page"),
        pytest.param({}, Effect.FREEZE, id="nothing-is-known"),
        pytest.param({"component": "anr", "severity": "page"}, Effect.FREEZE, id="they-page"),
        pytest.param({"component": "anr", "severity": "warning"}, Effect.NOTIFY, id="no-page-can-be-among-them"),
        pytest.param({"component": "db"}, Effect.IGNORE, id="another-component"),
        pytest.param({"alertname": "Watchdog"}, Effect.IGNORE, id="the-watchdogs-group"),
    ],
)
def test_a_rule_that_may_match_what_was_cut_off_decides(group: dict[str, str], effect: Effect) -> None:
    """Nobody knows the labels of the missing alerts but those by which the group was made; what is shown says nothing of them."""
    shown, unseen = heard(
        alert(severity="warning"), truncatedAlerts=7, groupLabels=group, commonLabels={"component": "db", "severity": "warning"}
    )
    assert (shown.effect, unseen.effect, unseen.is_unseen) == (Effect.NOTIFY, effect, True)
    assert "7 more alerts" in unseen.summary


def test_what_was_cut_off_fires_although_all_that_is_shown_is_over() -> None:
    """Alertmanager cuts first, so that "resolved" is said of the alerts that it shows; of the others nobody knows."""
    shown, unseen = heard(alert(status="resolved", severity="warning"), truncatedAlerts=1, groupLabels={"component": "anr"})
    assert (shown.status, unseen.status, unseen.effect) == ("resolved", FIRING, Effect.FREEZE)


def test_more_alerts_than_are_told_apart_freeze_all_the_same() -> None:
    """A thousand are told apart, those that page first; the others are one cause together, and it freezes."""
    many = [alert(f"{number:x}", severity="warning") for number in range(MAX_ALERTS)]
    pages = [alert(f"{number + 50_000:x}") for number in range(MAX_ALERTS + 1)]
    found = heard(*many, *pages, groupLabels={"component": "anr", "severity": "page"})
    assert [facts.effect for facts in found] == [Effect.FREEZE] * (MAX_ALERTS + 1)
    assert found[-1].is_unseen
    assert "1,001 more alerts" in found[-1].summary


def test_the_same_alert_twice_in_one_payload_is_one_cause() -> None:
    """Duplicates are one fact; where one says that it fires and the other that it is over, it fires."""
    assert len(heard(alert("ab"), alert("ab"))) == 1
    for both in ((alert("ab"), alert("ab", status="resolved")), (alert("ab", status="resolved"), alert("ab"))):
        assert [facts.status for facts in heard(*both)] == [FIRING]
    for both in ((alert("ab"), alert("ab", component="db")), (alert("ab", component="db"), alert("ab"))):
        assert [facts.effect for facts in heard(*both)] == [Effect.FREEZE]


@pytest.mark.parametrize(
    ("labels", "annotations", "link"),
    [
        pytest.param({"runbook": "https://r.example/a"}, {}, "https://r.example/a", id="a-label"),
        pytest.param({"runbook_url": "https://r.example/a"}, {}, "https://r.example/a", id="a-label-named-as-the-annotation"),
        pytest.param({}, {"runbook": "https://r.example/a"}, "https://r.example/a", id="the-annotation-named-as-the-label"),
        pytest.param(
            {"runbook": "https://r.example/a"}, {"runbook_url": "https://r.example/b"}, "https://r.example/b", id="both"
        ),
        pytest.param({"runbook": "page 12"}, {}, "", id="no-link"),
    ],
)
def test_a_runbook_may_be_a_label(labels: dict[str, str], annotations: dict[str, str], link: str) -> None:
    """The label `runbook` is shown like the annotation, which comes first."""
    (facts,) = heard({**alert(**labels), "annotations": annotations})
    assert facts.runbook_url == link


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        pytest.param({"alertname": "AnrThing"}, True, id="by-its-name"),
        pytest.param({"alertname": "TargetDown", "job": "anr"}, True, id="by-its-job"),
        pytest.param({"alertname": "NOVA_ANR_KILL"}, True, id="by-the-routers-settings"),
        pytest.param({"alertname": "ScanrTranrport"}, False, id="letters-inside-a-word"),
        pytest.param({"alertname": "DiskFull"}, False, id="not-at-all"),
    ],
)
def test_an_alert_about_anr_that_no_rule_matches_is_named(labels: dict[str, str], *, named: bool) -> None:
    """Whoever forgot the label `component` is told of by name; an alert of others is not."""
    one = {**alert(), "labels": labels}
    assert judged(payload(one)).unmatched == ((labels["alertname"],) if named else ())


def test_unknown_fields_are_allowed() -> None:
    """A newer Alertmanager may say more."""
    notification = parsed(payload({**alert(), "new": [1]}, notification_reason="x", routeLabels={}))
    assert notification.alerts[0].instance == AlertInstance("0123456789abcdef", "2026-11-24T08:00:00.123456Z")
    assert judged(payload({**alert(), "new": [1]}, notification_reason="x")).unjudged == ()


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
    for facts in heard({**alert(), "labels": labels}, truncatedAlerts=truncated, commonLabels=labels):
        assert facts == type(facts).model_validate_json(facts.model_dump_json())
        assert len(operation_of(facts)) <= 40
        assert all(text.isprintable() for text in (facts.name, facts.summary, *facts.labels, *facts.labels.values()))
    assert len(parsed(body).alerts) == 1


@given(order=st.permutations(["a", "b", "c"]))
def test_the_order_of_alerts_does_not_change_what_they_ask_for(order: list[str]) -> None:
    """The set of causes and effects is the same however the payload is ordered."""
    found = heard(*(alert(name, severity="page" if name == "b" else "warning") for name in order))
    assert {(facts.cause[6], facts.effect) for facts in found} == {("a", "notify"), ("b", "freeze"), ("c", "notify")}
