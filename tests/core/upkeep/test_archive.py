import gzip
import json
import sys
from datetime import datetime
from pathlib import Path

import pytest

from core.actors import UPKEEP
from core.brake import brake
from core.errors import ArchiveError
from core.receipts.receipt import Action, Result
from core.rollout.refusals import Code, Refuse
from core.target.target import Target
from core.upkeep import archive as archiving
from core.upkeep.archive import Archived, archive
from core.upkeep.cut import Cut, LedgerCut
from core.watch import recover
from tests.support.ledger_writers import KEEPS_OPEN, NEVER_LETS_GO, REOPENS, archived_ids, ids_in, writing
from tests.support.rig import Rig, decision

OLD = "2025-07-15T12:00:00Z"  # the house's clock says 2025-10-01
NOW = "2025-10-01T09:00:00Z"


def lines(*entries: dict[str, object]) -> bytes:
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


def at(moment: str, number: int) -> dict[str, object]:
    return {**decision(datetime.fromisoformat(moment)), "id": str(number), "t": moment}


def reloading(rig: Rig, command: tuple[str, ...], *, reopens: bool = True) -> Target:
    target = rig.target.model_copy(
        update={"reload_command": command, "ledger_reopened_by_reload": reopens, "reload_timeout_s": 3}
    )
    return Target.at(target, rig.site.access, rig.clock)


def hidden(rig: Rig) -> list[str]:
    """What an archive leaves beside the ledger and in its folder, if it dies."""
    beside = [path.name for path in rig.target.ledger.parent.glob(f".{rig.target.ledger.name}*")]
    return beside + [path.name for path in rig.target.archive_dir.glob(".*")]


def test_whole_past_months_leave_the_ledger_and_the_rest_stays(begun: Rig) -> None:
    """June and July go into an archive each; August, garbage beside its neighbours, and a torn last line stay as they were."""
    gone = lines(at("2025-06-30T23:59:59Z", 1)) + b"garbage of June\n" + lines(at("2025-07-31T23:59:59Z", 2))
    stays = lines(at("2025-08-01T00:00:00Z", 3)) + b"garbage of August\n" + lines(at("2025-07-01T00:00:00Z", 4))
    begun.target.ledger.write_bytes(gone + stays + b'{"torn')
    done = archive(begun.site, begun.people["olivia"])
    assert isinstance(done, Archived)
    assert [(one.name, one.lines) for one in done.archives] == [
        ("anr_ledger_202506.ndjson.gz", 2),
        ("anr_ledger_202507.ndjson.gz", 2),
    ]
    june, july = (gzip.decompress((begun.target.archive_dir / one.name).read_bytes()) for one in done.archives)
    assert june == lines(at("2025-06-30T23:59:59Z", 1)) + b"garbage of June\n"
    assert july == lines(at("2025-07-31T23:59:59Z", 2), at("2025-07-01T00:00:00Z", 4))
    left = [line for line in begun.target.ledger.read_bytes().split(b"\n") if line.strip()]
    assert left == [lines(at("2025-08-01T00:00:00Z", 3))[:-1], b"garbage of August", b'{"torn']
    assert done.sealed is not None
    assert done.sealed.receipt.archived == done.archives
    assert hidden(begun) == []


def test_the_report_is_the_same_before_and_after(begun: Rig) -> None:
    """The gates see the same window, from the same entries."""
    begun.target.ledger.write_bytes(lines(at(OLD, 1)) + begun.target.ledger.read_bytes())
    before = begun.site.measure(begun.clock.now, leaving_zero=False)
    assert isinstance(archive(begun.site, begun.people["olivia"]), Archived)
    after = begun.site.measure(begun.clock.now, leaving_zero=False)
    assert after.metrics.figures == before.metrics.figures
    assert after.gates == before.gates


