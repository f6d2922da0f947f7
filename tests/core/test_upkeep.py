import json
import sqlite3
from pathlib import Path

import pytest

from core import approving, braking, operations, outcomes, upkeep
from core.actors import UPKEEP
from core.actuation import Order
from core.decisions import Code, Refuse
from core.errors import JournalCorrupt, JournalUnavailable, StateFileError, StateFileMissing
from core.receipts import Action, Result
from core.schedule import PromotionMode
from core.site import Site
from tests.core.conftest import House


@pytest.fixture
def learned(begun: House) -> House:
    """A router that has written its state."""
    begun.target.state_file.write_text('{"count": 1}', encoding="utf-8")
    return begun


def promoted(house: House) -> outcomes.Moved:
    asked = operations.propose(house.site, Order(house.people["olivia"]))
    assert isinstance(asked, outcomes.Asked), asked
    moved = approving.approve(house.site, house.people["aaron"], asked.approval.id)
    assert isinstance(moved, outcomes.Moved), moved
    return moved


def test_a_backup_leaves_a_receipt_that_names_it(learned: House) -> None:
    """Name, size and checksum are in the receipt, and the rollout's revision is as it was: no request becomes stale."""
    before = learned.site.journal.state()
    made = upkeep.back_up(learned.site, learned.people["olivia"])
    assert isinstance(made, upkeep.BackedUp)
    (backup,) = learned.site.backups.found()
    assert made.sealed.receipt.backup == upkeep.copy_of(backup)
    assert learned.site.journal.state() == before


def test_the_scheduled_backup_of_a_day_is_made_once(learned: House) -> None:
    """The same cause has no second effect."""
    assert isinstance(upkeep.back_up(learned.site, UPKEEP, cause="backup:2025-10-01"), upkeep.BackedUp)
    again = upkeep.back_up(learned.site, UPKEEP, cause="backup:2025-10-01")
    assert isinstance(again, Refuse)
    assert again.code is Code.ALREADY_DONE
    assert len(learned.site.backups.found()) == 1


def test_backups_that_are_deleted_are_listed_in_the_receipt(learned: House) -> None:
    """The eighth backup lets the first one go, and its receipt says so."""
    made = []
    for _ in range(8):
        made.append(upkeep.back_up(learned.site, UPKEEP))
        learned.clock.pass_(days=1)
    last = made[-1]
    assert isinstance(last, upkeep.BackedUp)
    assert last.sealed.receipt.deleted is not None
    assert last.sealed.receipt.deleted.names == ("anr_state_20251001_090500.json",)
    assert len(learned.site.backups.found()) == 7


def test_a_scheduled_backup_that_fails_is_recorded_and_a_persons_is_told(learned: House) -> None:
    """A broken state is seen in the channel: the receipt says that there is no backup, and why."""
    learned.target.state_file.write_bytes(b"\x00" * 10)
    failed = upkeep.back_up(learned.site, UPKEEP, cause="backup:2025-10-01")
    assert isinstance(failed, upkeep.BackedUp)
    assert (failed.made, failed.sealed.receipt.result) == (False, Result.NOT_APPLIED)
    assert "is not valid" in failed.sealed.receipt.note
    with pytest.raises(StateFileError, match="is not valid"):
        upkeep.back_up(learned.site, learned.people["olivia"])


def test_a_router_without_a_state_is_no_daily_alarm(begun: House) -> None:
    """Nothing is recorded where there never was anything to back up; a state that was lost is recorded."""
    quiet = upkeep.back_up(begun.site, UPKEEP, cause="backup:2025-10-01")
    assert isinstance(quiet, Refuse)
    assert begun.site.journal.find_cause("backup:2025-10-01") is None
    begun.target.state_file.write_text("{}", encoding="utf-8")
    upkeep.back_up(begun.site, UPKEEP)
    begun.target.state_file.unlink()
    lost = upkeep.back_up(begun.site, UPKEEP, cause="backup:2025-10-01")
    assert isinstance(lost, upkeep.BackedUp)
    assert not lost.made
    with pytest.raises(StateFileMissing):
        upkeep.back_up(begun.site, begun.people["olivia"])


