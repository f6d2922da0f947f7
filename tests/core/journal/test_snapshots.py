"""A journal goes on from a snapshot of its state: it is as good as the chain that states it, and no better."""

import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.canonical import canonical_bytes
from core.errors import JournalCorrupt
from core.journal import journal as journals
from core.journal import snapshots
from core.journal.journal import Journal
from core.journal.snapshots import KEPT, contradicts, snapshot_of, state_in
from core.receipts.chain import unseal
from core.receipts.evidence import AddedUp
from core.receipts.receipt import Action
from core.rollout.state import RULES, RolloutState, fold
from tests.core.journal.test_journal import change, draft, journal_in
from tests.core.rollout.test_timeline import history, steps

FIRST_STATED = 5
"""With a snapshot after every four receipts."""


@pytest.fixture(autouse=True)
def _after_every_four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "EVERY", 4)
    monkeypatch.setattr(journals, "_MOST_READ", 16)


def grown(folder: Path, receipts: int) -> Journal:
    """A journal of which each receipt says another stage."""
    journal = journal_in(folder)
    for number in range(1, receipts + 1):
        journal.append(draft(number, Action.INIT, stage_after=number))
    return journal


def rows(folder: Path) -> list[tuple[int, bytes]]:
    with closing(sqlite3.connect(folder / "journal.sqlite")) as connection:
        return connection.execute("SELECT seq, data FROM snapshots ORDER BY seq").fetchall()


def rewritten(folder: Path, first: int, edit: Any) -> None:
    """Forge a chain from a receipt on: each fits its neighbours and its own row."""
    with closing(sqlite3.connect(folder / "journal.sqlite", isolation_level=None)) as connection:
        found = connection.execute("SELECT seq, data FROM receipts ORDER BY seq").fetchall()
        prev = unseal(found[first - 1][1]).receipt.prev
        for seq, data in found[first - 1 :]:
            receipt = unseal(data).receipt.model_dump(mode="json", exclude_unset=True) | {"prev": prev}
            if seq == first:
                edit(receipt)
            forged = canonical_bytes(receipt)
            prev = sha256(forged).hexdigest()
            connection.execute("UPDATE receipts SET data = ?, digest = ? WHERE seq = ?", (forged, prev, seq))


@given(steps)
def test_a_state_comes_back_from_its_snapshot_as_it_was(taken: list[tuple[Action, int]]) -> None:
    """Whatever has happened; and the receipt that states it contradicts every other state."""
    state = fold(history(taken))
    stated, data = snapshot_of(state)
    assert state_in(data, stated) == state
    assert not contradicts(stated, state)
    assert contradicts(stated, state.model_copy(update={"stage": 99}))


def test_a_snapshot_is_believed_only_as_a_receipt_states_it() -> None:
    """Not another one's bytes, not without a receipt that states it, and not one that other rules added up."""
    stated, data = snapshot_of(RolloutState(stage=10))
    other = snapshot_of(RolloutState(stage=100))[1]
    assert state_in(other, stated) is None
    assert state_in(data, None) is None
    assert state_in(data, stated.model_copy(update={"rules": RULES + 1})) is None
    nonsense = b"{}x"
    assert state_in(nonsense, AddedUp(rules=RULES, digest=sha256(nonsense).hexdigest())) is None
    assert not contradicts(stated.model_copy(update={"rules": RULES + 1}), RolloutState())


def test_a_journal_states_every_few_receipts_what_they_add_up_to(tmp_path: Path) -> None:
    """The receipt after every four; of the snapshots the newest are kept, and the state is the one of all receipts."""
    journal = grown(tmp_path, 14)
    assert [sealed.receipt.seq for sealed in journal.receipts() if sealed.receipt.adds_up] == [5, 9, 13]
    assert [seq for seq, _ in rows(tmp_path)] == [9, 13][-KEPT:]
    (*_, (seq, data)) = rows(tmp_path)
    before = [sealed.receipt for sealed in journal.receipts() if sealed.receipt.seq < seq]
    assert RolloutState.model_validate_json(data) == fold(before)
    anew = journal_in(tmp_path)
    assert anew.state() == journal.state() == journal_in(tmp_path).state(whole=True)
    assert anew.state().stage == 14
    journal.append(draft(15, Action.INIT, stage_after=15))
    assert anew.state().stage == 15


