import json
from pathlib import Path

import pytest

from core.actors import UPKEEP
from core.brake import brake
from core.errors import StateFileError, StateFileMissing
from core.operations import daily, propose, requests, results
from core.receipts.receipt import Result
from core.rollout.refusals import Code, Refuse
from core.rollout.schedule import PromotionMode
from core.target.order import Order
from core.upkeep import backup as backing_up
from core.upkeep import prune
from tests.support.rig import Rig


@pytest.fixture
def learned(begun: Rig) -> Rig:
    """A router that has written its state."""
    begun.target.state_file.write_text('{"count": 1}', encoding="utf-8")
    return begun


def promoted(rig: Rig) -> results.Moved:
    asked = propose.propose(rig.site, Order(rig.people["olivia"]))
    assert isinstance(asked, results.Asked), asked
    moved = requests.approve(rig.site, rig.people["aaron"], asked.approval.id)
    assert isinstance(moved, results.Moved), moved
    return moved


def test_a_backup_leaves_a_receipt_that_names_it(learned: Rig) -> None:
    """Name, size and checksum are in the receipt, and the rollout's revision is as it was: no request becomes stale."""
    before = learned.site.journal.state()
    made = backing_up.back_up(learned.site, learned.people["olivia"])
    assert isinstance(made, backing_up.BackedUp)
    (backup,) = learned.site.backups.found()
    assert made.sealed.receipt.backup == backing_up.copy_of(backup)
    assert learned.site.journal.state() == before


def test_the_scheduled_backup_of_a_day_is_made_once(learned: Rig) -> None:
    """The same cause has no second effect."""
    assert isinstance(backing_up.back_up(learned.site, UPKEEP, cause="backup:2025-10-01"), backing_up.BackedUp)
    again = backing_up.back_up(learned.site, UPKEEP, cause="backup:2025-10-01")
    assert isinstance(again, Refuse)
    assert again.code is Code.ALREADY_DONE
    assert len(learned.site.backups.found()) == 1


def test_backups_that_are_deleted_are_listed_in_the_receipt(learned: Rig) -> None:
    """The eighth backup lets the first one go, and its receipt says so."""
    made = []
    for _ in range(8):
        made.append(backing_up.back_up(learned.site, UPKEEP))
        learned.clock.pass_(days=1)
    last = made[-1]
    assert isinstance(last, backing_up.BackedUp)
    assert last.sealed.receipt.deleted is not None
    assert last.sealed.receipt.deleted.names == ("anr_state_20251001_090500.json",)
    assert len(learned.site.backups.found()) == 7


def test_a_scheduled_backup_that_fails_is_recorded_and_a_persons_is_told(learned: Rig) -> None:
    """A broken state is seen in the channel: the receipt says that there is no backup, and why."""
    learned.target.state_file.write_bytes(b"\x00" * 10)
    failed = backing_up.back_up(learned.site, UPKEEP, cause="backup:2025-10-01")
    assert isinstance(failed, backing_up.BackedUp)
    assert (failed.made, failed.sealed.receipt.result) == (False, Result.NOT_APPLIED)
    assert "is not valid" in failed.sealed.receipt.note
    with pytest.raises(StateFileError, match="is not valid"):
        backing_up.back_up(learned.site, learned.people["olivia"])


def test_a_router_without_a_state_is_no_daily_alarm(begun: Rig) -> None:
    """Nothing is recorded where there never was anything to back up; a state that was lost is recorded."""
    quiet = backing_up.back_up(begun.site, UPKEEP, cause="backup:2025-10-01")
    assert isinstance(quiet, Refuse)
    assert begun.site.journal.find_cause("backup:2025-10-01") is None
    begun.target.state_file.write_text("{}", encoding="utf-8")
    backing_up.back_up(begun.site, UPKEEP)
    begun.target.state_file.unlink()
    lost = backing_up.back_up(begun.site, UPKEEP, cause="backup:2025-10-01")
    assert isinstance(lost, backing_up.BackedUp)
    assert not lost.made
    with pytest.raises(StateFileMissing):
        backing_up.back_up(begun.site, begun.people["olivia"])


def test_a_member_makes_no_backups_and_prunes_nothing(learned: Rig) -> None:
    """Both need an operator."""
    for refused in (backing_up.back_up(learned.site, learned.people["max"]), prune.prune(learned.site, learned.people["max"])):
        assert isinstance(refused, Refuse)
        assert refused.code is Code.NOT_ALLOWED
    assert learned.site.backups.found() == ()


def test_every_promotion_backs_the_state_up_first(learned: Rig) -> None:
    """The intent's receipt names the backup, which holds the state from before the promotion."""
    moved = promoted(learned)
    assert moved.applied
    intent = learned.site.journal.receipts()[-2].receipt
    (backup,) = learned.site.backups.found()
    assert intent.backup == backing_up.copy_of(backup)
    assert json.loads((learned.target.backups_dir / backup.name).read_bytes()) == {"count": 1}


def test_a_promotion_goes_on_where_the_router_never_wrote_a_state(begun: Rig) -> None:
    """There is nothing to lose, and the receipt says that there is no backup."""
    moved = promoted(begun)
    assert moved.applied
    intent = begun.site.journal.receipts()[-2].receipt
    assert intent.backup is None
    assert "nothing to back up" in intent.note


@pytest.mark.parametrize("fault", ["corrupt", "lost"])
def test_a_state_that_cannot_be_backed_up_refuses_the_promotion(learned: Rig, fault: str) -> None:
    """Nothing is changed, the request still waits, and once the state is repaired the same request promotes."""
    backing_up.back_up(learned.site, UPKEEP)
    asked = propose.propose(learned.site, Order(learned.people["olivia"]))
    assert isinstance(asked, results.Asked)
    good = learned.target.state_file.read_bytes()
    learned.target.state_file.write_bytes(b"{") if fault == "corrupt" else learned.target.state_file.unlink()
    refused = requests.approve(learned.site, learned.people["aaron"], asked.approval.id)
    assert isinstance(refused, results.Refused)
    assert refused.refusal.code is Code.NO_BACKUP
    assert "Nothing was promoted" in refused.refusal.text
    assert learned.setting("NOVA_ANR_PILOT") == "0.10"
    learned.target.state_file.write_bytes(good)
    assert isinstance(requests.approve(learned.site, learned.people["aaron"], asked.approval.id), results.Moved)


def test_the_daily_run_says_when_a_backup_kept_it_from_promoting(learned: Rig) -> None:
    """Its receipt has the reason, and the date is used up: nothing is promoted hours later."""
    promoted(learned)
    learned.clock.pass_(days=1)
    learned.write_ledger()
    learned.target.state_file.write_bytes(b"{")
    ran = daily.daily(learned.site, learned.clock.now.date(), PromotionMode.AUTO)
    assert isinstance(ran, daily.DailyRun)
    assert isinstance(ran.outcome, results.Refused)
    assert ran.outcome.refusal.code is Code.NO_BACKUP
    assert "has to be backed up first" in ran.sealed.receipt.note
    assert learned.setting("NOVA_ANR_PILOT") == "0.25"


def test_a_brake_does_not_wait_for_a_backup(learned: Rig) -> None:
    """With a state that cannot be backed up, rollback and freeze act all the same."""
    learned.target.state_file.write_bytes(b"{")
    braked = brake.rollback(learned.site, learned.people["max"], "errors")
    assert isinstance(braked, brake.Braked)
    assert braked.safe


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("anr_*.json")}
