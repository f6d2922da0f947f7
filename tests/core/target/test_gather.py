import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.brake import hold
from core.brake.brake import Braked, freeze, rollback
from core.brake.lift import Unfrozen
from core.errors import LedgerUnreadable, OperationBusy
from core.ledger.figures import WindowMetrics
from core.ledger.window import Window
from core.operations import break_glass, daily, end_drift, propose, requests
from core.operations.results import Asked, Moved, Refused
from core.receipts.observation import Evidence, Observation, Sight, Status, judge
from core.rollout.refusals import Code
from core.rollout.schedule import PromotionMode
from core.settings.target import ObserveOptions, TargetSettings
from core.system.progress import OnProgress
from core.target import gather
from core.target.lock import holder_of
from core.target.order import Order
from core.target.target import Target
from tests.support.rig import NOW, Rig

SLOTS = json.dumps({"slots": {name: {"status": "healthy"} for name in ("slot04", "slot08_lock", "slot09", "slot10")}}).encode()
OBSERVED = {"enabled": "enabled", "pilot": "pilot", "kill": "kill", "timeout_s": 30}


class Endpoint:
    """A server that gives the head of its answer at once and the rest when a test lets it."""

    def __init__(self, url: str, begun: threading.Event, goes_on: threading.Event) -> None:
        self.url, self.begun, self.goes_on = url, begun, goes_on


@contextmanager
def dripping(body: bytes) -> Iterator[Endpoint]:
    begun, goes_on = threading.Event(), threading.Event()

    class Drips(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:1])
            self.wfile.flush()
            begun.set()
            assert goes_on.wait(60)
            self.wfile.write(body[1:])

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Drips) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Endpoint(f"http://127.0.0.1:{server.server_port}/", begun, goes_on)
        finally:
            goes_on.set()
            server.shutdown()
            thread.join()


def with_options(rig: Rig, **options: Any) -> Target:
    """The same site with other options, also such as no settings allow: a test waits for nothing to time out."""
    return Target.at(rig.settings.model_copy(update=options), rig.target.access, rig.clock)


def promote(target: Target, rig: Rig) -> object:
    return propose.propose(target, Order(rig.people["olivia"], "good day"))


def approve(target: Target, rig: Rig) -> object:
    asked = propose.propose(rig.target, Order(rig.people["olivia"], "good day"))
    assert isinstance(asked, Asked), asked
    return requests.approve(target, rig.people["aaron"], asked.approval.id)


def run_daily(target: Target, _: Rig) -> object:
    return daily.daily(target, NOW.date(), PromotionMode.APPROVE)


def in_an_emergency(target: Target, rig: Rig) -> object:
    return break_glass.break_glass(target, Order(rig.people["aaron"], "the gates fail, and it is needed all the same"))


def reapply(target: Target, rig: Rig) -> object:
    rig.settings.settings_file.write_text("NOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.00\n", encoding="utf-8")
    return end_drift.reapply(target, Order(rig.people["aaron"], "back to what it was"))


ASKS = [promote, approve, run_daily, in_an_emergency, reapply]


@pytest.mark.parametrize("operation", ASKS, ids=lambda operation: operation.__name__)
def test_a_health_endpoint_that_drips_keeps_no_other_operation_waiting(begun: Rig, operation: Callable[..., object]) -> None:
    """While one operation waits for it, others hold and lift, and the lock is free; afterwards the first comes to its end."""
    with dripping(SLOTS) as endpoint:
        target = with_options(begun, health_url=endpoint.url, health_timeout_s=60.0)
        results: list[object] = []
        asking = threading.Thread(target=lambda: results.append(operation(target, begun)))
        asking.start()
        assert endpoint.begun.wait(60)
        assert holder_of(begun.settings.run_dir) is None
        held = hold.hold_promotions(begun.target, Order(begun.people["olivia"], "wait a moment"))
        assert isinstance(held, hold.Held)
        lifted = propose.unfreeze(begun.target, Order(begun.people["olivia"], "go on"))
        assert isinstance(lifted, Unfrozen)
        assert asking.is_alive()
        assert not results
        endpoint.goes_on.set()
        asking.join(60)
    assert len(results) == 1


