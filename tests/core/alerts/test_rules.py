import pytest
from pydantic import ValidationError

from core.alerts.rules import RUNBOOK_RULES, AlertPolicy, AlertRule, Effect
from tests.support.alert_payloads import alert, heard


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


@pytest.mark.parametrize("match", ["", "component", 'a=~"("'])
def test_a_rule_that_cannot_be_understood_is_an_error_at_the_start(match: str) -> None:
    """A rule that never matches would be a brake that is not there."""
    with pytest.raises(ValidationError):
        AlertRule(match=match, then="freeze")
