"""Whatever the options, the settings file, the rights, the restart and the router: anr never says safe of one that serves.

The observer asks the routers' processes themselves (tests/support/real_router.py), and shares no code with anr.
"""

import contextlib
import http.server
import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from core.actors import AccessPolicy, Actor, ActorKind, Approvable
from core.cli.render import Ending, ending
from core.errors import AnrError
from core.operations import approved_brake, propose
from core.settings.target import ObserveOptions, TargetSettings
from core.target.order import Order
from core.target.target import Target
from core.watch.observe import followed
from tests.core.system.test_files import denied, nobodys_folder
from tests.support import process_manager

pytestmark = pytest.mark.torture

CASES = 204
SEED = 20251001
AT_ONCE = 24
REQUESTS = 200
"""How many each process serves after the answer: at a pilot of 10% the chance that none of them is live is below 1e-9."""
RESTART = 'exec 3<>/dev/tcp/127.0.0.1/$0; echo "restart $1" >&3; read -r code <&3; exit "${code:-9}"'
"""Bash, because the account without privileges may not run everybody's Python."""

ACCESS = AccessPolicy(operators=frozenset({"UOLIVIA"}), approvers=frozenset({"UAARON"}))
OLIVIA = Actor(kind=ActorKind.SLACK, id="UOLIVIA", roles=ACCESS.roles_of("UOLIVIA", full_member=True))

SETTINGS = {
    "plain": "NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT={}\nNOVA_ANR_KILL=0\n",
    "with others": "# ours\nDATABASE_URL='postgres://x'\nNOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT={}\n\nOTHER=1",
    "quoted": "NOVA_ANR_ENABLED='1'\nNOVA_ANR_PILOT=\"{}\"\n",
    "exported": "export NOVA_ANR_ENABLED=1\nexport NOVA_ANR_PILOT={}\n",
    "comment behind": "NOVA_ANR_ENABLED=1 # on\nNOVA_ANR_PILOT={} # see the runbook\n",
    "twice": "NOVA_ANR_PILOT=0.00\nNOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT={}\n",
    "windows": "\ufeffA=1\r\nNOVA_ANR_ENABLED=1\r\nNOVA_ANR_PILOT={}\r\n",
    "spaced": "NOVA_ANR_ENABLED = 1\n  NOVA_ANR_PILOT = {}\n",
    "continued": "NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT={}\nLAST=a \\",
    "open quote": "NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT={}\nLAST='a",
}


def into_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def into_a_dead_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere") / "anr.env")


SPOILED: dict[str, Callable[[Path], object]] = {
    "": lambda _: None,
    "latin-1": lambda path: path.write_bytes(b"# \xe9\n" + path.read_bytes()),
    "utf-16": lambda path: path.write_bytes(path.read_text("utf-8").encode("utf-16")),
    "deleted": lambda path: path.unlink(),
    "a folder": into_a_folder,
    "emptied": lambda path: path.write_bytes(b""),
    "a link to nowhere": into_a_dead_link,
}
"""What happened to the settings file after the router was started with it."""


@dataclass(frozen=True)
class Case:
    """One combination; every field is drawn by itself."""

    number: int
    pilot: str
    content: str
    spoiled: str
    right_file: bool
    right_ledger: bool
    rights: str
    command: str
    launcher: dict[str, Any] = field(default_factory=dict)
    habits: dict[str, Any] = field(default_factory=dict)
    endpoint: str = ""
    closed: str = ""
    account: str = ""


CLOSED: dict[str, Callable[[Path], object]] = {
    "": lambda _: None,
    "file": lambda path: path.chmod(0o600),
    "file for a group": lambda path: path.chmod(0o640),
    "folder": lambda path: path.parent.chmod(0o700),
}
"""How the settings file was closed, after the router was started with it, to the account that starts the router."""
NOBODY = 65534

BOTH = (True, False)


