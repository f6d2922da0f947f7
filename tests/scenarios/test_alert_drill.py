"""The alert of a drill at the webhook of a real bot, where every rule would freeze for it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.playground.demo import CHANNEL
from core.alerts.rules import AlertRule
from core.receipts.receipt import Action
from core.target.announced_drills import announce, labels_of, was_heard
from tests.support.alert_payloads import alert, payload
from tests.support.alerting import Stage, is_safe, listening, ready, target_of
from tests.support.workspace import WAIT, cards, scenery, whispers

FREEZES_FOR_EVERYTHING = (AlertRule(match='alertname=~".*"', then="freeze", mode="act"),)


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Playground, router, and a bot whose only rule freezes for every alert."""
    async with (
        scenery(tmp_path) as (playground, settings),
        listening(settings, rules=FREEZES_FOR_EVERYTHING) as (alertmanager, ours),
    ):
        await ready(alertmanager)
        yield playground, alertmanager, ours


def of_drill(drill: str, **changed: str) -> dict[str, Any]:
    """The alert of a drill, as Alertmanager sends it on."""
    return {**alert("d" * 16), "labels": {**labels_of(drill, "demo"), **changed}}


def actions(stage: Stage) -> set[Action]:
    return {sealed.receipt.action for sealed in target_of(stage[2]).journal.receipts()} & {Action.FREEZE, Action.ALERT}


async def test_an_announced_drill_is_heard_and_freezes_nothing_whatever_the_rules_say(stage: Stage) -> None:
    """Firing, again, late and resolved: answered with 200 each time, kept for whoever waits, no receipt and no card."""
    playground, alertmanager, settings = stage
    target = target_of(settings)
    drill = announce(target.settings.run_dir, target.clock())
    assert not was_heard(target.settings.run_dir, drill)
    for body in (payload(of_drill(drill)), payload(of_drill(drill)), payload({**of_drill(drill), "status": "resolved"})):
        status, answer = await alertmanager.send(body)
        assert (status, answer["text"]) == (200, "Nothing in it holds the router.")
    assert was_heard(target.settings.run_dir, drill)
    assert not is_safe(settings)
    assert actions(stage) == set()
    assert not cards(playground, "AnrAlertPathDrill")


async def test_the_end_of_a_drill_is_no_proof(stage: Stage) -> None:
    """Only an alert that fires shows that a page would arrive."""
    _, alertmanager, settings = stage
    target = target_of(settings)
    drill = announce(target.settings.run_dir, target.clock())
    assert (await alertmanager.send(payload({**of_drill(drill), "status": "resolved"})))[0] == 200
    assert not was_heard(target.settings.run_dir, drill)


@pytest.mark.parametrize(
    ("known", "change"),
    [
        pytest.param(False, {}, id="nobody-announced-it"),
        pytest.param(True, {"severity": "page"}, id="a-page-with-an-announced-id"),
        pytest.param(True, {"alertname": "AnrRsiLow"}, id="another-alert-with-an-announced-id"),
    ],
)
async def test_a_foreign_alert_that_claims_to_be_a_drill_is_judged_by_the_rules(
    stage: Stage, *, known: bool, change: dict[str, str]
) -> None:
    """It freezes, as the rule says, and nobody who waits for the drill takes it for his own."""
    _, alertmanager, settings = stage
    target = target_of(settings)
    drill = announce(target.settings.run_dir, target.clock()) if known else "0" * 32
    assert (await alertmanager.send(payload(of_drill(drill, **change))))[0] == 200
    assert is_safe(settings)
    assert not was_heard(target.settings.run_dir, drill)


async def test_a_page_beside_a_drill_freezes(stage: Stage) -> None:
    """One payload may hold both; the drill hides nothing."""
    _, alertmanager, settings = stage
    target = target_of(settings)
    drill = announce(target.settings.run_dir, target.clock())
    assert (await alertmanager.send(payload(of_drill(drill), alert())))[0] == 200
    assert is_safe(settings)
    assert was_heard(target.settings.run_dir, drill)
    assert [note.reason for note in target.brake.freezes()] == ["AnrRsiLow: RSI is 0.71"]


async def test_a_drill_is_heard_of_only_when_that_is_kept(stage: Stage) -> None:
    """Where the bot may not write, Alertmanager is told to come again, and why."""
    _, alertmanager, settings = stage
    target = target_of(settings)
    drill = announce(target.settings.run_dir, target.clock())
    (target.settings.run_dir / "alert_drills" / f"{drill}.heard").mkdir()
    status, answer = await alertmanager.send(payload(of_drill(drill)))
    assert status == 503
    assert "heard could not be kept" in answer["text"]


async def test_slack_says_that_nothing_was_posted_where_no_alertmanager_is_set(stage: Stage) -> None:
    """The words reach the drill of the alert path, and not that of the safety nets."""
    playground, _, _ = stage
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "drill alerts")
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "No `alertmanager_url`"), WAIT)
