import errno
import fcntl
import json
import os
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from core.errors import StateFileError, StateFileMissing
from core.router import backups as core_backups
from core.router import state_lock
from core.router.backups import Backups, read_state
from core.router.state_lock import router_lock
from tests.core.router.conftest import backups
from tests.core.system.test_files import NOBODY, denied, nobodys_folder

NOW = datetime(2026, 11, 24, 9, 5, 7, tzinfo=UTC)
STATE = b'{"count": 1}'
ROUTER = """
import fcntl, json, os, sys
state, lock = sys.argv[1], sys.argv[1] + ".lock"
count = 0
print("writing", flush=True)
while True:
    count += 1
    with open(lock, "a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with open(state + ".new", "w") as new:
            json.dump({"count": count, "again": [count] * 2000}, new)
        os.replace(state + ".new", state)
"""


def started(code: str, *words: object) -> subprocess.Popen[str]:
    """A process that has said its first word."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def ended(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_backup_is_the_state_with_its_checksum_beside_it(kept: Backups, tmp_path: Path) -> None:
    """Name, bytes and checksum are those of the state, in the form that `sha256sum -c` reads."""
    taken = kept.take(NOW)
    assert taken.name == "anr_state_20261124_090507.json"
    assert (tmp_path / "backups" / taken.name).read_bytes() == STATE
    side = (tmp_path / "backups" / f"{taken.name}.sha256").read_text(encoding="utf-8")
    assert side == f"{sha256(STATE).hexdigest()}  {taken.name}\n"
    assert taken.valid
    assert kept.found() == (taken,)


def test_backups_of_one_second_all_stay(kept: Backups, tmp_path: Path) -> None:
    """A collision gets a number; no backup replaces another."""
    names = []
    for count in range(3):
        (tmp_path / "anr_state.json").write_text(json.dumps({"count": count}), encoding="utf-8")
        names.append(kept.take(NOW).name)
    assert names == [f"anr_state_20261124_090507{suffix}.json" for suffix in ("", "_2", "_3")]
    assert [json.loads((tmp_path / "backups" / name).read_bytes())["count"] for name in names] == [0, 1, 2]


@pytest.mark.parametrize(
    "state",
    [b"", b"{", b"[]", b"null", b'{"a": NaN}', b'{"a": 1} x', b"\x00" * 100, b"\xff\xfe", b"[" * 100_000, b'{"a": 1e999}'],
    ids=["empty", "cut off", "a list", "null", "NaN", "something after it", "NUL bytes", "not UTF-8", "too deep", "infinite"],
)
def test_a_state_that_is_not_valid_is_not_backed_up(kept: Backups, tmp_path: Path, state: bytes) -> None:
    """A broken state never becomes a backup, and takes no good one's place."""
    good = kept.take(NOW)
    (tmp_path / "anr_state.json").write_bytes(state)
    with pytest.raises(StateFileError, match="is not valid"):
        kept.take(NOW + timedelta(hours=1))
    assert kept.found() == (good,)


def test_without_a_state_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    """A router that never wrote its state is told apart from one whose state cannot be read, and no lock file is left."""
    with pytest.raises(StateFileMissing, match="never wrote one"):
        backups(tmp_path).take(NOW)
    assert list(tmp_path.iterdir()) == []


def test_a_state_that_is_too_long_is_not_read(kept: Backups, tmp_path: Path) -> None:
    """A file of a terabyte fills no memory."""
    os.truncate(tmp_path / "anr_state.json", 1 << 40)
    with pytest.raises(StateFileError, match="longer than"):
        kept.take(NOW)