def test_a_dry_run_says_what_would_go_and_writes_nothing(begun: Rig) -> None:
    """Months and counts are told; ledger, archives and journal are untouched."""
    begun.target.ledger.write_bytes(lines(at(OLD, 1), at(OLD, 2), at(NOW, 3)))
    before = begun.target.ledger.read_bytes()
    found = archive(begun.site, begun.people["olivia"], dry_run=True)
    assert isinstance(found, Archived)
    assert [(one.name, one.lines) for one in found.archives] == [("anr_ledger_202507.ndjson.gz", 2)]
    assert (found.sealed, begun.target.ledger.read_bytes(), begun.target.archive_dir.exists()) == (None, before, False)
    assert len(begun.site.journal.receipts()) == 1


def test_a_ledger_without_past_months_is_left_alone(begun: Rig) -> None:
    """No receipt, no new file: the ledger is the same inode."""
    inode = begun.target.ledger.stat().st_ino
    assert archive(begun.site, UPKEEP, cause="archive:2025-10") == Archived((), ())
    assert begun.target.ledger.stat().st_ino == inode


def test_archives_that_are_too_old_are_deleted_and_listed(begun: Rig) -> None:
    """Twelve months stay; the receipt names what went."""
    begun.target.archive_dir.mkdir()
    for name in ("anr_ledger_202409.ndjson.gz", "anr_ledger_202410.ndjson.gz", "keep.me"):
        (begun.target.archive_dir / name).write_bytes(b"")
    done = archive(begun.site, UPKEEP, cause="archive:2025-10")
    assert isinstance(done, Archived)
    assert done.sealed is not None
    assert done.sealed.receipt.deleted is not None
    assert done.sealed.receipt.deleted.names == ("anr_ledger_202409.ndjson.gz",)
    assert sorted(path.name for path in begun.target.archive_dir.iterdir()) == ["anr_ledger_202410.ndjson.gz", "keep.me"]


def test_a_member_archives_nothing(begun: Rig) -> None:
    """It needs an operator."""
    refused = archive(begun.site, begun.people["max"])
    assert isinstance(refused, Refuse)
    assert refused.code is Code.NOT_ALLOWED


def test_the_new_ledger_has_the_rights_of_the_old_one(begun: Rig) -> None:
    """The router's account can go on writing."""
    begun.target.ledger.write_bytes(lines(at(OLD, 1), at(NOW, 2)))
    begun.target.ledger.chmod(0o664)
    archive(begun.site, UPKEEP)
    assert begun.target.ledger.stat().st_mode & 0o777 == 0o664


def test_a_ledger_behind_a_link_is_archived_behind_it(begun: Rig) -> None:
    """The link stays a link."""
    begun.target.ledger.write_bytes(lines(at(OLD, 1), at(NOW, 2)))
    real = begun.target.ledger.rename(begun.target.ledger.with_name("real.ndjson"))
    begun.target.ledger.symlink_to(real)
    archive(begun.site, UPKEEP)
    assert begun.target.ledger.is_symlink()
    assert ids_in(real.read_bytes()) == {"2": 1}


