"""From a bad ledger line to safe settings and back, with the real Prometheus and Alertmanager."""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.playground.demo import CHANNEL
from bot.playground.process import environment
from core.alerts.payload import AlertStatus, judge
from core.alerts.reading import read_notification
from core.alerts.rules import AlertPolicy, AlertRule, Effect
from core.receipts.receipt import Action
from core.settings.account import operating_system_user
from core.settings.settings import Settings
from tests.scenarios.conftest import _no_proxy as _no_proxy  # noqa: PLC0414 - a fixture of loopback tests
from tests.support.alerting import alerted, is_safe, listening, ready, target_of
from tests.support.monitoring import alertmanager, post_alerts, prometheus, silences
from tests.support.rig import decision
from tests.support.workspace import cards, said, scenery, whispers

pytestmark = pytest.mark.e2e

LOOP_SECONDS = 600.0


async def until(so: Callable[[], bool], seconds: float = LOOP_SECONDS) -> None:
    """Look again and again until something is so."""
    ends = time.monotonic() + seconds
    while not await asyncio.to_thread(so):
        assert time.monotonic() < ends, "not so in time"
        await asyncio.sleep(0.05)  # a look as often as it can be made takes the processors from what it waits for


def with_target(settings: Settings, **changed: Any) -> Settings:
    return settings.model_copy(update={"target": settings.target.model_copy(update=changed)})