def test_what_happened_while_the_router_was_looked_at_is_seen_under_the_lock(begun: Rig) -> None:
    """Somebody freezes while the health drips: the promotion that had waited for it is refused."""
    with dripping(SLOTS) as endpoint:
        target = with_options(begun, health_url=endpoint.url, health_timeout_s=60.0)
        results: list[object] = []
        asking = threading.Thread(target=lambda: results.append(promote(target, begun)))
        asking.start()
        assert endpoint.begun.wait(60)
        hold.hold_promotions(begun.target, Order(begun.people["olivia"], "wait a moment"))
        endpoint.goes_on.set()
        asking.join(60)
    [refused] = results
    assert isinstance(refused, Refused)
    assert refused.refusal.code is Code.FROZEN


def test_an_observed_endpoint_that_drips_keeps_nobody_waiting_either(begun: Rig) -> None:
    """A promotion looks at the running router before it takes the lock, and unfreezing does not look at it at all."""
    with dripping(b'{"enabled": 1, "pilot": 0.1, "kill": 0}') as endpoint:
        target = with_options(begun, observe=ObserveOptions.model_validate({"url": endpoint.url, **OBSERVED}))
        results: list[object] = []
        asking = threading.Thread(target=lambda: results.append(promote(target, begun)))
        asking.start()
        assert endpoint.begun.wait(60)
        hold.hold_promotions(target, Order(begun.people["olivia"], "wait a moment"))
        assert isinstance(propose.unfreeze(target, Order(begun.people["olivia"], "go on")), Unfrozen)
        assert asking.is_alive()
        endpoint.goes_on.set()
        asking.join(60)
    [asked] = results
    assert isinstance(asked, Asked), asked


def test_a_move_down_does_not_ask_for_the_health(begun: Rig) -> None:
    """It is done while the endpoint still drips, and nobody has even asked it."""
    with dripping(SLOTS) as endpoint:
        target = with_options(begun, health_url=endpoint.url, health_timeout_s=60.0)
        moved = propose.propose(target, Order(begun.people["olivia"], "less"), wanted=0)
        assert isinstance(moved, Moved)
        assert moved.applied
        assert not endpoint.begun.is_set()


