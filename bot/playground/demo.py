"""`anr demo`: the playground, a simulated router with three days of history, and the bot, until Ctrl-C; then nothing is left.

Excluded: what these are made of. Only the base URL tells this bot from one that is connected to Slack.
"""

import asyncio
import os
import random
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr
from rich.console import Console

from bot.app import running
from bot.playground.router.pages import RouterPages
from bot.playground.router.router import SimulatedRouter
from bot.playground.server import Playground
from bot.slack.manifest import MANIFEST
from core.actors import Actor, ActorKind
from core.operations import propose
from core.rollout.schedule import Schedule
from core.settings.settings import Settings
from core.settings.surfaces import HttpSettings, SlackSettings
from core.settings.target import ObserveOptions, TargetSettings
from core.target.target import Target

OPERATOR, APPROVERS, CHANNEL = "U0OLIVIA", frozenset({"U0AARON", "U0PRIYA"}), "C0ANROPS"


@asynccontextmanager
async def stage(folder: Path, port: int = 0, http_port: int | None = None) -> AsyncIterator[tuple[Playground, Settings]]:
    """Run playground, router and bot in a folder while the block lasts."""
    async with scenery(folder, port, http_port) as (playground, settings), running(settings):
        yield playground, settings


@asynccontextmanager
async def scenery(folder: Path, port: int = 0, http_port: int | None = None) -> AsyncIterator[tuple[Playground, Settings]]:
    """Run playground and router, and yield the settings with which a bot reaches them.

    Args:
        folder: for everything that is written.
        port: of the playground; 0 takes any free one.
        http_port: where the bot will listen in HTTP mode; None means Socket Mode.
    """
    options = TargetSettings(
        name="demo",
        ledger=folder / "anr_ledger.ndjson",
        settings_file=folder / "anr.env",
        journal=folder / "anr_journal.sqlite",
        receipts_dir=folder / "receipts",
        run_dir=folder / "run",
        state_file=folder / "anr_state.json",
        backups_dir=folder / "anr_state_backups",
        archive_dir=folder / "anr_ledger_archive",
        observe_timeout_s=3,
        soak_hours=0,  # a visitor climbs the whole ladder in minutes
        schedule=Schedule(at=(datetime.now(UTC) + timedelta(hours=12)).time()),  # not due whenever a visitor looks
    )
    options.settings_file.write_text(
        "# the router's settings\nNOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\nNOVA_ANR_KILL=0\nNOVA_ANR_LEARN_SHADOW=1\n"
        "NOVA_ANR_MAX_FAST_PROB=0.15\nNOVA_ANR_STRICT_ON_ANOMALY=1\n",
        encoding="utf-8",
    )
    router = SimulatedRouter(options.settings_file, options.ledger, options.state_file, rng=random.Random(7))  # noqa: S311 - a demo
    router.seed_history(datetime.now(UTC))
    request_url = None if http_port is None else f"http://127.0.0.1:{http_port}/slack/events"
    async with Playground(MANIFEST, port=port, request_url=request_url, extra_routes=RouterPages(router).routes()) as playground:
        options = options.model_copy(
            update={
                "health_url": f"{playground.url}/health/slots",
                **{
                    f"{word}_command": (sys.executable, "-m", "bot.playground.router.reload", f"{playground.url}/{path}")
                    for word, path in (("reload", "restart"), ("stop", "stop"), ("start", "start"))
                },
                "observe": ObserveOptions(
                    url=f"{playground.url}/router/status", enabled="anr.enabled", pilot="anr.pilot", kill="anr.kill"
                ),
            },
        )
        slack = SlackSettings(
            bot_token=SecretStr(playground.bot_token),
            app_token=SecretStr("" if http_port else playground.app_token),
            signing_secret=SecretStr(playground.signing_secret if http_port else ""),
            channel=CHANNEL,
            api_url=f"{playground.url}/api/",
        )
        settings = Settings(
            target=options,
            slack=slack,
            http=HttpSettings(port=http_port or 0),
            operators=frozenset({OPERATOR}),
            approvers=APPROVERS,
            brake_open_to_members=True,
            people={},
        )
        target = Target.at(options, settings.access)
        roles = settings.access.roles_of(OPERATOR, full_member=True)
        propose.init(target, Actor(kind=ActorKind.SLACK, id=OPERATOR, roles=roles), "start of the demo")
        target.journal.close()
        await router.start()
        try:
            yield playground, settings
        finally:
            await router.stop()


async def play(port: int) -> None:
    """Run the demo until it is interrupted."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        os.environ.pop(name, None)  # slack_sdk would send loopback calls through it
    stop = asyncio.Event()
    with suppress(NotImplementedError):  # Windows has no signal handlers here; Ctrl-C raises there
        for ending in (
            signal.SIGINT,
            signal.SIGTERM,
            getattr(signal, "SIGHUP", signal.SIGTERM),
        ):  # SIGHUP: the terminal was closed
            asyncio.get_running_loop().add_signal_handler(ending, stop.set)
    with tempfile.TemporaryDirectory(prefix="anr-demo-") as folder:
        async with stage(Path(folder), port) as (playground, settings):
            console = Console()
            console.print(
                f"\n  Open [bold]{playground.url}[/bold]  and type [bold]/anr status[/bold], then [bold]/anr promote[/bold]"
            )
            console.print(
                f"  The router's settings: {settings.target.settings_file}\n  Ctrl-C ends it and leaves nothing behind.\n"
            )
            await stop.wait()
