"""Archiving as logrotate does: rename, compress, move, delete; every line is read once all the while, whoever writes where."""

import gzip
import json
import os
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from core.actors import UPKEEP
from core.brake import brake
from core.errors import ArchiveError, OperationBusy
from core.receipts.receipt import Action, Receipt, Result
from core.rollout.refusals import Code, Refuse
from core.target.lock import archive_lock, operation_lock
from core.target.target import Target
from core.upkeep import archive as archiving
from core.upkeep import rotation
from core.upkeep.archive import Archived, archive
from core.watch import recover
from tests.support.ledger_writers import KEEPS_OPEN, NEVER_LETS_GO, REOPENS, archived_ids, family_ids, ids_in, writing
from tests.support.rig import Rig, decision

OLD = "2025-09-15T12:00:00Z"  # the clock says 2025-10-01
NOW = "2025-10-01T09:00:00Z"
RENAMED = "ledger-20251001T090500Z.ndjson"


def lines(*entries: dict[str, object]) -> bytes:
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


def at(moment: str, number: int) -> dict[str, object]:
    return {**decision(datetime.fromisoformat(moment)), "id": str(number), "t": moment}


def archived(rig: Rig, *, dry_run: bool = False) -> Archived:
    done = archive(rig.target, rig.people["olivia"], dry_run=dry_run)
    assert isinstance(done, Archived)
    return done


def beside(rig: Rig) -> list[str]:
    """The ledger and what was called after it, hidden or not."""
    return sorted(path.name for path in rig.settings.ledger.parent.glob("*ledger*nd*"))


def written_at(path: Path, moment: datetime) -> None:
    os.utime(path, (moment.timestamp(), moment.timestamp()))


def rotated(rig: Rig, *, quiet: timedelta | None = None) -> Path:
    """Rotate a ledger with lines 1 (September) and 2; the router goes on with line 3. The old file has been quiet for so long."""
    rig.settings.ledger.write_bytes(lines(at(OLD, 1), at(NOW, 2)))
    (name,) = archived(rig).renamed
    rig.settings.ledger.write_bytes(lines(at(NOW, 3)))
    written_at(rig.settings.ledger, rig.clock.now)
    old = rig.settings.ledger.with_name(name)
    written_at(old, rig.clock.now - (quiet or timedelta(0)))
    return old


def receipts(rig: Rig) -> list[Receipt]:
    return [sealed.receipt for sealed in rig.target.journal.receipts() if sealed.receipt.action is Action.ARCHIVE]


def test_a_ledger_with_lines_of_a_past_month_gets_a_dated_name_and_an_empty_one_takes_its_place(begun: Rig) -> None:
    """Byte for byte, a torn last line too; the receipt tells the name."""
    data = lines(at(OLD, 1)) + b"garbage\n" + lines(at(NOW, 2)) + b'{"torn'
    begun.settings.ledger.write_bytes(data)
    done = archived(begun)
    assert (done.renamed, done.archives, done.waiting) == ((RENAMED,), (), (RENAMED,))
    assert begun.settings.ledger.with_name(RENAMED).read_bytes() == data
    assert begun.settings.ledger.read_bytes() == b""
    assert beside(begun) == [RENAMED, "ledger.ndjson"]
    assert [receipt.note for receipt in receipts(begun)] == [f"The ledger goes on in a new file; until now it was {RENAMED}."]


def test_the_report_is_the_same_before_and_after(begun: Rig) -> None:
    """The gates see the same window, from the same entries; and again when what was the ledger is compressed."""
    begun.settings.ledger.write_bytes(lines(at(OLD, 1)) + begun.settings.ledger.read_bytes())
    before = begun.target.measure(begun.clock.now, leaving_zero=False)
    (name,) = archived(begun).renamed
    assert begun.target.measure(begun.clock.now, leaving_zero=False) == before
    begun.settings.ledger.write_bytes(lines(at("2025-10-03T09:00:00Z", 2)))
    written_at(begun.settings.ledger.with_name(name), begun.clock.now)
    then = begun.clock.now
    begun.clock.pass_(days=2)
    written_at(begun.settings.ledger, begun.clock.now)
    assert [archive.name for archive in archived(begun).archives] == [f"{name}.gz"]
    assert beside(begun) == ["ledger-20251001T090500Z.ndjson.gz", "ledger.ndjson"]
    assert begun.target.measure(then, leaving_zero=False).metrics.figures == before.metrics.figures