def test_a_state_that_is_no_file_is_an_error(tmp_path: Path) -> None:
    """A FIFO in the state's place does not hang the backup."""
    os.mkfifo(tmp_path / "anr_state.json")
    with pytest.raises(StateFileError, match="regular file"):
        backups(tmp_path).take(NOW)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda path: path.write_bytes(b'{"count": 2}'), "do not have the checksum"),
        (lambda path: Path(f"{path}.sha256").unlink(), "no checksum"),
        (lambda path: Path(f"{path}.sha256").write_bytes(b"x" * 600), "cannot be read"),
        (lambda path: Path(f"{path}.sha256").write_bytes(b"0" * 64 + b"  other.json\n"), "do not have the checksum"),
        (lambda path: os.truncate(path, 0), "do not have the checksum"),
        (lambda path: os.truncate(path, 1 << 40), "cannot be read"),
    ],
    ids=["other bytes", "no checksum", "a checksum that is too long", "another's checksum", "empty", "a terabyte"],
)
def test_a_backup_that_is_not_what_it_was_cannot_be_restored(kept: Backups, tmp_path: Path, spoil: object, problem: str) -> None:
    """It is listed as not valid, with the reason, and the state is as it was."""
    taken = kept.take(NOW)
    assert callable(spoil)
    spoil(tmp_path / "backups" / taken.name)
    (found,) = kept.found()
    assert not found.valid
    assert problem in (found.problem or "")
    for wanted in (taken, found):
        with pytest.raises(StateFileError, match="cannot be used"):
            kept.put_back(wanted, NOW)
    assert (tmp_path / "anr_state.json").read_bytes() == STATE


def test_a_backup_that_was_exchanged_for_another_valid_one_cannot_be_restored(kept: Backups, tmp_path: Path) -> None:
    """Bytes and checksum both new: it is not the backup that was chosen."""
    taken = kept.take(NOW)
    other = b'{"count": 9}'
    (tmp_path / "backups" / taken.name).write_bytes(other)
    (tmp_path / "backups" / f"{taken.name}.sha256").write_text(f"{sha256(other).hexdigest()}  {taken.name}\n", encoding="utf-8")
    with pytest.raises(StateFileError, match="bytes have changed"):
        kept.put_back(taken, NOW)


@pytest.mark.parametrize(
    "name", ["../secret.json", "/etc/passwd", "anr_state_20261124_090507.json\x00", "", ".", "anr_state_20200101_000000.json"]
)
def test_a_name_is_one_of_the_list_or_nothing(kept: Backups, tmp_path: Path, name: str) -> None:
    """A name from outside is compared with the list; it never becomes a path."""
    (tmp_path / "secret.json").write_text("{}", encoding="utf-8")
    kept.take(NOW)
    assert kept.find(name) is None


def test_a_link_is_no_backup(kept: Backups, tmp_path: Path) -> None:
    """A link among the backups could name any file of the machine."""
    taken = kept.take(NOW)
    (tmp_path / "backups" / "anr_state_20200101_000000.json").symlink_to(tmp_path / "anr_state.json")
    assert [backup.name for backup in kept.found()] == [taken.name]


def test_putting_back_keeps_the_present_state(kept: Backups, tmp_path: Path) -> None:
    """The state is the backup's to the byte, and what it was before is a backup too."""
    taken = kept.take(NOW)
    (tmp_path / "anr_state.json").write_text('{"count": 5}', encoding="utf-8")
    replaced = kept.put_back(taken, NOW + timedelta(minutes=1))
    assert (tmp_path / "anr_state.json").read_bytes() == STATE
    assert replaced.kept is not None
    assert (tmp_path / "backups" / replaced.kept.name).read_bytes() == b'{"count": 5}'
    assert replaced.kept.valid


def test_a_state_beyond_repair_does_not_stand_in_the_way_of_its_repair(kept: Backups, tmp_path: Path) -> None:
    """A corrupt state is kept for whoever looks into it, shown as not valid, and replaced."""
    taken = kept.take(NOW)
    (tmp_path / "anr_state.json").write_bytes(b"\x00" * 30)
    replaced = kept.put_back(taken, NOW + timedelta(minutes=1))
    assert (tmp_path / "anr_state.json").read_bytes() == STATE
    assert replaced.kept is not None
    assert replaced.kept.problem == "it is not JSON"
    assert (tmp_path / "backups" / replaced.kept.name).read_bytes() == b"\x00" * 30


def test_a_state_that_is_gone_comes_back(kept: Backups, tmp_path: Path) -> None:
    """Without a present state there is nothing to keep."""
    taken = kept.take(NOW)
    (tmp_path / "anr_state.json").unlink()
    assert kept.put_back(taken, NOW).kept is None
    assert (tmp_path / "anr_state.json").read_bytes() == STATE


