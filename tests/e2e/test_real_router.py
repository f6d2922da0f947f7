"""What anr says is what the process serves, asked of the process itself, under the server that the real router runs in."""

import contextlib
import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.actors import AccessPolicy, Actor, ActorKind, Approvable
from core.cli.render import Ending, ending
from core.operations import approved_brake, propose, requests
from core.operations.results import Asked
from core.settings.target import TargetSettings
from core.target.order import Order
from core.target.target import Target
from core.watch.observe import followed
from tests.support.rig import decision, written

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
TELL = 'exec 3<>/dev/tcp/127.0.0.1/$0; echo "$1" >&3; read -r code <&3; exit "${code:-9}"'
ACCESS = AccessPolicy(operators=frozenset({"UOLIVIA"}), approvers=frozenset({"UAARON"}))
OLIVIA, AARON = (
    Actor(kind=ActorKind.SLACK, id=user, roles=ACCESS.roles_of(user, full_member=True)) for user in ("UOLIVIA", "UAARON")
)
QUESTIONS = 100
"""How often the observer asks; each connection goes to whichever worker takes it."""
REQUESTS = 20


@dataclass(frozen=True)
class Served:
    """What the workers that answered say and do.

    Attributes:
        pids: of the workers.
        pilots: with which they run, as they say.
        live: how many of the observer's requests were served live.
    """

    pids: frozenset[int]
    pilots: frozenset[float]
    live: int


@dataclass(frozen=True)
class Running:
    """A router under uvicorn, its supervisor, and a site that operates it."""

    url: str
    target: Target

    def asked(self) -> Served:
        """Ask the processes, by no code of anr's."""
        answers = []
        for _ in range(QUESTIONS):
            question = f"{self.url}/decide?count={REQUESTS}"
            with contextlib.suppress(OSError), urllib.request.urlopen(question, timeout=10) as answer:  # noqa: S310 - loopback
                answers.append(json.load(answer))
        return Served(
            frozenset(reply["pid"] for reply in answers),
            frozenset(reply["anr"]["pilot"] if reply["anr"]["enabled"] else 0.0 for reply in answers),
            sum(reply["served"] for reply in answers),
        )

    def does(self, action: str) -> Ending:
        """Do it, follow the router as a terminal does, and return what a terminal says."""
        if action == "promote":
            asked = propose.propose(self.target, Order(OLIVIA, "test"))
            assert isinstance(asked, Asked), asked
            return ending(followed(self.target, requests.approve(self.target, AARON, asked.approval.id)))
        return ending(followed(self.target, approved_brake.brake(self.target, Approvable(action), Order(OLIVIA, "test"))))


@contextlib.contextmanager
def running(folder: Path, workers: int, command: str) -> Iterator[Running]:
    """A router at 10% with a good day behind it, in uvicorn with its settings by `--env-file`, as its site starts it."""
    ledger, settings = folder / "anr_ledger.ndjson", folder / "anr.env"
    settings.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\nNOVA_ANR_KILL=0\n", "utf-8")
    now = datetime.now(UTC)
    past = [{**decision(now), "t": written(now - timedelta(minutes=4 * number))} for number in range(359, 0, -1)]
    ledger.write_text("".join(json.dumps(line) + "\n" for line in past), "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    uvicorn = [sys.executable, "-m", "uvicorn", "tests.e2e.real_router_app:app", "--port", str(port), "--workers", str(workers)]
    uvicorn += ["--env-file", str(settings), "--app-dir", str(ROOT), "--log-level", "error"]
    supervisor = [sys.executable, str(Path(__file__).with_name("supervisor.py")), f"{url}/status", str(workers), *uvicorn]
    environment = {"ROUTER_LEDGER": str(ledger), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(supervisor, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        tell = process.stdout.readline().strip()
        options = TargetSettings(
            ledger=ledger,
            settings_file=settings,
            reload_command=("bash", "-c", TELL, tell, command),
            observe_timeout_s=6,
            soak_hours={10: 0},
            health_url=f"{url}/health/slots",
            journal=folder / "journal.sqlite",
            receipts_dir=folder / "logs",
            run_dir=folder / "run",
            state_file=folder / "state.json",
            backups_dir=folder / "backups",
            archive_dir=folder / "archive",
        )
        try:
            target = Target.at(options, ACCESS)
            propose.init(target, OLIVIA, "begin")
            yield Running(url, target)
            target.journal.close()
        finally:
            process.stdin.close()


@pytest.mark.parametrize("workers", [1, 2], ids=["one worker", "two workers"])
@pytest.mark.parametrize("command", ["restart", "hup", "nothing"])
@pytest.mark.parametrize("action", ["promote", "rollback", "freeze"])
def test_what_anr_says_is_what_the_process_serves(tmp_path: Path, action: str, command: str, workers: int) -> None:
    """Only a restart reaches the router; SIGHUP ends one worker and renews two with the old environment, and anr says which."""
    with running(tmp_path, workers, command) as router:
        before = router.asked()
        assert len(before.pids) == workers
        assert before.pilots == {0.10}
        said = router.does(action)
        after = router.asked()
    words = " ".join((*said.said, *said.complaints))
    wanted = 0.25 if action == "promote" else 0.0
    if command == "restart":
        assert not after.pids & before.pids
        assert after.pilots == {wanted}
        assert (after.live > 0) == (action == "promote")
        assert f"Seen {'at 25%' if action == 'promote' else 'safe'}" in words
        assert said.code == 0
        return
    assert "Seen at 25" not in words
    assert "Seen safe" not in words
    if command == "hup" and workers == 1:
        assert after == Served(frozenset(), frozenset(), 0)
        return
    assert after.pilots == {0.10}
    assert after.live > 0
    assert (after.pids == before.pids) == (command == "nothing")
    assert ("NOT FOLLOWING" if action == "promote" else "STILL SERVING") in words
    assert said.code == 3
