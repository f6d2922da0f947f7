"""The journal made again from files: to the byte, or not at all."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from core.actors import Approvable, ApprovalRule
from core.brake import brake
from core.errors import JournalCorrupt, JournalError, JournalUnavailable
from core.journal.copies.rebuild import rebuild
from core.journal.marks import Mark, Marks
from core.operations import propose, requests
from core.operations.results import Asked
from core.target.order import Order
from core.upkeep import prune
from tests.core.journal.test_older_journals import ALL, upgraded
from tests.support.promoting import promoted
from tests.support.rig import Rig


def contents(journal: Path) -> list[list[tuple[object, ...]]]:
    """Every column of every row."""
    with closing(sqlite3.connect(journal)) as database:
        return [database.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in ("receipts", "approvals")]  # noqa: S608 - two names


def lost(rig: Rig) -> Path:
    """Take the journal away with its log, as a disk does; the files of its receipts are left."""
    rig.target.journal.close()
    for path in rig.settings.journal.parent.glob("journal.sqlite*"):
        path.unlink()
    return rig.settings.journal


def made_again(rig: Rig) -> tuple[int, int, tuple[str, ...]]:
    built = rebuild(rig.settings.journal, "production", rig.settings.receipts_dir, rig.target.witnesses.marks())
    return len(built.sealed), built.requests, built.unproven


def asked(rig: Rig) -> str:
    found = propose.propose(rig.target, Order(rig.people["olivia"], "faster"))
    assert isinstance(found, Asked), found
    return found.approval.id


@pytest.fixture
def eventful(rig: Rig) -> Rig:
    """Requests with every end: approved by one and by two, denied, taken back, expired, stale, and one that waits."""
    rule = ApprovalRule(needed=2, approvers=frozenset({"UAARON", "UPRIYA", "UOLIVIA"}))
    object.__setattr__(
        rig.target,
        "access",
        rig.target.access.model_copy(update={"rules": {**rig.target.access.rules, Approvable.UNFREEZE: rule}}),
    )
    target, people = rig.target, rig.people
    propose.init(target, people["olivia"], "begin")
    requests.deny(target, people["aaron"], asked(rig), "not today")
    requests.deny(target, people["olivia"], asked(rig), "")
    promoted(rig)
    asked(rig)
    rig.clock.pass_(hours=2)
    requests.sweep(target)
    rig.write_ledger()
    stale = asked(rig)
    brake.freeze(target, people["max"], "page")
    requests.approve(target, people["aaron"], stale)
    lift = propose.unfreeze(target, Order(people["olivia"], "over"))
    assert isinstance(lift, Asked), lift
    for name in ("aaron", "priya"):
        requests.approve(target, people[name], lift.approval.id)
    brake.freeze(target, people["max"], "page again")
    assert isinstance(propose.unfreeze(target, Order(people["olivia"], "it waits")), Asked)
    return rig


def test_a_lost_journal_is_made_again_to_the_byte(eventful: Rig) -> None:
    """Every column of every receipt and of every request is what it was, whatever became of the request."""
    before = contents(eventful.settings.journal)
    statuses = {row[2] for row in before[1]}
    assert statuses == {"approved", "denied", "expired", "stale", "pending"}
    lost(eventful)
    count, requests_made, unproven = made_again(eventful)
    assert (count, requests_made, unproven) == (len(before[0]), len(before[1]), ())
    assert contents(eventful.settings.journal) == before
    assert eventful.target.journal.verify()[1] == ()


def test_a_pruned_journal_is_made_again_to_the_byte(eventful: Rig) -> None:
    """What a checkpoint seals has no files any more, and the chain goes on from it."""
    eventful.clock.pass_(days=91)
    brake.rollback(eventful.target, eventful.people["max"], "today")
    prune.prune(eventful.target, eventful.people["olivia"])
    before = contents(eventful.settings.journal)
    assert before[0][0][1] != 1
    lost(eventful)
    made_again(eventful)
    assert contents(eventful.settings.journal) == before


@pytest.mark.parametrize("name", ALL)
def test_a_lost_journal_of_an_older_version_is_made_again(rig: Rig, name: str) -> None:
    """Its receipts are the same to the byte; its requests, which no digest confirms, can be ended, and it verifies."""
    upgraded(rig, name)
    before = contents(rig.settings.journal)
    lost(rig)
    count, requests_made, unproven = made_again(rig)
    assert (count, requests_made) == (len(before[0]), len(before[1]))
    assert len(unproven) == requests_made
    assert contents(rig.settings.journal)[0] == before[0]
    assert rig.target.journal.verify()[1] == ()
    for waiting in rig.target.journal.pending():
        requests.deny(rig.target, rig.people["aaron"], waiting.id, "ask again")
    assert rig.target.journal.pending() == ()


def test_a_journal_that_is_there_is_never_built_over(eventful: Rig) -> None:
    """One receipt is enough: not a byte of it changes, and what is there is said."""
    before = contents(eventful.settings.journal)
    with pytest.raises(JournalUnavailable, match=rf"receipts up to #{len(before[0])} of production"):
        made_again(eventful)
    assert contents(eventful.settings.journal) == before


def test_the_empty_journal_that_a_brake_began_meanwhile_is_filled(eventful: Rig) -> None:
    """Whoever tried to record something after the loss left tables without rows: that is no journal yet."""
    before = contents(eventful.settings.journal)
    lost(eventful)
    braked = brake.rollback(eventful.target, eventful.people["max"], "after the loss")
    assert isinstance(braked, brake.Braked)
    assert (braked.safe, braked.sealed, eventful.settings.journal.exists()) == (True, None, True)
    made_again(eventful)
    assert contents(eventful.settings.journal) == before


def test_a_log_that_a_lost_journal_left_is_not_thrown_away(eventful: Rig) -> None:
    """SQLite deletes a log beside an empty database: with it the receipts that it alone may hold."""
    journal = lost(eventful)
    log = journal.with_name(f"{journal.name}-wal")
    log.write_bytes(b"newest receipts")
    with pytest.raises(JournalUnavailable, match=r"its log .* is there"):
        made_again(eventful)
    assert (log.read_bytes(), journal.exists()) == (b"newest receipts", False)


def altered(folder: Path) -> None:
    path = sorted(folder.iterdir())[1]
    path.write_bytes(path.read_bytes().replace(b'"UOLIVIA"', b'"UMALLORY"'))


def removed(folder: Path) -> None:
    sorted(folder.iterdir())[1].unlink()


def forked(folder: Path) -> None:
    path = sorted(folder.iterdir())[1]
    path.with_name(path.name.replace("T090500Z", "T090501Z")).write_bytes(path.read_bytes().replace(b"T09:05:00.", b"T09:05:01."))


def renamed(folder: Path) -> None:
    path = sorted(folder.iterdir())[1]
    path.rename(path.with_name(path.name.replace("_request", "_promote")))


def linked(folder: Path) -> None:
    path = sorted(folder.iterdir())[1]
    path.symlink_to(path.rename(folder.parent / "elsewhere"))


def another_targets(folder: Path) -> None:
    path = sorted(folder.iterdir())[1]
    path.write_bytes(path.read_bytes().replace(b'"target":"production"', b'"target":"staging"'))


def all_gone(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        (altered, "does not follow"),
        (removed, "are missing"),
        (forked, "both are #2"),
        (renamed, "holds what belongs in"),
        (linked, "cannot be read"),
        (another_targets, "is a receipt of 'staging'"),
        (all_gone, "There are no receipts"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_files_that_are_not_one_whole_chain_build_nothing(eventful: Rig, attack: object, said: str) -> None:
    """An altered, missing, forked, renamed, linked or foreign file: an error that names it, and no journal."""
    journal = lost(eventful)
    assert callable(attack)
    attack(eventful.settings.receipts_dir)
    with pytest.raises(JournalError, match=said) as refused:
        made_again(eventful)
    assert "Nothing was built" in str(refused.value)
    assert not journal.exists()


def test_a_cut_tail_is_not_built_where_a_mark_outside_betrays_it(eventful: Rig) -> None:
    """The last file is gone, and what is left is a whole chain: a mark that was shown is not in it."""
    newest = eventful.target.journal.receipts()[-1]
    shown = Marks("the witness", (Mark.of(newest),))
    journal = lost(eventful)
    (eventful.settings.receipts_dir / newest.file_name).unlink()
    with pytest.raises(JournalCorrupt, match=r"lack what was shown: .* cut off"):
        rebuild(journal, "production", eventful.settings.receipts_dir, [shown])
    assert not journal.exists()
    assert len(rebuild(journal, "production", eventful.settings.receipts_dir).sealed) == newest.receipt.seq - 1


def test_a_clock_that_was_moved_hinders_nothing(eventful: Rig) -> None:
    """Receipts are put in order by number, not by the time in their names."""
    eventful.clock.now -= timedelta(days=400)
    brake.rollback(eventful.target, eventful.people["max"], "before everything")
    before = contents(eventful.settings.journal)
    lost(eventful)
    made_again(eventful)
    assert contents(eventful.settings.journal) == before
