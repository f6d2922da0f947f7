import fcntl
import json
import sys
import threading
import time
from hashlib import sha256
from pathlib import Path

import pytest

from core.actors import UPKEEP
from core.brake import brake
from core.operations import propose, recover, requests
from core.operations import results as operation_results
from core.operations.restore import Restored
from core.receipts.receipt import Action, Phase, Result
from core.rollout.approvals import ApprovalStatus
from core.rollout.refusals import Code
from core.rollout.state import fold
from core.router.control import SAFE_SETTINGS
from core.target.order import Order
from core.target.target import Target
from core.upkeep import backup
from tests.support.rig import Rig


@pytest.fixture
def kept(begun: Rig) -> Rig:
    """A backup of a good state, and a present state that went wrong since."""
    begun.target.state_file.write_text('{"count": 1}', encoding="utf-8")
    backup.back_up(begun.site, UPKEEP)
    begun.target.state_file.write_text('{"count": 666}', encoding="utf-8")
    begun.clock.pass_(minutes=1)
    return begun


NAME = "anr_state_20251001_090500.json"


def asked(rig: Rig, name: str = NAME) -> str:
    request = propose.restore(rig.site, Order(rig.people["olivia"], "it learned nonsense"), name)
    assert isinstance(request, operation_results.Asked), request
    return request.approval.id


def state_of(rig: Rig) -> dict[str, int]:
    found: dict[str, int] = json.loads(rig.target.state_file.read_bytes())
    return found


def test_a_restore_is_asked_for_approved_and_carried_out_frozen(kept: Rig) -> None:
    """The state is the backup's, the router is safe, the rollout frozen in a new epoch, and each step has its receipt."""
    request = asked(kept)
    assert state_of(kept) == {"count": 666}
    done = requests.approve(kept.site, kept.people["aaron"], request)
    assert isinstance(done, Restored)
    assert done.applied
    assert state_of(kept) == {"count": 1}
    assert kept.site.router.settings().carries(SAFE_SETTINGS)
    state = kept.site.journal.state()
    assert (state.stage, state.epoch, state.person_required, state.unsettled) == (0, 1, True, None)
    assert [hold.reason for hold in state.holds] == [f"state restored from {NAME}: it learned nonsense"]
    assert kept.site.brake.read().frozen_by == (request,)
    receipts = [one.receipt for one in kept.site.journal.of_operation(request)]
    assert [(one.action, one.phase) for one in receipts] == [
        (Action.REQUEST, Phase.EVENT),
        (Action.RESTORE, Phase.INTENT),
        (Action.RESTORE, Phase.OUTCOME),
    ]
    assert [one.actor.id for one in receipts[1].approvals] == ["UAARON"]
    assert receipts[2].restored is not None
    assert receipts[2].restored.name == NAME
    assert receipts[2].backup is not None
    assert json.loads((kept.target.backups_dir / receipts[2].backup.name).read_bytes()) == {"count": 666}
    assert kept.site.journal.verify()[1] == ()


def test_nobody_restores_alone(kept: Rig) -> None:
    """Neither the one who asked nor a member can approve, and a member cannot ask."""
    request = asked(kept)
    for person, code in (("olivia", Code.SELF_APPROVAL), ("max", Code.NOT_APPROVER)):
        refused = requests.approve(kept.site, kept.people[person], request)
        assert isinstance(refused, operation_results.Refused)
        assert refused.refusal.code is code
    not_asked = propose.restore(kept.site, Order(kept.people["max"]), NAME)
    assert isinstance(not_asked, operation_results.Refused)
    assert not_asked.refusal.code is Code.NOT_ALLOWED
    assert state_of(kept) == {"count": 666}


@pytest.mark.parametrize("name", ["../journal.sqlite", "/etc/passwd", "anr_state_20200101_000000.json", "", "*"])
def test_a_name_that_is_not_in_the_list_is_refused(kept: Rig, name: str) -> None:
    """Nothing is asked, and the answer does not repeat what was typed."""
    refused = propose.restore(kept.site, Order(kept.people["olivia"]), name)
    assert isinstance(refused, operation_results.Refused)
    assert refused.refusal.code is Code.BACKUP_UNKNOWN
    assert kept.site.journal.pending() == ()


def test_a_backup_that_is_not_valid_cannot_be_asked_for(kept: Rig) -> None:
    """The refusal says what is wrong with it."""
    (kept.target.backups_dir / f"{NAME}.sha256").unlink()
    refused = propose.restore(kept.site, Order(kept.people["olivia"]), NAME)
    assert isinstance(refused, operation_results.Refused)
    assert refused.refusal.code is Code.BACKUP_INVALID
    assert "no checksum" in refused.refusal.text


def test_a_backup_that_was_exchanged_after_it_was_asked_for_is_not_restored(kept: Rig) -> None:
    """The approval is for these bytes: other bytes of the same name, checksum and all, end the request as stale."""
    request = asked(kept)
    other = b'{"count": 7}'
    (kept.target.backups_dir / NAME).write_bytes(other)
    (kept.target.backups_dir / f"{NAME}.sha256").write_text(f"{sha256(other).hexdigest()}  {NAME}\n", encoding="utf-8")
    ended = requests.approve(kept.site, kept.people["aaron"], request)
    assert isinstance(ended, operation_results.Ended)
    assert ended.approval.status is ApprovalStatus.STALE
    assert state_of(kept) == {"count": 666}
    assert not kept.site.journal.state().frozen


