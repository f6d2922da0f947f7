import os
import socket
import stat
import struct
import sys
from pathlib import Path

import pytest

from core.system import peers
from core.system.peers import listening_at, peer_of, reachable, removed


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077], ids=["umask-000", "umask-022", "umask-077"])
def test_a_socket_is_for_its_folders_group_whatever_the_umask_says(tmp_path: Path, mask: int) -> None:
    """It is there with these rights or not at all, and nothing else is left in the folder."""
    before = os.umask(mask)
    try:
        listener, _ = listening_at(tmp_path / "anr.sock")
    finally:
        os.umask(before)
    with listener:
        found = (tmp_path / "anr.sock").stat()
        assert (stat.S_ISSOCK(found.st_mode), stat.S_IMODE(found.st_mode)) == (True, 0o660)
        assert (found.st_uid, found.st_gid) == (tmp_path.stat().st_uid, tmp_path.stat().st_gid)
        assert [path.name for path in tmp_path.iterdir()] == ["anr.sock"]


def test_both_ends_know_who_is_at_the_other(tmp_path: Path) -> None:
    """The kernel says it, here of this process."""
    listener, _ = listening_at(tmp_path / "anr.sock")
    with listener, socket.socket(socket.AF_UNIX) as client, reachable(tmp_path / "anr.sock") as address:
        client.connect(address)
        listener.setblocking(True)  # noqa: FBT003 - the standard library's
        accepted, _ = listener.accept()
        with accepted:
            for end in (client, accepted):
                peer = peer_of(end)
                assert peer is not None
                assert (peer.pid, peer.uid) == (os.getpid(), os.geteuid())
                assert {os.getegid(), *os.getgroups()} <= set(peer.groups)


def test_a_folder_with_a_long_path_has_a_socket_too(tmp_path: Path) -> None:
    """The kernel takes no path of more than 108 bytes."""
    folder = tmp_path / ("a" * 200)
    folder.mkdir()
    listener, _ = listening_at(folder / "anr.sock")
    with listener, socket.socket(socket.AF_UNIX) as client, reachable(folder / "anr.sock") as address:
        client.connect(address)
    assert [path.name for path in folder.iterdir()] == ["anr.sock"]


def test_a_socket_that_a_dead_bot_left_is_replaced_and_only_ones_own_is_removed(tmp_path: Path) -> None:
    """Whoever ends late does not take the next one's socket away."""
    path = tmp_path / "anr.sock"
    first, made_first = listening_at(path)
    first.close()
    second, made_second = listening_at(path)
    with second:
        removed(path, made_first)
        assert path.is_socket()
        removed(path, made_second)
        assert not path.exists()


class OfMacOs:
    """A socket as macOS's kernel answers it (xnu's bsd/sys/ucred.h and bsd/sys/un.h)."""

    def getsockopt(self, level: int, option: int, size: int = 0) -> object:
        assert level == 0
        if option == 2:
            return 4711
        assert (option, size) == (1, 76)
        return struct.pack("=IIh2x16I", 0, 501, 2, 20, 80, *[0] * 14)


def test_macos_says_who_it_is_in_its_own_way() -> None:
    """Version, user, how many groups, and those."""
    connection: object = OfMacOs()
    assert peers._of_macos(connection) == (4711, 501, frozenset({20, 80}))  # type: ignore[arg-type]


def test_where_the_kernel_does_not_say_nobody_is_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No system that is not known is guessed at."""
    one, other = socket.socketpair()
    with one, other:
        monkeypatch.setattr(sys, "platform", "plan9")
        assert peer_of(one) is None
