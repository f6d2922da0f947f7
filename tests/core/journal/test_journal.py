import logging
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.actors import Actor, ActorKind
from core.errors import CauseAlreadyRecorded, JournalCorrupt, JournalError, JournalUnavailable
from core.journal.journal import Journal
from core.receipts.chain import GENESIS, Flaw, Sealed
from core.receipts.receipt import Action, Draft, Phase
from core.rollout.approvals import Approval, ApprovalStatus
from tests.core.system.test_files import denied, nobodys_folder
from tests.support.rig import NOW

OLIVIA = Actor(kind=ActorKind.SLACK, id="UOLIVIA")
AARON = Actor(kind=ActorKind.SLACK, id="UAARON")
APPENDS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from core.actors import SCHEDULER
from core.errors import CauseAlreadyRecorded
from core.journal.journal import Journal
from core.receipts.receipt import Action, Draft, Phase

folder, who = Path(sys.argv[1]), sys.argv[2]
journal = Journal(folder / "journal.sqlite", target="production", receipts_dir=folder / "logs", busy_seconds=60)
print("ready", flush=True)
sys.stdin.readline()
refused = 0
for number in range(20):
    facts = {"id": f"{who}{number}", "operation": who, "ts": datetime(2025, 10, 1, tzinfo=UTC), "actor": SCHEDULER}
    journal.append(Draft(**facts, action=Action.DAILY, phase=Phase.EVENT))
    try:
        cause = f"cause {number}"
        journal.append(Draft(**{**facts, "id": f"{who}c{number}"}, action=Action.DAILY, phase=Phase.EVENT, cause=cause))
    except CauseAlreadyRecorded:
        refused += 1
print(refused, flush=True)
"""


def journal_in(folder: Path, *, target: str = "production", logs: str = "logs", busy_seconds: float = 5.0) -> Journal:
    path = folder / "journal.sqlite"
    return Journal(path, target=target, receipts_dir=folder / logs, busy_seconds=busy_seconds)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return journal_in(tmp_path)


def draft(number: int, action: Action = Action.DAILY, **facts: Any) -> Draft:
    standing = {"id": f"r{number}", "operation": f"o{number}", "ts": NOW + timedelta(minutes=number), "actor": OLIVIA}
    return Draft.model_validate({**standing, "action": action, "phase": Phase.EVENT, **facts})


def about(number: int, request_id: str, action: Action = Action.REQUEST, **facts: Any) -> Draft:
    """A receipt about a request."""
    return draft(number, action, operation=request_id, approval_id=request_id, **facts)


def request(name: str, minute: int = 0, **facts: Any) -> Approval:
    moments = {"asked_at": NOW + timedelta(minutes=minute), "expires_at": NOW + timedelta(hours=1, minutes=minute)}
    standing = {"requester": OLIVIA, "reason": "ready ü", "from_stage": 10, "to_stage": 25, "revision": 1}
    digests = {"policy_digest": "p" * 64, "verdict_digest": "v" * 64}
    return Approval.model_validate({"id": name, **moments, **standing, **digests, **facts})


def rows(folder: Path, table: str = "receipts") -> list[Any]:
    """What stands in the database, read by nobody's code but SQLite's own."""
    with closing(sqlite3.connect(folder / "journal.sqlite")) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()  # noqa: S608 - one of our two tables


def change(folder: Path, statement: str, *values: bytes) -> None:
    """Tamper with the database."""
    with closing(sqlite3.connect(folder / "journal.sqlite", isolation_level=None)) as connection:
        connection.execute(statement, values)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "logs").iterdir()) if (folder / "logs").exists() else []


# --- what goes in comes out -------------------------------------------------------------------------------------------


def test_what_is_appended_is_read_back(journal: Journal, tmp_path: Path) -> None:
    """Receipts come back in order with all that they say, chained to each other, in this journal and in one opened later."""
    drafts = [draft(1, Action.INIT, stage_after=10, note="Zürich – ok"), draft(2, metrics={"rsi": 0.5}), draft(3, operation="o1")]
    sealed = [journal.append(unsealed) for unsealed in drafts]
    assert [sealed_receipt.receipt.seq for sealed_receipt in sealed] == [1, 2, 3]
    assert [sealed_receipt.receipt.prev for sealed_receipt in sealed] == [GENESIS, sealed[0].digest, sealed[1].digest]
    for said, read_back in zip(drafts, sealed, strict=True):
        assert {name: getattr(read_back.receipt, name) for name in Draft.model_fields} == dict(said)
    journal.close()
    again = journal_in(tmp_path)
    assert list(again.receipts()) == sealed
    assert list(again.receipts(after=1)) == sealed[1:]
    assert list(again.receipts(last=2)) == sealed[1:]
    assert list(again.receipts(after=3)) == []
    assert list(again.of_operation("o1")) == [sealed[0], sealed[2]]
    readable, flaws = again.verify()
    assert (readable.count, readable.head, flaws) == (3, sealed[-1], ())
    assert dict(readable.digests) == {kept.receipt.seq: kept.digest for kept in sealed}


def test_a_journal_that_never_was_is_empty(journal: Journal) -> None:
    """Before the first receipt there is no stage, and no cause, receipt or request is known."""
    assert (journal.state().revision, journal.state().stage) == (0, None)
    assert (journal.receipts(), journal.find_cause("slash:1"), journal.has("r1")) == ((), None, False)
    assert (journal.approval("a1"), journal.pending(), journal.recreate_files()) == (None, (), 0)


def test_the_state_is_what_all_receipts_add_up_to(journal: Journal) -> None:
    """Stage and revision follow the receipts, those that only report included."""
    journal.append(draft(1, Action.INIT, stage_after=10))
    journal.append(draft(2))
    assert (journal.state().stage, journal.state().revision) == (10, 1)
    journal.append(draft(3, Action.ROLLBACK, phase=Phase.OUTCOME, result="applied", stage_after=0))
    state = journal.state()
    assert (state.stage, state.revision, state.person_required) == (0, 3, True)


def test_each_receipt_is_also_a_file(journal: Journal, tmp_path: Path) -> None:
    """The file has the receipt's bytes, is named after it and is closed to others."""
    sealed = journal.append(draft(1, Action.INIT, stage_after=10))
    assert files_in(tmp_path) == [sealed.file_name] == ["anr_20251001T090600Z_000001_init.json"]
    path = tmp_path / "logs" / sealed.file_name
    assert path.read_bytes() == sealed.data
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_cause_and_an_id_are_found_again(journal: Journal) -> None:
    """By the exact key, and of this journal only."""
    journal.append(draft(1, cause="slash:1"))
    journal.append(draft(2, cause="slash:22"))
    assert [journal.find_cause(cause) for cause in ("slash:1", "slash:22", "slash:2", "slash:%", "")] == [1, 2, None, None, None]
    assert [journal.has(name) for name in ("r1", "r2", "r3", "")] == [True, True, False, False]