@pytest.fixture
def mixed(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A ledger of a router whose old lines may stand anywhere, and are looked for everywhere."""
    monkeypatch.setattr("core.upkeep.months._HEAD_LINES", 1 << 60)
    begun.target.ledger.write_bytes(b"")
    return begun


def every_line_once(rig: Rig, count: int) -> None:
    """Each line that the router wrote stands exactly once, in the ledger or an archive; what is recent is in the ledger."""
    live, archived = ids_in(rig.target.ledger.read_bytes()), archived_ids(rig.target.archive_dir)
    everything = live + archived
    written = {str(number) for number in range(1, count + 1)}
    assert set(everything) == written
    assert [number for number, times in everything.items() if times != 1] == []
    assert {number for number in written if int(number) % 2 == 0} <= set(live)


@pytest.mark.torture
def test_not_a_line_is_lost_while_a_router_that_opens_the_ledger_for_each_line_writes(mixed: Rig) -> None:
    """Six archives in a row under a router that writes as fast as it can: every line is there exactly once, none is torn."""
    with writing(REOPENS, mixed.target.ledger, old=OLD, now=NOW) as router:
        for _ in range(6):
            done = archive(mixed.site, mixed.people["olivia"])
            assert isinstance(done, Archived)
            assert done.archives
        count = router.ended()
    assert count > 1000
    every_line_once(mixed, count)
    assert hidden(mixed) == []


@pytest.mark.torture
def test_not_a_line_is_lost_while_a_router_that_keeps_the_ledger_open_writes(mixed: Rig) -> None:
    """The same with one that opens it anew when it is reloaded."""
    with writing(KEEPS_OPEN, mixed.target.ledger, old=OLD, now=NOW) as router:
        site = reloading(mixed, router.reload_command)
        for _ in range(3):
            done = archive(site, mixed.people["olivia"])
            assert isinstance(done, Archived)
            assert done.archives
        count = router.ended()
    assert count > 1000
    every_line_once(mixed, count)
    assert hidden(mixed) == []


def test_under_a_router_that_keeps_the_ledger_open_nothing_is_archived_unless_a_reload_helps(begun: Rig) -> None:
    """It is refused before anything is touched, with the option that would allow it."""
    begun.target.ledger.write_bytes(b"")
    with writing(KEEPS_OPEN, begun.target.ledger, old=OLD, now=NOW) as router:
        inode = begun.target.ledger.stat().st_ino
        with pytest.raises(ArchiveError, match="set `ledger_reopened_by_reload`"):
            archive(begun.site, begun.people["olivia"])
        assert begun.target.ledger.stat().st_ino == inode
        count = router.ended()
    every_line_once(begun, count)
    assert not begun.target.archive_dir.exists()


@pytest.mark.torture
def test_a_router_that_never_lets_go_gets_its_ledger_back(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings promised too much: the old file gets its name again, with every line that was written meanwhile."""
    monkeypatch.setattr(archiving, "DRAIN_SECONDS", 1.0)
    begun.target.ledger.write_bytes(b"")
    with writing(NEVER_LETS_GO, begun.target.ledger, old=OLD, now=NOW) as router:
        inode = begun.target.ledger.stat().st_ino
        with pytest.raises(ArchiveError, match="got its name back"):
            archive(reloading(begun, ("true",)), begun.people["olivia"])
        assert begun.target.ledger.stat().st_ino == inode
        count = router.ended()
    assert ids_in(begun.target.ledger.read_bytes()) == {str(number): 1 for number in range(1, count + 1)}
    assert hidden(begun) == []
    done = archive(begun.site, begun.people["olivia"])
    assert isinstance(done, Archived)
    every_line_once(begun, count)


def test_more_late_lines_than_there_is_room_for_are_all_kept(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room is made in a moment in which nobody writes; a router between two lines does not notice."""
    monkeypatch.setattr("core.upkeep.months.MIN_ROOM_BYTES", 1 << 16)
    begun.target.ledger.write_bytes(lines(at(OLD, 1), at(NOW, 2)))
    late = lines(*(at(NOW, number) for number in range(3, 2003)))
    swap = LedgerCut.swap

    def write_late(cutter: LedgerCut, cut: Cut) -> None:
        with begun.target.ledger.open("ab") as old:
            swap(cutter, cut)
            old.write(late)

    monkeypatch.setattr(LedgerCut, "swap", write_late)
    assert isinstance(archive(begun.site, UPKEEP), Archived)
    assert ids_in(begun.target.ledger.read_bytes()) == {str(number): 1 for number in range(2, 2003)}


def test_a_scheduled_archive_that_is_refused_says_so_once(begun: Rig) -> None:
    """The receipt has the reason; the month is used up, and a person can still archive."""
    begun.target.ledger.write_bytes(lines(at(OLD, 1)))
    with begun.target.ledger.open("ab"):
        done = archive(begun.site, UPKEEP, cause="archive:2025-10")
        assert isinstance(done, Archived)
        assert done.sealed is not None
        assert (done.sealed.receipt.action, done.sealed.receipt.result) == (Action.ARCHIVE, Result.NOT_APPLIED)
        assert "keeps its ledger open" in done.sealed.receipt.note
        assert isinstance(archive(begun.site, UPKEEP, cause="archive:2025-10"), Refuse)
    assert isinstance(archive(begun.site, begun.people["olivia"]), Archived)


def test_the_reload_of_an_archive_never_raises_a_frozen_router(begun: Rig) -> None:
    """A frozen router is reloaded with its safe settings in its environment, whatever its file says."""
    seen = begun.target.ledger.with_name("seen")
    code = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(os.environ['NOVA_ANR_ENABLED'])"
    site = reloading(begun, (sys.executable, "-c", code, str(seen)))
    site.router.reload_as_it_is(site.brake.read())
    assert seen.read_text(encoding="utf-8") == "1"
    brake.freeze(site, begun.people["max"], "page")
    site.router.reload_as_it_is(site.brake.read())
    assert seen.read_text(encoding="utf-8") == "0"


def test_a_brake_during_the_reload_of_an_archive_wins(begun: Rig) -> None:
    """Whoever sees the mark afterwards makes the router safe."""
    token = begun.target.run_dir / "brake" / "token"
    token.parent.mkdir(parents=True)
    code = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('a brake that came meanwhile')"
    site = reloading(begun, (sys.executable, "-c", code, str(token)))
    site.router.reload_as_it_is(site.brake.read())
    assert site.router.settings().stage == 0


def test_what_was_read_before_the_late_lines_came_is_forgotten(begun: Rig) -> None:
    """The index of the reader goes, so that no report counts the room that was blank a moment before."""
    begun.target.ledger.write_bytes(lines(at(OLD, 1)) + begun.target.ledger.read_bytes())
    begun.site.measure(begun.clock.now, leaving_zero=False)
    index = begun.target.run_dir / "ledger_index.sqlite"
    assert index.exists()
    archive(begun.site, UPKEEP)
    assert not index.exists()


def test_recover_finishes_what_died_and_records_it_once(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the swap, before the end: late lines come over, the receipt is written, and a second recover does nothing."""
    begun.target.ledger.write_bytes(lines(at(OLD, 1), at(NOW, 2)))
    swap = LedgerCut.swap

    def die(cutter: LedgerCut, cut: Cut) -> None:
        with begun.target.ledger.open("ab") as old:
            swap(cutter, cut)
            old.write(lines(at(NOW, 3)))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LedgerCut, "swap", die)
        with pytest.raises(KeyboardInterrupt):
            archive(begun.site, UPKEEP, cause="archive:2025-10")
    assert ids_in(begun.target.ledger.read_bytes()) == {"2": 1}
    for _ in range(2):
        assert recover.recover(begun.site).unfinished is None
        assert ids_in(begun.target.ledger.read_bytes()) == {"2": 1, "3": 1}
    recorded = [one.receipt for one in begun.site.journal.receipts() if one.receipt.action is Action.ARCHIVE]
    assert [one.cause for one in recorded] == ["archive:2025-10"]
    assert hidden(begun) == []


def test_a_note_that_cannot_be_read_loses_nothing(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both files stay, the message names them, promotions are not blocked by it."""
    begun.target.ledger.write_bytes(lines(at(OLD, 1), at(NOW, 2)))
    swap = LedgerCut.swap

    def die(cutter: LedgerCut, cut: Cut) -> None:
        swap(cutter, cut)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LedgerCut, "swap", die)
        with pytest.raises(KeyboardInterrupt):
            archive(begun.site, UPKEEP)
    note = begun.target.ledger.with_name(f".{begun.target.ledger.name}.cut.json")
    note.write_bytes(b"garbage")
    unfinished = recover.recover(begun.site).unfinished or ""
    assert "bring the lines over by hand" in unfinished
    note.unlink()
    with pytest.raises(ArchiveError, match="was not finished"):
        archive(begun.site, begun.people["olivia"])
    old = Path(f"{begun.target.ledger.parent}/.{begun.target.ledger.name}.old")
    assert ids_in(old.read_bytes()) == {"1": 1, "2": 1}