def test_the_state_is_replaced_behind_a_link(kept: Backups, tmp_path: Path) -> None:
    """A link stays a link: the router goes on reading the file behind it."""
    taken = kept.take(NOW)
    (tmp_path / "anr_state.json").replace(tmp_path / "real.json")
    (tmp_path / "anr_state.json").symlink_to(tmp_path / "real.json")
    (tmp_path / "real.json").write_text('{"count": 2}', encoding="utf-8")
    kept.put_back(taken, NOW)
    assert (tmp_path / "anr_state.json").is_symlink()
    assert (tmp_path / "real.json").read_bytes() == STATE


def test_the_oldest_go_when_there_are_too_many(kept: Backups, tmp_path: Path) -> None:
    """The newest stay, and with each that goes its checksum."""
    few = backups(tmp_path, keep=2)
    names = [few.take(NOW + timedelta(seconds=second)).name for second in range(4)]
    few.delete(few.surplus())
    assert [backup.name for backup in few.found()] == [names[3], names[2]]
    assert len(list((tmp_path / "backups").iterdir())) == 4


@pytest.mark.torture
def test_no_backup_is_torn_while_the_router_writes(kept: Backups, tmp_path: Path) -> None:
    """With a router that writes its state as fast as it can, each of 30 backups is one whole state."""
    router = started(ROUTER, tmp_path / "anr_state.json")
    try:
        for number in range(30):
            taken = kept.take(NOW + timedelta(seconds=number))
            state = json.loads((tmp_path / "backups" / taken.name).read_bytes())
            assert set(state.get("again", [state["count"]])) == {state["count"]}
    finally:
        ended(router)


