"""A drill of the alert path, against what answers like Alertmanager; the real one is in tests/e2e/test_alert_loop.py."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from core.actors import UPKEEP
from core.brake.alert_drill import AlertDrilled, AlertDrillStopped, drill_alerts
from core.gates.policy import GateName
from core.gates.report import Verdict
from core.receipts.receipt import Action, Result
from core.rollout.refusals import Code, Refuse
from core.target.announced_drills import keep_heard
from core.target.refusals import Refusal, keep_refusals
from core.target.target import Target
from tests.support.rig import NOW, Rig


@dataclass
class Door:
    """Where drills are posted: what came, what is answered, and what happens before the answer."""

    url: str = ""
    status: int = 200
    posted: list[tuple[str, Any]] = field(default_factory=list)
    passes_on: Callable[[str], None] = lambda _drill: None


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            alerts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            door.posted.append((self.path, alerts))
            if door.status == 200:
                door.passes_on(alerts[0]["labels"]["drill"])
            self.send_response(door.status)
            self.end_headers()
            self.wfile.write(b'"no, thank you"')

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        door.url = f"http://127.0.0.1:{server.server_port}"
        yield door
        server.shutdown()
        thread.join()


@pytest.fixture
def drilled(begun: Rig, door: Door) -> Rig:
    """The router at 10%, and an Alertmanager whose webhook hears of everything."""
    door.passes_on = lambda drill: keep_heard(begun.settings.run_dir, drill, NOW)
    return with_target(begun, alertmanager_url=door.url)


def with_target(rig: Rig, **changed: Any) -> Rig:
    target = rig.settings.model_copy(update=changed)
    return replace(rig, target=Target.at(target, rig.target.access, rig.clock))


def test_a_drill_that_arrives_is_recorded_with_its_legs_and_changes_nothing(drilled: Rig, door: Door) -> None:
    """One alert that fires and ends by itself was posted; the receipt has the legs; stage, holds and revision are as before."""
    before = drilled.target.journal.state()
    result = drill_alerts(drilled.target, drilled.people["olivia"])
    assert isinstance(result, AlertDrilled)
    ((path, (alert,)),) = door.posted
    assert path == "/api/v2/alerts"
    assert {name: value for name, value in alert["labels"].items() if name != "drill"} == {
        "alertname": "AnrAlertPathDrill",
        "component": "anr",
        "severity": "drill",
        "target": "production",
    }
    assert (alert["startsAt"], alert["endsAt"]) == ("2025-10-01T09:05:00.000000Z", "2025-10-01T09:07:00.000000Z")
    receipt = result.sealed.receipt
    assert (receipt.action, receipt.result, result.problem) == (Action.ALERT_DRILL, Result.APPLIED, "")
    assert receipt.alert_drill is not None
    assert receipt.alert_drill.total_s is not None
    for told in ("posted → accepted by Alertmanager", "→ heard at the webhook"):
        assert told in receipt.note
    assert "→ recorded" in result.told
    after = drilled.target.journal.state()
    assert after.alert_drills.arrived == NOW
    assert after.model_copy(update={"alert_drills": before.alert_drills}) == before


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        pytest.param("refuses", "Alertmanager answered 400: “no, thank you”", id="refused"),
        pytest.param("down", "Alertmanager cannot be reached", id="unreachable"),
        pytest.param("route", "the webhook never heard of it within 0 s: look at the route", id="no-route"),
    ],
)
def test_a_drill_says_where_the_path_ends(drilled: Rig, door: Door, broken: str, told: str) -> None:
    """It is recorded as failed, and the proof from before no longer counts."""
    drill_alerts(drilled.target, drilled.people["olivia"])
    drilled.clock.pass_(days=1)
    rig = with_target(drilled, drill_alertmanager_url="http://127.0.0.1:9") if broken == "down" else drilled
    door.status = 400 if broken == "refuses" else 200
    door.passes_on = lambda _drill: None
    result = drill_alerts(rig.target, rig.people["olivia"], wait_s=0)
    assert isinstance(result, AlertDrilled)
    assert told.replace("“", '"').replace("”", '"') in result.problem
    assert result.sealed.receipt.result is Result.NOT_APPLIED
    assert result.sealed.receipt.note == result.problem
    assert (result.legs.accepted_s is None) is (broken != "route")
    assert rig.target.journal.state().alert_drills.failed == rig.clock.now


def test_a_webhook_that_refused_somebody_meanwhile_is_named(drilled: Rig, door: Door) -> None:
    """A wrong token looks like a missing route, but for what the webhook keeps."""
    refusal = Refusal(NOW, 401, "unauthorised", "The credentials are missing or wrong.")
    door.passes_on = lambda _drill: keep_refusals(drilled.settings.run_dir, [refusal])
    result = drill_alerts(drilled.target, drilled.people["olivia"], wait_s=0)
    assert isinstance(result, AlertDrilled)
    assert "the webhook refused somebody: 1 × 401 unauthorised" in result.problem


def test_nothing_is_posted_without_a_right_or_an_address(drilled: Rig, begun: Rig, door: Door) -> None:
    """A member holds no drill; without an Alertmanager there is nothing to try."""
    member = drill_alerts(drilled.target, drilled.people["max"])
    nowhere = drill_alerts(begun.target, begun.people["olivia"])
    assert isinstance(member, Refuse)
    assert isinstance(nowhere, Refuse)
    assert (member.code, nowhere.code) == (Code.NOT_ALLOWED, Code.NOT_CONFIGURED)
    assert door.posted == []


def test_a_scheduled_drill_is_held_once(drilled: Rig, door: Door) -> None:
    """Its cause is recorded, whatever was found."""
    assert isinstance(drill_alerts(drilled.target, UPKEEP, cause="drill-alerts:2025-W40"), AlertDrilled)
    again = drill_alerts(drilled.target, UPKEEP, cause="drill-alerts:2025-W40")
    assert isinstance(again, Refuse)
    assert again.code is Code.ALREADY_DONE
    assert len(door.posted) == 1


def test_a_process_that_ends_does_not_wait_for_its_drill(drilled: Rig, door: Door) -> None:
    """Nothing is recorded, so that the next start holds it again."""
    stopping = threading.Event()
    door.passes_on = lambda _drill: stopping.set()
    with pytest.raises(AlertDrillStopped):
        drill_alerts(drilled.target, UPKEEP, cause="drill-alerts:2025-W40", stopping=stopping)
    assert drilled.target.journal.find_cause("drill-alerts:2025-W40") is None


@pytest.mark.parametrize(
    ("days", "arrives", "verdict"),
    [
        pytest.param(6, True, Verdict.PASS, id="proven"),
        pytest.param(8, True, Verdict.FAIL, id="proven-too-long-ago"),
        pytest.param(0, False, Verdict.FAIL, id="failed"),
        pytest.param(None, True, Verdict.NO_DATA, id="never-proven"),
    ],
)
def test_the_gate_asks_for_a_proof_where_the_settings_want_it(
    drilled: Rig, door: Door, days: float | None, *, arrives: bool, verdict: Verdict
) -> None:
    """Through the journal, in whichever process the drill was held; without the option nobody asks."""
    if not arrives:
        door.passes_on = lambda _drill: None
    if days is not None:
        drill_alerts(drilled.target, drilled.people["olivia"], wait_s=0 if not arrives else 10)
        drilled.clock.pass_(days=days)
    policy = drilled.settings.gates.model_copy(update={"alert_path_proof_days": 7.0})
    asking = with_target(drilled, gates=policy)
    report = asking.target.measure(asking.clock.now, leaving_zero=False).gates
    assert [gate.verdict for gate in report.gates if gate.name is GateName.ALERT_PATH] == [verdict]
    silent = drilled.target.measure(drilled.clock.now, leaving_zero=False).gates
    assert GateName.ALERT_PATH not in {gate.name for gate in silent.gates}
