"""What signals do to a bot, also where the loop cannot hear them itself."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.cli.serving import Signals, alive
from core.settings.settings import load
from tests.support.terminal import toml

NAMES = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGHUP")


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Give every signal back the handler that it had."""
    before = {name: signal.getsignal(getattr(signal, name)) for name in NAMES}
    yield
    for name, handler in before.items():
        signal.signal(getattr(signal, name), handler)


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An options file that the environment names."""
    file = tmp_path / "anr.toml"
    file.write_text(f"approvers = {toml(['U0AARON'])}\n", encoding="utf-8")
    monkeypatch.setenv("ANR_CONFIG", str(file))
    return file


def rewrite(options: Path, text: str) -> None:
    options.write_text(text, encoding="utf-8")


async def served(begun: asyncio.Event) -> str:
    """Serve until a signal ends it; what is under way at the end is waited for."""
    Signals(load()).heard()
    begun.set()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        for _ in range(3):
            await asyncio.sleep(0)
        return "ended in order"
    return "never"


async def signalled(name: str) -> str:
    begun = asyncio.Event()
    serving = asyncio.create_task(served(begun))
    await begun.wait()
    os.kill(os.getpid(), getattr(signal, name))
    return await serving


@pytest.mark.parametrize("name", [name for name in NAMES if name != "SIGHUP"])
@pytest.mark.parametrize("hears", [True, False], ids=["the-loop-hears", "as-on-windows"])
@pytest.mark.usefixtures("options")
async def test_a_signal_ends_it_in_order(name: str, hears: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 - a table's column
    """Where the loop has no handlers of its own, as on Windows, the interpreter's do the same."""
    if not hears:

        def refuse(*_: object) -> None:
            raise NotImplementedError

        monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", refuse)
    assert await signalled(name) == "ended in order"


@pytest.mark.usefixtures("options")
async def test_a_second_signal_does_not_tear_what_is_under_way(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever is impatient is told what ends it at once; what is waited for is waited for."""
    begun, waited = asyncio.Event(), asyncio.Event()
    heard: list[Signals] = []

    async def serve() -> None:
        heard.append(Signals(load()))
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heard[0].end()
            await asyncio.sleep(0)
            waited.set()

    serving = asyncio.create_task(serve())
    await begun.wait()
    heard[0].end()
    await serving
    assert waited.is_set()
    assert "SIGKILL ends it at once" in caplog.text


async def test_a_reload_says_what_needs_a_restart_and_goes_on(options: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing changed, one option changed, a file that cannot be used: each is told, and the bot serves as before."""
    caplog.set_level(logging.INFO)
    signals = Signals(load())
    signals.reload()
    assert "No option has changed." in caplog.text
    rewrite(options, f"approvers = {toml(['U0AARON', 'U0PRIYA'])}\n")
    signals.reload()
    assert "These options have changed and need a restart: approvers" in caplog.text
    rewrite(options, "approvers = 7")
    signals.reload()
    assert "the options cannot be used any more, and a restart would fail; those of the start hold" in caplog.text


@pytest.mark.usefixtures("options")
async def test_a_service_manager_hears_that_it_lives_and_at_the_end_is_asked_for_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A beat each time that it asks for; what is under way at the end is not killed for taking longer than a minute or two."""
    monkeypatch.setattr("bot.cli.serving._BEAT_SECONDS", 0.01)
    monkeypatch.setenv("WATCHDOG_USEC", "2000000")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.setblocking(False)  # noqa: FBT003 - the library's argument
        signals = Signals(load())
        beating = asyncio.create_task(alive(signals))
        assert {await loop.sock_recv(heard, 100) for _ in range(3)} == {b"WATCHDOG=1"}
        signals.ending = True
        while await loop.sock_recv(heard, 100) != b"EXTEND_TIMEOUT_USEC=60000000":
            continue
        assert await loop.sock_recv(heard, 100) == b"WATCHDOG=1"
        beating.cancel()
