import json
from pathlib import Path

import pytest

from core.actors import UPKEEP
from core.brake import brake
from core.errors import JournalCorrupt, StateFileError, StateFileMissing
from core.operations import daily, propose, requests, results
from core.receipts.receipt import Action, Result
from core.rollout.refusals import Code, Refuse
from core.rollout.schedule import PromotionMode
from core.target.order import Order
from core.target.target import Target
from core.upkeep import archive, prune
from core.upkeep import backup as backing_up
from tests.core.router.test_backups import StandIn, windows  # noqa: F401 - a fixture
from tests.support.rig import Rig


@pytest.fixture
def learned(begun: Rig) -> Rig:
    """A router that has written its state."""
    begun.settings.state_file.write_text('{"count": 1}', encoding="utf-8")
    return begun


def promoted(rig: Rig) -> results.Moved:
    asked = propose.propose(rig.target, Order(rig.people["olivia"]))
    assert isinstance(asked, results.Asked), asked
    moved = requests.approve(rig.target, rig.people["aaron"], asked.approval.id)
    assert isinstance(moved, results.Moved), moved
    return moved


def test_a_backup_leaves_a_receipt_that_names_it(learned: Rig) -> None:
    """Name, size and checksum are in the receipt, and the rollout's revision is as it was: no request becomes stale."""
    before = learned.target.journal.state()
    made = backing_up.back_up(learned.target, learned.people["olivia"])
    assert isinstance(made, backing_up.BackedUp)
    (backup,) = learned.target.backups.found()
    assert made.sealed.receipt.backup == backing_up.copy_of(backup)
    assert learned.target.journal.state() == before


def test_the_scheduled_backup_of_a_day_is_made_once(learned: Rig) -> None:
    """The same cause has no second effect."""
    assert isinstance(backing_up.back_up(learned.target, UPKEEP, cause="backup:2025-10-01"), backing_up.BackedUp)
    again = backing_up.back_up(learned.target, UPKEEP, cause="backup:2025-10-01")
    assert isinstance(again, Refuse)
    assert again.code is Code.ALREADY_DONE
    assert len(learned.target.backups.found()) == 1


def test_backups_that_are_deleted_are_listed_in_the_receipt(learned: Rig) -> None:
    """The eighth backup lets the first one go, and its receipt says so."""
    made = []
    for _ in range(8):
        made.append(backing_up.back_up(learned.target, UPKEEP))
        learned.clock.pass_(days=1)
    last = made[-1]
    assert isinstance(last, backing_up.BackedUp)
    assert last.sealed.receipt.deleted is not None
    assert last.sealed.receipt.deleted.names == ("anr_state_20251001_090500.json",)
    assert len(learned.target.backups.found()) == 7


def test_a_scheduled_backup_that_fails_is_recorded_and_a_persons_is_told(learned: Rig) -> None:
    """A broken state is seen in the channel: the receipt says that there is no backup, and why."""
    learned.settings.state_file.write_bytes(b"\x00" * 10)
    failed = backing_up.back_up(learned.target, UPKEEP, cause="backup:2025-10-01")
    assert isinstance(failed, backing_up.BackedUp)
    assert (failed.made, failed.sealed.receipt.result) == (False, Result.NOT_APPLIED)
    assert "is not valid" in failed.sealed.receipt.note
    with pytest.raises(StateFileError, match="is not valid"):
        backing_up.back_up(learned.target, learned.people["olivia"])


def test_a_router_without_a_state_is_no_daily_alarm(begun: Rig) -> None:
    """Nothing is recorded where there never was anything to back up; a state that was lost is recorded."""
    quiet = backing_up.back_up(begun.target, UPKEEP, cause="backup:2025-10-01")
    assert isinstance(quiet, Refuse)
    assert begun.target.journal.find_cause("backup:2025-10-01") is None
    begun.settings.state_file.write_text("{}", encoding="utf-8")
    backing_up.back_up(begun.target, UPKEEP)
    begun.settings.state_file.unlink()
    lost = backing_up.back_up(begun.target, UPKEEP, cause="backup:2025-10-01")
    assert isinstance(lost, backing_up.BackedUp)
    assert not lost.made
    with pytest.raises(StateFileMissing):
        backing_up.back_up(begun.target, begun.people["olivia"])