def test_what_the_router_writes_while_a_state_is_put_back_is_lost_to_nobody(kept: Backups, tmp_path: Path) -> None:
    """The state before the replacement is among the backups, whole: copying and replacing are one step under the lock."""
    taken = kept.take(NOW)
    router = started(ROUTER, tmp_path / "anr_state.json")
    try:
        replaced = kept.put_back(taken, NOW + timedelta(seconds=1))
    finally:
        ended(router)
    assert replaced.kept is not None
    assert replaced.kept.valid


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES], ids=["full disk", "failing disk", "no permission"])
@pytest.mark.parametrize("call", ["fsync", "link", "replace", "open", "read"])
def test_no_fault_of_the_disk_is_a_silent_success(
    kept: Backups, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    """Whichever call fails: a clear error of ours, the state as it was, the earlier backup still valid, nothing half made."""
    taken = kept.take(NOW)

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    (tmp_path / "anr_state.json").write_text('{"count": 5}', encoding="utf-8")
    with monkeypatch.context() as patched:
        if call == "read":
            patched.setattr("core.router.backups.read_bounded", fail)
        else:
            patched.setattr(os, call, fail)
        for operation in (lambda: kept.take(NOW), lambda: kept.put_back(taken, NOW)):
            with pytest.raises(StateFileError):
                operation()
    assert (tmp_path / "anr_state.json").read_bytes() == b'{"count": 5}'
    assert taken in kept.found()
    assert list(tmp_path.rglob("*.tmp")) == []


def test_a_folder_that_may_not_be_written_is_named() -> None:
    """The message says which folder and what to do; the state is as it was."""
    with nobodys_folder() as folder:
        state = folder / "anr_state.json"
        state.write_text("{}", encoding="utf-8")
        state.chmod(0o666)
        (folder / "anr_state.json.lock").touch()
        (folder / "anr_state.json.lock").chmod(0o444)
        with denied(folder, 0o555), pytest.raises(StateFileError, match=r"No backup could be written to .*backups"):
            backups(folder).take(NOW)
        assert state.read_text(encoding="utf-8") == "{}"


def test_a_state_that_is_torn_is_read_again_until_it_is_whole(kept: Backups, tmp_path: Path) -> None:
    """A writer without a lock has emptied the file and goes on: what is taken is what it wrote."""
    state = tmp_path / "anr_state.json"
    state.write_bytes(b"")
    ends = threading.Timer(0.1, lambda: state.write_bytes(b'{"count": 2}'))
    ends.start()
    taken = kept.take(NOW)
    ends.join()
    assert (tmp_path / "backups" / taken.name).read_bytes() == b'{"count": 2}'


def test_halves_of_two_states_are_never_taken_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that begins in one state and ends in the next can be whole JSON; only what reads twice the same is a state."""
    reads = iter([b'{"a": 1, "b": 2}', b'{"a": 2, "b": 2}', b'{"a": 2, "b": 2}'])
    monkeypatch.setattr(core_backups, "read_bounded", lambda *_: next(reads))
    assert read_state(tmp_path / "anr_state.json") == b'{"a": 2, "b": 2}'


def test_a_state_that_never_stands_still_is_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can say that it ever stood in the file: an error, and no backup."""
    numbers = iter(range(1 << 30))
    monkeypatch.setattr(core_backups, "TORN_SECONDS", 0.05)
    monkeypatch.setattr(core_backups, "read_bounded", lambda *_: b'{"count": %d}' % next(numbers))
    with pytest.raises(OSError, match="rewritten so fast"):
        read_state(tmp_path / "anr_state.json")


OWNERS = [pytest.param(0o640, id="group-may-read"), pytest.param(0o666, id="all-may-write"), pytest.param(0o400, id="read-only")]


@pytest.mark.parametrize("mode", OWNERS)
def test_a_lock_that_a_backup_makes_is_as_the_router_would_make_it(mode: int) -> None:
    """It has the owner, the group and the mode of the state, whatever our umask says, and its owner may append to it."""
    before = os.umask(0o077)
    try:
        with nobodys_folder() as folder:
            state = folder / "anr_state.json"
            state.write_bytes(STATE)
            if os.geteuid() == 0:
                os.chown(state, NOBODY, NOBODY)
            state.chmod(mode)
            backups(folder).take(NOW)
            lock, of_state = Path(f"{state}.lock").stat(), state.stat()
            assert (lock.st_uid, lock.st_gid) == (of_state.st_uid, of_state.st_gid)
            assert stat.S_IMODE(lock.st_mode) == mode | 0o200
            assert lock.st_size == 0
            state.chmod(0o600)
            with denied(folder, 0o700), Path(f"{state}.lock").open("a") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.umask(before)


def test_a_lock_that_could_not_be_the_routers_is_not_made() -> None:
    """An account that may read the state and not give a file to its owner backs it up without leaving a lock."""
    with nobodys_folder() as folder:
        state = folder / "anr_state.json"
        state.write_bytes(STATE)  # root's, in a folder of nobody's: an account that may give nothing away
        state.chmod(0o644)
        is_ours = os.geteuid() != 0  # who cannot change accounts owns the state, and may make its lock
        with denied(folder, 0o700):
            assert backups(folder).take(NOW).valid
        assert Path(f"{state}.lock").exists() == is_ours
        assert list(folder.glob(".*")) == []


class StandIn:
    """The calls of `msvcrt` as Windows has them: a lock on a byte range belongs to a descriptor, and excludes all others."""

    LK_NBLCK, LK_UNLCK = 2, 0

    def __init__(self) -> None:
        self.held: dict[tuple[int, int], int] = {}

    def locking(self, descriptor: int, mode: int, count: int) -> None:
        assert count == 1
        place = (os.fstat(descriptor).st_ino, os.lseek(descriptor, 0, os.SEEK_CUR))
        if mode == self.LK_UNLCK:
            assert self.held.pop(place) == descriptor
            return
        assert mode == self.LK_NBLCK
        if place in self.held:
            raise PermissionError(errno.EACCES, "Permission denied")
        self.held[place] = descriptor


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Everything that asks for the system hears Windows, and `msvcrt` is there."""
    stand_in = StandIn()
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "msvcrt", stand_in)
    monkeypatch.delattr(state_lock, "fcntl")
    return stand_in


def test_on_windows_the_lock_is_msvcrts_on_the_first_byte(windows: StandIn, kept: Backups, tmp_path: Path) -> None:
    """As the router takes it: one byte at the beginning, let go of afterwards; backups, restores and resets work."""
    taken = kept.take(NOW)
    with router_lock(tmp_path / "anr_state.json"):
        lock = Path(f"{tmp_path / 'anr_state.json'}.lock")
        assert list(windows.held) == [(lock.stat().st_ino, 0)]
    assert windows.held == {}
    (tmp_path / "anr_state.json").write_text('{"count": 5}', encoding="utf-8")
    kept.put_back(taken, NOW)
    assert (tmp_path / "anr_state.json").read_bytes() == STATE
    kept.remove(NOW)
    assert not (tmp_path / "anr_state.json").exists()
    assert windows.held == {}


def test_on_windows_a_lock_that_the_router_holds_is_waited_for(windows: StandIn, kept: Backups, tmp_path: Path) -> None:
    """And not for ever: then nothing was read."""
    with (
        router_lock(tmp_path / "anr_state.json"),
        pytest.raises(StateFileError, match="was held for more than"),
        router_lock(tmp_path / "anr_state.json", wait_s=0.05),
    ):
        raise AssertionError("the lock was taken from its holder")


def test_a_backup_of_the_old_scripts_is_adopted(kept: Backups, tmp_path: Path) -> None:
    """It has no checksum and cannot be restored; adopted, it has the one that `sha256sum -c` reads, and can."""
    old = tmp_path / "backups" / "anr_state_20250101_090000.json"
    old.parent.mkdir()
    old.write_bytes(STATE)
    (found,) = kept.found()
    assert (found.valid, found.without_checksum) == (False, True)
    assert "anr backups adopt" in (found.problem or "")
    assert kept.adopt(found).valid
    subprocess.run(
        ("/usr/bin/env", "sha256sum", "-c", f"{old.name}.sha256"), cwd=old.parent, check=True, stdout=subprocess.DEVNULL
    )


@pytest.mark.parametrize("data", [b"", b"{", b"[]"], ids=["empty", "torn", "a list"])
def test_what_is_no_state_is_not_adopted(kept: Backups, tmp_path: Path, data: bytes) -> None:
    """It stays as it is, without a checksum."""
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "anr_state_20250101_090000.json").write_bytes(data)
    with pytest.raises(StateFileError, match="cannot be adopted"):
        kept.adopt(kept.found()[0])
    assert [path.name for path in (tmp_path / "backups").iterdir()] == ["anr_state_20250101_090000.json"]


def test_backups_without_a_checksum_are_neither_counted_nor_deleted(tmp_path: Path) -> None:
    """However old they are: somebody else made them, and nobody asked us to delete them."""
    few = backups(tmp_path, keep=1)
    (tmp_path / "anr_state.json").write_bytes(STATE)
    (tmp_path / "backups").mkdir()
    old = [f"anr_state_202{year}0101_090000.json" for year in range(4)]
    for name in old:
        (tmp_path / "backups" / name).write_bytes(STATE)
    names = [few.take(NOW + timedelta(seconds=second)).name for second in range(3)]
    assert few.surplus() == (names[1], names[0])
    few.delete(few.surplus())
    assert [backup.name for backup in few.found()] == [names[2], *reversed(old)]


def test_a_state_that_was_cut_off_by_the_stop_is_kept_as_it_was_before(kept: Backups, tmp_path: Path) -> None:
    """A router that is killed in the middle of a write leaves half a state; the copy from just before is the one that counts."""
    taken = kept.take(NOW)
    (tmp_path / "anr_state.json").write_text('{"count": 7}', encoding="utf-8")
    before = kept.keep_present(NOW + timedelta(minutes=1))
    assert before is not None
    (tmp_path / "anr_state.json").write_bytes(b'{"cou')
    replaced = kept.put_back(taken, NOW + timedelta(minutes=1), before)
    assert replaced.kept == before
    assert (tmp_path / "anr_state.json").read_bytes() == STATE


def test_what_was_learned_until_the_stop_is_kept_instead_of_the_copy_before_it(kept: Backups, tmp_path: Path) -> None:
    """One copy of the state before, and it is the last one."""
    taken = kept.take(NOW)
    (tmp_path / "anr_state.json").write_text('{"count": 7}', encoding="utf-8")
    before = kept.keep_present(NOW + timedelta(minutes=1))
    (tmp_path / "anr_state.json").write_text('{"count": 8}', encoding="utf-8")
    replaced = kept.remove(NOW + timedelta(minutes=1), before)
    assert replaced.kept is not None
    assert (tmp_path / "backups" / replaced.kept.name).read_bytes() == b'{"count": 8}'
    assert {backup.name for backup in kept.found()} == {taken.name, replaced.kept.name}
    assert not (tmp_path / "anr_state.json").exists()
