"""`anr bot` and `anr demo`."""

import asyncio
import gc
import logging
import signal
import sys
from contextlib import suppress

import typer

from core.cli.said import VERBOSE
from core.settings.settings import load
from core.system import logs

commands = typer.Typer()

_GARBAGE = (2_000, 10, 1_000_000)
"""How many objects come to be before a search for garbage, how many such searches before a longer one, and before the longest,
which goes through all that is kept and stops every thread for tens of milliseconds: it has a time of its own."""
_GARBAGE_SECONDS = 600.0
_SWITCH_SECONDS = 0.0001
"""How long a worker thread may hold the interpreter while an acknowledgement waits for it; Python's own is fifty times that."""


@commands.command()
def bot() -> None:
    """Run the Slack bot until it is stopped."""
    asyncio.run(_bot())


@commands.command()
def demo(port: int = 8765) -> None:
    """Start a local Slack workspace, a simulated router and the bot, and print where to look."""
    from bot.playground.demo import play  # noqa: PLC0415 - only the demo needs the playground

    with suppress(KeyboardInterrupt):
        asyncio.run(play(port))


async def _bot() -> None:
    from bot.app import running  # noqa: PLC0415 - Bolt is slow to import, and only the bot needs it

    sys.setswitchinterval(_SWITCH_SECONDS)
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
            gc.collect()
            gc.freeze()  # modules and settings stay; to search them for garbage again and again held everything up for 0.1 s
            gc.set_threshold(*_GARBAGE)
            while True:
                await asyncio.sleep(_GARBAGE_SECONDS)
                gc.collect()
