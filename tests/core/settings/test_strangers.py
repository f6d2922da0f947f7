"""What other accounts of the machine may see, hold or put in the way: files and folders, the lock, secrets, FIFOs."""

import json
import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import bot.cli.table  # noqa: F401 - adds `doctor`
from core.brake.brake import freeze
from core.doctor import own_checks
from core.errors import LockUnavailable
from core.journal import verification
from core.journal.marks import Mark
from core.operations.propose import init, propose
from core.system.files import close_to_strangers, make_folder, open_regular, read_bounded
from core.target import lock
from core.target.lock import holder_of, operation_lock
from core.target.order import Order
from core.upkeep import backup as backing_up
from core.watch.watch import watch
from tests.core.system.test_files import bits, umask
from tests.support.rig import NOW, Rig
from tests.support.terminal import ME, Terminal

SECRET = "hunter2-not-for-receipts"
WITH_SECRETS = (
    f"NOVA_DB_PASSWORD={SECRET}\nDATABASE_URL=postgres://nova:{SECRET}@db/nova\nNOVA_ANR_ENABLED=1\nNOVA_ANR_PILOT=0.10\n"
)


def everything_in(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if not path.is_symlink():
            yield path


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077], ids=["umask-000", "umask-022", "umask-077"])
def test_nothing_that_anr_makes_is_open_to_strangers(rig: Rig, tmp_path: Path, mask: int) -> None:
    """Journal, receipts, backups and all of the run folder are 0640 or stricter and their folders 0750, whatever the umask."""
    rig.settings.state_file.write_text('{"R1": {}}', encoding="utf-8")
    before = {tmp_path, *everything_in(tmp_path)}
    with umask(mask):
        init(rig.target, rig.people["olivia"], "begin")
        backing_up.back_up(rig.target, rig.people["olivia"])
        propose(rig.target, Order(rig.people["olivia"], "try"), wanted=25)
        freeze(rig.target, rig.people["max"], "stop")
        watch(rig.target)
        own_checks.check_up(rig.target)
        rig.target.witness.saw(Mark.of(rig.target.journal.receipts(last=1)[0]), chain=lambda _: {})
        made = [path for path in everything_in(tmp_path) if path not in before]
    assert {path.name for path in made} >= {"journal.sqlite", "logs", "run", "operation.lock", "brake", "backups", "witness.json"}
    open_to_others = {path.relative_to(tmp_path).as_posix(): oct(bits(path)) for path in made if bits(path) & 0o027}
    folders_only = {name for name, mode in open_to_others.items() if mode == "0o750" and (tmp_path / name).is_dir()}
    lock_of_the_router = {"anr_state.json.lock"}
    assert set(open_to_others) - folders_only - lock_of_the_router == set(), open_to_others
    assert bits(rig.settings.settings_file) == 0o644


def test_a_journal_from_before_is_closed(begun: Rig) -> None:
    """A journal that an earlier version left readable for everybody is closed when it is next opened."""
    path = begun.settings.journal
    begun.target.journal.close()
    path.chmod(0o644)
    lock_file = begun.settings.run_dir / "operation.lock"
    lock_file.chmod(0o666)
    propose(begun.target, Order(begun.people["olivia"], "try"), wanted=25, dry_run=True)
    with operation_lock(begun.settings.run_dir, "test", NOW):
        assert (bits(path), bits(lock_file)) == (0o644, 0o660)  # this journal was open already
    begun.target.journal.with_patience(1).receipts()
    assert bits(path) == 0o640


# --- secrets ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def anr(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """The command line on a house whose settings file holds a password."""
    rig.settings.settings_file.write_text(WITH_SECRETS, encoding="utf-8")
    return Terminal(rig, tmp_path, monkeypatch, operators=[ME], approvers=[ME, "UAARON"])


