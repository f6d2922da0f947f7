"""The router's own code as far as anr meets it, written from what is known of the real one; it imports nothing of ours.

Read once, when the process starts: NOVA_ANR_ENABLED, NOVA_ANR_PILOT. Read at each decision, from the same environment:
NOVA_ANR_KILL. So whatever is written to a file changes nothing here. Run as a process it decides on its own, and answers on a
port of loopback what it did: an observer that asks it hears the truth, whatever its ledger says.

Excluded: learning. `tests/e2e/real_router_app.py` puts the same code under uvicorn.
"""

import json
import os
import random
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROUTES = ("R1", "R2", "R3", "R4", "R5")
ONE_LINE = json.JSONEncoder(separators=(",", ":")).encode


class RealRouter:
    """Decides, and appends each decision to its ledger.

    Args:
        ledger: where to; opened for each line.
        habits: how this build differs from the plain one:
            `says_pilot` (live lines carry `live.pilot`), `writes_shadow` (decisions without live traffic are written),
            `clock_ahead_s` (its clock against ours), `flush_every` (lines that are held back and written together).
    """

    def __init__(self, ledger: Path, habits: dict[str, Any]) -> None:
        self.enabled = os.getenv("NOVA_ANR_ENABLED", "0") == "1"
        self.pilot = float(os.getenv("NOVA_ANR_PILOT", "0.0"))
        self.decided = self.live = 0
        self._ledger, self._habits = ledger, habits
        self._held_back: list[str] = []
        self._lock = threading.Lock()
        self._chance = random.Random()

    def decide(self, *, on_record: bool = True) -> str | None:
        """Decide one request; return the route that was really taken, None if the decision was not used.

        One that is not on record is in no ledger: an observer tries out what the process does.
        """
        with self._lock:
            killed = os.getenv("NOVA_ANR_KILL", "0") == "1"
            shares = {"R4": 1.0} if killed else {route: self._chance.random() for route in ROUTES}
            probs = {route: round(share / sum(shares.values()), 4) for route, share in shares.items()}
            argmax = max(probs, key=lambda route: probs[route])
            used = argmax if self.enabled and self._chance.random() < self.pilot else None
            self.decided += 1
            self.live += used is not None
            if on_record and (used is not None or self._habits.get("writes_shadow", True)):
                self._write(argmax, probs, used)
            return used

    def status(self) -> dict[str, Any]:
        """What this process really does, out of its own memory."""
        killed = os.getenv("NOVA_ANR_KILL", "0") == "1"
        return {
            "pid": os.getpid(),
            "anr": {"enabled": self.enabled, "pilot": self.pilot, "kill": killed},
            "decided": self.decided,
            "live": self.live,
        }

    def _write(self, argmax: str, probs: dict[str, float], used: str | None) -> None:
        at = datetime.now(UTC) + timedelta(seconds=self._habits.get("clock_ahead_s", 0))
        entry: dict[str, Any] = {
            "id": str(uuid.UUID(int=self._chance.getrandbits(128))),
            "t": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "shadow": {"route": argmax, "argmax": argmax, "probs": probs},
        }
        if used is not None:
            entry["live"] = {"route": used, **({"pilot": self.pilot} if self._habits.get("says_pilot", True) else {})}
        entry["anomaly"] = {"engaged": 0}
        entry["rewards"] = {"immediate": {"tri_delta_norm": 0.1}, "deployment": {"slo_ok": 1, "rollback": 0}}
        self._held_back.append(ONE_LINE(entry) + "\n")
        if len(self._held_back) >= self._habits.get("flush_every", 1):
            ledger = os.open(self._ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            os.write(ledger, "".join(self._held_back).encode())
            os.close(ledger)
            self._held_back = []


def serve(ledger: Path, habits: dict[str, Any], ready: Callable[[int], object]) -> None:
    """Decide at a rate until SIGTERM, and answer questions: `status`, or `decide N` or `try N` for N requests at once.

    Args:
        ledger: where it appends to.
        habits: as above, and `rate` a second, `dies_slowly_s`, `ignores_hup`.
        ready: is given the port.
    """
    router = RealRouter(ledger, habits)
    ending = threading.Event()

    def end(*_: object) -> None:
        threading.Timer(habits.get("dies_slowly_s", 0), ending.set).start()

    signal.signal(signal.SIGTERM, end)
    if habits.get("ignores_hup"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    listening = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_answer, args=(listening, router), daemon=True).start()
    ready(listening.getsockname()[1])
    rate = habits.get("rate", 200)
    owed, before = 0.0, time.monotonic()
    while not ending.wait(0.02):
        now = time.monotonic()
        owed, before = min(owed + (now - before) * rate, rate), now
        for _ in range(int(owed)):
            router.decide()
        owed %= 1


def _answer(listening: socket.socket, router: RealRouter) -> None:
    while True:
        connection, _ = listening.accept()
        with connection, connection.makefile("rw", encoding="utf-8") as stream:
            words = stream.readline().split()
            if words and words[0] in {"decide", "try"}:
                for _ in range(int(words[1])):
                    router.decide(on_record=words[0] == "decide")
            stream.write(json.dumps(router.status()) + "\n")