def test_a_look_goes_on_from_the_newest_snapshot_and_whatever_raises_reads_all(tmp_path: Path) -> None:
    """An old receipt that was altered does not stop a look; it stops everything else, and from then on every look, too."""
    grown(tmp_path, 7)
    change(tmp_path, "UPDATE receipts SET data = X'7B7D' WHERE seq = 2")
    journal = journal_in(tmp_path)
    assert journal.state().stage == 7
    for look in (journal.read, lambda: journal.state(whole=True), journal.state, journal.with_patience(1).state):
        with pytest.raises(JournalCorrupt, match="#2 was altered"):
            look()


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE snapshots SET data = ?", id="another-state"),
        pytest.param("DELETE FROM snapshots WHERE ? IS NOT NULL", id="gone"),
        pytest.param("UPDATE snapshots SET seq = seq - 1, data = ?", id="before-another-receipt"),
        pytest.param("INSERT INTO snapshots VALUES ('production', 7, ?)", id="before-a-receipt-that-states-none"),
        pytest.param("INSERT INTO snapshots VALUES ('production', 99, ?)", id="before-a-receipt-that-is-not-there"),
        pytest.param("UPDATE snapshots SET seq = 'none', data = ?", id="before-no-number"),
        pytest.param("UPDATE snapshots SET data = CAST(? AS TEXT)", id="text"),
    ],
)
def test_a_forged_snapshot_is_not_believed(tmp_path: Path, statement: str) -> None:
    """Whoever may write the database and forges only that changes nothing: the chain says what the state is."""
    grown(tmp_path, 7)
    change(tmp_path, statement, snapshot_of(RolloutState(stage=100, person_required=False))[1])
    journal = journal_in(tmp_path)
    assert journal.state().stage == 7
    assert journal.append(draft(8, Action.INIT, stage_after=8)).receipt.seq == 8
    assert journal.state(whole=True).stage == 8


def test_a_snapshot_that_was_forged_with_the_chain_is_found_by_whatever_raises(tmp_path: Path) -> None:
    """A chain that was written anew from the stating receipt on holds by itself, and the receipts do not add up to it."""
    grown(tmp_path, 7)
    stated, data = snapshot_of(RolloutState(stage=100))
    change(tmp_path, "UPDATE snapshots SET data = ?", data)
    rewritten(tmp_path, FIRST_STATED, lambda receipt: receipt.update(adds_up=stated.model_dump()))
    journal = journal_in(tmp_path)
    with pytest.raises(JournalCorrupt, match="#5 states a sum"):
        journal.state(whole=True)
    with pytest.raises(JournalCorrupt, match="#5 states a sum"):
        journal.state()


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        pytest.param("UPDATE snapshots SET data = ?", 5, id="another-state"),
        pytest.param("INSERT INTO snapshots VALUES ('production', 7, ?)", 7, id="before-a-receipt-that-states-none"),
        pytest.param("INSERT INTO snapshots VALUES ('production', 99, ?)", 99, id="before-a-receipt-that-is-not-there"),
    ],
)
def test_verifying_names_a_snapshot_that_no_receipt_states(tmp_path: Path, statement: str, number: int) -> None:
    """Nobody believes it, and somebody put it there."""
    journal = grown(tmp_path, 7)
    assert journal.verify()[1] == ()
    change(tmp_path, statement, snapshot_of(RolloutState(stage=100))[1])
    (flaw,) = journal_in(tmp_path).verify()[1]
    assert (flaw.seq, flaw.problem) == (
        number,
        f"the snapshot before #{number} is not what that receipt states; nobody goes on from it",
    )


