"""Whoever the webhook refuses is heard of: in the log, the metrics, the home, and in `doctor` at the command line."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from core.doctor.check import Check, Health
from core.doctor.own_checks import check_up
from core.settings.secret_files import secrets_read
from core.settings.settings import Settings
from core.settings.surfaces import AlertSettings
from core.target.overview import look
from tests.scenarios.conftest import free_port
from tests.support.alert_payloads import alert, payload
from tests.support.alerting import TOKEN, Alertmanager, Stage, is_safe, listening, target_of
from tests.support.workspace import WAIT, scenery


@pytest_asyncio.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A bot that measures without rest: the first time takes as long as a process needs to start, and it rests ten times that."""
    monkeypatch.setattr("bot.http.metrics._REST", 0)
    async with scenery(tmp_path, http_port=free_port()) as (playground, settings), listening(settings) as (alertmanager, ours):
        yield playground, alertmanager, ours


async def check(settings: Settings, name: str) -> Check:
    """Beside the loop that serves the router's pretended endpoint, which is asked here."""
    checks = await asyncio.to_thread(lambda: list(check_up(target_of(settings))))
    return next(check for check in checks if check.name == name)


async def metric(alertmanager: Alertmanager, name: str, value: str) -> None:
    """Wait until a metric of the only router has a value; measuring takes its time where processors are few."""
    async with asyncio.timeout(10 * WAIT):
        while not re.search(  # noqa: ASYNC110 - a metric tells nobody when it changes
            rf"^{name}{{[^}}]*}} {re.escape(value)}$", (await alertmanager.get("/metrics"))[1], re.MULTILINE
        ):
            await asyncio.sleep(0.2)


@pytest.mark.parametrize(
    ("body", "token", "result"),
    [
        pytest.param(payload(alert()), "wrong", "401 unauthorised", id="without-the-token"),
        pytest.param("all", TOKEN, "400 malformed", id="no-object"),
        pytest.param(payload(alert(), version="5"), TOKEN, "503 unread", id="not-all-was-understood"),
    ],
)
async def test_a_refusal_is_heard_of(
    stage: Stage, body: object, token: str, result: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A log line, two metrics, the problems that status and home show, and a check of `doctor` that fails in any process."""
    _, alertmanager, settings = stage
    assert (await check(settings, "alert webhook")).health is Health.OK
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            await alertmanager.send(body, token=token)
    assert "the webhook refused a request" in caplog.text
    assert TOKEN not in caplog.text
    await metric(alertmanager, "anr_webhook_refusals", "3.0")
    assert f'anr_webhook_requests_total{{result="{result.split()[1]}"}} 3.0' in (await alertmanager.get("/metrics"))[1]
    found = await check(settings, "alert webhook")
    assert found.health is Health.FAIL
    assert f"3 × {result}" in found.text
    seen = await asyncio.to_thread(lambda: look(target_of(settings)))
    assert any(result in problem for problem in seen.problems)


async def test_an_alert_about_anr_that_no_rule_matches_is_in_doctor(stage: Stage) -> None:
    """Whoever forgot the label `component` finds it by name; it freezes nothing and is no refusal."""
    _, alertmanager, settings = stage
    one = {**alert(), "labels": {"alertname": "AnrOfSomebodyElse", "severity": "page"}}
    assert (await alertmanager.send(payload(one, alert("b", alertname="DiskFull", component="db"))))[0] == 200
    await metric(alertmanager, "anr_unmatched_alerts", "1.0")
    found = await check(settings, "unmatched alerts")
    assert found.health is Health.WARN
    assert "AnrOfSomebodyElse" in found.text
    assert not is_safe(settings)


@pytest.mark.parametrize("secret", ["geheim\n", " geheim", "geheim\r\n"])
def test_secrets_lose_the_space_around_them(secret: str) -> None:
    """A secret that was kept in a file has a line feed behind it, which nobody sends; only space is no secret."""
    options = secrets_read(AlertSettings.model_validate({"token": secret, "password": secret})).options
    assert (options.token.get_secret_value(), options.password.get_secret_value()) == ("geheim", "geheim")
    assert not secrets_read(AlertSettings.model_validate({"token": " \n"})).options.enabled
