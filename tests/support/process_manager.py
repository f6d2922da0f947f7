"""A service manager in one process, as far as restarting routers goes: units, their processes, their environment.

It reads a unit's settings file when it starts a process of it and at no other time, as systemd, docker and `uvicorn --env-file`
do, and adds what the unit's launcher exports, which wins. It imports nothing of ours.

One JSON object a line on a port of loopback: `{"unit", "verb": "add", …}`, `{"unit", "verb": "processes"}`. A restart command
sends the plain words `restart UNIT`, and hears an exit code.

A process is forked from one that has imported what a router needs, and is given its environment then: a Python that starts anew
costs twenty times as much, and hundreds are started.
"""

import contextlib
import io
import json
import os
import select
import signal
import socketserver
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.support.real_router import serve

READY_S = 20.0


class Forks:
    """Starts processes; for one thread at a time, which holds `turn`."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        orders, self._orders = os.pipe()
        answers, self._answered = os.pipe()
        if os.fork() == 0:
            os.close(self._orders)
            _fork_as_ordered(orders, self._answered)
            os._exit(0)
        os.close(orders)
        os.close(self._answered)
        self._answers = os.fdopen(answers, encoding="utf-8")

    def start(self, ledger: str, habits: dict[str, Any], environment: dict[str, str]) -> tuple[int, int]:
        """Start a router; return its process and port, or 0 for a port if it did not come up."""
        with self.turn:
            order = json.dumps({"ledger": ledger, "habits": habits, "environment": environment}).encode() + b"\n"
            while order:
                order = order[os.write(self._orders, order) :]
            process, port = self._answers.readline().split()
            return int(process), int(port)


def _fork_as_ordered(orders: int, answers: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how they ended
    with os.fdopen(orders, encoding="utf-8") as lines:
        for line in lines:
            if os.fork() == 0:
                order = json.loads(line)
                os.environ.clear()
                os.environ.update(order["environment"])
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                try:
                    serve(
                        Path(order["ledger"]), order["habits"], lambda port: os.write(answers, f"{os.getpid()} {port}\n".encode())
                    )
                except (OSError, ValueError):  # a pilot that is no number
                    os.write(answers, f"{os.getpid()} 0\n".encode())
                os._exit(0)


class Unit:
    """One router as its site runs it.

    Args:
        files: `settings` and `ledger`.
        habits: of its processes (tests/support/real_router.py).
        launcher: `reader` (who reads the settings file: `dotenv` or `docker`), `exports`, `workers`,
            `restart` (what a restart does: `all`, `first` worker only, `beside` the old ones, `hup`, `nothing`, `fails`),
            `account` (who reads the settings file, by number; itself if left out), `without` (whether it starts the router
            without a file that it may not read).
    """

    def __init__(self, files: dict[str, str], habits: dict[str, Any], launcher: dict[str, Any]) -> None:
        self.files, self.habits, self.launcher = files, habits, launcher
        self.ports: dict[int, int] = {}
        """Of every process that was ever started: who is no more does not answer there."""
        self._running: list[int] = []
        self._lock = threading.Lock()

    def start(self) -> int:
        with self._lock:
            return max([self._spawn() for _ in range(self.launcher.get("workers", 1))], default=0)

    def restart(self) -> int:
        how = self.launcher.get("restart", "all")
        with self._lock:
            if how == "fails":
                return 1
            if how == "hup":
                for task in self._running:
                    _send(task, signal.SIGHUP)
                return 0
            if how == "nothing":
                return 0
            old = self._running[:1] if how == "first" else [] if how == "beside" else self._running
            self._running = [task for task in self._running if task not in old]
            for old_task in old:
                _send(old_task, signal.SIGTERM, READY_S if not self.habits.get("dies_slowly_s") else 0)
            return max([self._spawn() for _ in range(len(old) or 1)], default=0)

    def end(self) -> None:
        for task in self._running:
            _send(task, signal.SIGKILL)

    def _spawn(self) -> int:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("NOVA_")}
        try:
            environment = {**inherited, **self._settings(), **self.launcher.get("exports", {})}
        except (OSError, ValueError):  # a launcher that cannot read its file starts nothing
            return 3
        process, port = FORKS[0].start(self.files["ledger"], self.habits, environment)
        if not port:
            return 4  # it did not come up
        self.ports[process] = port
        self._running.append(process)
        return 0

    def _settings(self) -> dict[str, str]:
        text = self._text()
        if self.launcher.get("reader", "dotenv") == "docker":
            lines = [line for line in text.removeprefix("\ufeff").splitlines() if line.strip() and not line.startswith("#")]
            return dict(line.split("=", 1) for line in lines if "=" in line)
        found = dotenv_values(stream=io.StringIO(text), interpolate=False)
        return {name: value for name, value in found.items() if value is not None}

    def _text(self) -> str:
        """Read the settings file, as the account that starts the router.

        Raises:
            OSError, ValueError: it may not, or it is no text.
        """
        account = self.launcher.get("account")
        if account is None:
            return Path(self.files["settings"]).read_bytes().decode("utf-8")
        reads = ["cat", "--", self.files["settings"]]
        done = subprocess.run(reads, user=account, group=account, extra_groups=[], capture_output=True, check=False)
        if done.returncode and not self.launcher.get("without"):
            raise PermissionError(done.stderr)
        return done.stdout.decode("utf-8")


def _send(process: int, sign: signal.Signals, wait_s: float = 0) -> None:
    """Send a signal to a process, and wait for its end; one that is no more needs none."""
    with contextlib.suppress(ProcessLookupError):
        ends = os.pidfd_open(process)
        try:
            signal.pidfd_send_signal(ends, sign)
            select.select([ends], [], [], wait_s)
        finally:
            os.close(ends)


FORKS: list[Forks] = []
UNITS: dict[str, Unit] = {}


class Asked(socketserver.StreamRequestHandler):
    """One question, one answer."""

    def handle(self) -> None:
        line = self.rfile.readline().decode("utf-8")
        if line.startswith("restart "):
            self.wfile.write(f"{UNITS[line.split()[1]].restart()}\n".encode())
            return
        asked = json.loads(line)
        if asked["verb"] == "add":
            unit = UNITS[asked["unit"]] = Unit(asked["files"], asked["habits"], asked["launcher"])
            unit.start()
        answer = UNITS[asked["unit"]].ports
        if asked["verb"] == "end":
            UNITS[asked["unit"]].end()
        self.wfile.write(json.dumps(answer).encode() + b"\n")


class Manager(socketserver.ThreadingTCPServer):
    """Serves until its standard input ends, so that it never outlives whoever started it."""

    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    """Say the port, and serve."""
    FORKS.append(Forks())  # before there are threads
    with Manager(("127.0.0.1", 0), Asked) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            sys.stdin.read()
        for unit in UNITS.values():
            unit.end()
        server.shutdown()


if __name__ == "__main__":
    main()
