import fcntl
import json
import sys
import threading
import time
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.actors import UPKEEP, AccessPolicy, Approvable, ApprovalRule
from core.brake import brake
from core.operations import propose, requests
from core.operations import results as operation_results
from core.operations.restore import Restored
from core.receipts.receipt import Action, Phase, Result
from core.receipts.state_content import StateSeen
from core.rollout.approvals import ApprovalStatus
from core.rollout.refusals import Code
from core.rollout.state import fold
from core.router.control import SAFE_SETTINGS
from core.router.state_lock import LOCK_WAIT_SECONDS
from core.target.order import Order
from core.target.target import Target
from core.upkeep import backup
from core.watch import recover
from tests.core.doctor.test_own_checks import changed
from tests.core.router.test_presence import closed_port, quiet
from tests.support.rig import Rig


@pytest.fixture
def kept(begun: Rig) -> Rig:
    """A backup of a good state, and a present state that went wrong since."""
    begun.settings.state_file.write_text('{"count": 1}', encoding="utf-8")
    backup.back_up(begun.target, UPKEEP)
    begun.settings.state_file.write_text('{"count": 666}', encoding="utf-8")
    begun.clock.pass_(minutes=1)
    return begun


NAME = "anr_state_20251001_090500.json"


def asked(rig: Rig, name: str = NAME) -> str:
    request = propose.restore(rig.target, Order(rig.people["olivia"], "it learned nonsense"), name)
    assert isinstance(request, operation_results.Asked), request
    return request.approval.id


def state_of(rig: Rig) -> dict[str, int]:
    found: dict[str, int] = json.loads(rig.settings.state_file.read_bytes())
    return found


def test_a_restore_is_asked_for_approved_and_carried_out_frozen(kept: Rig) -> None:
    """The state is the backup's, the router is safe, the rollout frozen in a new epoch, and each step has its receipt."""
    request = asked(kept)
    assert state_of(kept) == {"count": 666}
    done = requests.approve(kept.target, kept.people["aaron"], request)
    assert isinstance(done, Restored)
    assert done.applied
    assert state_of(kept) == {"count": 1}
    assert kept.target.router.settings().carries(SAFE_SETTINGS)
    state = kept.target.journal.state()
    assert (state.stage, state.epoch, state.person_required, state.unsettled) == (0, 1, True, None)
    assert [hold.reason for hold in state.holds] == [f"state restored from {NAME}: it learned nonsense"]
    assert kept.target.brake.read().frozen_by == (request,)
    receipts = [sealed.receipt for sealed in kept.target.journal.of_operation(request)]
    assert [(receipt.action, receipt.phase) for receipt in receipts] == [
        (Action.REQUEST, Phase.EVENT),
        (Action.RESTORE, Phase.INTENT),
        (Action.RESTORE, Phase.OUTCOME),
    ]
    assert [approval.actor.id for approval in receipts[1].approvals] == ["UAARON"]
    assert receipts[2].restored is not None
    assert receipts[2].restored.name == NAME
    assert receipts[2].backup is not None
    assert json.loads((kept.settings.backups_dir / receipts[2].backup.name).read_bytes()) == {"count": 666}
    assert kept.target.journal.verify()[1] == ()


def test_nobody_restores_alone(kept: Rig) -> None:
    """Neither the one who asked nor a member can approve, and a member cannot ask."""
    request = asked(kept)
    for person, code in (("olivia", Code.SELF_APPROVAL), ("max", Code.NOT_APPROVER)):
        refused = requests.approve(kept.target, kept.people[person], request)
        assert isinstance(refused, operation_results.Refused)
        assert refused.refusal.code is code
    not_asked = propose.restore(kept.target, Order(kept.people["max"]), NAME)
    assert isinstance(not_asked, operation_results.Refused)
    assert not_asked.refusal.code is Code.NOT_ALLOWED
    assert state_of(kept) == {"count": 666}


@pytest.mark.parametrize("name", ["../journal.sqlite", "/etc/passwd", "anr_state_20200101_000000.json", "", "*"])
def test_a_name_that_is_not_in_the_list_is_refused(kept: Rig, name: str) -> None:
    """Nothing is asked, and the answer does not repeat what was typed."""
    refused = propose.restore(kept.target, Order(kept.people["olivia"]), name)
    assert isinstance(refused, operation_results.Refused)
    assert refused.refusal.code is Code.BACKUP_UNKNOWN
    assert kept.target.journal.pending() == ()