def test_requests_are_kept_and_their_answers_replace_them(journal: Journal, tmp_path: Path) -> None:
    """Those that wait come oldest first; one that was answered waits no more, and is there with its answer."""
    late, early = request("late", 5), request("early", 1)
    journal.append(about(1, "late"), late)
    journal.append(about(2, "early"), early)
    assert journal.pending() == (early, late)
    assert (journal.approval("late"), journal.approval("other")) == (late, None)
    denied_now = early.ended(ApprovalStatus.DENIED, NOW, by=AARON, note="not today")
    journal.append(about(3, "early", Action.DENY), denied_now)
    assert journal.pending() == (late,)
    assert journal_in(tmp_path).approval("early") == denied_now
    assert len(rows(tmp_path, "approvals")) == 2


# --- one cause, one effect --------------------------------------------------------------------------------------------


def test_the_same_cause_is_recorded_once(journal: Journal, tmp_path: Path) -> None:
    """The second one is told the first one's number, and leaves neither row nor file nor request."""
    journal.append(draft(1))
    first = journal.append(draft(2, cause="slash:1"))
    with pytest.raises(CauseAlreadyRecorded, match=r"slash:1 was already handled: receipt #2\. Nothing was done again") as caught:
        journal.append(draft(3, cause="slash:1"), request("a1"))
    assert (caught.value.cause, caught.value.seq) == ("slash:1", first.receipt.seq)
    assert len(rows(tmp_path)) == len(files_in(tmp_path)) == 2
    assert journal.approval("a1") is None
    assert journal.append(draft(4)).receipt.prev == first.digest


def test_the_oldest_receipt_is_the_first_of_them(journal: Journal) -> None:
    """None of a journal that has none; whatever was added since."""
    assert journal.oldest() is None
    first = journal.append(draft(0))
    journal.append(draft(1))
    assert journal.oldest() == first


