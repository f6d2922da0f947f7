"""ops/ with Prometheus's and Alertmanager's own tools: rules, routes, and a dashboard over metrics that exist."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from core.alerts.rules import AlertPolicy
from core.target.announced_drills import labels_of

ROOT = Path(__file__).parents[2]
OPS = ROOT / "ops"


def run(*command: str) -> str:
    done = subprocess.run(command, cwd=OPS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def known_metrics() -> set[str]:
    """Every name that the bot's code can expose, with the endings that prometheus-client adds."""
    code = "".join((ROOT / "bot" / name).read_text(encoding="utf-8") for name in ("metrics.py", "measuring.py"))
    names = set(re.findall(r'"(anr_[a-z0-9_]+)"', code))
    return names | {name + end for name in names for end in ("_total", "_bucket", "_sum", "_count", "_info")}


def used_metrics(text: str) -> set[str]:
    return set(re.findall(r"\banr_[a-z0-9_]+", text))


def test_promtool_accepts_the_rules_and_their_unit_tests() -> None:
    """Each rule fires when it has to, and not at its bound, too early, or while there is nothing to measure."""
    run("promtool", "check", "rules", "prometheus-anr-rules.yaml")
    assert "SUCCESS" in run("promtool", "test", "rules", "prometheus-anr-rules.test.yaml")


def test_every_rule_has_a_unit_test() -> None:
    """No rule is added without one, and every one fires in it."""
    rules = yaml.safe_load((OPS / "prometheus-anr-rules.yaml").read_text(encoding="utf-8"))
    tests = yaml.safe_load((OPS / "prometheus-anr-rules.test.yaml").read_text(encoding="utf-8"))
    named = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    firing = {case["alertname"] for test in tests["tests"] for case in test["alert_rule_test"] if case["exp_alerts"]}
    silent = {case["alertname"] for test in tests["tests"] for case in test["alert_rule_test"] if not case["exp_alerts"]}
    assert firing == named
    assert silent == named - {"Watchdog"}


def test_the_runbooks_three_alerts_page_and_so_freeze() -> None:
    """RSI, rollbacks and fast cap have the labels that the bot's own rules freeze on; the others are shown."""
    groups = yaml.safe_load((OPS / "prometheus-anr-rules.yaml").read_text(encoding="utf-8"))["groups"]
    labels = {rule["alert"]: {"alertname": rule["alert"], **rule["labels"]} for group in groups for rule in group["rules"]}
    effects = {name: str(AlertPolicy().effect(of)) for name, of in labels.items()}
    special = {"AnrRsiLow": "freeze", "AnrRollbackRate": "freeze", "AnrFastCapBreach": "freeze", "Watchdog": "watchdog"}
    assert effects == dict.fromkeys(labels, "notify") | special


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        pytest.param(("alertname=AnrRsiLow", "component=anr", "severity=page"), "anr-bot,anr-slack", id="a-page"),
        pytest.param(("alertname=Watchdog", "component=anr", "severity=none"), "anr-bot", id="the-watchdog"),
        pytest.param(
            tuple(f"{name}={value}" for name, value in labels_of("0" * 32, "production").items()), "anr-bot", id="a-drill"
        ),
        pytest.param(("alertname=DiskFull", "component=db", "severity=page"), "elsewhere", id="another-component"),
    ],
)
def test_amtool_accepts_the_routes_and_sends_alerts_where_they_belong(labels: tuple[str, ...], receivers: str) -> None:
    """ANR's alerts reach the bot and the channel, the Watchdog and a drill only the bot, others neither."""
    run("amtool", "check-config", "alertmanager.yml")
    assert run("amtool", "config", "routes", "test", "--config.file=alertmanager.yml", *labels).strip() == receivers


def test_rules_and_dashboard_use_only_metrics_that_the_bot_exposes() -> None:
    """A name that was misspelt or renamed would be an alert that never fires and an empty panel."""
    dashboard = json.loads((OPS / "grafana-anr.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(asked) >= 20
    rules = (OPS / "prometheus-anr-rules.yaml").read_text(encoding="utf-8")
    assert used_metrics(" ".join(asked) + rules) - known_metrics() == set()