def drawn(number: int) -> Case:
    """Draw a case; half of what is drawn is as it should be, so that the odd parts meet a good rest."""
    chance = random.Random(SEED + number)

    def often(usual: Any, *odd: Any, share: float = 0.6) -> Any:
        return usual if chance.random() < share else chance.choice(odd)

    restart = often("all", "first", "beside", "hup", "nothing", "fails", share=0.55)
    # A process that was left out of a restart and holds its lines back for seconds cannot be told from one that is gone by the
    # ledger alone: only an endpoint of the router tells. That combination is left out.
    late = 500 if restart not in {"first", "beside"} else 40
    case = Case(
        number=number,
        pilot=chance.choice(["0.10", "0.25", "0.50", "1.00"]),
        content=often("plain", *SETTINGS, share=0.4),
        spoiled=often("", *SPOILED, share=0.8),
        right_file=often(*BOTH, share=0.93),
        right_ledger=often(*BOTH, share=0.95),
        rights=often("", "file 0444", "folder 0555", share=0.94),
        command=often("restart", "true", "none", "false", "missing", "too slow", share=0.75),
        launcher={
            "reader": often("dotenv", "docker"),
            "exports": often({}, {"NOVA_ANR_ENABLED": "1", "NOVA_ANR_PILOT": "0.10"}, {"NOVA_ANR_PILOT": "0.50"}, share=0.8),
            "workers": often(1, 2, share=0.7),
            "restart": restart,
        },
        habits={
            "says_pilot": often(*BOTH),
            "writes_shadow": often(*BOTH, share=0.85),
            "clock_ahead_s": often(0, 2, 120, -30, share=0.8),
            "flush_every": often(1, 40, late, share=0.8),
            "dies_slowly_s": often(0, 1.2, share=0.85),
            "ignores_hup": often(*BOTH, share=0.5),
            "rate": 120,
        },
        endpoint=often("", "truthful", "another process", "dripping", share=0.6),
    )
    closed = often("", *CLOSED, share=0.6)
    account = often("", str(NOBODY), "nobody-here", share=0.4)
    without = often(*BOTH, share=0.3)
    if case.rights or os.geteuid() != 0:  # only root reads as somebody else
        return case
    return replace(case, closed=closed, account=account, launcher={**case.launcher, "account": NOBODY, "without": without})


