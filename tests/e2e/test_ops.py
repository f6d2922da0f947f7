"""ops/ with Prometheus's and Alertmanager's own tools: rules, routes, and a dashboard over metrics that exist."""

import asyncio
import json
import re
import subprocess
from pathlib import Path

import aiohttp
import pytest
import yaml

from bot.app import running
from core.alerts.payload import MAX_ALERTS
from core.alerts.rules import AlertPolicy
from core.target.announced_drills import labels_of
from tests.support.workspace import WAIT, scenery

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
OPS = ROOT / "ops"


def run(*command: str) -> str:
    done = subprocess.run(command, cwd=OPS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def known_metrics() -> set[str]:
    """Every name that the bot's code can expose, with the endings that prometheus-client adds."""
    code = "".join((ROOT / "bot" / "http" / name).read_text(encoding="utf-8") for name in ("metrics.py", "samples.py"))
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


PAGES = ("AnrRsiLow", "AnrRollbackRate", "AnrFastCapBreach", "AnrStillServing", "AnrRouterDown")


def test_the_alerts_that_page_freeze_and_the_others_are_shown() -> None:
    """RSI, rollbacks, fast cap, a router that is down or serves on: the labels that the bot's own rules freeze on."""
    groups = yaml.safe_load((OPS / "prometheus-anr-rules.yaml").read_text(encoding="utf-8"))["groups"]
    labels = {rule["alert"]: {"alertname": rule["alert"], **rule["labels"]} for group in groups for rule in group["rules"]}
    effects = {name: str(AlertPolicy().effect(of)) for name, of in labels.items()}
    assert effects == dict.fromkeys(labels, "notify") | dict.fromkeys(PAGES, "freeze") | {"Watchdog": "watchdog"}


def test_no_rule_has_a_bound_of_a_gate_of_its_own() -> None:
    """What a gate is held against is set in one place, the bot's options."""
    groups = yaml.safe_load((OPS / "prometheus-anr-rules.yaml").read_text(encoding="utf-8"))["groups"]
    figures = ("anr_rsi", "anr_rollbacks_per_1k", "anr_tri_median", "anr_fast_cap_breaches", "anr_window", "anr_ledger_age")
    asked = {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}
    held = {name: expr for name, expr in asked.items() if any(figure in expr for figure in figures)}
    assert len(held) == 6
    assert all("anr_gate_bound" in expr for expr in held.values())


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        pytest.param(("alertname=AnrRsiLow", "component=anr", "severity=page"), "anr-bot", id="a-page"),
        pytest.param(("alertname=AnrDrift", "component=anr", "severity=warning"), "anr-bot", id="a-warning"),
        pytest.param(("alertname=Watchdog", "component=anr", "severity=none"), "anr-bot", id="the-watchdog"),
        pytest.param(
            tuple(f"{name}={value}" for name, value in labels_of("0" * 32, "production").items()), "anr-bot", id="a-drill"
        ),
        pytest.param(("alertname=AnrBotDown", "component=anr", "severity=warning"), "anr-slack", id="the-bot-is-down"),
        pytest.param(("alertname=DiskFull", "component=db", "severity=page"), "on-call", id="another-component"),
    ],
)
def test_amtool_accepts_the_merged_routes_and_each_alert_is_told_of_once(labels: tuple[str, ...], receivers: str) -> None:
    """ANR's alerts reach the bot alone, whose card is the one message; that the bot is down reaches the channel without it."""
    run("amtool", "check-config", "alertmanager-merged.yml")
    assert run("amtool", "config", "routes", "test", "--config.file=alertmanager-merged.yml", *labels).strip() == receivers


def test_the_example_of_merging_is_what_is_to_be_merged() -> None:
    """Our routes first, then the others; every receiver of ours, with what ended and as many alerts as the bot tells apart."""
    ours, merged = (yaml.safe_load((OPS / name).read_text("utf-8")) for name in ("alertmanager.yml", "alertmanager-merged.yml"))
    assert merged["route"]["routes"][: len(ours["routes"])] == ours["routes"]
    assert all(receiver in merged["receivers"] for receiver in ours["receivers"])
    (webhook,) = ours["receivers"][0]["webhook_configs"]
    assert (webhook["send_resolved"], webhook["max_alerts"]) == (True, MAX_ALERTS)


def test_promtool_accepts_the_scrape_configuration_and_its_job_is_the_one_that_the_rules_ask_for() -> None:
    """AnrBotDown looks for the job by name."""
    run("promtool", "check", "config", "prometheus.yml")
    (job,) = yaml.safe_load((OPS / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    assert f'up{{job="{job["job_name"]}"}}' in (OPS / "prometheus-anr-rules.yaml").read_text(encoding="utf-8")


def test_rules_and_dashboard_use_only_metrics_that_the_bot_exposes() -> None:
    """A name that was misspelt or renamed would be an alert that never fires and an empty panel."""
    dashboard = json.loads((OPS / "grafana-anr.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(asked) >= 20
    for shown in ("anr_drift", "anr_problems", "anr_approvals_pending", "anr_parked_messages", "anr_router_still_serving"):
        assert any(shown in expr for expr in asked), shown
    rules = (OPS / "prometheus-anr-rules.yaml").read_text(encoding="utf-8")
    assert used_metrics(" ".join(asked) + rules) - known_metrics() == set()


def lint(exposition: str) -> subprocess.CompletedProcess[str]:
    command = ["promtool", "check", "metrics"]
    return subprocess.run(command, input=exposition, capture_output=True, text=True, check=False)


async def test_promtool_has_nothing_to_say_against_the_metrics(tmp_path: Path) -> None:
    """The bot's own exposition by Prometheus's lint: names, units, endings and helps; each gate's bound is among it."""
    async with scenery(tmp_path) as (_, settings), running(settings) as port, aiohttp.ClientSession() as session:
        text = ""
        async with asyncio.timeout(WAIT):
            while "anr_gate_bound{" not in text:  # the first measurement is under way
                async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                    text = await answer.text()
    checked = await asyncio.to_thread(lint, text)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    assert {"rsi", "rollbacks_per_1k", "tri_median"} <= set(
        re.findall(r'^anr_gate_bound{gate="([a-z0-9_]+)"', text, re.MULTILINE)
    )
    wrong = text + "# TYPE anr_things_total gauge\nanr_things_total 1\n"
    assert "anr_things_total" in (await asyncio.to_thread(lint, wrong)).stderr
