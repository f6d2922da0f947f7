"""`anr bot` and `anr demo`."""

import asyncio
import gc
import logging
import signal
import sys
from contextlib import suppress
from typing import Annotated

import typer

from core.cli.said import VERBOSE
from core.errors import AnrError
from core.settings.changes import changed_options
from core.settings.settings import Settings, load
from core.system import logs, service_manager
from core.system.logs import logger

commands = typer.Typer()
log = logger(__name__)

_ENDING = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGBREAK")
"""What supervisors end a process with, and what would end it out of order if nobody heard it."""
_RELOADING = "SIGHUP"
_BEAT_SECONDS = 15.0
_PATIENCE = "EXTEND_TIMEOUT_USEC=60000000"
"""A minute more, said again and again: what is under way ends by its own limits (an operation within 30 minutes)."""
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
def demo(port: Annotated[int, typer.Option(help="Port of the page to open; 0 takes any free one.")] = 8765) -> None:
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
    signals = Signals(settings)
    signals.heard()
    beating = asyncio.create_task(alive(signals))
    try:
        with suppress(asyncio.CancelledError):
            async with running(settings, on_listening=lambda: service_manager.tell("READY=1", "STATUS=Alerts can freeze.")):
                gc.collect()
                gc.freeze()  # modules and settings stay; to search them for garbage again and again held everything up for 0.1 s
                gc.set_threshold(*_GARBAGE)
                while True:
                    await asyncio.sleep(_GARBAGE_SECONDS)
                    gc.collect()
    finally:
        beating.cancel()


async def alive(signals: "Signals") -> None:
    """Tell the service manager that this loop goes round, if it waits for that; and at the end not to lose patience yet."""
    every = service_manager.watchdog_seconds()
    while True:
        if every is not None:
            service_manager.tell("WATCHDOG=1")
        if signals.ending:
            service_manager.tell(_PATIENCE)
        await asyncio.sleep(min(every or _BEAT_SECONDS, _BEAT_SECONDS))


class Signals:
    """What a supervisor's signals do to a bot: each ends it in order, but SIGHUP, which reads its options again.

    Where somebody sits at a terminal SIGHUP says that they have gone, and ends it, too.

    Attributes:
        ending: it was told to end, and waits for what is under way.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._serving = asyncio.current_task()
        self.ending = False

    def heard(self) -> None:
        """Hear them from now on."""
        loop = asyncio.get_running_loop()
        for name in (*_ENDING, _RELOADING):
            number = getattr(signal, name, None)
            if number is None:  # not on this system
                continue
            act = self.reload if name == _RELOADING and not sys.stdin.isatty() else self.end
            try:
                loop.add_signal_handler(number, act)
            except NotImplementedError:  # Windows: its own handlers run between two steps of the loop
                signal.signal(number, lambda *_, act=act: loop.call_soon_threadsafe(act))

    def end(self) -> None:
        """End in order: begin nothing more, wait for what is under way."""
        if self.ending:
            log.warning(
                "the bot is ending, and waits for what is under way; SIGKILL ends it at once, and the next start settles it"
            )
            return
        self.ending = True
        service_manager.tell("STOPPING=1", _PATIENCE, "STATUS=It waits for what is under way.")
        if self._serving is not None:
            self._serving.cancel()

    def reload(self) -> None:
        """Read the options again, and say which have changed: they hold from the next start on."""
        service_manager.reloading()
        try:
            now = load()
        except AnrError as error:
            log.error("the options cannot be used any more, and a restart would fail; those of the start hold: %s", error)  # noqa: TRY400 - foreseen
            status = "The options cannot be used any more; those of the start hold."
        else:
            logs.hide(now.secrets)
            changed = ", ".join(changed_options(self._settings, now))
            status = f"These options have changed and need a restart: {changed}" if changed else "No option has changed."
            log.log(logging.WARNING if changed else logging.INFO, "%s", status)
        service_manager.tell("READY=1", f"STATUS={status}")
