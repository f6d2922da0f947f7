import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.actors import AccessPolicy, Actor, ActorKind
from core.settings.target import TargetSettings
from core.target.target import Target

NOW = datetime(2025, 10, 1, 9, 5, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that a test moves by hand."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Rig:
    """A site on real files, with people and a ledger that a test can spoil."""

    target: Target
    clock: Clock
    statuses: dict[str, str]
    people: dict[str, Actor] = field(default_factory=dict)

    @property
    def settings(self) -> TargetSettings:
        return self.target.settings

    def write_ledger(self, count: int = 300, **change: Any) -> None:
        served = self.target.router.settings().stage or 0
        shown = {**decision(self.clock.now), "live": {"route": "R2", "pilot": served / 100}}
        lines = [
            json.dumps({**shown, "t": written(self.clock.now - timedelta(minutes=4.75 * number)), **change})
            for number in range(count)
        ]
        self.settings.ledger.write_text("\n".join(reversed(lines)) + "\n", encoding="utf-8")

    def setting(self, name: str) -> str | None:
        return self.target.router.settings().values.get(name)


def written(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def decision(at: datetime) -> dict[str, Any]:
    """One good live decision, as the router writes it."""
    return {
        "id": "11111111-1111-4111-8111-111111111111",
        "t": written(at),
        "shadow": {"route": "R2", "argmax": "R2", "probs": {"R1": 0.2, "R2": 0.5, "R3": 0.1, "R4": 0.1, "R5": 0.1}},
        "live": {"route": "R2", "pilot": 0.10},
        "anomaly": {"engaged": 0},
        "rewards": {"immediate": {"tri_delta_norm": 0.12}, "deployment": {"rollback": 0}},
    }


@pytest.fixture
def slots() -> Iterator[tuple[str, dict[str, str]]]:
    """A real health endpoint: its URL, and the statuses that it tells, which a test may change."""
    statuses = dict.fromkeys(("slot04", "slot08_lock", "slot09", "slot10"), "healthy")

    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"slots": {name: {"status": status} for name, status in statuses.items()}}).encode())

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))  # how soon it sees that it is to end
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/health/slots", statuses
        server.shutdown()
        thread.join()


@pytest.fixture
def rig(tmp_path: Path, slots: tuple[str, dict[str, str]]) -> Rig:
    """A router at 10% with a good day behind it; Olivia operates, Aaron and Priya approve, Max is a member."""
    url, statuses = slots
    target = TargetSettings(
        ledger=tmp_path / "ledger.ndjson",
        settings_file=tmp_path / "anr.env",
        health_url=url,
        health_timeout_s=10,  # the longest that may be set: it is answered by a thread of a machine that may have much to do
        journal=tmp_path / "journal.sqlite",
        receipts_dir=tmp_path / "logs",
        run_dir=tmp_path / "run",
        state_file=tmp_path / "anr_state.json",
        backups_dir=tmp_path / "backups",
        archive_dir=tmp_path / "archive",
        observe_timeout_s=0,
        soak_hours=0,
        stop_command=("true",),
        start_command=("true",),
    )
    target.settings_file.write_text("# ours\nOTHER='a b'\nNOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\n", encoding="utf-8")
    access = AccessPolicy(operators=frozenset({"UOLIVIA"}), approvers=frozenset({"UAARON", "UPRIYA"}))
    clock = Clock()
    people = {
        name: Actor(kind=ActorKind.SLACK, id=f"U{name.upper()}", roles=access.roles_of(f"U{name.upper()}", full_member=True))
        for name in ("olivia", "aaron", "priya", "max")
    }
    built = Rig(Target.at(target, access, clock), clock, statuses, people)
    built.write_ledger()
    return built


@pytest.fixture
def begun(rig: Rig) -> Rig:
    """The same with an initialised journal."""
    from core.operations import propose  # noqa: PLC0415 - beside its only use

    propose.init(rig.target, rig.people["olivia"], "begin")
    return rig