def test_requests_from_before_a_restore_are_void(kept: Rig) -> None:
    """A promotion and another restore that were asked for before it are stale, also once the rollout is no longer frozen."""
    promotion = propose.propose(kept.site, Order(kept.people["olivia"]))
    assert isinstance(promotion, operation_results.Asked)
    requests.approve(kept.site, kept.people["aaron"], asked(kept))
    propose.unfreeze(kept.site, Order(kept.people["olivia"]))
    kept.write_ledger()
    ended = requests.approve(kept.site, kept.people["aaron"], promotion.approval.id)
    assert isinstance(ended, operation_results.Ended)
    assert ended.approval.status is ApprovalStatus.STALE
    assert "restored after this request" in ended.approval.note
    assert kept.site.router.settings().stage == 0


def test_a_freeze_meanwhile_does_not_stand_in_the_way_of_a_restore(kept: Rig) -> None:
    """At three in the morning alerts go on arriving; the restore freezes anyway."""
    request = asked(kept)
    brake.freeze(kept.site, kept.people["max"], "another alert")
    done = requests.approve(kept.site, kept.people["aaron"], request)
    assert isinstance(done, Restored)
    assert done.applied
    assert len(kept.site.journal.state().holds) == 2


def test_the_same_command_asks_once(kept: Rig) -> None:
    """A redelivered command has no second effect."""
    order = Order(kept.people["olivia"], cause="slash:1")
    assert isinstance(propose.restore(kept.site, order, NAME), operation_results.Asked)
    again = propose.restore(kept.site, order, NAME)
    assert isinstance(again, operation_results.Refused)
    assert again.refusal.code is Code.ALREADY_DONE


def test_a_router_that_cannot_be_made_safe_keeps_its_state(kept: Rig, tmp_path: Path) -> None:
    """The outcome says what went wrong; the rollout is frozen, and nothing is half done."""
    request = asked(kept)
    rig = kept.target.model_copy(update={"reload_command": ("false",)})
    done = requests.approve(Target.at(rig, kept.site.access, kept.clock), kept.people["aaron"], request)
    assert isinstance(done, Restored)
    assert not done.applied
    assert "could not be put in its safe settings" in done.sealed.receipt.note
    assert state_of(kept) == {"count": 666}
    assert kept.site.journal.state().frozen


def test_a_router_that_writes_its_old_state_back_is_not_called_restored(kept: Rig) -> None:
    """The reload makes the router write what it had in memory: the outcome is unknown, and says to look."""
    request = asked(kept)
    code = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('{\"count\": 667}')"
    target = kept.target.model_copy(update={"reload_command": (sys.executable, "-c", code, str(kept.target.state_file))})
    done = requests.approve(Target.at(target, kept.site.access, kept.clock), kept.people["aaron"], request)
    assert isinstance(done, Restored)
    assert done.sealed.receipt.result is Result.UNKNOWN
    assert "written again after it was replaced" in done.sealed.receipt.note


def test_a_state_that_cannot_be_kept_is_not_replaced(kept: Rig) -> None:
    """Without a backup of the present state there is no way back: frozen, not applied, and said so."""
    request = asked(kept)
    kept.target.state_file.unlink()
    kept.target.state_file.mkdir()
    done = requests.approve(kept.site, kept.people["aaron"], request)
    assert isinstance(done, Restored)
    assert done.sealed.receipt.result is Result.NOT_APPLIED
    assert "cannot be read" in done.sealed.receipt.note
    assert kept.site.journal.state().frozen


def test_a_brake_acts_while_a_restore_waits_for_the_routers_lock(kept: Rig) -> None:
    """The router hangs with its lock in hand: the restore waits and then gives up, frozen; no brake waits with it."""
    request = asked(kept)
    with Path(f"{kept.target.state_file}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        results: list[object] = []
        restoring = threading.Thread(target=lambda: results.append(requests.approve(kept.site, kept.people["aaron"], request)))
        restoring.start()
        ends = time.monotonic() + 10
        while not kept.site.brake.read().frozen_by and time.monotonic() < ends:
            time.sleep(0.01)
        braked = brake.rollback(kept.site, kept.people["max"], "errors")
        assert restoring.is_alive()
        restoring.join()
    assert isinstance(braked, brake.Braked)
    assert braked.safe
    (done,) = results
    assert isinstance(done, Restored)
    assert done.sealed.receipt.result is Result.NOT_APPLIED
    assert "was held for more than" in done.sealed.receipt.note
    assert state_of(kept) == {"count": 666}
    assert kept.site.journal.state().unsettled is None


def test_a_brake_between_intent_and_outcome_does_not_settle_a_restore(kept: Rig) -> None:
    """Only the restore's own outcome says whether the state was replaced."""
    requests.approve(kept.site, kept.people["aaron"], asked(kept))
    receipts = [one.receipt for one in kept.site.journal.receipts()]
    brake.rollback(kept.site, kept.people["max"], "errors")
    rollback = kept.site.journal.receipts()[-1].receipt
    unsettled = fold([*receipts[:-1], rollback]).unsettled
    assert unsettled is not None
    assert unsettled.action is Action.RESTORE
    assert fold([*receipts[:-1], rollback, receipts[-1]]).unsettled is None


def test_an_approval_that_waited_too_long_restores_nothing(kept: Rig) -> None:
    """An expired request is over."""
    request = asked(kept)
    kept.clock.pass_(minutes=61)
    ended = requests.approve(kept.site, kept.people["aaron"], request)
    assert isinstance(ended, operation_results.Ended)
    assert ended.approval.status is ApprovalStatus.EXPIRED
    assert state_of(kept) == {"count": 666}
    assert recover.recover(kept.site).settled is None
