import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.system.files import create_together, read_bounded, write_durably

NOBODY = 65534
READER = """
import sys
from pathlib import Path

path, size = Path(sys.argv[1]), int(sys.argv[2])
whole, seen, reads = {letter * size for letter in (b"a", b"b")}, set(), 0
while reads < 300 or len(seen) < 2:
    data = path.read_bytes()
    if data not in whole:
        sys.exit(f"read {len(data)} bytes, {data.count(b'a')} of them a and {data.count(b'b')} b")
    seen.add(data[:1])
    reads += 1
"""
WRITER_ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from core.system.files import write_durably

resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_durably(Path(sys.argv[1]), b"new" * 4096)
except OSError as error:
    print(error.strerror)
"""


@contextmanager
def nobodys_folder() -> Iterator[Path]:
    """A folder that belongs to an account without privileges, outside of the folders of whoever runs the tests."""
    folder = Path(tempfile.mkdtemp())
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    try:
        yield folder
    finally:
        folder.chmod(0o700)
        shutil.rmtree(folder)


@contextmanager
def denied(folder: Path, mode: int) -> Iterator[None]:
    """Act as the account that owns `folder`, which has these permission bits: root itself is denied nothing."""
    folder.chmod(mode)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)


@contextmanager
def umask(bits: int) -> Iterator[None]:
    before = os.umask(bits)
    try:
        yield
    finally:
        os.umask(before)


def bits(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_reader_in_another_process_sees_whole_files_only(tmp_path: Path) -> None:
    """However often the file is replaced while another process reads it, every read gives one version from end to end."""
    path, size = tmp_path / "file", 1 << 18
    write_durably(path, b"a" * size)
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(path), str(size)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as reader:
        version = 0
        while reader.poll() is None:
            version += 1
            write_durably(path, b"ab"[version % 2 : version % 2 + 1] * size)
        said = reader.stdout.read() if reader.stdout else ""
    assert (reader.returncode, said) == (0, "")
    assert names_in(tmp_path) == ["file"]


def test_writers_at_the_same_time_do_not_mix(tmp_path: Path) -> None:
    """Of several writers in several threads one wins, and no temporary file is left."""
    path = tmp_path / "file"
    versions = {bytes([letter]) * 50_000 for letter in b"abcd"}
    barrier = threading.Barrier(len(versions))

    def write(data: bytes) -> None:
        barrier.wait()
        for _ in range(10):
            write_durably(path, data)

    writers = [threading.Thread(target=write, args=(data,)) for data in versions]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_bytes() in versions
    assert names_in(tmp_path) == ["file"]


def test_the_bytes_are_synced_before_the_rename_and_the_directory_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order without which a crash leaves a file of NUL bytes or an old name."""
    path, calls = tmp_path / "file", []
    real_sync, real_replace = os.fsync, os.replace

    def sync(descriptor: int) -> None:
        facts = os.fstat(descriptor)
        calls.append("directory synced" if stat.S_ISDIR(facts.st_mode) else f"{facts.st_size} bytes synced")
        real_sync(descriptor)

    def replace(source: str, destination: str) -> None:
        calls.append("renamed")
        real_replace(source, destination)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", replace)
    write_durably(path, b"new")
    assert calls == ["3 bytes synced", "renamed", "directory synced"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444], ids=oct)
def test_an_existing_file_keeps_its_permission_bits(tmp_path: Path, mode: int) -> None:
    """Whoever could read the file still can, and nobody else, whatever mode is asked for new files."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_durably(path, b"new", mode=0o604)
    assert (path.read_bytes(), bits(path)) == (b"new", mode)


@pytest.mark.parametrize("mask", [0o000, 0o077], ids=["umask-000", "umask-077"])
def test_a_new_file_gets_the_mode_that_is_asked_for(tmp_path: Path, mask: int) -> None:
    """A new file is closed to others unless asked otherwise, and the umask has no say."""
    with umask(mask):
        write_durably(tmp_path / "closed", b"new")
        write_durably(tmp_path / "open", b"new", mode=0o640)
    assert (bits(tmp_path / "closed"), bits(tmp_path / "open")) == (0o600, 0o640)


def test_a_rename_that_fails_leaves_no_temporary_file(tmp_path: Path) -> None:
    """A directory in the file's place stays, with what is in it, and nothing is left beside it."""
    place = tmp_path / "file"
    place.mkdir()
    (place / "inside").write_bytes(b"old")
    with pytest.raises(IsADirectoryError):
        write_durably(place, b"new")
    assert names_in(tmp_path) == ["file"]
    assert (place / "inside").read_bytes() == b"old"


