"""Journals that an earlier anr wrote, before receipts had `terms`, `account`, `due_at` and `request_digest`: they go on.

`older_journals/` holds what anr 0.1.0 left on disk at commit d160c5c, row by row: `whole` with a request that
waits, `waiting` the same after a prune, `frozen` with a hold in force, `interrupted` where it was killed with SIGKILL after an
approved promotion had written the settings and before the router was restarted.
"""

import json
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from core.brake import brake
from core.operations import propose, requests
from core.operations.results import Asked, Ended, Moved, Refused
from core.receipts.chain import unseal
from core.receipts.receipt import Action, Result
from core.rollout.approvals import ApprovalStatus
from core.rollout.refusals import Code
from core.target.order import Order
from core.watch.recover import recover
from tests.support.promoting import promoted
from tests.support.rig import Rig
from tests.support.terminal import ME, Terminal

OLDER = Path(__file__).with_name("older_journals")
ALL = sorted(path.stem for path in OLDER.glob("*.json"))
SETTLED = [name for name in ALL if name != "interrupted"]


def upgraded(rig: Rig, name: str) -> Rig:
    """Put an older journal, its files, marks and settings where the rig's are."""
    kept = json.loads((OLDER / f"{name}.json").read_text(encoding="utf-8"))
    rig.target.journal.close()
    with sqlite3.connect(rig.settings.journal) as database:
        for statement in kept["schema"]:
            database.execute(statement)
        for target, seq, receipt_id, cause, operation, digest, text in kept["receipts"]:
            row = (target, seq, receipt_id, cause, operation, text.encode(), digest)
            database.execute("INSERT INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            rig.settings.receipts_dir.mkdir(exist_ok=True)
            (rig.settings.receipts_dir / unseal(text.encode()).file_name).write_bytes(text.encode())
        for target, request_id, status, text in kept["approvals"]:
            database.execute("INSERT INTO approvals VALUES (?, ?, ?, ?)", (target, request_id, status, text.encode()))
    database.close()
    marks = rig.settings.run_dir / "brake"
    marks.mkdir(parents=True, exist_ok=True)
    for file, text in kept["brake"].items():
        (marks / file).write_text(text, encoding="utf-8")
    rig.settings.settings_file.write_text(kept["settings"], encoding="utf-8")
    rig.clock.now = datetime.fromisoformat(kept["now"])
    rig.write_ledger()
    return rig


@pytest.mark.parametrize("name", ALL)
def test_a_journal_of_an_older_version_verifies(rig: Rig, name: str) -> None:
    """Nothing in a journal that an older version wrote is called altered, and its state can be read."""
    sealed, flaws = upgraded(rig, name).target.journal.verify()
    assert sealed
    assert flaws == ()
    assert rig.target.journal.state(whole=True).revision


@pytest.mark.parametrize("name", ALL)
def test_a_brake_acts_and_is_recorded_on_a_journal_of_an_older_version(rig: Rig, name: str) -> None:
    """A rollback on an older journal makes the router safe, is recorded in its chain, and the chain still verifies."""
    upgraded(rig, name)
    braked = brake.rollback(rig.target, rig.people["max"], "slow")
    assert isinstance(braked, brake.Braked)
    assert rig.setting("NOVA_ANR_PILOT") == "0.00"
    assert rig.target.journal.state().stage == 0
    assert rig.target.journal.verify()[1] == ()


@pytest.mark.parametrize("name", SETTLED)
def test_a_recovery_of_a_journal_of_an_older_version_changes_nothing(rig: Rig, name: str) -> None:
    """The first start after an upgrade finds nothing to settle, and writes no settings."""
    before = upgraded(rig, name).settings.settings_file.read_bytes()
    found = recover(rig.target)
    assert (found.late, found.settled, found.files, found.made_safe, found.overtaken, found.problems) == (
        (),
        None,
        0,
        None,
        (),
        (),
    )
    assert rig.settings.settings_file.read_bytes() == before


@pytest.mark.parametrize(
    ("seen", "result", "pilot"),
    [
        pytest.param(0.10, Result.NOT_APPLIED, "0.10", id="nobody-saw-the-router-follow"),
        pytest.param(0.25, Result.APPLIED, "0.25", id="the-router-was-seen-to-follow"),
    ],
)
def test_an_operation_that_was_under_way_during_an_upgrade_is_settled(rig: Rig, seen: float, result: Result, pilot: str) -> None:
    """What an older version was killed in the middle of is settled by the first start of this one, by what the router shows."""
    upgraded(rig, "interrupted")
    rig.write_ledger(live={"route": "R2", "pilot": seen})
    assert rig.setting("NOVA_ANR_PILOT") == "0.25"
    settled = recover(rig.target).settled
    assert settled is not None
    assert (settled.receipt.action, settled.receipt.result) == (Action.PROMOTE, result)
    assert (rig.setting("NOVA_ANR_PILOT"), rig.target.journal.state().unsettled) == (pilot, None)
    assert rig.target.journal.verify()[1] == ()


@pytest.mark.parametrize("name", ALL)
def test_a_brake_is_recorded_although_the_older_journal_cannot_be_brought_up_yet(rig: Rig, name: str) -> None:
    """While another process holds the write lock the router is made safe, and it is recorded afterwards."""
    upgraded(rig, name)
    with closing(sqlite3.connect(rig.settings.journal, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        braked = brake.rollback(rig.target, rig.people["max"], "slow")
        other.execute("ROLLBACK")
    assert isinstance(braked, brake.Braked)
    assert (rig.setting("NOVA_ANR_PILOT"), braked.sealed) == ("0.00", None)
    assert "not in the journal yet" in " ".join(braked.problems)
    rig.clock.pass_(minutes=1)
    assert [sealed.receipt.action for sealed in recover(rig.target).late] == [Action.ROLLBACK]
    assert rig.target.journal.verify()[1] == ()


@pytest.mark.parametrize("name", ["whole", "waiting"])
def test_a_request_of_an_older_version_is_not_carried_out_but_denied_and_asked_again(rig: Rig, name: str) -> None:
    """A request from before its receipt had its terms promotes nothing; once it was denied, the same can be asked for anew."""
    (waiting,) = upgraded(rig, name).target.journal.pending()
    rig.clock.now = waiting.asked_at + timedelta(minutes=1)
    rig.write_ledger()
    before = rig.target.journal.state().stage
    answer = requests.approve(rig.target, rig.people["aaron"], waiting.id)
    assert isinstance(answer, Refused), answer
    assert answer.refusal.code is Code.TAMPERED
    assert rig.target.journal.state().stage == before
    assert isinstance(requests.deny(rig.target, rig.people["aaron"], waiting.id, "ask again"), Ended)
    assert rig.target.journal.pending() == ()
    assert (promoted(rig).sealed.receipt.stage_before, rig.target.journal.state().stage) == (50, 75)
    assert rig.target.journal.verify()[1] == ()


def test_a_request_of_an_older_version_that_expired_is_ended(rig: Rig) -> None:
    """The sweep ends a request of an older version whose time is over, and the journal verifies."""
    upgraded(rig, "whole")
    rig.clock.pass_(days=30)
    assert [ended.approval.status for ended in requests.sweep(rig.target)] == [ApprovalStatus.EXPIRED]
    assert rig.target.journal.verify()[1] == ()


@pytest.mark.parametrize("name", ALL)
def test_the_command_line_reads_a_journal_of_an_older_version(
    rig: Rig, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`anr verify --alone`, `anr status` and `anr receipts` say of an older journal what they say of any."""
    upgraded(rig, name)
    anr = Terminal(rig, tmp_path, monkeypatch, operators=[ME], approvers=[ME])
    for words in (("verify", "--alone"), ("status",), ("receipts",)):
        found = anr(*words)
        assert found.exit_code == 0, (words, found.output)


def test_a_hold_of_an_older_version_is_lifted(rig: Rig) -> None:
    """A freeze that an older version recorded and marked can be lifted, and its mark goes."""
    upgraded(rig, "frozen")
    lifted = propose.unfreeze(rig.target, Order(rig.people["olivia"], "over"))
    assert not isinstance(lifted, Refused | Asked | Moved), lifted
    assert rig.target.journal.state().holds == ()
    assert rig.target.brake.read().frozen_by == ()
    assert rig.target.journal.verify()[1] == ()
