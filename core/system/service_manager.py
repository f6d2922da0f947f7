"""What a service manager is told: that this is ready, reloads, lives, and ends (systemd's protocol, sd_notify(3)).

It is a datagram of lines to a socket that the environment names. Where nobody listens, nothing is said. Messages go out at
once or not at all: nobody waits for a service manager.

Excluded: what is ready when (bot/cli/serving.py).
"""

import contextlib
import os
import socket
import time

from core.system.logs import logger

log = logger(__name__)

_LEAST_SECONDS = 1.0


def tell(*lines: str) -> None:
    """Tell the service manager, if there is one: `READY=1`, `STOPPING=1`, `STATUS=…`."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address or not hasattr(socket, "AF_UNIX"):
        return
    if address.startswith("@"):  # one without a file
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | getattr(socket, "SOCK_CLOEXEC", 0)) as to:
            to.setblocking(False)  # noqa: FBT003 - the library's argument
            to.sendto("\n".join(lines).encode(), address)
    except OSError as error:
        log.warning("the service manager was not told %s (%s)", lines[0], error.strerror or error)


def reloading() -> None:
    """Tell that options are read anew; `READY=1` ends it."""
    tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_seconds() -> float | None:
    """Return how often the service manager has to hear from this process, in seconds; None if it does not wait for that.

    Half of what it waits for, as sd_watchdog_enabled(3) recommends; a process that this one has started is not meant.
    """
    with contextlib.suppress(ValueError):
        if int(os.environ.get("WATCHDOG_PID", "") or os.getpid()) == os.getpid():
            limit = int(os.environ.get("WATCHDOG_USEC", "")) / 1_000_000
            return max(limit / 2, _LEAST_SECONDS) if limit > 0 else None
    return None