def test_of_receipts_that_are_recorded_together_only_the_new_ones_are(journal: Journal, tmp_path: Path) -> None:
    """In one chain and with their files: a cause or an id that is there, before or among them, is left out and breaks nothing."""
    before = journal.append(draft(0, cause="known"))
    told = [draft(1, cause="a"), draft(2, cause="known"), draft(3, cause="a"), draft(0, cause="b"), draft(4), draft(5), draft(4)]
    added = journal.append_together(told)
    assert [(sealed_receipt.receipt.seq, sealed_receipt.receipt.id) for sealed_receipt in added] == [
        (2, "r1"),
        (3, "r4"),
        (4, "r5"),
    ]
    assert [sealed.digest for sealed in journal.receipts()] == [
        before.digest,
        *(sealed_receipt.digest for sealed_receipt in added),
    ]
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {
        sealed_receipt.file_name for sealed_receipt in (before, *added)
    }
    assert journal.verify()[1] == ()


def test_no_cause_is_not_a_cause(journal: Journal) -> None:
    """Receipts that nothing in particular set off do not stand in each other's way."""
    assert [journal.append(draft(number)).receipt.seq for number in (1, 2, 3)] == [1, 2, 3]


def test_a_receipt_that_cannot_be_recorded_takes_its_request_with_it(journal: Journal, tmp_path: Path) -> None:
    """The same id twice records nothing, and the request's status stays what it was: both or neither."""
    asked = request("a1")
    journal.append(about(1, "a1"), asked)
    with pytest.raises(JournalUnavailable, match="Nothing was recorded"):
        journal.append(about(1, "a1"), asked.ended(ApprovalStatus.APPROVED, NOW, by=AARON))
    assert journal.approval("a1") == asked
    assert len(rows(tmp_path)) == len(files_in(tmp_path)) == 1