def test_an_answer_that_grew_old_while_the_lock_was_waited_for_is_asked_for_again(
    begun: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was healthy before the wait and is ill after it refuses; nothing is decided on the old answer."""
    decided: list[bool] = []
    ages = iter([60.0])

    def decide(gathered: gather.Gathered) -> str:
        decided.append(gathered.is_fresh)
        begun.statuses["slot09"] = "degraded"
        return gathered.report(begun.target, leaving_zero=False).gates.blocking[0].name

    real = gather._gather

    def look(*args: Any, **options: Any) -> gather.Gathered:
        gathered = real(*args, **options)
        begun.statuses["slot09"] = "degraded"
        return gather.Gathered(gathered.evidence, gathered.metrics, gathered.slots, gathered.ended_s - next(ages, 0.0))

    monkeypatch.setattr(gather, "_gather", look)
    assert gather.decide_locked(begun.target, "test", decide, measured=True) == "slots"
    assert decided == [True]


def test_a_ledger_that_cannot_be_measured_says_so_only_where_the_gates_are_asked(begun: Rig) -> None:
    """It is measured before it is decided; what is decided without gates goes on, and the gates are never taken for asked."""
    begun.settings.ledger.unlink()
    assert gather.decide_locked(begun.target, "test", lambda gathered: gathered.now, measured=True) == NOW
    with pytest.raises(LedgerUnreadable):
        gather.decide_locked(
            begun.target, "test", lambda gathered: gathered.report(begun.target, leaving_zero=False), measured=True
        )


def test_what_the_journal_refuses_reads_no_ledger(begun: Rig) -> None:
    """A frozen rollout refuses the next step without measuring a window, however long that would take."""

    def measure(_target: TargetSettings, _window: Window, _on_progress: OnProgress) -> WindowMetrics:
        pytest.fail("the ledger was read")

    olivia = begun.people["olivia"]
    freeze(begun.target, olivia, "stop")
    refused = propose.propose(replace(begun.target, measured=measure), Order(olivia, "more"))
    assert isinstance(refused, Refused)
    assert refused.refusal.code is Code.FROZEN


def test_answers_that_are_always_too_old_end_in_a_refusal(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the lock is never had in time nothing is decided, and whoever asked is told to try again."""
    monkeypatch.setattr(gather, "FRESH_SECONDS", -1.0)
    with pytest.raises(OperationBusy, match="try again"):
        gather.decide_locked(begun.target, "test", lambda _: pytest.fail("decided on an old answer"))


def test_an_endpoint_that_was_asked_before_the_settings_were_written_says_nothing_about_them() -> None:
    """Its answer is of the process before; it is neither a contradiction nor a confirmation."""
    expected = Observation(stage=25, safe=False, since=NOW, counts_from=NOW)
    for pilot in (0.1, 0.25):
        status = Status(NOW - timedelta(seconds=1), enabled=True, pilot=pilot, kill=False)
        assert judge(expected, Evidence(NOW, None, status)).sight is Sight.NOT_YET_SEEN
    assert judge(expected, Evidence(NOW, None, Status(NOW, enabled=True, pilot=0.25, kill=False))).sight is Sight.SEEN_STAGE


def test_the_routers_version_is_in_the_receipts_of_promotions_and_brakes(begun: Rig) -> None:
    """A promotion tells what the endpoint said before it; a brake, which asks nobody, what the journal knows by then."""
    body = json.dumps({"enabled": 1, "pilot": 0.1, "kill": 0, "sha": "3f2a9c1"}).encode()
    with dripping(body) as endpoint:
        endpoint.goes_on.set()
        options = ObserveOptions.model_validate({"url": endpoint.url, **OBSERVED, "version": "sha"})
        target = with_options(begun, observe=options)
        asked = propose.propose(target, Order(begun.people["olivia"], "good day"))
        assert isinstance(asked, Asked), asked
        moved = requests.approve(target, begun.people["aaron"], asked.approval.id)
    assert isinstance(moved, Moved)
    braked = rollback(target, begun.people["olivia"], "bad day")  # nobody listens at the endpoint any more
    assert isinstance(braked, Braked)
    assert braked.sealed is not None
    assert {moved.sealed.receipt.router_version, braked.sealed.receipt.router_version} == {"3f2a9c1"}
    begun.target.journal.verify()


def test_a_command_tells_the_version_where_no_endpoint_does(begun: Rig, tmp_path: Path) -> None:
    """It is asked for a move, before the lock and once; a brake does not run it, and one that fails leaves the last version."""
    calls, version = tmp_path / "calls", tmp_path / "version"
    version.write_text("3f2a9c1", encoding="utf-8")
    command = ("sh", "-c", f"echo >> '{calls}'; cat '{version}'")
    target = with_options(begun, version_command=command, observe=ObserveOptions(timeout_s=30))
    asked = propose.propose(target, Order(begun.people["olivia"], "good day"))
    assert isinstance(asked, Asked), asked
    before = len(calls.read_text("utf-8").splitlines())
    moved = requests.approve(target, begun.people["aaron"], asked.approval.id)
    assert isinstance(moved, Moved)
    assert moved.sealed.receipt.router_version == "3f2a9c1"
    ran = len(calls.read_text("utf-8").splitlines())
    assert ran > before
    version.unlink()
    braked = rollback(target, begun.people["olivia"], "bad day")
    assert isinstance(braked, Braked)
    assert braked.sealed is not None
    assert braked.sealed.receipt.router_version == "3f2a9c1"
    assert len(calls.read_text("utf-8").splitlines()) == ran
    assert target.evidence().version is None, "whoever looks every second ran it"
    assert target.facts(target.evidence(with_version=True)).router_version == "3f2a9c1"


def test_an_endpoint_that_tells_the_version_is_believed_before_the_command(begun: Rig, tmp_path: Path) -> None:
    """It is the running process that tells; what lies on the disk may not have been started yet."""
    body = json.dumps({"enabled": 1, "pilot": 0.1, "kill": 0, "sha": "3f2a9c1"}).encode()
    command = ("sh", "-c", f"echo new; touch '{tmp_path / 'ran'}'")
    with dripping(body) as endpoint:
        endpoint.goes_on.set()
        options = ObserveOptions.model_validate({"url": endpoint.url, **OBSERVED, "version": "sha"})
        target = with_options(begun, observe=options, version_command=command)
        assert target.facts(target.evidence(with_version=True)).router_version == "3f2a9c1"
    assert not (tmp_path / "ran").exists()