class Observer:
    """Asks the processes."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.endpoints = ""

    def manage(self, unit: str, verb: str, **more: Any) -> dict[str, int]:
        """Tell the service manager; return the ports of all processes that the unit ever had, by process."""
        answer: dict[str, int] = json.loads(spoken_to(self.port, json.dumps({"unit": unit, "verb": verb, **more})))
        return answer

    def shown(self, unit: str) -> dict[str, Any]:
        """Return the settings of the process that serves most, of those that are still there."""
        found = []
        for port in self.manage(unit, "processes").values():
            with contextlib.suppress(OSError, ValueError):
                found.append(json.loads(spoken_to(port, "status"))["anr"])
        most: dict[str, Any] = max(
            found, key=lambda settings: (settings["enabled"] and settings["pilot"], not settings["kill"]), default={}
        )
        return most

    def served(self, unit: str, how: str = "try") -> int:
        """Send requests to every process of a unit that is still there, and return how many of them were served live.

        They are tried out, or on the record as others are (`decide`).
        """
        live = 0
        for port in self.manage(unit, "processes").values():
            with contextlib.suppress(OSError, ValueError):  # that process is no more
                before = json.loads(spoken_to(port, "status"))["live"]
                live += json.loads(spoken_to(port, f"{how} {REQUESTS}"))["live"] - before
        return live


def spoken_to(port: int, line: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection, connection.makefile("rw") as stream:
        stream.write(line + "\n")
        stream.flush()
        return stream.readline()


@pytest.fixture
def observer() -> Iterator[Observer]:
    """A service manager in a process of its own, which ends every router with itself."""
    command = [sys.executable, process_manager.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            asks = Observer(int(process.stdout.readline()))
            with endpoints(asks) as asks.endpoints:
                yield asks
        finally:
            process.stdin.close()


@dataclass
class Outcome:
    """What anr said of a case, and what the processes did."""

    case: Case
    said: str
    code: int
    claims: bool
    served_before: int
    served: int


SAYS = {"enabled": "anr.enabled", "pilot": "anr.pilot", "kill": "anr.kill", "uptime": "uptime"}


@contextlib.contextmanager
def endpoints(observer: Observer) -> Iterator[str]:
    """Where routers tell their settings: of a unit the truth, or what another process says, which is off; or a byte at a time."""
    closing = threading.Event()

    class Tells(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, kind, unit = self.path.split("/")
            told = {"anr": {"enabled": False, "pilot": 0, "kill": True}, "uptime": 86_400}
            if kind == "truthful":
                told = {"anr": observer.shown(unit)}
            body = json.dumps(told).encode()
            with contextlib.suppress(OSError):  # whoever asks has heard enough
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                for byte in body if kind == "dripping" else ():
                    self.wfile.write(bytes([byte]))
                    if closing.wait(0.2):
                        return
                if kind != "dripping":
                    self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tells) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            closing.set()
            server.shutdown()
            thread.join()


class Trial:
    """One case on real files and processes: started, begun, braked, followed, observed."""

    def __init__(self, case: Case, folder: Path, observer: Observer) -> None:
        self.case, self.folder, self.observer, self.unit = case, folder, observer, f"u{case.number}"
        self._beside: contextlib.ExitStack = contextlib.ExitStack()
        self.file = folder / "anr.env"
        if "account" in case.launcher:
            self.file = self._beside.enter_context(nobodys_folder()) / "anr.env"  # where an account may look
            os.chown(self.file.parent, 0, 0)
            self.file.parent.chmod(0o755)
        commands = {
            "restart": ("bash", "-c", RESTART, str(observer.port), self.unit),
            "true": ("true",),
            "none": (),
            "false": ("false",),
            "missing": ("/nonexistent/restart",),
            "too slow": ("sleep", "60"),
        }
        self.settings = TargetSettings(
            ledger=folder / ("ledger.ndjson" if case.right_ledger else "other.ndjson"),
            settings_file=self.file,
            router_account=case.account,
            reload_command=commands[case.command],
            reload_timeout_s=0.3 if case.command == "too slow" else 20,
            observe_timeout_s=8,  # what was left out of a restart has four seconds to show itself, also where processors are few
            health_url="http://127.0.0.1:9/",
            journal=folder / "journal.sqlite",
            receipts_dir=folder / "logs",
            run_dir=folder / "run",
            state_file=folder / "state.json",
            backups_dir=folder / "backups",
            archive_dir=folder / "archive",
            observe=self._observed(case.endpoint.replace("another process", "another")),
        )
        self.target = Target.at(self.settings, ACCESS)
        self.braked: Any = None
        self.served_before = 0

    def _observed(self, kind: str) -> ObserveOptions:
        url = f"{self.observer.endpoints}/{kind}/{self.unit}"
        return ObserveOptions.model_validate({"url": url, **SAYS, "timeout_s": 1}) if kind else ObserveOptions()

    def begin(self) -> None:
        """Start the router, begin the journal, and let happen to the file what happens."""
        case = self.case
        text = SETTINGS[case.content].format(case.pilot)
        self.file.write_bytes(text.encode("utf-8"))
        started_with = self.file if case.right_file else self.file.with_name("the launcher's own.env")
        started_with.write_bytes(text.encode("utf-8"))
        files = {"settings": str(started_with), "ledger": str(self.folder / "ledger.ndjson")}
        self.observer.manage(self.unit, "add", files=files, habits=case.habits, launcher=case.launcher)
        self.served_before = self.observer.served(self.unit, "decide")
        with contextlib.suppress(AnrError):  # what cannot be understood is braked all the same
            propose.init(self.target, OLIVIA, "begin")
        SPOILED[case.spoiled](self.file)
        if self.file.is_file():
            CLOSED[case.closed](self.file)

    def brake(self) -> None:
        """Roll back, under the case's rights."""
        with contextlib.ExitStack() as rights:
            if self.case.rights:
                self._give_away()
                rights.enter_context(denied(self.folder, 0o555 if "folder" in self.case.rights else 0o755))
            self.braked = approved_brake.brake(self.target, Approvable.ROLLBACK, Order(OLIVIA, "test"))

    def end(self) -> Outcome:
        """Follow the router as a terminal does, then ask its processes."""
        told: Ending = ending(followed(self.target, self.braked))
        self.target.journal.close()
        served = self.observer.served(self.unit)
        self.observer.manage(self.unit, "end")
        self._beside.close()
        said = " ".join((*told.said, *told.complaints))
        claims = told.facts["result"] in {"safe", "seen_safe"} or re.search(r"(?i)seen safe|in its safe settings", said)
        return Outcome(self.case, said, told.code, bool(claims), self.served_before, served)

    def _give_away(self) -> None:
        nobody = self.folder.stat()
        for path in (self.folder, *self.folder.rglob("*")):
            if os.geteuid() == 0 and not path.is_symlink():
                os.chown(path, nobody.st_uid, nobody.st_gid)
        if "file" in self.case.rights and self.file.is_file():
            self.file.chmod(0o444)