def test_a_member_makes_no_backups_and_prunes_nothing(learned: Rig) -> None:
    """Both need an operator."""
    for refused in (
        backing_up.back_up(learned.target, learned.people["max"]),
        prune.prune(learned.target, learned.people["max"]),
    ):
        assert isinstance(refused, Refuse)
        assert refused.code is Code.NOT_ALLOWED
    assert learned.target.backups.found() == ()


def test_every_promotion_backs_the_state_up_first(learned: Rig) -> None:
    """The intent's receipt names the backup, which holds the state from before the promotion."""
    moved = promoted(learned)
    assert moved.applied
    intent = learned.target.journal.receipts()[-2].receipt
    (backup,) = learned.target.backups.found()
    assert intent.backup == backing_up.copy_of(backup)
    assert json.loads((learned.settings.backups_dir / backup.name).read_bytes()) == {"count": 1}


def test_a_promotion_goes_on_where_the_router_never_wrote_a_state(begun: Rig) -> None:
    """There is nothing to lose, and the receipt says that there is no backup."""
    moved = promoted(begun)
    assert moved.applied
    intent = begun.target.journal.receipts()[-2].receipt
    assert intent.backup is None
    assert "nothing to back up" in intent.note


@pytest.mark.parametrize("fault", ["corrupt", "lost"])
def test_a_state_that_cannot_be_backed_up_refuses_the_promotion(learned: Rig, fault: str) -> None:
    """Nothing is changed, the request still waits, and once the state is repaired the same request promotes."""
    backing_up.back_up(learned.target, UPKEEP)
    asked = propose.propose(learned.target, Order(learned.people["olivia"]))
    assert isinstance(asked, results.Asked)
    good = learned.settings.state_file.read_bytes()
    learned.settings.state_file.write_bytes(b"{") if fault == "corrupt" else learned.settings.state_file.unlink()
    refused = requests.approve(learned.target, learned.people["aaron"], asked.approval.id)
    assert isinstance(refused, results.Refused)
    assert refused.refusal.code is Code.NO_BACKUP
    assert "Nothing was promoted" in refused.refusal.text
    assert learned.setting("NOVA_ANR_PILOT") == "0.10"
    learned.settings.state_file.write_bytes(good)
    assert isinstance(requests.approve(learned.target, learned.people["aaron"], asked.approval.id), results.Moved)


def test_the_daily_run_says_when_a_backup_kept_it_from_promoting(learned: Rig) -> None:
    """Its receipt has the reason, and the date is used up: nothing is promoted hours later."""
    promoted(learned)
    learned.clock.pass_(days=1)
    learned.write_ledger()
    learned.settings.state_file.write_bytes(b"{")
    ran = daily.daily(learned.target, learned.clock.now.date(), PromotionMode.AUTO)
    assert isinstance(ran, daily.DailyRun)
    assert isinstance(ran.outcome, results.Refused)
    assert ran.outcome.refusal.code is Code.NO_BACKUP
    assert "has to be backed up first" in ran.sealed.receipt.note
    assert learned.setting("NOVA_ANR_PILOT") == "0.25"


def test_a_brake_does_not_wait_for_a_backup(learned: Rig) -> None:
    """With a state that cannot be backed up, rollback and freeze act all the same."""
    learned.settings.state_file.write_bytes(b"{")
    braked = brake.rollback(learned.target, learned.people["max"], "errors")
    assert isinstance(braked, brake.Braked)
    assert braked.safe


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("anr_*.json")}


OLD_RECEIPTS = ("anr_20250930_090500.json", "anr_20250930_090500_2.json", "anr_20250701_090501.json", "anr_notes.json")


