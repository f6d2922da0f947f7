"""The drill: every safety net is spoilt in turn, and what is live is as it was."""

import json
import os
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from core.actors import UPKEEP
from core.cli.output import DONE, FAILED
from core.cli.render import ending
from core.receipts.receipt import Action, Result
from core.rollout.refusals import Code, Refuse
from core.upkeep import backup
from core.upkeep.drill import Drilled, drill
from tests.core.doctor.test_own_checks import changed
from tests.support.rig import Rig


@pytest.fixture
def ready(begun: Rig) -> Rig:
    """A state that was backed up yesterday and has learned on, and an archive of the ledger."""
    begun.settings.state_file.write_text('{"R1": {"n": 1}}', encoding="utf-8")
    backup.back_up(begun.target, UPKEEP)
    begun.clock.pass_(days=1)
    begun.settings.state_file.write_text('{"R1": {"n": 2}}', encoding="utf-8")
    begun.settings.archive_dir.mkdir()
    archive = begun.settings.archive_dir / "anr_ledger_202508.ndjson.gz"
    archive.write_bytes(b"")
    stamp = (begun.clock.now - timedelta(days=12)).timestamp()
    os.utime(archive, (stamp, stamp))
    return begun


def held(rig: Rig) -> Drilled:
    result = drill(rig.target, rig.people["olivia"])
    assert isinstance(result, Drilled), result
    return result


def live_files(rig: Rig) -> dict[str, str]:
    target = rig.settings
    files = [target.settings_file, target.ledger, target.state_file, *target.archive_dir.iterdir()]
    files += sorted(target.backups_dir.iterdir())[:2]
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_drill_says_that_everything_would_hold_and_how_old_it_was(ready: Rig) -> None:
    """Its receipt names the backup that was made and put back in a scratch folder, and the age of each net before it."""
    done = held(ready)
    receipt = done.sealed.receipt
    assert (receipt.action, receipt.result, done.problems) == (Action.DRILL, Result.APPLIED, ())
    assert receipt.backup is not None
    assert receipt.restored == receipt.backup
    assert json.loads((ready.settings.backups_dir / receipt.backup.name).read_bytes()) == {"R1": {"n": 2}}
    assert {net.name: net.hours for net in done.nets} == {
        "newest valid backup": 24.0,
        "newest archive of the ledger": 288.0,
        "last drill": None,
    }
    for told in ("newest valid backup: 1 d", "newest archive of the ledger: 12 d", "last drill: none"):
        assert told in receipt.note
    ready.clock.pass_(days=7)
    assert held(ready).nets[2].hours == 168.0
    assert ending(done).code == DONE


def test_a_drill_touches_nothing_live(ready: Rig) -> None:
    """Settings, ledger, state, archives and earlier backups are the same to the byte; the stage and the revision too."""
    before, state, marks = live_files(ready), ready.target.journal.state(), ready.target.brake.read()
    mtime = ready.settings.state_file.stat().st_mtime_ns
    held(ready)
    assert live_files(ready) == before
    assert ready.settings.state_file.stat().st_mtime_ns == mtime
    assert (ready.target.journal.state(), ready.target.brake.read()) == (state, marks)
    assert ready.target.journal.verify()[1] == ()


def no_state(rig: Rig) -> None:
    rig.settings.state_file.unlink()


def corrupt_state(rig: Rig) -> None:
    rig.settings.state_file.write_bytes(b"{")


def nothing_at_all(rig: Rig) -> None:
    rig.settings.state_file.unlink()
    for path in rig.settings.backups_dir.iterdir():
        path.unlink()


def altered_receipt_file(rig: Rig) -> None:
    path = next(rig.settings.receipts_dir.glob("anr_*_init.json"))
    path.write_bytes(path.read_bytes().replace(b"begin", b"bogus"))


def altered_row(rig: Rig) -> None:
    with sqlite3.connect(rig.settings.journal) as connection:
        connection.execute("UPDATE receipts SET digest = replace(digest, 'a', 'b') WHERE seq = 1")


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (no_state, "There is no state file"),
        (corrupt_state, "is not valid"),
        (nothing_at_all, "no valid backup that could be restored"),
        (altered_receipt_file, "differs from the journal"),
        (altered_row, "does not verify"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_a_net_that_would_not_hold_is_named(ready: Rig, spoil: Callable[[Rig], None], problem: str) -> None:
    """The receipt says that it failed, and what; so does the exit code."""
    spoil(ready)
    done = held(ready)
    assert done.sealed.receipt.result is Result.NOT_APPLIED
    assert any(problem in said for said in done.problems), done.problems
    assert problem in done.sealed.receipt.note
    assert ending(done).code == FAILED


def test_the_drill_of_a_week_is_held_once(ready: Rig) -> None:
    """The same cause has no second effect."""
    assert isinstance(drill(ready.target, UPKEEP, cause="drill:2025-W40"), Drilled)
    again = drill(ready.target, UPKEEP, cause="drill:2025-W40")
    assert isinstance(again, Refuse)
    assert again.code is Code.ALREADY_DONE


def test_a_member_holds_no_drill(ready: Rig) -> None:
    """It is for operators."""
    refused = drill(ready.target, ready.people["max"])
    assert isinstance(refused, Refuse)
    assert refused.code is Code.NOT_ALLOWED


def test_no_scratch_folder_is_left(ready: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was put back for trying goes with the drill."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    held(ready)
    assert list(scratch.iterdir()) == []


def test_a_drill_says_that_a_restore_would_be_refused(ready: Rig) -> None:
    """Better now than at three in the morning."""
    assert "A restore is refused" not in held(ready).sealed.receipt.note
    assert "A restore is refused" in held(changed(ready, start_command=())).sealed.receipt.note