def test_a_member_makes_no_backups_and_prunes_nothing(learned: House) -> None:
    """Both need an operator."""
    for refused in (upkeep.back_up(learned.site, learned.people["max"]), upkeep.prune(learned.site, learned.people["max"])):
        assert isinstance(refused, Refuse)
        assert refused.code is Code.NOT_ALLOWED
    assert learned.site.backups.found() == ()


def test_every_promotion_backs_the_state_up_first(learned: House) -> None:
    """The intent's receipt names the backup, which holds the state from before the promotion."""
    moved = promoted(learned)
    assert moved.applied
    intent = learned.site.journal.receipts()[-2].receipt
    (backup,) = learned.site.backups.found()
    assert intent.backup == upkeep.copy_of(backup)
    assert json.loads((learned.target.backups_dir / backup.name).read_bytes()) == {"count": 1}


def test_a_promotion_goes_on_where_the_router_never_wrote_a_state(begun: House) -> None:
    """There is nothing to lose, and the receipt says that there is no backup."""
    moved = promoted(begun)
    assert moved.applied
    intent = begun.site.journal.receipts()[-2].receipt
    assert intent.backup is None
    assert "nothing to back up" in intent.note


@pytest.mark.parametrize("fault", ["corrupt", "lost"])
def test_a_state_that_cannot_be_backed_up_refuses_the_promotion(learned: House, fault: str) -> None:
    """Nothing is changed, the request still waits, and once the state is repaired the same request promotes."""
    upkeep.back_up(learned.site, UPKEEP)
    asked = operations.propose(learned.site, Order(learned.people["olivia"]))
    assert isinstance(asked, outcomes.Asked)
    good = learned.target.state_file.read_bytes()
    learned.target.state_file.write_bytes(b"{") if fault == "corrupt" else learned.target.state_file.unlink()
    refused = approving.approve(learned.site, learned.people["aaron"], asked.approval.id)
    assert isinstance(refused, outcomes.Refused)
    assert refused.refusal.code is Code.NO_BACKUP
    assert "Nothing was promoted" in refused.refusal.text
    assert learned.setting("NOVA_ANR_PILOT") == "0.10"
    learned.target.state_file.write_bytes(good)
    assert isinstance(approving.approve(learned.site, learned.people["aaron"], asked.approval.id), outcomes.Moved)


def test_the_daily_run_says_when_a_backup_kept_it_from_promoting(learned: House) -> None:
    """Its receipt has the reason, and the date is used up: nothing is promoted hours later."""
    promoted(learned)
    learned.clock.pass_(days=1)
    learned.write_ledger()
    learned.target.state_file.write_bytes(b"{")
    ran = operations.daily(learned.site, learned.clock.now.date(), PromotionMode.AUTO)
    assert isinstance(ran, operations.DailyRun)
    assert isinstance(ran.outcome, outcomes.Refused)
    assert ran.outcome.refusal.code is Code.NO_BACKUP
    assert "has to be backed up first" in ran.sealed.receipt.note
    assert learned.setting("NOVA_ANR_PILOT") == "0.25"


def test_a_brake_does_not_wait_for_a_backup(learned: House) -> None:
    """With a state that cannot be backed up, rollback and freeze act all the same."""
    learned.target.state_file.write_bytes(b"{")
    braked = braking.rollback(learned.site, learned.people["max"], "errors")
    assert isinstance(braked, braking.Braked)
    assert braked.safe


# pruning


@pytest.fixture
def aged(begun: House) -> House:
    """A journal with a promotion and a lifted freeze from 91 days ago, and a rollback from today."""
    promoted(begun)
    braking.freeze(begun.site, begun.people["max"], "page")
    operations.unfreeze(begun.site, Order(begun.people["olivia"]))
    begun.clock.pass_(days=91)
    braking.rollback(begun.site, begun.people["max"], "today")
    return begun


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("anr_*.json")}