async def test_a_bad_ledger_line_freezes_the_router_and_the_card_follows_to_the_end(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """Ledger, metrics, rules, groups, webhook, settings file, card, receipt; when the line has left the window, unfreeze."""
    async with scenery(tmp_path) as (playground, begun):
        settings = with_target(begun, window_minutes=1)
        async with (
            listening(settings) as (bot, ours),
            alertmanager(tmp_path, ours.http.port) as url,
            prometheus(tmp_path, ours.http.port, url),
        ):
            target = ours.every_target[0]
            await until((target.run_dir / "watchdog").exists)
            assert not is_safe(ours)
            written = time.monotonic()

            def breached_and_safe() -> bool:
                """Add a bad line at each look: on a busy machine one would leave the window before it is measured."""
                if is_safe(ours):
                    return True
                breach = decision(datetime.now(UTC)) | {"anomaly": {"engaged": 1}}
                breach["shadow"]["probs"] |= {"R1": 0.0, "R3": 0.3}
                with target.ledger.open("a", encoding="utf-8") as ledger:
                    ledger.write(json.dumps(breach) + "\n")
                return False

            await until(breached_and_safe)
            whole = time.monotonic() - written
            await playground.wait_for(lambda: cards(playground, "Frozen by alert: AnrFastCapBreach"), LOOP_SECONDS)
            _, metrics = await bot.get("/metrics")
            own = re.search(r"anr_alert_freeze_seconds_sum\{[^}]*\} ([0-9.e-]+)", metrics)
            assert own is not None
            figure(f"bad ledger line to safe settings: {whole:.1f} s, of it the bot's own share {float(own[1]):.3f} s")
            receipts = [sealed.receipt for sealed in target_of(ours).journal.receipts() if sealed.receipt.action is Action.FREEZE]
            assert [receipt.alert.name for receipt in receipts if receipt.alert] == ["AnrFastCapBreach"]
            ended = "Frozen by alert, which has ended: AnrFastCapBreach"
            await playground.wait_for(lambda: cards(playground, ended), LOOP_SECONDS)
            (card,) = cards(playground, ended)
            assert is_safe(ours)
            await playground.slash("U0OLIVIA", CHANNEL, "/anr", "unfreeze the cap holds again")
            await playground.wait_for(lambda: cards(playground, "Over, and unfrozen: AnrFastCapBreach"), LOOP_SECONDS)
            assert [message["ts"] for message in cards(playground, "Over, and unfrozen: AnrFastCapBreach")] == [card["ts"]]
            assert is_safe(ours)


@asynccontextmanager
async def bot_process(settings: Settings) -> AsyncIterator[Callable[[], None]]:
    """The bot as a process; yields what kills it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "bot", env=environment(settings, os.environ), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process.kill
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_bot_that_was_down_and_then_killed_during_retries_freezes_once(tmp_path: Path) -> None:
    """Down for the whole first notification, then killed while Alertmanager retries: it comes back and freezes, once."""
    async with scenery(tmp_path) as (playground, begun):
        settings = alerted(begun)
        file = settings.target.settings_file
        kept = file.read_bytes()
        async with alertmanager(tmp_path, settings.http.port) as url:
            await post_alerts(url, "AnrRsiLow")
            await until(lambda: b"connection refused" in (tmp_path / "prometheus-alertmanager.log").read_bytes())
            file.unlink()
            file.mkdir()  # the router cannot be made safe, so that the bot's answer is not yet 200
            async with bot_process(settings) as kill:
                await until(lambda: bool(target_of(settings).brake.read().frozen_by))
                kill()
            file.rmdir()
            file.write_bytes(kept)
            async with bot_process(settings):
                await until(lambda: is_safe(settings))
                await playground.wait_for(lambda: cards(playground, "AnrRsiLow"), LOOP_SECONDS)
        state = target_of(settings).journal.state()
        assert [hold.reason for hold in state.holds] == ["AnrRsiLow: posted by a test"]
        assert len(cards(playground, "AnrRsiLow")) == 1


async def test_two_alerts_one_resolved_and_the_other_silenced(tmp_path: Path) -> None:
    """The real Alertmanager's resolved is noted on the card; the form silences what still fires, by exactly its labels."""
    async with scenery(tmp_path) as (playground, begun):
        ours = alerted(begun)
        async with alertmanager(tmp_path, ours.http.port) as url:
            settings = with_target(ours, alertmanager_url=url)
            async with listening(settings):
                await post_alerts(url, "AnrRsiLow", "AnrRollbackRate")
                await playground.wait_for(lambda: len(cards(playground, "Frozen by alert")) == 2, LOOP_SECONDS)
                await post_alerts(url, "AnrRollbackRate", ended=True)
                await playground.wait_for(
                    lambda: cards(playground, "Frozen by alert, which has ended: AnrRollbackRate"), LOOP_SECONDS
                )
                assert is_safe(settings)
                (card,) = cards(playground, "Frozen by alert: AnrRsiLow")
                await playground.click("U0OLIVIA", CHANNEL, card["ts"], "ask_silence")
                await playground.wait_for(lambda: "For how long" in str(playground.open_views("U0OLIVIA")), LOOP_SECONDS)
                view = playground.open_views("U0OLIVIA")[-1]
                chosen = next(block for block in view["blocks"] if block.get("block_id") == "minutes")["element"]["options"][2]
                values = {
                    "minutes": {"minutes": {"selected_option": chosen}},
                    "reason": {"reason": {"value": "we look into it"}},
                }
                await playground.submit_view("U0OLIVIA", view["id"], values)
                silenced = "silenced in Alertmanager for 2 h"
                await playground.wait_for(lambda: silenced in said(cards(playground, "AnrRsiLow")[0]), LOOP_SECONDS)
                assert whispers(playground, "U0OLIVIA", "The holds are as they were")
                (silence,) = await silences(url)
                assert {matcher["name"]: matcher["value"] for matcher in silence["matchers"]} == {
                    "alertname": "AnrRsiLow",
                    "component": "anr",
                    "severity": "page",
                }
                assert (silence["status"]["state"], silence["comment"]) == ("active", "we look into it")
                assert len(target_of(settings).journal.state().holds) == 2


async def test_a_drill_goes_through_the_real_alertmanager_and_freezes_nothing(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """Posted by Slack's word, heard at the webhook, recorded with its legs; what it leaves is one message and no hold."""
    async with scenery(tmp_path) as (playground, begun):
        ours = alerted(begun, rules=(AlertRule(match='component="anr"', then="freeze", mode="act"),))
        async with alertmanager(tmp_path, ours.http.port) as url:
            settings = with_target(ours, alertmanager_url=url)
            async with listening(settings, rules=ours.alerts.rules) as (bot, _):
                await ready(bot)
                await playground.slash("U0OLIVIA", CHANNEL, "/anr", "drill alerts")
                await playground.wait_for(lambda: cards(playground, "Drill: the alert path is alive"), 60)
                assert whispers(playground, "U0OLIVIA", "→ recorded")
                (card,) = cards(playground, "Drill: the alert path is alive")
                assert "posted → accepted by Alertmanager" in said(card)
                assert not is_safe(settings)
                await post_alerts(url, "AnrRsiLow")
                await until(lambda: is_safe(settings))
        journal = target_of(settings).journal
        assert [hold.reason for hold in journal.state().holds] == ["AnrRsiLow: posted by a test"]
        (drill,) = [sealed.receipt for sealed in journal.receipts() if sealed.receipt.action is Action.ALERT_DRILL]
        assert drill.alert_drill is not None
        assert drill.alert_drill.total_s is not None
        figure(f"drill alert through the real Alertmanager: {drill.alert_drill}")


async def test_a_drill_whose_route_is_missing_says_so(tmp_path: Path) -> None:
    """Alertmanager takes the alert and has nowhere to send it: the command line names the route and fails."""
    async with scenery(tmp_path) as (_, begun):
        ours = alerted(begun)
        async with alertmanager(tmp_path, ours.http.port, routed=False) as url:
            settings = with_target(ours, alertmanager_url=url)
            async with listening(settings):
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "bot", "drill", "alerts", "--wait", "3", "--json"),
                    env=environment(settings, os.environ) | {"ANR_OPERATORS": json.dumps([f"os:{operating_system_user()}"])},
                    stdout=asyncio.subprocess.PIPE,
                )
                out, _ = await process.communicate()
        facts = json.loads(out)
        assert (process.returncode, facts["result"], facts["legs"]["heard_s"]) == (3, "failed", None)
        assert facts["legs"]["accepted_s"] > 0
        assert "Alertmanager took it, the webhook never heard of it within 3 s: look at the route" in facts["problem"]
        assert not is_safe(settings)


