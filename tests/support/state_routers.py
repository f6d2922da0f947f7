"""A router as far as its state goes, as a process of its own: loads its state once, learns in memory, rewrites at each credit.

`LOCKED` replaces the file under `flock` on `<state>.lock`, `UNLOCKED` opens it and dumps into it. It is stopped and started by
commands, as the settings' `stop_command` and `start_command` name them. Excluded: settings, ledger and health.
"""

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOCKED, UNLOCKED = "locked", "unlocked"
ROUTES = ("R1", "R2", "R3", "R4", "R5")
WIDTH = 12
"""Length of a context: with it a state has more bytes than are written at once."""


@dataclass(frozen=True)
class StateRouter:
    """The commands of one router."""

    state: Path
    writer: str = LOCKED
    per_second: int = 20

    @property
    def pid_file(self) -> Path:
        return self.state.with_name("router.pid")

    @property
    def began_with(self) -> int:
        """How much the process that was started last had learned already, by the state that it loaded."""
        return int(self.state.with_name("router.began").read_text(encoding="utf-8"))

    @property
    def stop_command(self) -> tuple[str, ...]:
        return self._command("stop")

    @property
    def start_command(self) -> tuple[str, ...]:
        return self._command("start")

    def start(self) -> None:
        subprocess.run(self.start_command, check=True)

    def stop(self) -> None:
        subprocess.run(self.stop_command, check=True)

    @property
    def is_running(self) -> bool:
        return _is_held(self.pid_file)

    def learned(self, at_least: int = 1, since: int = 0) -> dict[str, Any]:
        """Wait until it has learned so much, and return its state."""
        ends = time.monotonic() + 30
        while True:
            try:
                state: dict[str, Any] = json.loads(self.state.read_bytes())
            except (ValueError, FileNotFoundError):
                state = {"count": -1}
            if state["count"] >= since + at_least:
                return state
            assert time.monotonic() < ends, state
            time.sleep(0.005)

    def _command(self, word: str) -> tuple[str, ...]:
        return (sys.executable, str(Path(__file__)), word, str(self.state), self.writer, str(self.per_second))


def fresh() -> dict[str, Any]:
    return {
        "version": 1,
        "arms": list(ROUTES),
        "alpha": 0.8,
        "count": 0,
        "A": {route: [[float(row == column) for column in range(WIDTH)] for row in range(WIDTH)] for route in ROUTES},
        "b": {route: [0.0] * WIDTH for route in ROUTES},
    }


def learn(state: dict[str, Any], dice: random.Random) -> None:
    route, context, reward = dice.choice(ROUTES), [dice.random() for _ in range(WIDTH)], dice.uniform(-1, 1)
    for row in range(WIDTH):
        for column in range(WIDTH):
            state["A"][route][row][column] += context[row] * context[column]
        state["b"][route][row] += reward * context[row]
    state["count"] += 1


def _write(state: dict[str, Any], path: Path, writer: str) -> None:
    if writer == UNLOCKED:
        with path.open("w", encoding="utf-8") as stream:
            json.dump(state, stream)
        return
    with Path(f"{path}.lock").open("a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        new = path.with_name(f"{path.name}.new")
        new.write_text(json.dumps(state), encoding="utf-8")
        new.replace(path)


def _is_held(pid_file: Path) -> bool:
    try:
        with pid_file.open("a", encoding="utf-8") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _serve(path: Path, writer: str, per_second: int) -> None:
    # held as long as this process lives: a process that is over but not waited for is not running
    held = path.with_name("router.pid").open("r+", encoding="utf-8")
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        state = json.loads(path.read_bytes())
    except (OSError, ValueError):
        state = fresh()
    path.with_name("router.began").write_text(str(state["count"]), encoding="utf-8")
    held.truncate(0)
    held.write(str(os.getpid()))
    held.flush()
    dice = random.Random(os.getpid())
    begun = time.monotonic()
    for credit in range(1, 1 << 40):
        time.sleep(max(0.0, begun + credit / per_second - time.monotonic()))
        learn(state, dice)
        _write(state, path, writer)


def _start(path: Path, writer: str, per_second: int) -> None:
    pid_file = path.with_name("router.pid")
    if _is_held(pid_file):
        return
    pid_file.write_text("", encoding="utf-8")
    words = (sys.executable, __file__, "serve", str(path), writer, str(per_second))
    quiet = subprocess.DEVNULL
    subprocess.Popen(words, start_new_session=True, stdin=quiet, stdout=quiet, stderr=quiet)
    while not pid_file.read_text(encoding="utf-8"):
        time.sleep(0.005)


def _stop(path: Path) -> None:
    pid_file = path.with_name("router.pid")
    while _is_held(pid_file):
        if said := pid_file.read_text(encoding="utf-8"):
            os.kill(int(said), signal.SIGKILL)  # as hard as can be: also in the middle of a write
        time.sleep(0.005)


if __name__ == "__main__":
    word, state_file = sys.argv[1], Path(sys.argv[2])
    match word:
        case "serve":
            _serve(state_file, sys.argv[3], int(sys.argv[4]))
        case "start":
            _start(state_file, sys.argv[3], int(sys.argv[4]))
        case _:
            _stop(state_file)