def test_old_receipts_go_and_the_rest_still_verifies(aged: House) -> None:
    """Rows, files and requests of the old stories are gone; state, chain and files hold, and a checkpoint says what it seals."""
    site = aged.site
    before, state = site.journal.receipts(), site.journal.state()
    pruned = upkeep.prune(site, aged.people["olivia"])
    assert isinstance(pruned, upkeep.Pruning)
    assert pruned.sealed is not None
    receipt = pruned.sealed.receipt
    assert receipt.checkpoint is not None
    assert (receipt.checkpoint.last, receipt.checkpoint.pruned, receipt.checkpoint.digest) == (6, 6, before[5].digest)
    assert receipt.deleted is not None
    assert receipt.deleted.names == tuple(one.file_name for one in before[:6])
    sealed, flaws = site.journal.verify()
    assert flaws == ()
    assert [one.receipt.seq for one in sealed] == [7, 8]
    assert names(aged.target.receipts_dir) == {one.file_name for one in sealed}
    assert site.journal.state() == state
    with sqlite3.connect(aged.target.journal) as connection:
        assert connection.execute("SELECT count(*) FROM approvals").fetchone() == (0,)
    connection.close()


def test_life_goes_on_after_a_prune_and_a_second_one(aged: House) -> None:
    """Promotions, verification and another prune that removes the first checkpoint all hold."""
    upkeep.prune(aged.site, UPKEEP)
    aged.write_ledger()
    asked = operations.propose(aged.site, Order(aged.people["olivia"]))
    assert isinstance(asked, outcomes.Asked)
    state = aged.site.journal.state()
    aged.clock.pass_(days=95)
    approving.sweep(aged.site)
    again = upkeep.prune(aged.site, UPKEEP)
    assert isinstance(again, upkeep.Pruning)
    assert again.sealed is not None
    assert again.sealed.receipt.checkpoint is not None
    assert again.sealed.receipt.checkpoint.pruned == 2
    sealed, flaws = aged.site.journal.verify()
    assert flaws == ()
    assert [one.receipt.action for one in sealed] == [Action.REQUEST, Action.EXPIRE, Action.PRUNE]
    assert aged.site.journal.state() == state
    fresh = Site.at(aged.target, aged.site.access, aged.clock)
    assert fresh.journal.state() == state
    fresh.journal.close()


def test_a_dry_run_of_a_prune_changes_nothing(aged: House) -> None:
    """It says what would go."""
    before = aged.site.journal.receipts()
    found = upkeep.prune(aged.site, UPKEEP, dry_run=True)
    assert found == upkeep.Pruning(6, 6, None)
    assert aged.site.journal.receipts() == before
    assert len(names(aged.target.receipts_dir)) == 7


def test_what_an_open_hold_needs_is_not_pruned(begun: House) -> None:
    """The freeze's receipt stays while its hold is in force, however old; then it goes."""
    braking.freeze(begun.site, begun.people["max"], "page")
    begun.clock.pass_(days=200)
    kept = upkeep.prune(begun.site, UPKEEP)
    assert isinstance(kept, upkeep.Pruning)
    assert kept.through == 1
    assert "is in force" in (kept.held_back_by or "")
    operations.unfreeze(begun.site, Order(begun.people["olivia"]))
    assert upkeep.prune(begun.site, UPKEEP, dry_run=True) == upkeep.Pruning(2, 1, None)


@pytest.mark.parametrize("spoil", ["row", "file"])
def test_receipts_that_do_not_verify_are_evidence_and_are_not_pruned(aged: House, spoil: str) -> None:
    """A prune must not wipe out the traces of whoever altered a receipt."""
    if spoil == "row":
        with sqlite3.connect(aged.target.journal) as connection:
            connection.execute("UPDATE receipts SET data = replace(data, 'begin', 'began') WHERE seq = 1")
        connection.close()
    else:
        file = aged.target.receipts_dir / aged.site.journal.receipts()[0].file_name
        file.write_bytes(file.read_bytes().replace(b"begin", b"began"))
    with pytest.raises(JournalCorrupt):
        upkeep.prune(aged.site, UPKEEP)
    assert len(names(aged.target.receipts_dir)) == 7


