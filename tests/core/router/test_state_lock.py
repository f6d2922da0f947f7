import fcntl
from pathlib import Path

import pytest

from core.errors import StateFileError
from core.router.backups import Backups
from core.router.state_lock import router_lock
from tests.core.router.test_backups import NOW, ended, started

HOLDER = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(descriptor, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_the_lock_is_the_routers_own(kept: Backups, tmp_path: Path) -> None:
    """While another process holds `flock` on the state's lock, nothing is read or replaced; when it dies, all goes on."""
    taken = kept.take(NOW)
    holder = started(HOLDER, tmp_path / "anr_state.json.lock")
    try:
        with pytest.raises(StateFileError, match="was held for more than"), router_lock(tmp_path / "anr_state.json", wait_s=0.1):
            raise AssertionError("the lock was taken from its holder")
    finally:
        ended(holder)
    assert kept.put_back(taken, NOW).kept is not None


def test_the_routers_lock_file_stays_the_same_file(kept: Backups, tmp_path: Path) -> None:
    """The lock's file is neither removed nor written: whoever has it open holds the same lock as whoever opens it next."""
    (tmp_path / "anr_state.json.lock").write_bytes(b"the router's")
    before = (tmp_path / "anr_state.json.lock").stat()
    kept.put_back(kept.take(NOW), NOW)
    after = (tmp_path / "anr_state.json.lock").stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_mode) == (before.st_ino, before.st_mtime_ns, before.st_mode)
    assert (tmp_path / "anr_state.json.lock").read_bytes() == b"the router's"


def test_a_lock_whose_file_is_replaced_meanwhile_is_taken_on_the_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Holding a lock on a file that nobody else can find would exclude nobody."""
    lock, take = tmp_path / "anr_state.json.lock", fcntl.flock
    replaced: list[Path] = []

    def replace_first(descriptor: int, how: int) -> None:
        if not replaced:
            replaced.append(lock.rename(tmp_path / "old.lock"))
            lock.touch()
        take(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", replace_first)
    with router_lock(tmp_path / "anr_state.json"), lock.open() as now, pytest.raises(BlockingIOError):
        take(now, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with lock.open() as free:
        take(free, fcntl.LOCK_EX | fcntl.LOCK_NB)