def test_verifying_names_a_sum_that_the_receipts_do_not_add_up_to(tmp_path: Path) -> None:
    """A chain that was written anew to fit, files and all, states something that nobody can have recorded."""
    grown(tmp_path, 7)
    stated, data = snapshot_of(RolloutState(stage=100))
    change(tmp_path, "UPDATE snapshots SET data = ?", data)
    rewritten(tmp_path, FIRST_STATED, lambda receipt: receipt.update(adds_up=stated.model_dump()))
    for path in (tmp_path / "logs").iterdir():
        path.unlink()
    journal = journal_in(tmp_path)
    assert journal.recreate_files() == 7
    (flaw,) = journal.verify()[1]
    assert flaw.seq == FIRST_STATED
    assert "states a sum of the receipts before it that they do not add up to" in flaw.problem


def test_what_other_rules_added_up_is_added_up_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an upgrade by which receipts add up to something else nobody goes on from the old state, and nothing is a flaw."""
    grown(tmp_path, 7)
    monkeypatch.setattr(snapshots, "RULES", RULES + 1)
    change(tmp_path, "UPDATE receipts SET data = X'7B7D' WHERE seq = 2")
    with pytest.raises(JournalCorrupt, match="#2 was altered"):
        journal_in(tmp_path).state()


def test_a_chain_that_does_not_hold_does_not_keep_a_receipt_from_being_recorded(tmp_path: Path) -> None:
    """A brake is recorded even where nobody can say what the state is; its receipt only states none."""
    journal = grown(tmp_path, 3)
    change(tmp_path, "UPDATE receipts SET data = X'7B7D' WHERE seq = 2")
    for number in (4, 5, 6):
        assert journal_in(tmp_path).append(draft(number, Action.INIT, stage_after=0)).receipt.adds_up is None
    journal.close()


def test_what_was_recorded_before_the_newest_snapshot_is_missed_if_it_is_replaced(tmp_path: Path) -> None:
    """A process that recorded a receipt, and never read the journal, does not follow a fork that has a snapshot of its own."""
    ours = journal_in(tmp_path)
    for number in (1, 2, 3):
        ours.append(draft(number, Action.INIT, stage_after=number))
    change(tmp_path, "DELETE FROM receipts WHERE seq = 3")
    other = journal_in(tmp_path)
    for number in range(13, 20):
        other.append(draft(number, Action.INIT, stage_after=100))
    assert other.state().stage == 100
    with pytest.raises(JournalCorrupt, match=r"#3 .* was in it while this process ran"):
        ours.state()


def test_pruning_takes_the_snapshots_of_what_it_deletes(tmp_path: Path) -> None:
    """What is left says what it said before, and the next snapshot comes in its time."""
    journal = grown(tmp_path, 11)
    journal.prune(draft(30, Action.PRUNE), 10)
    assert rows(tmp_path) == []
    assert journal_in(tmp_path).state().stage == 11
    for number in range(13, 18):
        journal.append(draft(number, Action.INIT, stage_after=number))
    assert rows(tmp_path)
    assert journal_in(tmp_path).state() == journal_in(tmp_path).state(whole=True)


def test_two_targets_in_one_database_have_snapshots_of_their_own(tmp_path: Path) -> None:
    """Neither goes on from the other's."""
    two = [journal_in(tmp_path, target=name, logs=name) for name in ("one", "other")]
    for number in range(1, 8):
        for journal, stage in zip(two, (10, 50), strict=True):
            journal.append(draft(number, Action.INIT, stage_after=stage))
    for target, stage in (("one", 10), ("other", 50)):
        assert journal_in(tmp_path, target=target, logs=target).state().stage == stage


@given(st.binary(max_size=20))
def test_bytes_that_are_no_state_are_no_snapshot(data: bytes) -> None:
    """Even where a receipt states their digest."""
    assert state_in(data, AddedUp(rules=RULES, digest=sha256(data).hexdigest())) in {None, RolloutState()}
