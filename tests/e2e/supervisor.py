"""A tiny supervisor: keeps one uvicorn with its settings file, and restarts or signals it when it is told to.

`python supervisor.py URL WORKERS COMMAND…` starts the command, says its own port once every worker answers at the URL, and then
takes one word a connection: `restart` (SIGTERM, wait, start anew, wait until it answers), `hup` (and wait until the workers are
others, or none), `nothing`. It ends with its standard input.
"""

import contextlib
import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable

READY_S = 30.0


class Supervised:
    """The command, and the process that runs it at present."""

    def __init__(self, url: str, workers: int, command: list[str]) -> None:
        self._url, self._workers, self._command = url, workers, command
        self.start()

    def start(self) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("NOVA_")}
        self._process = subprocess.Popen(self._command, env=inherited)
        self._until(lambda: len(self._pids()) == self._workers)

    def _pids(self) -> set[int]:
        """The workers that take connections at present."""
        pids = set()
        for _ in range(40):
            with contextlib.suppress(OSError), urllib.request.urlopen(self._url, timeout=5) as answer:  # noqa: S310 - our loopback
                pids.add(json.load(answer)["pid"])
        return pids

    def _until(self, reached: Callable[[], bool]) -> None:
        ends = time.monotonic() + READY_S
        while time.monotonic() < ends and not reached():
            time.sleep(0.05)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(READY_S)

    def told(self, word: str) -> int:
        """Do what one word asks for, and return the exit code of the command that said it."""
        if word == "restart":
            self.stop()
            self.start()
        elif word == "hup":
            before = self._pids()
            self._process.send_signal(signal.SIGHUP)
            self._until(lambda: not self._pids() & before)
        return 0


def main() -> None:
    """Supervise."""
    supervised = Supervised(sys.argv[1], int(sys.argv[2]), sys.argv[3:])

    class Told(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(f"{supervised.told(self.rfile.readline().decode().strip())}\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Told) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        sys.stdin.read()
        server.shutdown()
        supervised.stop()


if __name__ == "__main__":
    main()
