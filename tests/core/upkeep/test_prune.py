import json
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import event

from core.actors import UPKEEP
from core.brake import brake
from core.errors import JournalCorrupt, JournalUnavailable
from core.operations import propose, requests, results
from core.receipts.receipt import Action
from core.target.order import Order
from core.target.target import Target
from core.upkeep import prune
from tests.core.router.test_backups import StandIn, windows  # noqa: F401 - a fixture
from tests.core.upkeep.test_backup import names, promoted
from tests.support.rig import Rig

# pruning


@pytest.fixture
def aged(begun: Rig) -> Rig:
    """A journal with a promotion and a lifted freeze from 91 days ago, and a rollback from today."""
    promoted(begun)
    brake.freeze(begun.target, begun.people["max"], "page")
    propose.unfreeze(begun.target, Order(begun.people["olivia"]))
    begun.clock.pass_(days=91)
    brake.rollback(begun.target, begun.people["max"], "today")
    return begun


def test_old_receipts_go_and_the_rest_still_verifies(aged: Rig) -> None:
    """Rows, files and requests of the old stories are gone; state, chain and files hold, and a checkpoint says what it seals."""
    target = aged.target
    before, state = target.journal.receipts(), target.journal.state()
    pruned = prune.prune(target, aged.people["olivia"])
    assert isinstance(pruned, prune.Pruning)
    assert pruned.sealed is not None
    receipt = pruned.sealed.receipt
    assert receipt.checkpoint is not None
    assert (receipt.checkpoint.last, receipt.checkpoint.pruned, receipt.checkpoint.digest) == (6, 6, before[5].digest)
    assert receipt.deleted is not None
    assert receipt.deleted.names == tuple(sealed_receipt.file_name for sealed_receipt in before[:6])
    sealed, flaws = target.journal.receipts(), target.journal.verify()[1]
    assert flaws == ()
    assert [sealed_receipt.receipt.seq for sealed_receipt in sealed] == [7, 8]
    assert names(aged.settings.receipts_dir) == {sealed_receipt.file_name for sealed_receipt in sealed}
    assert target.journal.state() == state
    with sqlite3.connect(aged.settings.journal) as connection:
        assert connection.execute("SELECT count(*) FROM approvals").fetchone() == (0,)
    connection.close()


def test_life_goes_on_after_a_prune_and_a_second_one(aged: Rig) -> None:
    """Promotions, verification and another prune that removes the first checkpoint all hold."""
    prune.prune(aged.target, UPKEEP)
    aged.write_ledger()
    asked = propose.propose(aged.target, Order(aged.people["olivia"]))
    assert isinstance(asked, results.Asked)
    state = aged.target.journal.state()
    aged.clock.pass_(days=95)
    requests.sweep(aged.target)
    again = prune.prune(aged.target, UPKEEP)
    assert isinstance(again, prune.Pruning)
    assert again.sealed is not None
    assert again.sealed.receipt.checkpoint is not None
    assert again.sealed.receipt.checkpoint.pruned == 2
    sealed, flaws = aged.target.journal.receipts(), aged.target.journal.verify()[1]
    assert flaws == ()
    assert [sealed_receipt.receipt.action for sealed_receipt in sealed] == [Action.REQUEST, Action.EXPIRE, Action.PRUNE]
    assert aged.target.journal.state() == state
    fresh = Target.at(aged.settings, aged.target.access, aged.clock)
    assert fresh.journal.state() == state
    fresh.journal.close()


def test_a_dry_run_of_a_prune_changes_nothing(aged: Rig) -> None:
    """It says what would go."""
    before = aged.target.journal.receipts()
    found = prune.prune(aged.target, UPKEEP, dry_run=True)
    assert found == prune.Pruning(6, 6, None)
    assert aged.target.journal.receipts() == before
    assert len(names(aged.settings.receipts_dir)) == 7


def test_what_an_open_hold_needs_is_not_pruned(begun: Rig) -> None:
    """The freeze's receipt stays while its hold is in force, however old; then it goes."""
    brake.freeze(begun.target, begun.people["max"], "page")
    begun.clock.pass_(days=200)
    kept = prune.prune(begun.target, UPKEEP)
    assert isinstance(kept, prune.Pruning)
    assert kept.through == 1
    assert "is in force" in (kept.held_back_by or "")
    propose.unfreeze(begun.target, Order(begun.people["olivia"]))
    assert prune.prune(begun.target, UPKEEP, dry_run=True) == prune.Pruning(2, 1, None)


