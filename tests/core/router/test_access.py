"""Who could read the settings file still can, after the account that runs anr has written it."""

import errno
import os
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.router.access import Access, Rehearsal, may_read, rehearse, rewrite
from core.router.control import SAFE_SETTINGS
from tests.core.router.test_control import AT_10, SAFE_BYTES, place
from tests.core.system.test_files import NOBODY, bits, denied, names_in, nobodys_folder

ROUTER, GROUP = 4711, 4712
"""An account and a group that this machine has no name for."""
DAEMON = 1
ACL = "system.posix_acl_access"


def acl(*entries: tuple[int, int, int]) -> bytes:
    """An access control list of tag, bits and id, as the kernel keeps it (`linux/posix_acl_xattr.h`)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


LET_ROUTER_READ = acl((1, 6, 2**32 - 1), (2, 4, ROUTER), (4, 0, 2**32 - 1), (16, 4, 2**32 - 1), (32, 0, 2**32 - 1))


@contextmanager
def owned(folder: Path, data: bytes, owner: int, group: int, mode: int) -> Iterator[Path]:
    path = folder / "anr.env"
    path.write_bytes(data)
    os.chown(path, owner, group)
    path.chmod(mode)
    yield path


# --- ways in which "safe" was false: a router that cannot read its settings any more ----------------------------------


def test_owner_group_and_bits_stay(tmp_path: Path) -> None:
    """A file of the router's account and group is still theirs after root has written it."""
    with owned(tmp_path, AT_10, ROUTER, GROUP, 0o640) as path:
        assert place(tmp_path, None).router.make_safe() == ()
        found = path.stat()
        assert (found.st_uid, found.st_gid, bits(path)) == (ROUTER, GROUP, 0o640)
        assert path.read_bytes() == SAFE_BYTES


def test_an_access_control_list_stays(tmp_path: Path) -> None:
    """A router that reads its settings by an entry of its own in the list goes on reading them."""
    here = place(tmp_path, AT_10)
    here.target.settings_file.chmod(0o600)
    os.setxattr(here.target.settings_file, ACL, LET_ROUTER_READ)
    os.setxattr(here.target.settings_file, "user.managed-by", b"ansible")
    before = Access.of(here.target.settings_file)
    assert here.router.make_safe() == ()
    assert Access.of(here.target.settings_file) == before
    assert before.attributes[ACL] == LET_ROUTER_READ


def test_a_list_that_the_folder_gives_to_new_files_gives_nobody_anything(tmp_path: Path) -> None:
    """Where the folder's default list would open a new file to more, the settings are as closed as before."""
    here = place(tmp_path, AT_10)
    here.target.settings_file.chmod(0o600)
    os.setxattr(tmp_path, "system.posix_acl_default", LET_ROUTER_READ)
    before = Access.of(here.target.settings_file)
    assert here.router.make_safe() == ()
    assert Access.of(here.target.settings_file) == before
    assert ACL not in before.attributes


@pytest.mark.parametrize("name", ["acl", "owner"])
def test_what_cannot_be_kept_is_written_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Where a new file could not be as open as the old one, the old one is written: it stays the same file."""
    with owned(tmp_path, AT_10, ROUTER, GROUP, 0o640) as path:
        os.setxattr(path, ACL, LET_ROUTER_READ)
        before, inode = Access.of(path), path.stat().st_ino

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "setxattr" if name == "acl" else "chown", refuse)
        here = place(tmp_path, None)
        assert here.router.make_safe() == ()
        assert (Access.of(path), path.stat().st_ino, path.read_bytes()) == (before, inode, SAFE_BYTES)
        assert names_in(tmp_path) == ["anr.env"]
        assert "written in place" in here.router.try_settings_file().warnings[-1]


@pytest.mark.parametrize("code", [errno.EBUSY, errno.EXDEV, errno.EPERM], ids=errno.errorcode.get)
def test_a_file_that_cannot_be_renamed_over_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A file that is mounted by itself, as containers do, is the same file afterwards, shorter or longer."""
    here = place(tmp_path, AT_10 + b"# a long remark\n" * 9)
    inode = here.target.settings_file.stat().st_ino

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "replace", refuse)
    assert here.router.make_safe() == ()
    assert here.router.settings().carries(SAFE_SETTINGS)
    assert here.target.settings_file.stat().st_ino == inode
    rewrite(here.target.settings_file, b"A=1\n")
    assert here.content == b"A=1\n"
    assert names_in(tmp_path) == ["anr.env"]