@pytest.mark.parametrize("shared", [True, False], ids=["one-journal", "a-journal-each"])
def test_two_threads_leave_one_chain(tmp_path: Path, shared: bool) -> None:  # noqa: FBT001 - a table's column
    """Twenty receipts of each of two threads are forty with one chain, and each cause was recorded by one of them."""
    journal = journal_in(tmp_path, busy_seconds=60)
    journal.state()
    barrier = threading.Barrier(2)
    recorded: list[Sealed] = []
    refused: list[str] = []

    def append(who: int) -> None:
        own = journal if shared else journal_in(tmp_path, busy_seconds=60)
        barrier.wait()
        for number in range(20):
            recorded.append(own.append(draft(100 * who + number)))
            try:
                recorded.append(own.append(draft(100 * who + number + 50, cause=f"cause {number}")))
            except CauseAlreadyRecorded as error:
                refused.append(error.cause)

    threads = [threading.Thread(target=append, args=(who,)) for who in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sealed, flaws = journal.receipts(), journal.verify()[1]
    assert flaws == ()
    assert [sealed_receipt.receipt.seq for sealed_receipt in sealed if sealed_receipt.receipt.cause is None] == sorted(
        sealed_receipt.receipt.seq for sealed_receipt in recorded if sealed_receipt.receipt.cause is None
    )
    assert len([sealed_receipt for sealed_receipt in sealed if sealed_receipt.receipt.cause is None]) == 40
    assert sorted(refused) == sorted(f"cause {number}" for number in range(20))
    assert [sealed_receipt.receipt.seq for sealed_receipt in sealed] == list(range(1, 61))


def test_two_processes_leave_one_chain(tmp_path: Path) -> None:
    """Twenty receipts of each of two processes are forty with one chain, and each cause was recorded by one of them."""
    journal = journal_in(tmp_path)
    journal.state()
    command = [sys.executable, "-c", APPENDS, str(tmp_path)]
    processes = [
        subprocess.Popen([*command, who], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for who in ("a", "b")
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=600) for process in processes]
    assert [error for _, error in said] == ["", ""]
    assert sum(int(refused) for refused, _ in said) == 20
    sealed, flaws = journal.receipts(), journal.verify()[1]
    assert flaws == ()
    assert [sealed_receipt.receipt.seq for sealed_receipt in sealed] == list(range(1, 61))
    assert {sealed_receipt.receipt.id for sealed_receipt in sealed} >= {f"{who}{number}" for who in "ab" for number in range(20)}


def test_what_was_appended_survives_the_death_of_its_process(tmp_path: Path) -> None:
    """A process that is killed leaves every receipt whose append had returned, and the next one follows on it."""
    command = [sys.executable, "-c", APPENDS + "sys.stdin.readline()", str(tmp_path), "a"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        assert [process.stdout.readline() for _ in range(2)] == ["ready\n", "0\n"]
        process.kill()
    journal = journal_in(tmp_path)
    assert [sealed.receipt.seq for sealed in journal.receipts()] == list(range(1, 41))
    assert journal.append(draft(1)).receipt.seq == 41
    assert journal.verify()[1] == ()


# --- a journal that cannot be used ------------------------------------------------------------------------------------


def test_a_locked_journal_writes_nothing(tmp_path: Path) -> None:
    """While another connection's transaction lasts, appending fails after the busy time, reading goes on, and later it works."""
    journal = journal_in(tmp_path, busy_seconds=0.05)
    first = journal.append(draft(1))
    with journal._database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 50
    with closing(sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalUnavailable, match=r"cannot be written \(database is locked\)\. Nothing was recorded"):
            journal.append(draft(2, cause="slash:2"), request("a1"))
        assert journal.receipts() == (first,)
        holder.execute("ROLLBACK")
    assert len(rows(tmp_path)) == len(files_in(tmp_path)) == 1
    assert (journal.find_cause("slash:2"), journal.pending()) == (None, ())
    assert journal.append(draft(2, cause="slash:2"), request("a1")).receipt.seq == 2


READS: list[tuple[str, Callable[[Journal], object]]] = [
    ("state", Journal.state),
    ("receipts", Journal.receipts),
    ("of_operation", lambda journal: journal.of_operation("o1")),
    ("find_cause", lambda journal: journal.find_cause("slash:1")),
    ("has", lambda journal: journal.has("r1")),
    ("approval", lambda journal: journal.approval("a1")),
    ("pending", Journal.pending),
    ("verify", Journal.verify),
    ("recreate_files", Journal.recreate_files),
]


def everything_fails(journal: Journal, why: str) -> None:
    """No question gets an answer, which would be an empty one, and nothing can be recorded."""
    for name, read in READS:
        with pytest.raises(JournalUnavailable, match=rf"cannot be read \(.*{why}.*\)\. Nothing was recorded"):
            pytest.fail(f"{name}: {read(journal)}")
    with pytest.raises(JournalUnavailable, match=rf"cannot be written \(.*{why}.*\)\. Nothing was recorded"):
        pytest.fail(f"append: {journal.append(draft(9, cause='slash:9'))}")


@pytest.mark.parametrize(
    ("obstacle", "why"),
    [
        pytest.param("file for a folder", "File exists", id="folder-cannot-be-made"),
        pytest.param("directory", "unable to open database file", id="a-directory"),
        pytest.param("link in a circle", "unable to open database file", id="a-link-in-a-circle"),
        pytest.param("garbage", "file is not a database", id="garbage"),
        pytest.param("text", "file is not a database", id="a-short-text"),
        pytest.param("cut off", "database disk image is malformed", id="a-database-that-was-cut-off"),
        pytest.param("other tables", "no such column", id="another-programs-database"),
    ],
)
def test_a_journal_that_cannot_be_used_is_never_an_empty_one(tmp_path: Path, obstacle: str, why: str) -> None:
    """Whatever stands in its place, nobody gets an answer out of it, and what stands there is left alone."""
    folder = tmp_path / "ops"
    path = folder / "journal.sqlite"
    if obstacle == "file for a folder":
        folder.write_bytes(b"not a folder")
    else:
        folder.mkdir()
    if obstacle == "directory":
        path.mkdir()
    elif obstacle == "link in a circle":
        path.symlink_to(path)
    elif obstacle == "garbage":
        path.write_bytes(bytes(range(256)) * 64)
    elif obstacle == "text":
        path.write_bytes(b"see the other machine\n")
    elif obstacle == "cut off":
        for number in range(1, 20):
            journal_in(folder).append(draft(number))
        path.write_bytes(path.read_bytes()[:5000])
        shutil.rmtree(folder / "logs")
    elif obstacle == "other tables":
        change(folder, "PRAGMA journal_mode=WAL")
        change(folder, "CREATE TABLE receipts (name TEXT)")
        change(folder, "CREATE TABLE approvals (name TEXT)")
    before = path.read_bytes() if path.is_file() else None
    everything_fails(journal_in(folder), why)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert not (folder / "logs").exists()


def test_a_journal_whose_folder_may_not_be_written_is_unavailable() -> None:
    """Where no folder may be made there is no journal, and that is said."""
    with nobodys_folder() as folder:
        with denied(folder, 0o500):
            everything_fails(journal_in(folder / "ops"), "Permission denied")
        assert list(folder.iterdir()) == []


def test_a_journal_that_went_away_is_not_begun_anew(journal: Journal, tmp_path: Path) -> None:
    """With receipts in their folder and none in the database nobody knows the stage, and nothing is recorded on top."""
    sealed = journal.append(draft(1, Action.INIT, stage_after=25))
    for path in tmp_path.glob("journal.sqlite*"):
        path.unlink()
    again = journal_in(tmp_path)
    for use in (again.state, lambda: again.append(draft(2))):
        with pytest.raises(JournalCorrupt, match=r"is empty, but .*logs holds receipts.*Nothing was changed"):
            use()
    assert rows(tmp_path) == []
    readable, flaws = again.verify()
    assert (readable.count, readable.head) == (0, None)
    assert flaws == (Flaw(1, f"the file {sealed.file_name} has no receipt in the journal: its tail was cut off"),)


def test_a_journal_that_went_away_is_not_begun_anew_where_receipts_cannot_be_listed() -> None:
    """When nobody can say whether there are receipts, nobody says that there are none."""
    with nobodys_folder() as folder, nobodys_folder() as logs:
        Journal(folder / "lost.sqlite", target="production", receipts_dir=logs).append(draft(1, Action.INIT, stage_after=25))
        again = Journal(folder / "new.sqlite", target="production", receipts_dir=logs)
        with denied(logs, 0o300), pytest.raises(JournalError):
            again.state()


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        pytest.param("DELETE FROM receipts WHERE seq = 2", "receipts #2 to #2 are missing", id="deleted"),
        pytest.param("UPDATE receipts SET data = X'7B7D' WHERE seq = 2", "#2 was altered", id="altered"),
        pytest.param("UPDATE receipts SET data = 'text' WHERE seq = 2", "#2 was altered", id="text-for-bytes"),
        pytest.param("UPDATE receipts SET digest = 'none' WHERE seq = 2", "#2 was altered", id="digest-altered"),
        pytest.param("UPDATE receipts SET seq = 7 WHERE seq = 3", "receipts #3 to #6 are missing", id="renumbered"),
    ],
)
def test_a_chain_that_does_not_hold_gives_no_state(journal: Journal, tmp_path: Path, statement: str, problem: str) -> None:
    """Whoever tampered, nobody is told a stage, and verification names the place."""
    for number in (1, 2, 3):
        journal.append(draft(number, Action.INIT, stage_after=10))
    change(tmp_path, statement)
    with pytest.raises(JournalCorrupt, match=rf"does not verify: {problem}.*Nothing was changed"):
        journal.state()
    assert any(problem in flaw.problem for flaw in journal.verify()[1])