def tampered(house: House, statement: str) -> list[str]:
    with sqlite3.connect(house.target.journal) as connection:
        connection.executescript(statement)
    connection.close()
    return [flaw.problem for flaw in house.site.journal.verify()[1]]


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        pytest.param(
            "UPDATE receipts SET data = replace(data, '\"last\":6', '\"last\":5') WHERE seq = 8",
            "#8 was altered",
            id="a tampered checkpoint",
        ),
        pytest.param("DELETE FROM receipts WHERE seq = 7", "receipts #7 to #7 are missing", id="more gone than is sealed"),
        pytest.param("DELETE FROM receipts WHERE seq = 8", "receipts #1 to #6 are missing", id="the checkpoint deleted"),
        pytest.param(
            "UPDATE receipts SET seq = seq + 100; UPDATE receipts SET seq = 115 - seq WHERE seq > 100",
            "receipts were swapped",
            id="two receipts swapped",
        ),
        pytest.param(
            "UPDATE receipts SET data = replace(data, 'today', 'never') WHERE seq = 7",
            "#7 was altered",
            id="a receipt altered after it",
        ),
    ],
)
def test_after_a_prune_every_alteration_is_still_found(aged: House, statement: str, problem: str) -> None:
    """The checkpoint is part of the chain: whoever alters it, or what follows on it, is named."""
    upkeep.prune(aged.site, UPKEEP)
    assert aged.site.journal.verify()[1] == ()
    assert any(problem in flaw for flaw in tampered(aged, statement)), tampered(aged, "SELECT 1")


def test_a_file_that_comes_back_after_its_receipt_was_pruned_is_named(aged: House) -> None:
    """It may be an old copy, or somebody's story of what happened."""
    file = aged.target.receipts_dir / aged.site.journal.receipts()[0].file_name
    data = file.read_bytes()
    upkeep.prune(aged.site, UPKEEP)
    file.write_bytes(data)
    assert [flaw.problem for flaw in aged.site.journal.verify()[1]] == [
        f"the file {file.name} is there, although its receipt was pruned"
    ]


def test_a_prune_whose_transaction_fails_has_deleted_nothing(aged: House) -> None:
    """The files are written again: nothing is lost because the disk was full at the wrong moment."""
    with sqlite3.connect(aged.target.journal) as connection:
        connection.execute("CREATE TRIGGER full BEFORE DELETE ON receipts BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    connection.close()
    before = aged.site.journal.receipts()
    with pytest.raises(JournalUnavailable, match="disk full"):
        upkeep.prune(aged.site, UPKEEP)
    assert aged.site.journal.receipts() == before
    assert aged.site.journal.verify()[1] == ()


def test_a_file_that_cannot_be_deleted_stops_the_prune(aged: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and files are all there afterwards."""
    before = aged.site.journal.receipts()
    unlink = Path.unlink

    def fail_at_third(path: Path, missing_ok: bool = False) -> None:  # noqa: FBT001, FBT002 - pathlib's signature
        if path.name == before[2].file_name:
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", fail_at_third)
        with pytest.raises(JournalUnavailable, match="Nothing was pruned"):
            upkeep.prune(aged.site, UPKEEP)
    assert aged.site.journal.receipts() == before
    assert aged.site.journal.verify()[1] == ()


def test_a_receipt_from_before_a_field_was_added_still_verifies(aged: House) -> None:
    """Older journals lack the fields of later versions; their bytes are as they were written."""
    from core.receipts import GENESIS, flaws_in_chain, unseal  # noqa: PLC0415 - beside its only use

    facts = json.loads(aged.site.journal.receipts()[0].data)
    for added in ("backup", "restored", "archived", "deleted", "checkpoint"):
        del facts[added]
    from core.canonical import canonical_bytes  # noqa: PLC0415 - beside its only use

    data = canonical_bytes(facts)
    assert unseal(data).data == data
    assert unseal(data).receipt.prev == GENESIS
    assert flaws_in_chain([(1, data, unseal(data).digest)], target=aged.target.name) == []