def test_a_folder_that_may_not_be_written_is_no_obstacle() -> None:
    """A file that this account may write is made safe where nothing can be put beside it."""
    with nobodys_folder() as folder, owned(folder, AT_10, NOBODY, NOBODY, 0o644) as path:
        here = place(folder, None)
        with denied(folder, 0o500):
            assert here.router.make_safe() == ()
            assert "written in place" in here.router.try_settings_file().warnings[-1]
        assert path.read_bytes() == SAFE_BYTES


def test_a_second_name_of_the_file_has_the_settings_too(tmp_path: Path) -> None:
    """A router that reads the file by another hard link gets what was written."""
    here = place(tmp_path, AT_10)
    (tmp_path / "router.env").hardlink_to(here.target.settings_file)
    assert here.router.make_safe() == ()
    assert (tmp_path / "router.env").read_bytes() == SAFE_BYTES


def test_what_may_be_replaced_and_not_read_keeps_its_other_settings() -> None:
    """A file of another account in a folder of ours is as it was, and who can do it is said; the reload runs all the same."""
    with nobodys_folder() as folder, nobodys_folder() as elsewhere, owned(folder, AT_10 + b"KEY=secret\n", 0, 0, 0o600) as path:
        here = place(folder, None, reload_command=("touch", str(elsewhere / "reloaded")))
        with denied(folder, 0o700):
            (problem,) = here.router.make_safe()
            assert here.router.try_settings_file().problem is not None
        assert path.read_bytes() == AT_10 + b"KEY=secret\n"
        assert "what else stands in it would be lost. It belongs to root: `sudo -u root anr rollback` can do it" in problem
        assert [name for name in names_in(folder) if name.startswith("anr.env")] == ["anr.env"]
        assert (elsewhere / "reloaded").exists()


@pytest.mark.parametrize(
    ("owner", "mode", "replaced"),
    [
        pytest.param(ROUTER, 0o444, True, id="everybody-reads-it"),
        pytest.param(0, 0o444, True, id="root-and-everybody-read-it"),
        pytest.param(ROUTER, 0o440, False, id="its-owner-could-not-any-more"),
    ],
)
def test_a_file_of_somebody_else_is_replaced_only_if_nobody_is_locked_out(owner: int, mode: int, *, replaced: bool) -> None:
    """Where only a new file can be put in its place, which has another owner, its readers decide."""
    with nobodys_folder() as folder, owned(folder, AT_10, owner, os.getgid() if mode == 0o444 else NOBODY, mode) as path:
        here = place(folder, None)
        os.setegid(NOBODY)
        try:
            with denied(folder, 0o700):
                problems = here.router.make_safe()
        finally:
            os.setegid(0)
        assert (problems == ()) is replaced
        assert path.read_bytes() == (SAFE_BYTES if replaced else AT_10)


def test_without_posix_calls_the_settings_are_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows knows no owners, lists and attributes, and refuses to rename over a file that somebody reads: promote and brake."""
    here = place(tmp_path, AT_10)
    monkeypatch.setattr(sys, "platform", "win32")
    for name in ("chown", "listxattr", "getxattr", "setxattr", "removexattr", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "geteuid"):
        monkeypatch.delattr(os, name)
    assert here.serve(25).observed.stage == 25
    assert here.router.make_safe() == ()

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "The process cannot access the file because it is being used by another process")

    monkeypatch.setattr(os, "replace", refuse)
    assert here.serve(50).observed.stage == 50
    assert here.router.make_safe() == ()
    assert here.content.decode().count("NOVA_ANR_KILL=1") == 1


def test_a_file_that_is_missing_is_not_made(tmp_path: Path) -> None:
    """No router reads a file that was not there: it is not called safe, and nothing is left where the options say it is."""
    here = place(tmp_path, None)
    (problem,) = here.router.make_safe()
    assert "does not exist" in problem
    assert "no file was made" in problem
    assert names_in(tmp_path) == []
    assert here.router.try_settings_file().problem == problem


def test_a_link_to_nothing_is_not_followed_into_being(tmp_path: Path) -> None:
    """A link whose file is gone makes no file, and no safe router."""
    here = place(tmp_path, None)
    here.target.settings_file.symlink_to(tmp_path / "gone.env")
    assert here.router.make_safe() != ()
    assert names_in(tmp_path) == ["anr.env"]


@pytest.mark.parametrize("kind", ["fifo", "device", "link-to-a-device", "socket"])
def test_what_is_no_file_hangs_nothing_and_is_not_replaced(tmp_path: Path, kind: str) -> None:
    """The brake and doctor's trial come back at once, the router is not called safe, and what stands there still does."""
    here = place(tmp_path, None)
    path = here.target.settings_file
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/full")
        here = place(tmp_path, None, settings_file=path)
    elif kind == "link-to-a-device":
        path.symlink_to("/dev/zero")
    else:
        os.mknod(path, stat.S_IFSOCK | 0o600)
    before = path.lstat().st_ino
    (problem,) = here.router.make_safe()
    assert "is not a regular file" in problem
    assert "is not a regular file" in (here.router.try_settings_file().problem or "")
    assert path.lstat().st_ino == before