@pytest.mark.parametrize("spoil", ["row", "file"])
def test_receipts_that_do_not_verify_are_evidence_and_are_not_pruned(aged: Rig, spoil: str) -> None:
    """A prune must not wipe out the traces of whoever altered a receipt."""
    if spoil == "row":
        with sqlite3.connect(aged.settings.journal) as connection:
            connection.execute("UPDATE receipts SET data = replace(data, 'begin', 'began') WHERE seq = 1")
        connection.close()
    else:
        file = aged.settings.receipts_dir / aged.target.journal.receipts()[0].file_name
        file.write_bytes(file.read_bytes().replace(b"begin", b"began"))
    with pytest.raises(JournalCorrupt):
        prune.prune(aged.target, UPKEEP)
    assert len(names(aged.settings.receipts_dir)) == 7


def tampered(rig: Rig, statement: str) -> list[str]:
    with sqlite3.connect(rig.settings.journal) as connection:
        connection.executescript(statement)
    connection.close()
    return [flaw.problem for flaw in rig.target.journal.verify()[1]]


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
def test_after_a_prune_every_alteration_is_still_found(aged: Rig, statement: str, problem: str) -> None:
    """The checkpoint is part of the chain: whoever alters it, or what follows on it, is named."""
    prune.prune(aged.target, UPKEEP)
    assert aged.target.journal.verify()[1] == ()
    assert any(problem in flaw for flaw in tampered(aged, statement)), tampered(aged, "SELECT 1")


def test_a_file_that_comes_back_after_its_receipt_was_pruned_is_named(aged: Rig) -> None:
    """It may be an old copy, or somebody's story of what happened."""
    file = aged.settings.receipts_dir / aged.target.journal.receipts()[0].file_name
    data = file.read_bytes()
    prune.prune(aged.target, UPKEEP)
    file.write_bytes(data)
    assert [flaw.problem for flaw in aged.target.journal.verify()[1]] == [
        f"the file {file.name} is there, although its receipt was pruned"
    ]


def test_a_prune_whose_transaction_fails_has_deleted_nothing(aged: Rig) -> None:
    """The files are written again: nothing is lost because the disk was full at the wrong moment."""

    @event.listens_for(aged.target.journal._database.engine, "before_cursor_execute")
    def fail(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("DELETE FROM receipts"):
            raise OSError(28, "disk full")

    before = aged.target.journal.receipts()
    with pytest.raises(JournalUnavailable, match="disk full"):
        prune.prune(aged.target, UPKEEP)
    assert aged.target.journal.receipts() == before
    assert aged.target.journal.verify()[1] == ()


def test_a_file_that_cannot_be_deleted_stops_the_prune(aged: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and files are all there afterwards."""
    before = aged.target.journal.receipts()
    unlink = Path.unlink

    def fail_at_third(path: Path, missing_ok: bool = False) -> None:  # noqa: FBT001, FBT002 - pathlib's signature
        if path.name == before[2].file_name:
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", fail_at_third)
        with pytest.raises(JournalUnavailable, match="Nothing was pruned"):
            prune.prune(aged.target, UPKEEP)
    assert aged.target.journal.receipts() == before
    assert aged.target.journal.verify()[1] == ()


def test_a_receipt_from_before_a_field_was_added_still_verifies(aged: Rig) -> None:
    """Older journals lack the fields of later versions; their bytes are as they were written."""
    from core.receipts.chain import GENESIS, flaws_in_chain, unseal  # noqa: PLC0415 - beside its only use

    facts = json.loads(aged.target.journal.receipts()[0].data)
    for added in ("backup", "restored", "archived", "deleted", "checkpoint"):
        del facts[added]
    from core.canonical import canonical_bytes  # noqa: PLC0415 - beside its only use

    data = canonical_bytes(facts)
    assert unseal(data).data == data
    assert unseal(data).receipt.prev == GENESIS
    assert flaws_in_chain([(1, data, unseal(data).digest)], target=aged.settings.name) == []