def test_an_altered_receipt_is_not_handed_out(journal: Journal, tmp_path: Path) -> None:
    """Reading single receipts checks their bytes against the recorded digest, too."""
    journal.append(draft(1))
    forged = journal.append(draft(2, note="checked")).data.replace(b"checked", b"changed")
    change(tmp_path, "UPDATE receipts SET data = ? WHERE seq = 2", forged)
    reads: list[Callable[[], object]] = [journal.receipts, lambda: journal.of_operation("o2")]
    for read in reads:
        with pytest.raises(JournalCorrupt, match="Receipt #2 was altered"):
            read()
    change(tmp_path, "UPDATE receipts SET data = X'7B7D' WHERE seq = 2")
    with pytest.raises(JournalCorrupt, match="Receipt #2 cannot be understood"):
        journal.receipts()


def test_receipts_with_a_gap_are_not_handed_out(journal: Journal, tmp_path: Path) -> None:
    """A receipt that does not follow on the one before it is an error."""
    for number in (1, 2, 3):
        journal.append(draft(number))
    change(tmp_path, "DELETE FROM receipts WHERE seq = 2")
    with pytest.raises(JournalCorrupt):
        journal.receipts()


def test_a_request_that_cannot_be_understood_is_an_error_of_the_journal(journal: Journal, tmp_path: Path) -> None:
    """A damaged request is told like a damaged receipt."""
    journal.append(about(1, "a1"), request("a1"))
    change(tmp_path, "UPDATE approvals SET data = X'7B7D'")
    for read in (journal.pending, lambda: journal.approval("a1")):
        with pytest.raises(JournalError):
            read()


# --- the files beside it ----------------------------------------------------------------------------------------------


