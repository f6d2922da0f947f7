"""Simulated routers (bot/playground/router) in a process of their own: what each has loaded is asked of it, not of its file.

    python -m tests.support.simulated_routers      # says its port, and serves until its input ends

One line a question on a port of loopback, one line an answer: `restart FILE` (what a launcher does: the process that is there
ends, and another reads the file; an exit code), `loaded FILE` (JSON: what the process has loaded, or null if none is there).
"""

import contextlib
import json
import random
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bot.playground.router.router import SimulatedRouter
from bot.playground.router.settings import SettingsRejectedError

_RESTART = 'exec 3<>/dev/tcp/127.0.0.1/$0; echo "restart $1" >&3; read -r code <&3; exit "${code:-9}"'
"""Bash starts in a moment; an interpreter for each restart would take longer than all else."""


class Routers:
    """Every router of a test, by its settings file."""

    def __init__(self, port: int) -> None:
        self._port = port

    def reload_command(self, settings_file: Path) -> tuple[str, ...]:
        """The command with which a site restarts this router."""
        return ("bash", "-c", _RESTART, str(self._port), str(settings_file))

    def start(self, settings_file: Path) -> None:
        """Start a router with what its file says."""
        assert self._asked(f"restart {settings_file}") == "0"

    def loaded(self, settings_file: Path) -> dict[str, Any] | None:
        """What the running process has loaded: `enabled`, `pilot`, `kill`; None if no process is there."""
        found: dict[str, Any] | None = json.loads(self._asked(f"loaded {settings_file}"))
        return found

    def serves(self, settings_file: Path) -> float:
        """The share of live traffic that the running process serves; 0 if no process is there."""
        found = self.loaded(settings_file)
        return float(found["pilot"]) if found is not None and found["enabled"] else 0.0

    def _asked(self, question: str) -> str:
        with socket.create_connection(("127.0.0.1", self._port), timeout=30) as connection, connection.makefile("rw") as stream:
            stream.write(f"{question}\n")
            stream.flush()
            return stream.readline().strip()


@contextmanager
def simulated_routers() -> Iterator[Routers]:
    """Run the process; it ends with the block."""
    command = [sys.executable, "-m", "tests.support.simulated_routers"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Routers(int(process.stdout.readline()))
        finally:
            process.stdin.close()


# --- in the process ---------------------------------------------------------------------------------------------------

_ROUTERS: dict[str, SimulatedRouter] = {}
_TURN = threading.Lock()


class _Asked(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        verb, _, file = self.rfile.readline().decode().strip().partition(" ")
        with _TURN:
            answer = _restarted(file) if verb == "restart" else json.dumps(_loaded(file))
        with contextlib.suppress(OSError):  # whoever asked may be killed
            self.wfile.write(f"{answer}\n".encode())


def _restarted(file: str) -> int:
    path = Path(file)
    router = _ROUTERS.setdefault(
        file,
        SimulatedRouter(path, path.with_name("ledger.ndjson"), path.with_name("anr_state.json"), rng=random.Random(1)),
    )
    try:
        router.restart()
    except SettingsRejectedError:
        return 3
    return 0


def _loaded(file: str) -> dict[str, Any] | None:
    router = _ROUTERS.get(file)
    return router.status() if router is not None and router.running else None


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64


def main() -> None:
    """Say the port, and serve until the input ends."""
    with _Server(("127.0.0.1", 0), _Asked) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main()
