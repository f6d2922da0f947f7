"""Debian's Prometheus and Alertmanager on free ports of loopback, with the configuration of ops/ at short intervals."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from bot.playground.process import listening
from tests.scenarios.conftest import free_port
from tests.support.alerting import TOKEN

OPS = Path(__file__).parents[2] / "ops"


@asynccontextmanager
async def running(folder: Path, *command: str, port: int) -> AsyncIterator[None]:
    """Run a program until it listens, for the length of the block."""
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        try:
            await listening(port)
            yield
        finally:
            process.terminate()
            await process.wait()


@asynccontextmanager
async def alertmanager(
    folder: Path, bot_port: int, *, routed: bool = True, group_by: Sequence[str] = (), max_alerts: int | None = None
) -> AsyncIterator[str]:
    """Yield the address of an Alertmanager that has our routes to a bot, or none of them.

    Args:
        folder: for its files.
        bot_port: of the bot.
        routed: whether it has the routes.
        group_by: other labels to group by than ours.
        max_alerts: another bound than ours.
    """
    token = folder / "webhook-token"
    token.write_text(TOKEN, encoding="utf-8")
    config = yaml.safe_load((OPS / "alertmanager.yml").read_text(encoding="utf-8"))
    bot = next(receiver for receiver in config["receivers"] if receiver["name"] == "anr-bot")["webhook_configs"][0]
    bot["url"] = f"http://127.0.0.1:{bot_port}/alertmanager/webhook"
    bot["http_config"]["authorization"]["credentials_file"] = str(token)
    bot["max_alerts"] = bot["max_alerts"] if max_alerts is None else max_alerts
    ours = [route for route in config["routes"] if route["receiver"] == "anr-bot"]
    routes = [{**route, "group_interval": "1s", "repeat_interval": "1s"} for route in ours if routed]
    routes = [{**route, "group_by": list(group_by)} if group_by else route for route in routes]
    receivers = [{"name": "elsewhere"}, *(receiver for receiver in config["receivers"] if receiver["name"] == "anr-bot")]
    merged = {"route": {"receiver": "elsewhere", "routes": routes}, "receivers": receivers}
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(merged), encoding="utf-8")
    port = free_port()
    command = (
        "prometheus-alertmanager",
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    )
    async with running(folder, *command, port=port):
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def prometheus(folder: Path, bot_port: int, alertmanager_url: str) -> AsyncIterator[str]:
    """Yield the address of a Prometheus that scrapes a bot every second and evaluates our rules, without their patience."""
    rules = (OPS / "prometheus-anr-rules.yaml").read_text(encoding="utf-8")
    (folder / "rules.yaml").write_text(re.sub(r"\n    for: .*", "", rules), encoding="utf-8")
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yaml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager_url.removeprefix("http://")]}]}]},
        "scrape_configs": [{"job_name": "anr", "static_configs": [{"targets": [f"127.0.0.1:{bot_port}"]}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    port = free_port()
    command = (
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--rules.alert.resend-delay=1s",
    )
    async with running(folder, *command, port=port):
        yield f"http://127.0.0.1:{port}"


async def post_alerts(alertmanager_url: str, *names: str, ended: bool = False) -> None:
    """Tell Alertmanager of alerts that page, as Prometheus does, or of their end."""
    now = datetime.now(UTC)
    ends = now - timedelta(seconds=1) if ended else now + timedelta(minutes=5)
    alerts: list[dict[str, Any]] = [
        {
            "labels": {"alertname": name, "component": "anr", "severity": "page"},
            "annotations": {"summary": "posted by a test"},
            "startsAt": (now - timedelta(minutes=1)).isoformat(),
            "endsAt": ends.isoformat(),
        }
        for name in names
    ]
    async with aiohttp.ClientSession() as session, session.post(f"{alertmanager_url}/api/v2/alerts", json=alerts) as answer:
        assert answer.status == 200, await answer.text()


async def silences(alertmanager_url: str) -> list[dict[str, Any]]:
    """The silences that Alertmanager has."""
    async with aiohttp.ClientSession() as session, session.get(f"{alertmanager_url}/api/v2/silences") as answer:
        found: list[dict[str, Any]] = await answer.json()
        return found