def test_a_receipt_without_its_file_is_durable_and_gets_it_later(
    journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where files cannot be written the rows are there, the log and verification say what is missing, and later it is written."""
    (tmp_path / "logs").write_bytes(b"not a folder")
    with caplog.at_level(logging.WARNING, logger="core.journal.journal"):
        sealed = [journal.append(draft(number, Action.INIT, stage_after=10)) for number in (1, 2)]
    assert [record.getMessage() for record in caplog.records] == [
        f"receipt {sealed_receipt.mark} is in the journal, but its file could not be written (File exists)"
        for sealed_receipt in sealed
    ]
    assert (journal_in(tmp_path).receipts(), journal.state().stage) == (tuple(sealed), 10)
    assert len(rows(tmp_path)) == 2
    assert [flaw.seq for flaw in journal.verify()[1]] == [1, 2]
    (tmp_path / "logs").unlink()
    assert [flaw.problem for flaw in journal.verify()[1]] == [
        f"the file {sealed_receipt.file_name} is missing; `anr recover` writes it again" for sealed_receipt in sealed
    ]
    assert journal.recreate_files() == 2
    assert [(tmp_path / "logs" / sealed_receipt.file_name).read_bytes() for sealed_receipt in sealed] == [
        sealed_receipt.data for sealed_receipt in sealed
    ]
    assert (journal.verify()[0].head, journal.verify()[1]) == (sealed[-1], ())
    assert journal.recreate_files() == 0


def test_a_receipts_folder_that_may_not_be_written_does_not_stop_a_receipt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Missing rights to the folder are no reason to lose a receipt, and given back they are enough to write it."""
    with nobodys_folder() as folder, nobodys_folder() as logs:
        journal = Journal(folder / "journal.sqlite", target="production", receipts_dir=logs)
        with denied(logs, 0o500), caplog.at_level(logging.CRITICAL, logger="core.journal.journal"):
            sealed = journal.append(draft(1))
            assert journal.receipts() == (sealed,)
        assert list(logs.iterdir()) == []
        assert journal.recreate_files() == 1
        assert (logs / sealed.file_name).read_bytes() == sealed.data


def test_a_file_that_differs_from_its_receipt_is_named(journal: Journal, tmp_path: Path) -> None:
    """The row is the truth: the file is reported, and left as the evidence that it is."""
    sealed = journal.append(draft(1))
    path = tmp_path / "logs" / sealed.file_name
    path.write_bytes(sealed.data + b"\n")
    assert journal.verify()[1] == (Flaw(1, f"the file {sealed.file_name} differs from the journal"),)
    assert journal.recreate_files() == 0
    assert path.read_bytes() == sealed.data + b"\n"


def test_a_tail_that_was_cut_off_shows_in_the_files(journal: Journal, tmp_path: Path) -> None:
    """A chain whose last receipts are gone holds by itself; their files betray it."""
    sealed = [journal.append(draft(number)) for number in (1, 2, 3)]
    change(tmp_path, "DELETE FROM receipts WHERE seq = 3")
    readable, flaws = journal.verify()
    assert (readable.count, readable.head) == (2, sealed[1])
    assert flaws == (Flaw(3, f"the file {sealed[2].file_name} has no receipt in the journal: its tail was cut off"),)


# --- how it is kept ---------------------------------------------------------------------------------------------------


def test_every_connection_syncs_each_transaction_to_a_write_ahead_log(journal: Journal) -> None:
    """WAL lets readers read while somebody writes; synchronous FULL makes a receipt durable when append returns."""
    for _ in range(2):
        with journal._database.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_two_targets_in_one_database_do_not_see_each_other(tmp_path: Path) -> None:
    """Each target has its own chain, causes and requests."""
    one, other = (journal_in(tmp_path, target=name, logs=name) for name in ("production", "staging"))
    one.append(about(1, "a1", Action.INIT, stage_after=10, cause="slash:1"), request("a1"))
    assert (other.receipts(), other.find_cause("slash:1"), other.has("r1"), other.pending()) == ((), None, False, ())
    first = other.append(about(1, "a1", Action.INIT, stage_after=50, cause="slash:1"), request("a1", 3))
    assert (first.receipt.seq, first.receipt.prev, first.receipt.target) == (1, GENESIS, "staging")
    assert (one.state().stage, other.state().stage) == (10, 50)
    assert one.approval("a1") == request("a1")
    assert one.verify()[1] == other.verify()[1] == ()


# --- a journal whose file stays open ----------------------------------------------------------------------------------


def is_open(path: Path) -> bool:
    return any(open_file.path == str(path) for open_file in psutil.Process().open_files())


def test_what_rests_on_the_disk_is_one_whole_file(journal: Journal, tmp_path: Path) -> None:
    """While operations follow on each other the file stays open; then it is closed, and whoever copies it has every receipt."""
    held = journal.held_open(0.05)
    for number in range(1, 6):
        held.append(draft(number))
    path = tmp_path / "journal.sqlite"
    ends = time.monotonic() + 120
    while is_open(path):
        assert time.monotonic() < ends, "it is still open"
        time.sleep(0.01)
    (tmp_path / "copy").mkdir()
    shutil.copy(path, tmp_path / "copy")
    assert [sealed.receipt.seq for sealed in journal_in(tmp_path / "copy").receipts()] == [1, 2, 3, 4, 5]
    assert held.append(draft(6)).receipt.seq == 6


def test_a_journal_that_is_put_in_the_place_of_an_open_one_is_the_one_that_counts(journal: Journal, tmp_path: Path) -> None:
    """Put there whole, with nothing of the old one beside it: nothing is read from, or recorded in, what is no longer there.

    Who has seen the old one says that it is gone, until somebody who knows why starts it anew.
    """
    held = journal.held_open(3600)
    for number in (1, 2):
        held.append(draft(number, Action.INIT, stage_after=25))
    assert is_open(tmp_path / "journal.sqlite")
    (tmp_path / "other").mkdir()
    other = journal_in(tmp_path / "other")
    sealed = other.append(draft(1, Action.INIT, stage_after=50))
    for path in tmp_path.glob("journal.sqlite-*"):
        path.unlink()
    (tmp_path / "other" / "journal.sqlite").replace(tmp_path / "journal.sqlite")
    assert held.receipts() == (sealed,)
    for look in (held.state, partial(held.append, draft(3))):
        with pytest.raises(JournalCorrupt, match=r"#2 .* was in it while this process ran"):
            look()
    held.close()
    anew = journal_in(tmp_path).held_open(3600)
    assert anew.state().stage == 50
    assert anew.append(draft(3)).receipt.seq == 2
    assert [sealed_receipt.receipt.seq for sealed_receipt in journal.receipts()] == [1, 2]
    for path in tmp_path.glob("journal.sqlite*"):
        path.unlink()
    with pytest.raises(JournalError):
        anew.append(draft(4))
    anew.close()


def test_a_state_that_was_added_up_before_is_gone_on_from(journal: Journal, tmp_path: Path) -> None:
    """After every receipt, and after older ones were pruned, a journal says what one says that reads it for the first time."""
    for number, stage in enumerate((0, 10, 25, 50), start=1):
        journal.append(draft(number, Action.INIT, stage_after=stage))
        assert journal.state() == journal_in(tmp_path).state()
        assert journal.state().stage == stage
    journal.prune(draft(9, Action.PRUNE), 2)
    assert journal.state() == journal_in(tmp_path).state()
    journal.append(draft(10, Action.INIT, stage_after=75))
    assert journal.state() == journal_in(tmp_path).state()
    change(tmp_path, "DELETE FROM receipts WHERE seq = 3")
    with pytest.raises(JournalCorrupt):
        journal.state(whole=True)


def test_one_reading_has_what_an_operation_is_decided_on(journal: Journal) -> None:
    """The state, the requests that wait with the oldest first, and the receipt that recorded the cause that was asked about."""
    journal.append(draft(1, Action.INIT, stage_after=10))
    journal.append(draft(2, cause="daily:2025-10-01"), request("later", 5))
    journal.append(draft(3), request("first"))
    journal.append(draft(4), request("over", status=ApprovalStatus.DENIED))
    found = journal.read("daily:2025-10-01")
    assert (found.state.stage, found.done) == (10, 2)
    assert [approval.id for approval in found.waiting] == ["first", "later"]
    assert (journal.read("daily:2025-10-02").done, journal.read().done) == (None, None)


def test_the_state_is_read_again_only_once_the_journal_has_grown(journal: Journal) -> None:
    """Who knows the newest receipt is told that there is nothing new; who knows an older one, the state and the newest."""
    first = journal.append(draft(1, Action.INIT, stage_after=10))
    assert journal.state_after(first.digest) is None
    second = journal.append(draft(2, Action.INIT, stage_after=25))
    for known in ("", first.digest):
        state, digest = journal.state_after(known) or (None, "")
        assert (state and state.stage, digest) == (25, second.digest)


def test_an_old_receipt_that_was_altered_stops_whatever_raises_and_from_then_on_every_look(
    journal: Journal, tmp_path: Path
) -> None:
    """A look only verifies what was added; who asks for the whole chain finds out, and then nobody is told a stage any more."""
    for number in (1, 2, 3):
        journal.append(draft(number, Action.INIT, stage_after=10))
    impatient = journal.with_patience(1)
    assert (journal.state().stage, impatient.state().stage) == (10, 10)
    change(tmp_path, "UPDATE receipts SET data = X'7B7D' WHERE seq = 1")
    journal.append(draft(4, Action.INIT, stage_after=25))
    assert journal.state().stage == 25
    for look in (journal.read, partial(journal.state, whole=True), journal.state, impatient.state):
        with pytest.raises(JournalCorrupt, match="does not verify: #1 was altered"):
            look()


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE receipts SET data = X'7B7D' WHERE seq = 3", id="altered"),
        pytest.param("UPDATE receipts SET digest = 'none' WHERE seq = 3", id="digest-altered"),
        pytest.param("DELETE FROM receipts WHERE seq = 3", id="cut-off"),
        pytest.param("UPDATE receipts SET seq = 9 WHERE seq = 3", id="renumbered"),
    ],
)
def test_a_newest_receipt_that_was_altered_is_found_by_the_next_look(journal: Journal, tmp_path: Path, statement: str) -> None:
    """Whoever goes on from the newest receipt makes sure that it is still the one that was verified."""
    for number in (1, 2, 3):
        journal.append(draft(number, Action.INIT, stage_after=number * 10))
    assert journal.state().stage == 30
    change(tmp_path, statement)
    with pytest.raises(JournalCorrupt, match="does not verify"):
        journal.state()