def test_a_write_that_breaks_off_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    """When the disk takes only part of the bytes the old ones stay whole."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    command = [sys.executable, "-c", WRITER_ON_A_FULL_DISK, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("File too large\n", "")
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["file"]


def test_a_folder_that_may_not_be_written_leaves_the_old_file() -> None:
    """Without the right to the folder nothing changes, even where the file itself could be written."""
    with nobodys_folder() as folder:
        path = folder / "file"
        path.write_bytes(b"old")
        path.chmod(0o666)
        with denied(folder, 0o500), pytest.raises(PermissionError):
            write_durably(path, b"new")
        assert path.read_bytes() == b"old"
        assert names_in(folder) == ["file"]


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    """A durable write never guesses where files belong."""
    with pytest.raises(FileNotFoundError):
        write_durably(tmp_path / "missing" / "file", b"new")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("size", [0, 1, 9, 10], ids="{} of 10 bytes".format)
def test_what_fits_the_bound_is_read_whole(tmp_path: Path, size: int) -> None:
    """Up to and including the bound, every byte is returned as it is."""
    data = b"\x00\r\n\xff\xfe\n\xef\xbb\xbf!"[:size]
    (tmp_path / "file").write_bytes(data)
    assert read_bounded(tmp_path / "file", 10) == data


def test_what_is_longer_than_the_bound_is_refused(tmp_path: Path) -> None:
    """One byte too many is an error that names file and bound, never the first bytes."""
    (tmp_path / "file").write_bytes(b"x" * 11)
    with pytest.raises(OSError, match=r"file is longer than the 10 bytes that it may have"):
        read_bounded(tmp_path / "file", 10)


def test_a_file_without_end_is_refused() -> None:
    """A device is no file: what says that it is empty and never ends is not read at all."""
    with pytest.raises(OSError, match="not a regular file"):
        read_bounded(Path("/dev/zero"), 1024)


@pytest.mark.parametrize("obstacle", ["missing", "directory", "link in a circle"])
def test_what_is_no_file_is_an_error_and_never_empty_bytes(tmp_path: Path, obstacle: str) -> None:
    """Nothing to read is not the same as an empty file."""
    path = tmp_path / "file"
    if obstacle == "directory":
        path.mkdir()
    elif obstacle == "link in a circle":
        path.symlink_to(path)
    with pytest.raises(OSError, match="file"):
        read_bounded(path, 10)


def test_a_fifo_is_not_a_regular_file(tmp_path: Path) -> None:
    """Who reads with a bound reads regular files, so that no pipe without a writer can hold up a brake."""
    path = tmp_path / "file"
    os.mkfifo(path)

    feeder = threading.Thread(target=path.write_bytes, args=(b"x",))
    feeder.start()
    try:
        with pytest.raises(OSError, match="file"):
            read_bounded(path, 10)
    finally:
        reader = os.open(path, os.O_RDWR)  # lets go of a feeder that nobody read
        feeder.join()
        os.close(reader)


def test_a_replaced_file_keeps_owner_and_group() -> None:
    """The router, another account, can read its settings after the bot has written them."""
    with nobodys_folder() as folder:
        path = folder / "anr.env"
        path.write_bytes(b"old")
        os.chown(path, folder.stat().st_uid, folder.stat().st_gid)
        path.chmod(0o640)
        write_durably(path, b"new")
        assert (path.stat().st_uid, path.stat().st_gid, bits(path)) == (folder.stat().st_uid, folder.stat().st_gid, 0o640)
        assert path.read_bytes() == b"new"


def test_what_may_not_be_given_away_is_written_all_the_same() -> None:
    """An account without privileges keeps what it may, and the write itself is not refused."""
    with nobodys_folder() as folder:
        path = folder / "anr.env"
        path.write_bytes(b"old")
        with denied(folder, 0o700):
            write_durably(path, b"new")
        assert path.read_bytes() == b"new"


def test_one_file_goes_by_all_its_names_or_by_none(tmp_path: Path) -> None:
    """A name that is taken keeps its bytes, and nothing is left of the others; the folder's group may read it."""
    names = [tmp_path / name for name in ("a", "b", "c")]
    create_together(names, b"marks")
    assert [path.read_bytes() for path in names] == [b"marks"] * 3
    assert {(path.stat().st_ino, path.stat().st_mode & 0o777) for path in names} == {(names[0].stat().st_ino, 0o640)}
    with pytest.raises(FileExistsError):
        create_together([tmp_path / "d", tmp_path / "b", tmp_path / "e"], b"others")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]
    assert (tmp_path / "b").read_bytes() == b"marks"
