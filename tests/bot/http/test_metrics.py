"""What a scrape finds before anything has happened."""

import ast
import json
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.http.metrics import WEBHOOK_RESULTS, Metrics
from core.alerts.rules import Effect

ROOT = Path(__file__).parents[3]


def scraped(metrics: Metrics) -> dict[str, list[dict[str, str]]]:
    """The labels of each sample, by its name, as Prometheus's own parser reads them."""
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


@pytest.fixture
def metrics() -> Metrics:
    begun = Metrics(1.0)
    begun.counters.begin("production")
    return begun


def test_what_may_happen_is_counted_from_zero(metrics: Metrics) -> None:
    """A first freeze, and a first refusal, is an increase that a rule sees: its series is there with 0 before."""
    found = scraped(metrics)
    assert found["anr_alert_freezes_total"] == [{"target": "production"}]
    assert found["anr_alert_freeze_seconds_count"] == [{"target": "production"}]
    assert {labels["result"] for labels in found["anr_webhook_requests_total"]} == set(WEBHOOK_RESULTS)
    assert {labels["effect"] for labels in found["anr_alerts_heard_total"]} == {*(effect.value for effect in Effect), "drill"}
    assert {labels["action"] for labels in found["anr_operations_total"]} == {"promote", "rollback", "freeze"}
    assert {labels["answer"] for labels in found["anr_approval_latency_seconds_count"]} == {
        "approved",
        "denied",
        "expired",
        "stale",
    }


def test_every_answer_of_the_webhook_is_counted_from_zero() -> None:
    """What the webhook's own source answers is the list, so that none is forgotten."""
    tree = ast.parse((ROOT / "bot/http/webhook.py").read_text(encoding="utf-8"))
    answered = {
        node.args[1].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Outcome"
        if isinstance(node.args[1], ast.Constant)
    }
    assert answered == set(WEBHOOK_RESULTS)


def test_the_process_and_its_interpreter_are_told(metrics: Metrics) -> None:
    """Open files, memory and start time under the names that every dashboard of Python processes knows."""
    found = scraped(metrics)
    for name in ("process_open_fds", "process_resident_memory_bytes", "process_start_time_seconds", "python_info"):
        assert name in found, name
    assert "python_gc_objects_collected_total" in found


def test_what_never_was_is_no_time_since_1970() -> None:
    """0 stands for never: the dashboard leaves it out, and says so, instead of counting 56 years."""
    dashboard = json.loads((ROOT / "ops/grafana-anr.json").read_text(encoding="utf-8"))
    for name in ("anr_daily_run_timestamp_seconds", "anr_watchdog_heard_timestamp_seconds"):
        panels = [panel for panel in dashboard["panels"] if any(name in target["expr"] for target in panel["targets"])]
        assert panels, name
        for panel in panels:
            assert panel["fieldConfig"]["defaults"]["noValue"] == "never"
            (expr,) = [target["expr"] for target in panel["targets"] if name in target["expr"]]
            assert expr == f'time() - ({name}{{target=~"$target"}} > 0)'