@pytest.mark.parametrize("seen_by", ["reading", "recording", "another patience"])
def test_newest_receipts_that_are_cut_off_while_a_bot_runs_are_missed_by_it(
    journal: Journal, tmp_path: Path, seen_by: str
) -> None:
    """The rest verifies; who has seen them does not go back to the stage before, nor record a second receipt of that number."""
    sealed = [journal.append(draft(number, Action.INIT, stage_after=number * 10)) for number in (1, 2)]
    if seen_by == "reading":
        looks = journal_in(tmp_path)
        assert looks.state().stage == 20
    else:
        looks = journal if seen_by != "another patience" else journal.with_patience(1)
    change(tmp_path, "DELETE FROM receipts WHERE seq = 2")
    (tmp_path / "logs" / sealed[-1].file_name).unlink()
    expected = f"{sealed[-1].mark} was in it while this process ran and is no longer: its newest receipts were cut off"
    for look in (looks.state, partial(looks.state, whole=True), partial(looks.append, draft(3)), looks.state):
        with pytest.raises(JournalCorrupt, match=re.escape(expected)):
            look()
    assert [sealed_receipt.receipt.seq for sealed_receipt in journal_in(tmp_path).receipts()] == [1]
    assert journal_in(tmp_path).state().stage == 10


def test_a_fork_that_grew_longer_than_the_chain_that_was_seen_is_not_followed(journal: Journal, tmp_path: Path) -> None:
    """Cut off and written anew by another process, until it is longer: it verifies, and is another chain."""
    for number in (1, 2, 3):
        journal.append(draft(number, Action.INIT, stage_after=number * 10))
    assert journal.state().stage == 30
    change(tmp_path, "DELETE FROM receipts WHERE seq = 3")
    other = journal_in(tmp_path)
    for number in (4, 5):
        other.append(draft(number, Action.INIT, stage_after=100))
    assert other.state().stage == 100
    with pytest.raises(JournalCorrupt, match=r"#3 .* was in it while this process ran"):
        journal.state()


def test_receipts_that_another_process_pruned_are_not_missed(journal: Journal, tmp_path: Path) -> None:
    """What was seen before a checkpoint sealed it is no flaw, though nobody looked for as long."""
    for number in (1, 2):
        journal.append(draft(number, Action.INIT, stage_after=number * 10))
    assert journal.state().stage == 20
    other = journal_in(tmp_path)
    other.append(draft(3, Action.INIT, stage_after=30))
    other.prune(draft(9, Action.PRUNE), 2)
    assert journal.state().stage == 30
    assert journal.append(draft(5)).receipt.seq == 5
