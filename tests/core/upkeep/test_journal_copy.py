"""Which journal is copied, and what is said of journal and copies."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from functools import partial

import pytest

from core.brake import brake
from core.errors import JournalCorrupt, OperationBusy
from core.journal.copies.rebuild import Rebuilt
from core.rollout.refusals import Code, Refuse
from core.target.lock import operation_lock
from core.upkeep import journal_copy
from tests.core.journal.copies.test_rebuild import lost
from tests.support.rig import Rig


def executed(rig: Rig, statement: str) -> None:
    rig.target.journal.close()
    with closing(sqlite3.connect(rig.settings.journal, isolation_level=None)) as database:
        database.execute(statement)


def test_a_journal_that_does_not_verify_takes_no_good_copys_place(begun: Rig) -> None:
    """However often it is tried, the copy from before the damage stays, and the flaw is said."""
    good = journal_copy.copy_journal(begun.target)
    executed(begun, "UPDATE receipts SET digest = 'x' WHERE seq = 1")
    for _ in range(begun.settings.retention.journal_copies + 1):
        with pytest.raises(JournalCorrupt, match=r"#1 was altered.*No copy was made, and the older ones were kept"):
            journal_copy.copy_journal(begun.target)
    assert journal_copy.copies_of(begun.target).found() == (good,)


def test_a_tail_that_was_cut_off_with_its_file_is_betrayed_by_the_newest_copy(begun: Rig) -> None:
    """The shorter journal holds by itself, and no mark outside is set: it is not copied over what is whole."""
    braked = brake.rollback(begun.target, begun.people["max"], "slow")
    assert isinstance(braked, brake.Braked)
    assert braked.sealed is not None
    copy = journal_copy.copy_journal(begun.target)
    executed(begun, "DELETE FROM receipts WHERE seq = (SELECT max(seq) FROM receipts)")
    (begun.settings.receipts_dir / braked.sealed.file_name).unlink()
    with pytest.raises(JournalCorrupt, match=rf"{braked.sealed.mark} is in its newest copy {copy.path.name} and no longer in it"):
        journal_copy.copy_journal(begun.target)


def test_a_journal_without_receipts_is_not_copied(rig: Rig) -> None:
    """Nothing is no copy of anything, and looking makes no journal."""
    with pytest.raises(JournalCorrupt, match="holds no receipts"):
        journal_copy.copy_journal(rig.target)
    assert (rig.settings.journal.exists(), journal_copy.copies_of(rig.target).found()) == (False, ())


def test_a_missing_receipt_file_hinders_no_copy(begun: Rig) -> None:
    """The rows are the truth, and all of them are there."""
    for path in begun.settings.receipts_dir.iterdir():
        path.unlink()
    assert journal_copy.copy_journal(begun.target).path.exists()


def test_how_old_the_newest_copy_is_is_told(begun: Rig) -> None:
    """No copy is said to be none, and one by its age."""
    now = begun.clock.now
    assert journal_copy.newest_copy(begun.target, now) == f"There is no copy of the journal in {begun.settings.copies_dir}."
    copy = journal_copy.copy_journal(begun.target)
    told = journal_copy.newest_copy(begun.target, now + timedelta(hours=5))
    assert told == f"The newest of 1 copies of the journal, {copy.path}, is 5 h old."


def test_everything_that_is_wrong_is_named_with_every_copy(begun: Rig) -> None:
    """A flaw of the journal hides none of a copy's."""
    copy = journal_copy.copy_journal(begun.target)
    assert list(journal_copy.wrong_with_journal(begun.target)) == []
    executed(begun, "UPDATE receipts SET digest = 'x'")
    copy.path.write_bytes(b"")
    journal, *_, of_copy = journal_copy.wrong_with_journal(begun.target)
    assert "#1 was altered" in journal
    assert f"The copy {copy.path} is no good one" in of_copy


def test_only_operators_rebuild_and_nobody_while_an_operation_runs(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member is refused; an operation under way is waited for, since it may record its outcome."""
    monkeypatch.setattr(journal_copy, "operation_lock", partial(operation_lock, wait_s=0))
    lost(begun)
    refused = journal_copy.rebuild(begun.target, begun.people["max"])
    assert isinstance(refused, Refuse)
    assert refused.code is Code.NOT_ALLOWED
    with operation_lock(begun.settings.run_dir, "promote", begun.clock.now), pytest.raises(OperationBusy):
        journal_copy.rebuild(begun.target, begun.people["olivia"])
    built = journal_copy.rebuild(begun.target, begun.people["olivia"])
    assert isinstance(built, Rebuilt)
    assert begun.target.journal.verify()[1] == ()


def test_a_copy_that_is_put_in_a_lost_journals_place_is_the_journal(begun: Rig) -> None:
    """One file, moved: it verifies, and the next receipt follows on it."""
    copy = journal_copy.copy_journal(begun.target)
    lost(begun)
    copy.path.rename(begun.settings.journal)
    braked = brake.rollback(begun.target, begun.people["max"], "slow")
    assert isinstance(braked, brake.Braked)
    assert braked.sealed is not None
    assert begun.target.journal.verify()[1] == ()
