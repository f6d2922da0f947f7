"""Bytes to alerts: what pages is read whatever stands beside it, and what cannot be read says so."""

import json
import threading
from typing import Any

import pytest

from core.alerts.payload import START_UNKNOWN, AlertStatus, Judged, judge
from core.alerts.reading import MAX_BODY_BYTES, MAX_LABEL, NoJsonObject, read_notification
from core.alerts.rules import AlertPolicy, AlertRule, Effect
from tests.support.alert_payloads import PAGE, alert, judged, payload

NEIGHBOUR = alert("b", component="db", severity="none")


def understood(body: bytes) -> Judged:
    return judge(read_notification(body), AlertPolicy())


def freezing(found: Judged) -> list[str]:
    return [alert.name for alert in found.facts if alert.effect is Effect.FREEZE and alert.status is AlertStatus.FIRING]


def with_description(length: int) -> dict[str, Any]:
    return {**alert(), "annotations": {"description": "x" * length}}


def deep(levels: int) -> Any:
    """A list in a list in a list."""
    nested: Any = []
    for _ in range(levels):
        nested = [nested]
    return nested


WHOLE = {
    "a-description-of-36-kB": [with_description(36_000)],
    "a-neighbour-with-one": [alert(), {**NEIGHBOUR, "annotations": {"description": "x" * 36_000}}],
    "a-generator-url-of-20-kB": [{**alert(), "generatorURL": "http://prometheus.example/graph?" + "x" * 20_000}],
    "a-generator-url-that-is-none": [{**alert(), "generatorURL": 5}],
    "129-labels": [alert(**{f"l{number}": "x" for number in range(129)})],
    "a-name-of-300-characters": [alert(**{"n" * 300: "x"})],
    "1001-copies": [alert()] * 1001,
    "1001-alerts": [alert(f"{number:x}") for number in range(1001)],
    "a-megabyte-in-one-text": [with_description(1_300_000)],
    "a-megabyte-of-alerts": [alert(f"{number:x}", padding="x" * 1000) for number in range(1000)],
    "the-year-0": [alert(start="0000-01-01T00:00:00Z")],
    "the-year-99999": [alert(start="99999-01-01T00:00:00Z")],
    "an-offset-before-all-time": [alert(start="0001-01-01T00:00:00+05:00")],
    "nanoseconds": [alert(start="2026-11-24T08:00:00.1234567891234Z")],
    "a-leap-second": [alert(start="2026-06-30T23:59:60Z")],
    "a-number-as-start": [{**alert(), "startsAt": 1_700_000_000}],
    "no-start": [{name: value for name, value in alert().items() if name != "startsAt"}],
    "an-end-that-is-none": [alert(end="later")],
    "no-fingerprint": [{**alert(), "fingerprint": ""}],
    "a-path-as-fingerprint": [{**alert(), "fingerprint": "../../etc"}],
    "annotations-that-are-none": [{**alert(), "annotations": [1]}],
    "a-label-that-no-rule-asks-for": [{**alert(), "labels": {**PAGE, "shard": 5}}],
    "a-lone-surrogate": [alert(odd="\ud800")],
    "a-neighbour-nested-deeply": [alert(), {**NEIGHBOUR, "odd": deep(900)}],
    "five-megabytes-in-one-text": [with_description(5_000_000)],
    "escapes-that-are-cut-in-their-middle": [{**alert(), "annotations": {"summary": 'é\\"' * 9000}}],
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_page_is_judged_whatever_it_carries(case: str) -> None:
    """Texts, numbers and times of any kind are cut or left out; the alert freezes, and nothing remains unjudged."""
    found = judged(payload(*WHOLE[case]))
    assert "AnrRsiLow" in freezing(found)
    assert found.unjudged == ()
    assert all(len(alert.model_dump_json()) < 20_000 for alert in found.facts)


UNSURE = {
    "a-label-that-is-a-number": [{**alert(), "labels": {**PAGE, "severity": 5}}],
    "labels-that-are-none": [{**alert(), "labels": None}],
    "labels-as-a-list": [{**alert(), "labels": ["severity"]}],
    "no-labels": [{"status": "firing", "startsAt": "2026-11-24T08:00:00Z"}],
    "a-value-too-long-to-search": [alert(severity="page" * 20_000)],
    "a-status-that-is-none": [alert(status="pending")],
    "a-status-that-is-a-number": [{**alert(), "status": 1}],
}


@pytest.mark.parametrize("case", UNSURE)
def test_what_may_page_freezes_and_is_not_called_judged(case: str) -> None:
    """A rule that the alert may meet is met, and the answer cannot be a success."""
    found = judged(payload(*UNSURE[case]))
    assert freezing(found)
    assert found.unjudged


def broken(**changed: Any) -> bytes:
    return json.dumps(payload(alert(), **changed)).encode()


BESIDE = {
    "another-version": broken(version="5"),
    "a-number-as-version": broken(version=4),
    "a-count-that-is-negative": broken(truncatedAlerts=-1),
    "a-count-that-is-a-text": broken(truncatedAlerts="many"),
    "a-count-that-is-true": broken(truncatedAlerts=True),
    "a-count-of-thousands-of-digits": broken().replace(b'"truncatedAlerts": 0', b'"truncatedAlerts": ' + b"9" * 9000),
    "a-neighbour-that-is-none": json.dumps(payload(alert(), status="firing") | {"alerts": [alert(), None, 5, "x"]}).encode(),
    "one-alert-and-no-list": json.dumps(payload(alert()) | {"alerts": alert()}).encode(),
    "a-second-list-without-it": broken()[:-1] + b', "alerts": []}',
    "a-second-list-that-is-none": broken()[:-1] + b', "alerts": 5}',
    "cut-behind-it": broken()[:-1],
    "a-neighbour-that-is-cut": broken()[:-2] + b', {"labels": {"a": "b',
    "something-behind": broken() + b"{}",
    "a-neighbour-nested-deeply-and-cut": broken().replace(b"}]", b"}, " + b"[" * 100_000),
    "a-field-nested-deeply-and-cut": broken()[:-1] + b', "x": ' + b"[" * 100_000,
    "a-field-with-the-wrong-bracket": broken()[:-1] + b', "x": [{]}',
    "a-neighbour-whose-label-is-too-long": json.dumps(payload(alert(), alert("b", severity="x" * (MAX_LABEL + 1)))).encode(),
}


@pytest.mark.parametrize("case", BESIDE)
def test_what_stands_beside_a_page_does_not_hide_it(case: str) -> None:
    """The page is judged, and what is odd about the payload keeps it from being a success."""
    found = understood(BESIDE[case])
    assert "AnrRsiLow" in freezing(found)
    assert found.unjudged or case == "a-second-list-without-it"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"alerts": [{"labels": {"component": "an', id="cut-in-its-first-alert"),
        pytest.param(b'{"alerts": ' + b"[" * 100_000, id="nested-deeply-and-cut"),
        pytest.param(b'{"alerts": [{"x": "' + b"x" * 100_000, id="cut-in-a-long-text"),
    ],
)
def test_what_is_lost_may_have_been_a_page(body: bytes) -> None:
    """Alerts that nobody can read freeze, once for each payload, and are not called judged."""
    found = understood(body)
    assert freezing(found) == ["alerts that could not be read"]
    assert found.unjudged
    assert understood(body).facts == found.facts
    assert understood(body + b" ").facts[0].cause != found.facts[0].cause or len(body) > 1 << 16


def test_where_no_rule_freezes_nothing_that_is_lost_does() -> None:
    """What is not known may be anything that the rules ask for, and no more."""
    policy = AlertPolicy(rules=(AlertRule(match='component="anr"', then="notify", mode="act"),))
    found = judge(read_notification(b'{"alerts": [{"labels": {"component": "an'), policy)
    assert [alert.effect for alert in found.facts] == [Effect.NOTIFY]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="a-list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"\x00\xff\xfe", id="no-text"),
        pytest.param(b"[" * 500_000, id="deep-nesting"),
        pytest.param(b'{"x": ' + b"[" * 100_000, id="nested-deeply-before-the-alerts"),
        pytest.param(b"{", id="a-brace"),
        pytest.param(b'{"version": "4"', id="cut-before-the-alerts"),
        pytest.param(b"{version: 4}", id="no-quotes"),
        pytest.param(b"token=x", id="a-form"),
    ],
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    """Nothing of it can be an alert."""
    with pytest.raises(NoJsonObject):
        read_notification(body)


@pytest.mark.parametrize("body", [b"{}", b'{"alerts": null}', b'{"alerts": "all"}', b'{"alerts": 5}'])
def test_an_object_without_alerts_freezes_nothing_and_is_no_success(body: bytes) -> None:
    """There is nothing in it that could page, and nothing that was judged."""
    found = understood(body)
    assert found.facts == ()
    assert found.unjudged


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_other_encodings_of_json_are_read(encoding: str) -> None:
    """As Python's json reads them."""
    body = json.dumps(payload(alert(summary="größer")), ensure_ascii=False).encode(encoding)
    assert freezing(understood(body)) == ["AnrRsiLow"]


def test_alerts_without_a_start_that_a_calendar_has_are_told_apart_by_what_they_say() -> None:
    """The year 0 and the year 99999 are two causes; each is the same cause again at its repeat."""
    bodies = [payload(alert(start=start)) for start in ("0000-01-01T00:00:00Z", "99999-01-01T00:00:00Z") * 2]
    causes = [judged(body).facts[0].cause for body in bodies]
    assert len(set(causes)) == 2
    assert causes[:2] == causes[2:]
    assert judged(bodies[0]).facts[0].since == START_UNKNOWN


def test_other_threads_get_their_turn_while_the_largest_payload_is_read() -> None:
    """By construction: between its pieces the reader gives way, so that a thread that only counts counts far."""
    one = json.dumps({**alert(), "x": [[]] * 12_000})
    count = MAX_BODY_BYTES // len(one) - 1
    body = (json.dumps(payload())[:-1].replace('"alerts": []', '"alerts": [' + ",".join([one] * count) + "]") + "}").encode()
    assert len(body) > MAX_BODY_BYTES * 0.9
    turns, ended = [0], threading.Event()

    def count_turns() -> None:
        while not ended.wait(0.001):
            turns[0] += 1

    counting = threading.Thread(target=count_turns)
    counting.start()
    found = understood(body)
    ended.set()
    counting.join()
    assert freezing(found) == ["AnrRsiLow"]
    assert turns[0] >= 10