# --- can the router's account read it? --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "list_", "folder_mode", "readable"),
    [
        pytest.param(0o644, None, 0o755, True, id="everybody"),
        pytest.param(0o640, None, 0o755, False, id="neither-owner-nor-group"),
        pytest.param(0o600, LET_ROUTER_READ, 0o755, True, id="by-an-entry-of-its-own"),
        pytest.param(0o644, None, 0o700, False, id="the-folder-above-is-closed"),
        pytest.param(
            0o600,
            acl((1, 6, 2**32 - 1), (2, 4, ROUTER), (4, 0, 2**32 - 1), (16, 0, 2**32 - 1), (32, 0, 2**32 - 1)),
            0o755,
            False,
            id="the-mask-takes-it",
        ),
    ],
)
def test_whether_an_account_may_read_is_what_the_kernel_says(
    mode: int, list_: bytes | None, folder_mode: int, *, readable: bool
) -> None:
    """What is told beforehand about the router's account is what happens when that account opens the file."""
    with nobodys_folder() as folder:
        path = folder / "anr.env"
        path.write_bytes(AT_10)
        path.chmod(mode)
        if list_ is not None:
            os.setxattr(path, ACL, list_)
        folder.chmod(folder_mode)
        opened = subprocess.run(["/bin/cat", path], capture_output=True, user=ROUTER, group=GROUP, extra_groups=[], check=False)
        assert (opened.returncode == 0) is readable
        assert may_read(path, str(ROUTER)) is readable


def test_a_router_that_may_not_read_is_not_safe(tmp_path: Path) -> None:
    """With `router_account` set the brake, doctor and readiness say that the router cannot read what was written."""
    with nobodys_folder() as folder, owned(folder, AT_10, NOBODY, NOBODY, 0o600):
        here = place(folder, None, router_account="daemon")
        (problem,) = here.router.make_safe()
        assert "The router's account daemon may not read" in problem
        assert here.router.unwritable() == problem
        assert place(folder, None, router_account=str(NOBODY)).router.make_safe() == ()


@pytest.mark.parametrize(
    ("account", "why"),
    [("", "`target.router_account` is not set"), ("no-such-account", "nobody here knows no-such-account")],
    ids=["not-set", "unknown"],
)
def test_what_cannot_be_told_is_said(tmp_path: Path, account: str, why: str) -> None:
    """Without knowing the router's account nothing fails, and nobody says that it can read the file."""
    here = place(tmp_path, AT_10, router_account=account)
    assert here.router.make_safe() == ()
    sentence = f"Whether the router's account can read the settings file cannot be told: {why}."
    assert here.router.remarks == (sentence,)
    assert sentence in here.router.try_settings_file().remarks


# --- knowing beforehand -----------------------------------------------------------------------------------------------


def test_a_rehearsal_changes_nothing(tmp_path: Path) -> None:
    """The settings file and its folder are as they were, whatever was tried."""
    here = place(tmp_path, AT_10)
    before = here.target.settings_file.stat()
    assert rehearse(here.target.settings_file) == Rehearsal(None)
    assert here.router.try_settings_file().problem is None
    after = here.target.settings_file.stat()
    assert (after.st_ino, after.st_mtime_ns, here.content) == (before.st_ino, before.st_mtime_ns, AT_10)
    assert names_in(tmp_path) == ["anr.env"]


def test_a_rehearsal_finds_what_cannot_be_written() -> None:
    """A file that may neither be replaced nor written is known before somebody brakes, with the command that will."""
    with nobodys_folder() as folder, owned(folder, AT_10, 0, 0, 0o644):
        here = place(folder, None)
        with denied(folder, 0o555):
            problem = here.router.unwritable()
        assert problem is not None
        assert "could not be written: its folder" in problem
        assert "`sudo -u root anr rollback`" in problem


def test_a_write_in_place_that_breaks_off_puts_the_old_bytes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk takes only part of the new bytes, the file says what it said."""
    path = tmp_path / "anr.env"
    path.write_bytes(AT_10)
    (tmp_path / "second").hardlink_to(path)
    real, calls = os.write, []

    def breaks_off(descriptor: int, data: memoryview) -> int:
        calls.append(len(data))
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[:3])

    monkeypatch.setattr(os, "write", breaks_off)
    with pytest.raises(OSError, match="No space left"):
        rewrite(path, b"NEW" * 99)
    assert path.read_bytes() == AT_10
