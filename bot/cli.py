"""Adds the bot's commands to core's: `anr bot`, `anr doctor` and `anr demo`."""

import asyncio
import logging
import signal
from contextlib import suppress
from dataclasses import asdict

import typer

from core import logs
from core.cli import app, run
from core.cli_options import VERBOSE, AsJson, operating
from core.doctor import Check, Health
from core.doctor_house import check_up
from core.errors import ConfigurationError
from core.settings import load, options_file, stray_router_settings
from core.terminal import FAILED, print_checks, print_json

_SWITCH_SECONDS = 0.0005
"""How long a worker thread may hold the interpreter while an acknowledgement waits for it; Python's own is ten times that."""


@app.command()
def bot() -> None:
    """Run the Slack bot until it is stopped."""
    asyncio.run(_bot())


@app.command()
def doctor(*, as_json: AsJson = False) -> None:
    """Examine everything that operating the router depends on, and say what to do next."""
    from bot.doctor import examine_slack  # noqa: PLC0415 - Slack's client is slow to import, and only this needs it

    checks: tuple[Check, ...] = ()
    try:
        with operating() as (settings, site):
            checks = check_up(site, stray=stray_router_settings(), secrets_in=options_file())
            checks = (*checks, *examine_slack(settings.slack, (site.target.channel or settings.slack.channel,)))
    except ConfigurationError as error:
        checks = (Check("options", Health.FAIL, str(error), "Correct the options; docs/configuration.md names them all."),)
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        print_checks(checks)
    if any(check.health is Health.FAIL for check in checks):
        raise typer.Exit(FAILED)


@app.command()
def demo(port: int = 8765) -> None:
    """Start a local Slack workspace, a simulated router and the bot, and print where to look."""
    from bot.playground.demo import play  # noqa: PLC0415 - only the demo needs the playground

    with suppress(KeyboardInterrupt):
        asyncio.run(play(port))


async def _bot() -> None:
    from bot.app import running  # noqa: PLC0415 - Bolt is slow to import, and only the bot needs it

    settings = load()
    logs.hide(settings.secrets)
    logs.configure(verbose=VERBOSE.get(), quiet_level=logging.INFO)
    serving = asyncio.current_task()
    if serving is not None:
        with suppress(NotImplementedError):  # Windows has no signal handlers here; Ctrl-C raises there
            for name in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(name, serving.cancel)
    with suppress(asyncio.CancelledError):
        async with running(settings):
            await asyncio.Event().wait()


def main() -> None:
    """Run the command line."""
    run(app)