def test_the_ledger_is_rotated_once_a_month_and_only_if_it_has_lines_from_before(begun: Rig) -> None:
    """Not again in the same month, however old its lines; then by the month of the schedule's zone."""
    begun.settings.ledger.write_bytes(lines(at(NOW, 1)))
    assert archived(begun) == Archived((), ())
    begun.settings.ledger.write_bytes(lines(at(OLD, 1)))
    assert archived(begun).renamed == (RENAMED,)
    begun.settings.ledger.write_bytes(lines(at(OLD, 2)))
    assert archived(begun) == Archived((), (), waiting=(RENAMED,))
    begun.clock.now = datetime.fromisoformat("2025-10-31T22:00:00Z")  # in Zurich it is October, too
    assert archived(begun).renamed == ()
    begun.clock.now = datetime.fromisoformat("2025-11-01T00:00:00Z")
    assert archived(begun).renamed == ("ledger-20251101T000000Z.ndjson",)


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(begun: Rig) -> None:
    """Names and counts are told; files and journal are untouched."""
    begun.settings.ledger.write_bytes(lines(at(OLD, 1), at(NOW, 2)))
    found = archived(begun, dry_run=True)
    assert (found.renamed, found.sealed, beside(begun), receipts(begun)) == ((RENAMED,), None, ["ledger.ndjson"], [])
    old = rotated(begun, quiet=timedelta(hours=26))
    found = archived(begun, dry_run=True)
    assert [(archive.name, archive.lines, archive.size) for archive in found.archives] == [
        (f"{RENAMED}.gz", 2, old.stat().st_size)
    ]
    assert (found.sealed, beside(begun), len(receipts(begun))) == (None, [RENAMED, "ledger.ndjson"], 1)


def test_what_nobody_has_written_to_for_a_day_is_compressed_verified_and_told(begun: Rig) -> None:
    """The packed file has the plain one's bytes, time and rights; the receipt its lines, size and digest; no line is gone."""
    old = rotated(begun, quiet=timedelta(hours=26))
    old.chmod(0o664)
    data, written = old.read_bytes(), old.stat().st_mtime_ns
    done = archived(begun)
    packed = old.with_name(f"{old.name}.gz")
    assert gzip.decompress(packed.read_bytes()) == data
    assert (packed.stat().st_mtime_ns, packed.stat().st_mode & 0o777) == (written, 0o664)
    assert beside(begun) == [packed.name, "ledger.ndjson"]
    (archive_of,) = receipts(begun)[-1].archived
    assert (archive_of,) == done.archives
    assert (archive_of.name, archive_of.lines, archive_of.size) == (packed.name, 2, len(data))
    assert family_ids(begun.settings.ledger) == {"1": 1, "2": 1, "3": 1}
    assert archived(begun) == Archived((), ())


@pytest.mark.parametrize(
    ("hours", "own"),
    [
        pytest.param(24, lines(at(NOW, 3)), id="written-to-within-a-day-and-the-hour-that-a-report-needs"),
        pytest.param(48, b"", id="nobody-writes-to-the-new-file"),
    ],
)
def test_what_may_still_be_written_to_is_not_compressed(begun: Rig, hours: int, own: bytes) -> None:
    """It waits, and the result says so: a router that never opened its ledger anew may come back after days."""
    old = rotated(begun, quiet=timedelta(hours=hours))
    begun.settings.ledger.write_bytes(own)
    assert archived(begun) == Archived((), (), waiting=(old.name,))
    assert old.exists()


def test_a_new_file_that_is_older_than_the_last_line_of_the_old_one_does_not_prove_that_the_router_let_go(begun: Rig) -> None:
    """Somebody else wrote to it."""
    old = rotated(begun, quiet=timedelta(hours=48))
    written_at(begun.settings.ledger, begun.clock.now - timedelta(hours=49))
    assert archived(begun).waiting == (old.name,)