COMMANDS = (
    "init begin",
    "status",
    "backup",
    "promote --dry-run",
    "promote 25",
    "break-glass because-the-customer-waits-for-it",
    "rollback",
    "freeze",
    "unfreeze",
    "drift accept",
    "drift reapply",
    "why",
    "next",
    "watch",
    "verify",
    "recover",
    "doctor",
    "doctor --json",
    "daily",
    "skip",
    "receipts --json --last 100",
)


def test_no_command_keeps_a_password_of_the_settings_file(anr: Terminal, rig: Rig, tmp_path: Path) -> None:
    """After every command the password stands in the settings file, and in no receipt, journal, mark or output."""
    rig.settings.state_file.write_text('{"R1": {}}', encoding="utf-8")
    anr("init")
    said = {words: anr("--verbose", *words.split()) for words in COMMANDS}
    assert [words for words, result in said.items() if SECRET in result.output] == []
    assert "settings file" in said["doctor"].output
    receipts = json.loads(said["receipts --json --last 100"].stdout)
    assert len(receipts) > 4
    observed = [set(receipt["settings_observed"]) for receipt in receipts if receipt.get("settings_observed")]
    assert observed
    assert all(name.startswith("NOVA_ANR_") for names in observed for name in names)
    holding = [path.name for path in everything_in(tmp_path) if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert holding == ["anr.env"]


# --- what hangs -------------------------------------------------------------------------------------------------------

OBSTACLES = ["fifo", "link-to-a-device", "link-to-a-fifo", "socket"]


def obstruct(path: Path, kind: str) -> None:
    path.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        os.mknod(path, stat.S_IFSOCK | 0o600)
    elif kind == "link-to-a-device":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(path.with_name("pipe"))
        path.symlink_to(path.with_name("pipe"))


@pytest.mark.parametrize("kind", OBSTACLES)
def test_a_receipt_that_is_no_file_is_a_flaw_and_hangs_nothing(begun: Rig, kind: str) -> None:
    """`verify` and `doctor` name it at once."""
    (receipt,) = begun.settings.receipts_dir.iterdir()
    obstruct(receipt, kind)
    (flaw,) = verification.verify(begun.target.journal, begun.target.witnesses.marks()).flaws
    assert flaw.problem == f"the file {receipt.name} cannot be read (it is not a regular file)"
    journal = next(check for check in own_checks.check_up(begun.target) if check.name == "journal")
    assert receipt.name in journal.text


@pytest.mark.parametrize("kind", OBSTACLES)
@pytest.mark.parametrize("name", ["settings_file", "state_file", "ledger"])
def test_doctor_comes_back_from_what_is_no_file(begun: Rig, name: str, kind: str) -> None:
    """A FIFO, device or socket in the place of a file that doctor looks at fails its check, and the others are still made."""
    begun.settings.state_file.write_text('{"R1": {}}', encoding="utf-8")
    obstruct(getattr(begun.settings, name), kind)
    checks = {check.name: check for check in own_checks.check_up(begun.target)}
    assert checks[name.replace("_", " ")].health == "FAIL"
    assert {"journal", "schedule", "clock"} <= set(checks)


@pytest.mark.parametrize("kind", OBSTACLES)
def test_a_backup_that_is_no_file_is_not_valid(begun: Rig, kind: str) -> None:
    """The list of backups comes back, and says that it cannot be restored."""
    begun.settings.state_file.write_text('{"R1": {}}', encoding="utf-8")
    begun.target.backups.take(NOW)
    (backup,) = begun.target.backups.found()
    obstruct(begun.settings.backups_dir / backup.name, kind)
    assert [usable.name for usable in begun.target.backups.found() if usable.valid] == []


def test_a_device_is_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watchdog, a tape or a modem acts when somebody opens it."""
    opened = []
    real = os.open

    def watched(path: str, *more: int) -> int:
        opened.append(path)
        return real(path, *more)

    monkeypatch.setattr(os, "open", watched)
    (tmp_path / "link").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="not a regular file"):
        open_regular(tmp_path / "link")
    assert opened == []


def test_a_link_is_followed_only_where_that_is_asked_for(tmp_path: Path) -> None:
    """Who does not follow links is not led to another file."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert read_bounded(tmp_path / "link", 10) == b"x"
    with pytest.raises(OSError, match="not a regular file"):
        read_bounded(tmp_path / "link", 10, follow=False)


# --- the operation lock -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0o000, 0o022], ids=["umask-000", "umask-022"])
def test_a_stranger_cannot_hold_the_operation_lock(tmp_path: Path, mask: int) -> None:
    """Another account cannot open the lock's file, not even to read it, which would be enough to hold it."""
    tmp_path.chmod(0o755)
    run = tmp_path / "run"
    with umask(mask), operation_lock(run, "test", NOW):
        pass
    run.chmod(0o755)  # a folder from before, which is open
    for parent in run.parents:
        if parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    command = ["/usr/bin/flock", "--nonblock", str(run / "operation.lock"), "true"]  # it opens a file to read and locks it
    done = subprocess.run(command, user=4711, group=4711, extra_groups=[], capture_output=True, text=True, check=False)
    assert "Permission denied" in done.stderr
    assert holder_of(run) is None


def test_a_link_in_the_locks_place_is_not_followed(tmp_path: Path) -> None:
    """Nobody leads the lock to a file of theirs, or makes anr write one."""
    run = tmp_path / "run"
    make_folder(run)
    (run / "operation.lock").symlink_to(tmp_path / "theirs")
    with pytest.raises(LockUnavailable), operation_lock(run, "test", NOW, wait_s=0):
        pass
    assert not (tmp_path / "theirs").exists()


def test_a_fifo_in_the_locks_place_hangs_nothing(tmp_path: Path) -> None:
    """The lock is taken or refused, at once."""
    run = tmp_path / "run"
    make_folder(run)
    os.mkfifo(run / lock._LOCK)
    with operation_lock(run, "test", NOW, wait_s=0):
        assert holder_of(run) is not None


# --- folders and files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0o000, 0o027, 0o077], ids=["000", "027", "077"])
@pytest.mark.parametrize(("above", "mode"), [(0o2775, 0o2770), (0o770, 0o2770), (0o2750, 0o2750), (0o755, 0o750), (0o700, 0o750)])
def test_folders_are_closed_to_strangers_and_those_that_exist_stay(tmp_path: Path, mask: int, above: int, mode: int) -> None:
    """Every folder on the way is for the group of the one above, whatever the umask says; one that is there keeps its bits."""
    there = tmp_path / "there"
    there.mkdir()
    there.chmod(above)
    with umask(mask):
        make_folder(there / "a" / "b")
        make_folder(there / "a" / "b")
    assert (bits(there / "a"), bits(there / "a" / "b"), bits(there)) == (mode, mode, above)


def test_folders_made_by_several_at_once_are_all_there(tmp_path: Path) -> None:
    """Who comes second finds the folder and goes on."""
    failed: list[OSError] = []
    barrier = threading.Barrier(4)

    def make() -> None:
        barrier.wait()
        try:
            make_folder(tmp_path / "a" / "b" / "c")
        except OSError as error:
            failed.append(error)

    makers = [threading.Thread(target=make) for _ in range(4)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert failed == []
    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_a_file_in_a_folders_place_is_an_error(tmp_path: Path) -> None:
    """Nothing is replaced by a folder."""
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(OSError, match="a"):
        make_folder(tmp_path / "a" / "b")
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "a")


@pytest.mark.parametrize(("before", "after"), [(None, 0o640), (0o666, 0o660), (0o644, 0o640), (0o600, 0o600)])
def test_a_file_for_a_library_is_closed_first(tmp_path: Path, before: int | None, after: int) -> None:
    """A database that is made or found open is closed to strangers, and its bytes stay; the group's rights are the site's."""
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(b"x")
        path.chmod(before)
    with umask(0o000):
        close_to_strangers(path)
    assert (bits(path), path.read_bytes()) == (after, b"" if before is None else b"x")
