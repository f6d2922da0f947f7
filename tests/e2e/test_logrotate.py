"""The real logrotate beside a router that writes: whatever way it rotates, each line is read once."""

import os
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from core.errors import LedgerUnreadable
from core.ledger.entry import Entry
from core.ledger.window import Window, moment_of
from core.scan.scan import scan
from core.upkeep.archive_names import rotated_at
from tests.support.ledger_writers import KEEPS_OPEN, NEVER_LETS_GO, REOPENS, family_ids, ids_in, writing
from tests.support.rig import Rig

pytestmark = pytest.mark.e2e

NOW = "2025-10-01T09:00:00Z"
WINDOW = Window.ending(moment_of(1759312800_000_000), 180)  # until 10:00 that day
ROUNDS = 4
PROGRAM = shutil.which("logrotate") or "/usr/sbin/logrotate"
"""Debian keeps it where only root's path leads."""


def logrotate(folder: Path) -> list[str]:
    """The command that rotates the folder's ledger once, as soon as a name with the second in it is free; its clock is coarse."""
    while any(str(int(time.time() - late)) in path.name for path in folder.iterdir() for late in (0, 0.5)):
        pass
    return [PROGRAM, "--state", str(folder / "state"), "--force", str(folder / "conf")]


def rotate(folder: Path) -> None:
    done = subprocess.run(logrotate(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def configured(folder: Path, *directives: str) -> Path:
    """A folder for one ledger, and how logrotate is to rotate it."""
    folder.mkdir(mode=0o755)
    ledger = folder / "anr_ledger.ndjson"
    ledger.write_bytes(b"")
    text = "\n".join((f'"{ledger}" {{', "su root root" if os.geteuid() == 0 else "", "rotate 99", *directives, "}"))
    (folder / "conf").write_text(text + "\n", encoding="utf-8")
    (folder / "conf").chmod(0o644)
    return ledger


def read(ledger: Path) -> Counter[str]:
    """The ids of all decisions, as a report reads them."""
    found: list[Entry] = []
    scan(ledger, WINDOW, 0.15, on_entry=found.append)
    return Counter(decision.id or "" for decision in found)


def every_line_once(found: Counter[str], count: int) -> None:
    assert set(found) == {str(number) for number in range(1, count + 1)}
    assert [number for number, times in found.items() if times != 1] == []


@pytest.mark.parametrize(
    "directives",
    [
        pytest.param(("create", "nocompress"), id="create"),
        pytest.param(("create", "compress", "delaycompress"), id="create-delaycompress"),
        pytest.param(
            ("create", "compress", "delaycompress", "dateext", "dateformat -%Y%m%d-%s"), id="create-dateext-delaycompress"
        ),
        pytest.param(("nocreate", "dateext", "dateformat .%s", "extension .ndjson"), id="nocreate-dateext-extension"),
        pytest.param(("create", "compress", "compresscmd /usr/bin/xz", "compressext .xz", "delaycompress"), id="create-xz"),
    ],
)
def test_a_ledger_that_logrotate_renames_is_read_with_each_line_once(tmp_path: Path, directives: tuple[str, ...]) -> None:
    """Under a router that opens it for each line; each report in between has all that was there before it began."""
    ledger = configured(tmp_path / "run", *directives)
    with writing(REOPENS, ledger, old=NOW, now=NOW, pace=1) as router:
        for _ in range(ROUNDS):
            seen = read(ledger)
            rotate(ledger.parent)
            keep_apart(ledger.parent)
            until_written(ledger)
            after = read(ledger)
            assert set(seen) <= set(after)
            assert set(after.values()) == {1}
        count = router.ended()
    every_line_once(read(ledger), count)
    found = [path for path in ledger.parent.glob("anr_ledger*") if path.suffix != ".backup"]
    assert len(found) == ROUNDS + 1


def keep_apart(folder: Path) -> None:
    """Number what logrotate set aside: it names that by the hour, so that a second one in this hour would take its place."""
    for path in folder.glob("*-??????????.backup"):
        path.rename(path.with_name(path.name.replace(".backup", f"-{time.time_ns()}.backup")))


def until_written(ledger: Path) -> None:
    while not ledger.exists() or ledger.stat().st_size == 0:
        pass  # the router goes on


@pytest.mark.parametrize(
    "directives",
    [
        ("copytruncate",),
        ("copytruncate", "compress"),
        ("copytruncate", "dateext"),
        ("create", "compress"),
        ("create", "compress", "dateext"),
    ],
    ids="-".join,
)
def test_a_ledger_that_logrotate_copies_or_compresses_at_once_is_read_with_each_line_once(
    tmp_path: Path, directives: tuple[str, ...]
) -> None:
    """Between its lines: what a router writes during the copy or the compression logrotate itself loses, as its manual says."""
    ledger = configured(tmp_path / "run", *directives)
    count = 0
    for _ in range(1 if "dateext" in directives else ROUNDS):  # the date is the name
        with ledger.open("ab") as stream:
            for _ in range(50):
                count += 1
                stream.write(b'{"id":"%d","t":"%s","shadow":{"argmax":"R2"}}\n' % (count, NOW.encode()))
        rotate(ledger.parent)
        every_line_once(read(ledger), count)
    assert ledger.read_bytes() == b""


@pytest.mark.parametrize("code", [KEEPS_OPEN, NEVER_LETS_GO], ids=["reopens-when-told", "never-lets-go"])
def test_whoever_keeps_what_logrotate_renamed_open_is_read_too(tmp_path: Path, code: str) -> None:
    """With delaycompress, as its manual wants it for such a program; told by postrotate, or not at all."""
    ledger = configured(
        tmp_path / "run", "create", "compress", "delaycompress", "postrotate", f". {tmp_path}/postrotate", "endscript"
    )
    with writing(code, ledger, old=NOW, now=NOW, pace=1) as router:
        (tmp_path / "postrotate").write_text(f"kill -HUP {router.process.pid}\n", encoding="utf-8")
        rounds = ROUNDS if code == KEEPS_OPEN else 1  # the second would compress what is written to: logrotate's own loss
        for _ in range(rounds):
            seen = read(ledger)
            rotate(ledger.parent)
            if code == KEEPS_OPEN:
                until_written(ledger)
            assert set(seen) <= set(read(ledger))
        count = router.ended()
    every_line_once(read(ledger), count)


def test_a_rotation_that_never_rests_is_read_or_said(tmp_path: Path) -> None:
    """Each report is made while logrotate runs: it has every line once, as far as it goes, or says that it cannot tell."""
    ledger = configured(tmp_path / "run", "create", "compress", "delaycompress", "dateext", "dateformat -%s")
    reports = 0
    with writing(REOPENS, ledger, old=NOW, now=NOW, pace=1) as router:
        for _ in range(ROUNDS):
            with subprocess.Popen(logrotate(ledger.parent), stderr=subprocess.PIPE) as rotation:
                while rotation.poll() is None:
                    try:
                        found = read(ledger)
                    except LedgerUnreadable:
                        continue
                    reports += 1
                    every_line_once(found, max(map(int, found), default=0))
        count = router.ended()
    assert reports
    every_line_once(read(ledger), count)


def test_archiving_leaves_what_logrotate_rotates_alone(begun: Rig) -> None:
    """Neither renamed again, compressed, moved nor deleted, however old it is; and each line is still read once."""
    from core.upkeep.archive import Archived, archive  # noqa: PLC0415 - beside its only use

    folder = begun.settings.ledger.parent
    (folder / "conf").write_text(
        f'"{begun.settings.ledger}" {{\n su root root\n rotate 99\n create\n dateext\n}}\n', encoding="utf-8"
    )
    old = b'{"id":"1","t":"2023-07-15T12:00:00Z","shadow":{"argmax":"R2"}}\n'
    begun.settings.ledger.write_bytes(old)
    rotate(folder)
    (rotated,) = (path for path in folder.glob("ledger.ndjson-*"))
    os.utime(rotated, (1_690_000_000, 1_690_000_000))
    begun.settings.ledger.write_bytes(old.replace(b'"1"', b'"2"'))
    done = archive(begun.target, begun.people["olivia"])
    assert isinstance(done, Archived)
    assert [rotated_at(name, begun.settings.ledger.name) for name in done.renamed] == [begun.clock.now]
    begun.settings.ledger.write_bytes(old.replace(b'"1"', b'"3"'))
    begun.clock.pass_(days=500)
    archive(begun.target, begun.people["olivia"])
    assert ids_in(rotated.read_bytes()) == {"1": 1}
    assert family_ids(begun.settings.ledger)["1"] == 1