def test_a_backup_that_is_not_valid_cannot_be_asked_for(kept: Rig) -> None:
    """The refusal says what is wrong with it."""
    (kept.settings.backups_dir / f"{NAME}.sha256").unlink()
    refused = propose.restore(kept.target, Order(kept.people["olivia"]), NAME)
    assert isinstance(refused, operation_results.Refused)
    assert refused.refusal.code is Code.BACKUP_INVALID
    assert "no checksum" in refused.refusal.text


def test_a_backup_that_was_exchanged_after_it_was_asked_for_is_not_restored(kept: Rig) -> None:
    """The approval is for these bytes: other bytes of the same name, checksum and all, end the request as stale."""
    request = asked(kept)
    other = b'{"count": 7}'
    (kept.settings.backups_dir / NAME).write_bytes(other)
    (kept.settings.backups_dir / f"{NAME}.sha256").write_text(f"{sha256(other).hexdigest()}  {NAME}\n", encoding="utf-8")
    ended = requests.approve(kept.target, kept.people["aaron"], request)
    assert isinstance(ended, operation_results.Ended)
    assert ended.approval.status is ApprovalStatus.STALE
    assert state_of(kept) == {"count": 666}
    assert not kept.target.journal.state().frozen


def test_requests_from_before_a_restore_are_void(kept: Rig) -> None:
    """A promotion and another restore that were asked for before it are stale, also once the rollout is no longer frozen."""
    promotion = propose.propose(kept.target, Order(kept.people["olivia"]))
    assert isinstance(promotion, operation_results.Asked)
    requests.approve(kept.target, kept.people["aaron"], asked(kept))
    propose.unfreeze(kept.target, Order(kept.people["olivia"]))
    kept.write_ledger()
    ended = requests.approve(kept.target, kept.people["aaron"], promotion.approval.id)
    assert isinstance(ended, operation_results.Ended)
    assert ended.approval.status is ApprovalStatus.STALE
    assert "restored after this request" in ended.approval.note
    assert kept.target.router.settings().stage == 0


def test_a_freeze_meanwhile_does_not_stand_in_the_way_of_a_restore(kept: Rig) -> None:
    """At three in the morning alerts go on arriving; the restore freezes anyway."""
    request = asked(kept)
    brake.freeze(kept.target, kept.people["max"], "another alert")
    done = requests.approve(kept.target, kept.people["aaron"], request)
    assert isinstance(done, Restored)
    assert done.applied
    assert len(kept.target.journal.state().holds) == 2


def test_the_same_command_asks_once(kept: Rig) -> None:
    """A redelivered command has no second effect."""
    order = Order(kept.people["olivia"], cause="slash:1")
    assert isinstance(propose.restore(kept.target, order, NAME), operation_results.Asked)
    again = propose.restore(kept.target, order, NAME)
    assert isinstance(again, operation_results.Refused)
    assert again.refusal.code is Code.ALREADY_DONE


def test_a_router_that_cannot_be_made_safe_keeps_its_state(kept: Rig, tmp_path: Path) -> None:
    """The outcome says what went wrong; the rollout is frozen, and nothing is half done."""
    request = asked(kept)
    rig = kept.settings.model_copy(update={"reload_command": ("false",)})
    done = requests.approve(Target.at(rig, kept.target.access, kept.clock), kept.people["aaron"], request)
    assert isinstance(done, Restored)
    assert not done.applied
    assert "could not be put in its safe settings" in done.sealed.receipt.note
    assert state_of(kept) == {"count": 666}
    assert kept.target.journal.state().frozen


def test_a_router_that_writes_its_old_state_back_is_not_called_restored(kept: Rig) -> None:
    """Its stop was none, and it writes what it had in memory: the outcome is unknown, and says to look."""
    request = asked(kept)
    code = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('{\"count\": 667}')"
    target = kept.settings.model_copy(update={"start_command": (sys.executable, "-c", code, str(kept.settings.state_file))})
    done = requests.approve(Target.at(target, kept.target.access, kept.clock), kept.people["aaron"], request)
    assert isinstance(done, Restored)
    assert done.sealed.receipt.result is Result.UNKNOWN
    assert "written again after it was replaced" in done.sealed.receipt.note


def test_a_state_that_cannot_be_kept_is_not_replaced(kept: Rig) -> None:
    """Without a backup of the present state there is no way back: frozen, not applied, and said so."""
    request = asked(kept)
    kept.settings.state_file.unlink()
    kept.settings.state_file.mkdir()
    done = requests.approve(kept.target, kept.people["aaron"], request)
    assert isinstance(done, Restored)
    assert done.sealed.receipt.result is Result.NOT_APPLIED
    assert "cannot be read" in done.sealed.receipt.note
    assert kept.target.journal.state().frozen


