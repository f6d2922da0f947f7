"""What a service manager hears, on a socket of the kind that systemd opens."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.system.service_manager import reloading, tell, watchdog_seconds


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A datagram socket with a file, and its address."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        yield heard, str(tmp_path / "notify")


def test_what_is_told_is_one_datagram_of_lines(manager: tuple[socket.socket, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As sd_notify(3) has it: assignments, a line each."""
    heard, address = manager
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    tell("READY=1", "STATUS=Alerts can freeze.")
    assert heard.recv(4096) == b"READY=1\nSTATUS=Alerts can freeze."
    reloading()
    first, second = heard.recv(4096).decode().split("\n")
    assert (first, second.startswith("MONOTONIC_USEC="), second.partition("=")[2].isdecimal()) == ("RELOADING=1", True, True)


def test_a_socket_without_a_file_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that begins with `@` is in Linux's abstract namespace."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(f"\0anr-test-{os.getpid()}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@anr-test-{os.getpid()}")
        tell("STOPPING=1")
        assert heard.recv(4096) == b"STOPPING=1"


@pytest.mark.parametrize("address", [None, "", "/nowhere/notify", "vsock:2:1234"])
def test_where_nobody_listens_nothing_is_said(address: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bot that was started by hand, or whose service manager has gone, goes on."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    tell("READY=1")


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        pytest.param("60000000", None, 30.0, id="half-of-it"),
        pytest.param("60000000", "own", 30.0, id="for-this-process"),
        pytest.param("60000000", "1", None, id="for-another-process"),
        pytest.param("500000", None, 1.0, id="never-busily"),
        pytest.param("0", None, None, id="off"),
        pytest.param("soon", None, None, id="no-number"),
        pytest.param(None, None, None, id="not-asked-for"),
    ],
)
def test_the_watchdog_hears_from_this_process_twice_in_its_time(
    usec: str | None, pid: str | None, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As sd_watchdog_enabled(3) recommends it."""
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert watchdog_seconds() == seconds