async def test_what_the_real_alertmanager_cuts_off_is_told_by_its_group_labels_alone(tmp_path: Path) -> None:
    """Common labels and status are those of what it shows, an alert that is over; the page that it cut off freezes."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        heard.put_nowait(await request.read())
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/alertmanager/webhook", take)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    now = datetime.now(UTC)
    over, page = (
        {
            "labels": {"alertname": name, "component": "anr", "job": job, "severity": severity},
            "startsAt": (now - timedelta(minutes=1)).isoformat(),
            "endsAt": (now + ends).isoformat(),
        }
        for name, job, severity, ends in (
            ("AnrSlow", "a", "warning", timedelta(seconds=-1)),
            ("AnrRsiLow", "b", "page", timedelta(minutes=5)),
        )
    )
    try:
        port = runner.addresses[0][1]
        async with (
            alertmanager(tmp_path, port, group_by=["component"], max_alerts=1) as url,
            aiohttp.ClientSession() as session,
            session.post(f"{url}/api/v2/alerts", json=[over, page]) as answer,
        ):
            assert answer.status == 200
            body = await asyncio.wait_for(heard.get(), LOOP_SECONDS)
    finally:
        await runner.cleanup()
    told = json.loads(body)
    assert (told["truncatedAlerts"], told["status"], [alert["status"] for alert in told["alerts"]]) == (
        1,
        "resolved",
        ["resolved"],
    )
    assert told["commonLabels"] == over["labels"]
    assert told["groupLabels"] == {"component": "anr"}
    shown, unseen = judge(read_notification(body), AlertPolicy()).facts
    assert (shown.name, shown.effect, shown.status) == ("AnrSlow", Effect.NOTIFY, AlertStatus.RESOLVED)
    assert (unseen.is_unseen, unseen.effect, unseen.status) == (True, Effect.FREEZE, AlertStatus.FIRING)