def test_a_brake_acts_while_a_restore_waits_for_the_routers_lock(kept: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The router hangs with its lock in hand: the restore waits and then gives up, frozen; no brake waits with it."""
    request, passed = asked(kept), [0.0]
    monkeypatch.setattr("core.router.backups.time", SimpleNamespace(monotonic=lambda: passed[0], sleep=time.sleep))
    with Path(f"{kept.settings.state_file}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        results: list[object] = []
        restoring = threading.Thread(target=lambda: results.append(requests.approve(kept.target, kept.people["aaron"], request)))
        restoring.start()
        while not kept.target.brake.read().frozen_by:
            assert restoring.is_alive()
            time.sleep(0.01)
        braked = brake.rollback(kept.target, kept.people["max"], "errors")
        assert restoring.is_alive()
        passed[0] = LOCK_WAIT_SECONDS
        restoring.join()
    assert isinstance(braked, brake.Braked)
    assert braked.safe
    (done,) = results
    assert isinstance(done, Restored)
    assert done.sealed.receipt.result is Result.NOT_APPLIED
    assert "was held for more than" in done.sealed.receipt.note
    assert state_of(kept) == {"count": 666}
    assert kept.target.journal.state().unsettled is None


def test_a_brake_between_intent_and_outcome_does_not_settle_a_restore(kept: Rig) -> None:
    """Only the restore's own outcome says whether the state was replaced."""
    requests.approve(kept.target, kept.people["aaron"], asked(kept))
    receipts = [sealed.receipt for sealed in kept.target.journal.receipts()]
    brake.rollback(kept.target, kept.people["max"], "errors")
    rollback = kept.target.journal.receipts()[-1].receipt
    unsettled = fold([*receipts[:-1], rollback]).unsettled
    assert unsettled is not None
    assert unsettled.action is Action.RESTORE
    assert fold([*receipts[:-1], rollback, receipts[-1]]).unsettled is None


def test_an_approval_that_waited_too_long_restores_nothing(kept: Rig) -> None:
    """An expired request is over."""
    request = asked(kept)
    kept.clock.pass_(minutes=61)
    ended = requests.approve(kept.target, kept.people["aaron"], request)
    assert isinstance(ended, operation_results.Ended)
    assert ended.approval.status is ApprovalStatus.EXPIRED
    assert state_of(kept) == {"count": 666}
    assert recover.recover(kept.target).settled is None


def recorded(folder: Path, word: str, *, code: int = 0) -> tuple[str, ...]:
    """A command that notes that it was called, and what the state was then."""
    script = f'echo "{word} $(cat "{folder}/anr_state.json" 2>/dev/null)" >> "{folder}/calls"; exit {code}'
    return ("sh", "-c", script)


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text(encoding="utf-8").splitlines()


def test_the_router_is_stopped_before_and_started_after(kept: Rig, tmp_path: Path) -> None:
    """Safe settings, stop, replace, start, look: and the receipt says written, restarted and seen, each by itself."""
    target = changed(kept, stop_command=recorded(tmp_path, "stop"), start_command=recorded(tmp_path, "start")).target
    request = asked(kept)
    done = requests.approve(target, kept.people["aaron"], request)
    assert isinstance(done, Restored)
    assert calls(tmp_path) == ['stop {"count": 666}', 'start {"count": 1}']
    change = done.sealed.receipt.state_change
    assert change is not None
    assert (change.written, change.restarted, change.seen) == (True, True, StateSeen.UNCHANGED)
    assert "has not written its state since" in done.sealed.receipt.note


def test_a_reset_removes_the_state_with_the_router_stopped_after_a_backup(kept: Rig, tmp_path: Path) -> None:
    """Asked by an operator, approved by somebody else; frozen, in a new epoch, and what was there is a backup."""
    target = changed(kept, stop_command=recorded(tmp_path, "stop"), start_command=recorded(tmp_path, "start")).target
    request = propose.reset_state(target, Order(kept.people["olivia"], "nothing else helps"))
    assert isinstance(request, operation_results.Asked), request
    assert request.approval.what == "reset the bandit's state: what it has learned is forgotten"
    refused = requests.approve(target, kept.people["olivia"], request.approval.id)
    assert isinstance(refused, operation_results.Refused)
    assert refused.refusal.code is Code.SELF_APPROVAL
    done = requests.approve(target, kept.people["aaron"], request.approval.id)
    assert isinstance(done, Restored)
    receipt = done.sealed.receipt
    assert (receipt.action, receipt.result, receipt.restored) == (Action.RESET, Result.APPLIED, None)
    assert not target.settings.state_file.exists()
    assert calls(tmp_path) == ['stop {"count": 666}', "start "]
    assert receipt.backup is not None
    assert json.loads((target.settings.backups_dir / receipt.backup.name).read_bytes()) == {"count": 666}
    state = target.journal.state()
    assert (state.stage, state.epoch, state.unsettled, len(state.holds)) == (0, 1, None, 1)
    assert target.router.settings().carries(SAFE_SETTINGS)
    assert target.journal.verify()[1] == ()


@pytest.mark.parametrize("person", ["max"])
def test_a_member_resets_nothing(kept: Rig, person: str) -> None:
    """It is for operators to ask."""
    refused = propose.reset_state(kept.target, Order(kept.people[person]))
    assert isinstance(refused, operation_results.Refused)
    assert refused.refusal.code is Code.NOT_ALLOWED


def test_nobody_sets_the_approval_of_a_reset_to_none() -> None:
    """The settings are refused, as for a restore."""
    rule = AccessPolicy().rule(Approvable.RESET)
    assert rule == ApprovalRule(needed=1)


def test_without_a_state_there_is_nothing_to_reset(begun: Rig) -> None:
    """The router begins anew as it is."""
    refused = propose.reset_state(begun.target, Order(begun.people["olivia"]))
    assert isinstance(refused, operation_results.Refused)
    assert refused.refusal.code is Code.STATE_MISSING


@pytest.mark.parametrize("commands", [{"stop_command": ()}, {"start_command": ()}, {"stop_command": (), "start_command": ()}])
def test_a_router_that_cannot_be_stopped_and_is_not_down_keeps_its_state(kept: Rig, commands: dict[str, object]) -> None:
    """Asked or approved: refused with the reason, and which options to set; nothing was changed."""
    target = changed(kept, **commands).target
    olivia = Order(kept.people["olivia"])
    for result in (propose.restore(target, olivia, NAME), propose.reset_state(target, olivia)):
        assert isinstance(result, operation_results.Refused)
        assert result.refusal.code is Code.ROUTER_RUNS
        assert "target.stop_command" in result.refusal.text
        assert "something answers at" in result.refusal.text
    request = asked(kept)
    late = requests.approve(target, kept.people["aaron"], request)
    assert isinstance(late, operation_results.Refused)
    assert late.refusal.code is Code.ROUTER_RUNS
    assert state_of(kept) == {"count": 666}
    assert not target.journal.state().frozen


def test_a_router_that_is_down_needs_no_commands_and_is_not_called_restored(kept: Rig) -> None:
    """The state is exchanged under a router that is seen to be down, and the receipt says that nobody saw it read."""
    target = changed(kept, stop_command=(), start_command=(), health_url=closed_port()).target
    quiet(target.settings)
    request = propose.restore(target, Order(kept.people["olivia"]), NAME)
    assert isinstance(request, operation_results.Asked), request
    done = requests.approve(target, kept.people["aaron"], request.approval.id)
    assert isinstance(done, Restored)
    receipt = done.sealed.receipt
    assert state_of(kept) == {"count": 1}
    assert receipt.result is Result.UNKNOWN
    assert receipt.state_change is not None
    assert (receipt.state_change.written, receipt.state_change.restarted, receipt.state_change.seen) == (True, False, None)
    assert "Start it" in receipt.note


def test_a_router_that_cannot_be_stopped_is_started_and_keeps_its_state(kept: Rig, tmp_path: Path) -> None:
    """Half a stop must not leave it down."""
    stop, start = recorded(tmp_path, "stop", code=1), recorded(tmp_path, "start")
    target = changed(kept, stop_command=stop, start_command=start).target
    done = requests.approve(target, kept.people["aaron"], asked(kept))
    assert isinstance(done, Restored)
    assert done.sealed.receipt.result is Result.NOT_APPLIED
    assert "The stop command ended with 1" in done.sealed.receipt.note
    assert calls(tmp_path) == ['stop {"count": 666}', 'start {"count": 666}']
    assert state_of(kept) == {"count": 666}


def test_a_state_that_cannot_be_exchanged_leaves_the_router_running(kept: Rig, tmp_path: Path) -> None:
    """Whatever fails between stop and start, the router is started, on the state that it had."""
    spoil = f'echo "stop" >> "{tmp_path}/calls"; echo "x" >> "{kept.settings.backups_dir}/{NAME}"'
    target = changed(kept, stop_command=("sh", "-c", spoil), start_command=recorded(tmp_path, "start")).target
    done = requests.approve(target, kept.people["aaron"], asked(kept))
    assert isinstance(done, Restored)
    assert done.sealed.receipt.result is Result.NOT_APPLIED
    assert "cannot be used" in done.sealed.receipt.note
    assert calls(tmp_path) == ["stop", 'start {"count": 666}']


def test_a_router_that_does_not_start_again_is_said(kept: Rig, tmp_path: Path) -> None:
    """The state is exchanged, and the router is down: not applied for a router that loaded it, and what to do."""
    target = changed(kept, start_command=recorded(tmp_path, "start", code=3)).target
    done = requests.approve(target, kept.people["aaron"], asked(kept))
    assert isinstance(done, Restored)
    receipt = done.sealed.receipt
    assert receipt.result is Result.UNKNOWN
    assert "Start it by hand" in receipt.note
    assert "It was tried 3 times. The start command ended with 3" in receipt.note
    assert calls(tmp_path) == ['start {"count": 1}'] * 3
    assert receipt.state_change is not None
    assert (receipt.state_change.written, receipt.state_change.restarted) == (True, False)


@pytest.mark.parametrize("failures", [1, 2])
def test_a_start_that_fails_at_first_is_tried_again(kept: Rig, tmp_path: Path, failures: int) -> None:
    """The port was not free yet: the router that was stopped for the restore is not left to people for that."""
    tried = f'echo "start" >> "{tmp_path}/calls"; test "$(wc -l < "{tmp_path}/calls")" -gt {failures}'
    target = changed(kept, start_command=("sh", "-c", tried)).target
    done = requests.approve(target, kept.people["aaron"], asked(kept))
    assert isinstance(done, Restored)
    receipt = done.sealed.receipt
    assert calls(tmp_path) == ["start"] * (failures + 1)
    assert receipt.result is Result.APPLIED, receipt.note
    assert receipt.state_change is not None
    assert receipt.state_change.restarted
    assert "Start it by hand" not in receipt.note


def test_a_router_that_begins_anew_instead_of_reading_the_backup_is_not_called_restored(kept: Rig) -> None:
    """It was started, and wrote a fresh state over the one that was put there."""
    good = {"count": 500, "A": {"R1": [[90.5, 3.25], [3.25, 70.0]]}}
    kept.settings.state_file.write_text(json.dumps(good), encoding="utf-8")
    made = backup.back_up(kept.target, UPKEEP)
    assert isinstance(made, backup.BackedUp)
    assert made.sealed.receipt.backup is not None
    fresh = json.dumps({"count": 1, "A": {"R1": [[1.5, 0.1], [0.1, 1.2]]}})
    start = ("sh", "-c", f"printf '%s' '{fresh}' > '{kept.settings.state_file}'")
    target = changed(kept, start_command=start).target
    done = requests.approve(target, kept.people["aaron"], asked(kept, made.sealed.receipt.backup.name))
    assert isinstance(done, Restored)
    assert done.sealed.receipt.result is Result.UNKNOWN
    change = done.sealed.receipt.state_change
    assert change is not None
    assert change.seen is StateSeen.OVERWRITTEN


def test_a_backup_with_other_routes_is_not_put_back_unasked(kept: Rig) -> None:
    """Another router's state, or one from before it was changed: refused with both lists, unless it is said to be meant."""
    for routes in ({"R1": 1, "R2": 1}, {"R1": 1, "R2": 1, "R6": 1}):
        kept.clock.pass_(minutes=1)
        kept.settings.state_file.write_text(json.dumps(routes), encoding="utf-8")
        backup.back_up(kept.target, UPKEEP)
    newest, older, _ = kept.target.backups.found()
    olivia = Order(kept.people["olivia"])
    refused = propose.restore(kept.target, olivia, older.name)
    assert isinstance(refused, operation_results.Refused)
    assert refused.refusal.code is Code.OTHER_ROUTES
    assert "has the routes R1, R2, but" in refused.refusal.text
    assert "has R1, R2, R6" in refused.refusal.text
    assert isinstance(propose.restore(kept.target, olivia, older.name, other_routes=True), operation_results.Asked)
    assert newest.valid