def test_a_site_that_ran_the_old_scripts_begins_and_keeps_what_they_left(rig: Rig) -> None:
    """`init` works beside their receipts, backups and archives; nothing of theirs is counted, pruned, deleted or a flaw."""
    target, olivia = rig.settings, rig.people["olivia"]
    left = {target.receipts_dir / name: b'{"stage": 10}' for name in OLD_RECEIPTS}
    left |= {target.backups_dir / f"anr_state_2025010{day}_090000.json": b'{"R1": 1}' for day in range(1, 10)}
    left |= {target.archive_dir / f"anr_ledger_20200{month}.ndjson.zip": b"PK" for month in range(1, 10)}
    for path, data in left.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    rig.clock.pass_(days=-400)
    begun = propose.init(rig.target, olivia, "begin")
    assert isinstance(begun, results.Moved), begun
    assert rig.target.journal.verify()[1] == ()
    target.state_file.write_text('{"R1": 2}', encoding="utf-8")
    for _ in range(12):
        backing_up.back_up(rig.target, UPKEEP)
        rig.clock.pass_(days=1)
    rig.clock.pass_(days=400)
    pruned = prune.prune(rig.target, olivia)
    assert isinstance(pruned, prune.Pruning)
    assert pruned.count == 13
    archive.archive(rig.target, olivia)
    assert {path: path.read_bytes() for path in left} == left
    assert len([backup for backup in rig.target.backups.found() if backup.valid]) == target.retention.backups
    assert rig.target.journal.verify()[1] == ()


def test_a_journal_that_was_lost_is_still_told_from_a_new_site(begun: Rig) -> None:
    """One receipt of ours beside theirs, and no journal: it was lost or moved, and nothing begins anew."""
    (begun.settings.receipts_dir / OLD_RECEIPTS[0]).write_text("{}", encoding="utf-8")
    begun.target.journal.close()
    begun.settings.journal.unlink()
    with pytest.raises(JournalCorrupt, match="was lost or moved"):
        propose.init(Target.at(begun.settings, begun.target.access, begun.clock), begun.people["olivia"], "again")


def test_an_old_backup_is_adopted_with_a_receipt(learned: Rig) -> None:
    """Validated, shown with its routes, recorded; from then on it can be restored."""
    name = "anr_state_20250101_090000.json"
    learned.settings.backups_dir.mkdir()
    (learned.settings.backups_dir / name).write_text('{"version": 1, "arms": ["R1", "R2"]}', encoding="utf-8")
    olivia = learned.people["olivia"]
    refused = propose.restore(learned.target, Order(olivia), name)
    assert isinstance(refused, results.Refused)
    assert "anr backups adopt" in refused.refusal.text
    adopted = backing_up.adopt(learned.target, olivia, name)
    assert isinstance(adopted, backing_up.Adopted), adopted
    receipt = adopted.sealed.receipt
    assert (receipt.action, receipt.backup, adopted.routes) == (Action.ADOPT, adopted.copy, "R1, R2")
    assert "routes R1, R2" in receipt.note
    assert isinstance(propose.restore(learned.target, Order(olivia), name, other_routes=True), results.Asked)
    again = backing_up.adopt(learned.target, olivia, name)
    assert isinstance(again, Refuse)
    assert again.code is Code.BACKUP_INVALID


@pytest.mark.parametrize("name", ["../anr_state.json", "anr_state_20200101_000000.json", ""])
def test_only_a_backup_in_the_list_is_adopted(learned: Rig, name: str) -> None:
    """A name is compared, and never becomes a path; a member adopts none."""
    refused = backing_up.adopt(learned.target, learned.people["olivia"], name)
    assert isinstance(refused, Refuse)
    assert refused.code is Code.BACKUP_UNKNOWN
    not_allowed = backing_up.adopt(learned.target, learned.people["max"], name)
    assert isinstance(not_allowed, Refuse)
    assert not_allowed.code is Code.NOT_ALLOWED


def test_on_windows_a_promotion_goes_on_with_a_backup(learned: Rig, windows: StandIn) -> None:  # noqa: F811 - the fixture's name
    """The router's lock is taken as the router takes it there, and let go of."""
    moved = promoted(learned)
    assert moved.applied
    (backup,) = learned.target.backups.found()
    assert backup.valid
    assert windows.held == {}
