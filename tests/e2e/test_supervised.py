"""The bot under a supervisor: a process of its own, with the socket, the environment and the signals that systemd gives it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.playground.process import environment
from bot.playground.server import Playground
from core.settings.settings import Settings
from core.system.service_manager import tell
from tests.support.terminal import toml
from tests.support.workspace import WAIT, scenery

pytestmark = pytest.mark.e2e


class Supervisor:
    """Starts one bot, hears what it tells, and signals it."""

    def __init__(self, playground: Playground, settings: Settings, folder: Path) -> None:
        self.playground, self.options = playground, folder / "anr.toml"
        self.write()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._socket.setblocking(False)  # noqa: FBT003 - the library's argument
        variables = environment(settings, os.environ)
        del variables["ANR_APPROVERS"]
        self._environment = {**variables, "ANR_CONFIG": str(self.options), "NOTIFY_SOCKET": str(folder / "notify")}

    def write(self, *approvers: str) -> None:
        self.options.write_text(f"approvers = {toml(['U0AARON', *approvers])}\n", encoding="utf-8")

    async def start(self) -> None:
        given = {**self._environment, "WATCHDOG_USEC": "2000000"}
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "bot"), env=given, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )

    async def hears(self, line: str) -> list[str]:
        """Wait for a message with a line; return its lines."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(WAIT):
            while line not in (lines := (await loop.sock_recv(self._socket, 4096)).decode().split("\n")):
                continue
        return lines

    async def ended(self) -> tuple[int | None, str]:
        _, errors = await asyncio.wait_for(self.process.communicate(), WAIT)
        return self.process.returncode, errors.decode()

    def close(self) -> None:
        self._socket.close()
        if self.process.returncode is None:
            self.process.kill()


@asynccontextmanager
async def supervised(folder: Path) -> AsyncIterator[Supervisor]:
    async with scenery(folder) as (playground, settings):
        supervisor = Supervisor(playground, settings, folder)
        await supervisor.start()
        try:
            yield supervisor
        finally:
            supervisor.close()


async def test_a_bot_is_ready_once_alerts_can_freeze_and_says_what_a_reload_cannot_take(tmp_path: Path) -> None:
    """While Slack is away it is ready and lives; a changed option is named, a broken file is refused, and it ends in order."""
    async with scenery(tmp_path) as (playground, settings):
        playground.api.down = True
        supervisor = Supervisor(playground, settings, tmp_path)
        await supervisor.start()
        try:
            await supervisor.hears("READY=1")
            for _ in range(2):
                await supervisor.hears("WATCHDOG=1")
            playground.api.down = False
            await playground.wait_for(lambda: playground.socket_mode.connections, WAIT)
            supervisor.write("U0PRIYA")
            supervisor.process.send_signal(signal.SIGHUP)
            await supervisor.hears("RELOADING=1")
            assert "STATUS=These options have changed and need a restart: approvers" in await supervisor.hears("READY=1")
            supervisor.options.write_text("approvers = 7", encoding="utf-8")
            supervisor.process.send_signal(signal.SIGHUP)
            assert "STATUS=The options cannot be used any more; those of the start hold." in await supervisor.hears("READY=1")
            supervisor.process.send_signal(signal.SIGTERM)
            assert "EXTEND_TIMEOUT_USEC=60000000" in await supervisor.hears("STOPPING=1")
            code, errors = await supervisor.ended()
        finally:
            supervisor.close()
    assert (code, "Traceback" in errors) == (0, False), errors


@pytest.mark.parametrize("name", ["SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2"])
async def test_every_signal_that_a_supervisor_may_send_ends_the_bot_in_order(tmp_path: Path, name: str) -> None:
    """Its exit code is 0: what was under way was waited for, and nothing was torn."""
    async with supervised(tmp_path) as supervisor:
        await supervisor.hears("READY=1")
        supervisor.process.send_signal(getattr(signal, name))
        code, errors = await supervisor.ended()
    assert (code, "Traceback" in errors) == (0, False), errors


def test_systemds_own_program_says_what_the_bot_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`systemd-notify` sends the same bytes, so that what the bot sends is what systemd understands."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(WAIT)
        subprocess.run(["systemd-notify", "--no-block", "--ready", "--status=Alerts can freeze."], check=True)  # noqa: S607 - Debian's
        theirs = heard.recv(4096)
        tell("READY=1", "STATUS=Alerts can freeze.")
        assert heard.recv(4096).splitlines() == theirs.splitlines()