def test_never_safe_of_a_router_that_serves(tmp_path: Path, observer: Observer, figure: Callable[[str], None]) -> None:
    """Law: in no combination does anr call a router safe of which one process still serves live traffic afterwards."""
    outcomes = all_of([drawn(number) for number in range(CASES)], tmp_path, observer)
    false = [asdict(outcome) for outcome in outcomes if outcome.claims and outcome.served]
    assert false == []
    serving = [outcome for outcome in outcomes if outcome.served]
    closed = [outcome for outcome in outcomes if outcome.case.closed]
    if os.geteuid() == 0:
        assert len(closed) >= 40
        assert any(outcome.served for outcome in closed)
        assert not any(outcome.claims and not outcome.served and outcome.case.account == str(NOBODY) for outcome in closed), (
            "it may not be read"
        )
    assert len([outcome for outcome in outcomes if outcome.claims and outcome.served_before]) >= 30, (
        "hardly any brake is seen: nothing is tested"
    )
    assert len(serving) >= 60
    said = Counter("claimed safe" if outcome.claims else "not claimed" for outcome in outcomes)
    loud = sum(outcome.code != 0 for outcome in serving)
    figure(
        f"false safe: 0 of {len(outcomes)} combinations; {said['claimed safe']} were called safe and are, "
        f"{len(serving)} went on serving, {loud} of these end with an error, the others with 'not yet seen'"
    )


def all_of(cases: list[Case], folder: Path, observer: Observer) -> list[Outcome]:
    """Try all cases, many at once; those with rights one after the other, for an account is the whole process's."""
    free = [case for case in cases if not case.rights]
    outcomes = [whole(case, folder, observer) for case in free[:1]]  # everything is imported before an account is in force
    with contextlib.ExitStack() as folders, ThreadPoolExecutor(AT_ONCE) as pool:
        limited = []
        for case in (case for case in cases if case.rights):
            trial = Trial(case, folders.enter_context(nobodys_folder()), observer)
            trial.begin()
            trial.brake()
            limited.append(trial)
        ends = [pool.submit(trial.end) for trial in limited]
        ends += [pool.submit(whole, case, folder, observer) for case in free[1:]]
        return outcomes + [future.result() for future in ends]


def whole(case: Case, folder: Path, observer: Observer) -> Outcome:
    trial = Trial(case, folder / f"{case.number}", observer)
    trial.folder.mkdir()
    trial.begin()
    trial.brake()
    return trial.end()