def test_what_somebody_has_open_for_writing_is_not_compressed_however_long_it_is_quiet(begun: Rig) -> None:
    """One writer of two has opened the ledger anew; when the other has gone it is compressed. Readers do not matter."""
    old = rotated(begun, quiet=timedelta(days=3))
    with old.open("ab"):
        assert archived(begun).waiting == (old.name,)
    with old.open("rb"):
        assert archived(begun).waiting == ()


def test_what_is_written_while_it_is_compressed_is_kept(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain file stays, the packed one is its beginning, reports read each line once; next time it is packed whole."""
    old = rotated(begun, quiet=timedelta(hours=26))
    real = Receipt.__init__

    def write_late(receipt: Receipt, **facts: object) -> None:  # when the receipt is made it is packed and not yet removed
        with old.open("ab") as stream:
            stream.write(lines(at(NOW, 4)))
        monkeypatch.setattr(Receipt, "__init__", real)
        real(receipt, **facts)

    monkeypatch.setattr(Receipt, "__init__", write_late)
    assert archived(begun).waiting == (old.name,)
    assert family_ids(begun.settings.ledger) == {"1": 1, "2": 1, "3": 1, "4": 1}
    written_at(old, begun.clock.now - timedelta(hours=26))
    assert [archive.lines for archive in archived(begun).archives] == [3]
    assert beside(begun) == [f"{old.name}.gz", "ledger.ndjson"]
    assert family_ids(begun.settings.ledger) == {"1": 1, "2": 1, "3": 1, "4": 1}


def test_something_else_that_has_the_packed_name_is_not_replaced(begun: Rig) -> None:
    """It is an error that names it; both files are as they were."""
    old = rotated(begun, quiet=timedelta(hours=26))
    other = old.with_name(f"{old.name}.gz")
    other.write_bytes(gzip.compress(b"somebody's"))
    before = old.read_bytes()
    with pytest.raises(ArchiveError, match=r"gz already that is something else; move it away"):
        archived(begun)
    assert (old.read_bytes(), gzip.decompress(other.read_bytes())) == (before, b"somebody's")
    assert not [name for name in beside(begun) if name.startswith(".")]


def test_archives_leave_the_ledgers_folder_when_reports_no_longer_look_at_them(begun: Rig) -> None:
    """After 35 days, by a rename; the folder is closed to strangers."""
    old = rotated(begun, quiet=timedelta(hours=26))
    archived(begun)
    begun.clock.pass_(days=33)
    archived(begun)
    assert f"{old.name}.gz" in beside(begun)
    begun.clock.pass_(days=1)
    archived(begun)
    assert f"{old.name}.gz" not in beside(begun)
    assert archived_ids(begun.settings.archive_dir) == {"1": 1, "2": 1}
    assert begun.settings.archive_dir.stat().st_mode & 0o007 == 0


def test_archives_that_are_too_old_are_deleted_and_listed_and_nothing_else_is(begun: Rig) -> None:
    """Twelve months stay, ours of before too; logrotate's and the scripts' files stay whatever their age."""
    begun.settings.archive_dir.mkdir()
    ours = ("anr_ledger_202409.ndjson.gz", "ledger-20240930T220000Z.ndjson.gz")
    stay = ("anr_ledger_202410.ndjson.gz", "ledger-20241001T000000Z.ndjson.gz", "anr_ledger_202001.ndjson.zip", "keep.me")
    foreign = ("ledger-20200101.ndjson.gz", "ledger.ndjson-20200101.gz", "ledger.1.ndjson", "ledger-20200101T000000Z.ndjson")
    for name in (*ours, *stay):
        (begun.settings.archive_dir / name).write_bytes(b"")
    for name in foreign:
        (begun.settings.ledger.parent / name).write_bytes(b"")
    (begun.settings.ledger.parent / "ledger-20190101T000000Z.ndjson.gz").symlink_to("elsewhere")
    done = archive(begun.target, UPKEEP, cause="archive:2025-10")
    assert isinstance(done, Archived)
    assert done.expired == ours
    deleted = receipts(begun)[0].deleted
    assert deleted is not None
    assert deleted.names == ours
    assert sorted(path.name for path in begun.settings.archive_dir.iterdir()) == sorted(stay)
    assert {*foreign, "ledger-20190101T000000Z.ndjson.gz"} <= set(beside(begun))


def test_a_member_archives_nothing(begun: Rig) -> None:
    """It needs an operator."""
    refused = archive(begun.target, begun.people["max"])
    assert isinstance(refused, Refuse)
    assert refused.code is Code.NOT_ALLOWED


def test_the_new_ledger_has_the_rights_of_the_old_one(begun: Rig) -> None:
    """The router's account can go on writing."""
    begun.settings.ledger.write_bytes(lines(at(OLD, 1), at(NOW, 2)))
    begun.settings.ledger.chmod(0o664)
    archive(begun.target, UPKEEP)
    assert (begun.settings.ledger.stat().st_mode & 0o777, begun.settings.ledger.stat().st_size) == (0o664, 0)


def test_a_ledger_behind_a_link_is_rotated_behind_it_and_read_there(begun: Rig) -> None:
    """The link stays a link, also into another folder; what the ledger had is found beside the file behind it."""
    begun.settings.ledger.write_bytes(lines(at(OLD, 1), at(NOW, 2)))
    (begun.settings.ledger.parent / "data").mkdir()
    real = begun.settings.ledger.rename(begun.settings.ledger.parent / "data" / "real.ndjson")
    begun.settings.ledger.symlink_to(real)
    archive(begun.target, UPKEEP)
    assert begun.settings.ledger.is_symlink()
    assert real.read_bytes() == b""
    assert family_ids(begun.settings.ledger) == {"1": 1, "2": 1}


def test_where_rotated_ledgers_are_not_read_nothing_is_renamed(begun: Rig) -> None:
    """Else reports would miss what the ledger had."""
    begun.settings.ledger.write_bytes(lines(at(OLD, 1)))
    reading = begun.settings.reading.model_copy(update={"rotated": False})
    target = Target.at(begun.settings.model_copy(update={"reading": reading}), begun.target.access, begun.clock)
    with pytest.raises(ArchiveError, match=r"set `target\.reading\.rotated`"):
        archive(target, begun.people["olivia"])
    assert beside(begun) == ["ledger.ndjson"]


def test_a_ledger_that_is_no_regular_file_is_an_error_and_hangs_nothing(begun: Rig) -> None:
    """A FIFO in its place is not renamed."""
    begun.settings.ledger.unlink()
    os.mkfifo(begun.settings.ledger)
    with pytest.raises(ArchiveError, match="not a regular file"):
        archived(begun)
    assert beside(begun) == ["ledger.ndjson"]


def test_no_operation_waits_for_a_compression(begun: Rig) -> None:
    """While what was the ledger is read another operation can begin; a second archive cannot."""
    rotated(begun, quiet=timedelta(hours=26))
    seen: list[str] = []

    def look(_read: int, _size: int) -> None:
        with operation_lock(begun.settings.run_dir, "another", begun.clock.now, wait_s=0):
            seen.append("free")
        with pytest.raises(OperationBusy, match="archived already"), archive_lock(begun.settings.run_dir):
            pass

    done = archive(replace(begun.target, on_progress=look), begun.people["olivia"])
    assert isinstance(done, Archived)
    assert done.archives
    assert seen


def test_the_rename_waits_for_another_operation_and_gives_up(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger is as it was."""
    begun.settings.ledger.write_bytes(lines(at(OLD, 1)))
    monkeypatch.setattr(archiving, "operation_lock", partial(operation_lock, wait_s=0))
    with operation_lock(begun.settings.run_dir, "another", begun.clock.now), pytest.raises(OperationBusy):
        archived(begun)
    assert beside(begun) == ["ledger.ndjson"]


def every_line_once(rig: Rig, count: int) -> None:
    """Each line that the router wrote stands exactly once in what reports read and the archives together, and none is torn."""
    everything = family_ids(rig.settings.ledger) + archived_ids(rig.settings.archive_dir)
    assert set(everything) == {str(number) for number in range(1, count + 1)}
    assert [number for number, times in everything.items() if times != 1] == []


def plain_bytes(rig: Rig) -> int:
    return sum(path.stat().st_size for path in rig.settings.ledger.parent.glob("ledger*.ndjson"))


def months_under(rig: Rig, target: Target, months: int) -> list[Archived]:
    """Archive month after month; in each, what was renamed the month before was last written to half a month ago."""
    done = []
    for _ in range(months):
        found = archive(target, rig.people["olivia"])
        assert isinstance(found, Archived)
        done.append(found)
        before = plain_bytes(rig)
        while plain_bytes(rig) < before + 10_000:
            pass  # the router goes on
        for name in found.renamed:
            written_at(rig.settings.ledger.with_name(name), rig.clock.now + timedelta(days=15))
        rig.clock.pass_(days=31)
    return done


@pytest.mark.torture
def test_not_a_line_is_lost_while_a_router_that_opens_the_ledger_for_each_line_writes(begun: Rig) -> None:
    """Six months in a row under a router that writes as fast as it can: every line is there exactly once, none is torn."""
    begun.settings.ledger.write_bytes(b"")
    with writing(REOPENS, begun.settings.ledger, old=OLD, now=NOW) as router:
        done = months_under(begun, begun.target, 6)
        count = router.ended()
    assert count > 400  # each month has ten thousand bytes at least, however slow the machine is
    assert [len(result.renamed) for result in done] == [1] * 6
    assert [len(result.archives) for result in done] == [0] + [1] * 5
    every_line_once(begun, count)


@pytest.mark.torture
def test_not_a_line_is_lost_while_a_router_that_reopens_the_ledger_at_its_restart_writes(begun: Rig) -> None:
    """The same with one that keeps it open until it is reloaded, which the settings have done after the rename."""
    begun.settings.ledger.write_bytes(b"")
    with writing(KEEPS_OPEN, begun.settings.ledger, old=OLD, now=NOW) as router:
        changed = {"reload_command": router.reload_command, "ledger_reopened_by_reload": True, "reload_timeout_s": 30}
        target = Target.at(begun.settings.model_copy(update=changed), begun.target.access, begun.clock)
        done = months_under(begun, target, 4)
        count = router.ended()
    assert count > 400  # each month has ten thousand bytes at least, however slow the machine is
    assert [len(result.renamed) for result in done] == [1] * 4
    assert [len(result.archives) for result in done] == [0] + [1] * 3
    every_line_once(begun, count)


@pytest.mark.torture
def test_not_a_line_is_lost_of_a_router_that_never_lets_go(begun: Rig) -> None:
    """It goes on writing to the renamed file: each line is read, and it is never compressed, however quiet it looks."""
    begun.settings.ledger.write_bytes(b"")
    with writing(NEVER_LETS_GO, begun.settings.ledger, old=OLD, now=NOW) as router:
        done = months_under(begun, begun.target, 4)
        count = router.ended()
    assert count > 400  # each month has ten thousand bytes at least, however slow the machine is
    assert [result.renamed for result in done] == [(RENAMED,), (), (), ()]
    assert [result.archives for result in done] == [()] * 4
    assert {result.waiting for result in done} == {(RENAMED,)}
    assert begun.settings.ledger.stat().st_size == 0
    every_line_once(begun, count)


def test_what_a_router_does_that_never_lets_go_is_seen(begun: Rig) -> None:
    """The newest lines are those of the renamed file while the ledger is empty."""
    begun.settings.ledger.write_bytes(lines(at(OLD, 1), at(NOW, 2)))
    with begun.settings.ledger.open("ab") as kept_open:
        archived(begun)
        kept_open.write(lines({**at("2025-10-01T09:04:59Z", 3), "live": {"route": "R2", "pilot": 0.25}}))
        kept_open.flush()
        seen = begun.target.sighting()
    assert seen is not None
    assert seen.shows(25)


def test_a_scheduled_archive_that_cannot_be_made_says_so_once(begun: Rig) -> None:
    """The receipt has the reason; the month is used up, and a person can still archive."""
    begun.settings.ledger.write_bytes(lines(at(OLD, 1)))
    in_the_way = begun.settings.ledger.with_name(RENAMED)
    in_the_way.mkdir()
    done = archive(begun.target, UPKEEP, cause="archive:2025-10")
    assert isinstance(done, Archived)
    assert done.sealed is not None
    assert (done.sealed.receipt.action, done.sealed.receipt.result) == (Action.ARCHIVE, Result.NOT_APPLIED)
    assert f"there is a {RENAMED} already" in done.sealed.receipt.note
    assert isinstance(archive(begun.target, UPKEEP, cause="archive:2025-10"), Refuse)
    in_the_way.rmdir()
    assert archived(begun).renamed == (RENAMED,)


def test_the_reload_of_an_archive_never_raises_a_frozen_router(begun: Rig) -> None:
    """A frozen router is reloaded with its safe settings in its environment, whatever its file says."""
    seen = begun.settings.ledger.with_name("seen")
    code = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(os.environ['NOVA_ANR_ENABLED'])"
    changed = {"reload_command": (sys.executable, "-c", code, str(seen)), "reload_timeout_s": 30}
    target = Target.at(begun.settings.model_copy(update=changed), begun.target.access, begun.clock)
    target.router.reload_as_it_is(target.brake.read())
    assert seen.read_text(encoding="utf-8") == "1"
    brake.freeze(target, begun.people["max"], "page")
    target.router.reload_as_it_is(target.brake.read())
    assert seen.read_text(encoding="utf-8") == "0"


def test_a_brake_during_the_reload_of_an_archive_wins(begun: Rig) -> None:
    """Whoever sees the mark afterwards makes the router safe."""
    token = begun.settings.run_dir / "brake" / "token"
    token.parent.mkdir(parents=True)
    code = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('a brake that came meanwhile')"
    changed = {"reload_command": (sys.executable, "-c", code, str(token)), "reload_timeout_s": 30}
    target = Target.at(begun.settings.model_copy(update=changed), begun.target.access, begun.clock)
    target.router.reload_as_it_is(target.brake.read())
    assert target.router.settings().stage == 0


def test_recover_puts_a_ledger_where_an_archive_died_before_that(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Renamed, and no file in its place: recover makes one with the same rights; the next archive tells the name once."""
    begun.settings.ledger.write_bytes(lines(at(OLD, 1), at(NOW, 2)))
    begun.settings.ledger.chmod(0o660)

    def die(_fresh: Path, _ledger: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(rotation, "_put", die)
        with pytest.raises(KeyboardInterrupt):
            archive(begun.target, UPKEEP, cause="archive:2025-10")
    assert not begun.settings.ledger.exists()
    for _ in range(2):
        assert recover.recover(begun.target).unfinished is None
        assert begun.settings.ledger.stat().st_mode & 0o777 == 0o660
        assert ids_in(begun.settings.ledger.read_bytes()) == {}
    assert family_ids(begun.settings.ledger) == {"1": 1, "2": 1}
    for _ in range(2):
        archive(begun.target, UPKEEP, cause="archive:2025-10")
    assert [(receipt.cause, RENAMED in receipt.note) for receipt in receipts(begun)] == [("archive:2025-10", True)]
    assert beside(begun) == [RENAMED, "ledger.ndjson"]


def test_a_ledger_that_the_router_makes_in_that_moment_is_not_replaced(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its next line comes between the rename and the new file."""
    begun.settings.ledger.write_bytes(lines(at(OLD, 1)))
    put = rotation._put

    def write_first(fresh: Path, ledger: Path) -> None:
        ledger.write_bytes(lines(at(NOW, 2)))
        put(fresh, ledger)

    monkeypatch.setattr(rotation, "_put", write_first)
    archived(begun)
    assert family_ids(begun.settings.ledger) == {"1": 1, "2": 1}
    assert ids_in(begun.settings.ledger.read_bytes()) == {"2": 1}


def test_an_archive_of_an_earlier_version_that_died_is_said_and_not_forgotten(begun: Rig) -> None:
    """Its old file holds lines that no report reads: archiving and `recover` say so until somebody has put them back."""
    ledger = begun.settings.ledger
    before = ledger.read_bytes()
    old, note = (ledger.with_name(f".{ledger.name}.{part}") for part in ("old", "cut.json"))
    old.write_bytes(before + b"late\n")
    note.write_text(json.dumps({"copied": len(before)}), encoding="utf-8")
    found = archive(begun.target, UPKEEP)
    assert isinstance(found, Archived)
    assert found.sealed is not None
    assert found.sealed.receipt.result is not Result.APPLIED
    assert str(old) in (recover.recover(begun.target).unfinished or "")
    assert (ledger.read_bytes(), old.read_bytes()) == (before, before + b"late\n")
    old.unlink()
    note.unlink()
    assert recover.recover(begun.target).unfinished is None
