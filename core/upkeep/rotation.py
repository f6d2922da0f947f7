"""Giving the ledger's file another name while the router appends, as logrotate does: rename, then an empty file in its place.

The rename moves whatever has the ledger's name at that moment, and the new file is put there only if nobody else was faster, so
that no file with lines in it is ever replaced. Whoever still has the old file open goes on writing to it: it is read as part of
the family (core/scan/family.py).

Excluded: when it is done (core/upkeep/archive.py), and what becomes of the old file (core/upkeep/packing.py).
"""

import contextlib
import itertools
import os
import shutil
import sys
from datetime import datetime
from pathlib import Path

from core.errors import ArchiveError
from core.ledger.entry import BOM, MAX_LINE_BYTES, Entry, read_line
from core.system.files import open_regular, rename_patiently, sync_directory
from core.upkeep.archive_names import is_packed, rotated_at

_HEAD_LINES = 10_000
_MICROSECONDS = 1_000_000


def begins_before(ledger: Path, moment: datetime) -> bool:
    """Whether the ledger's first lines, which are nearly in order, have one that is older than a moment.

    Raises:
        ArchiveError: the ledger cannot be read.
    """
    limit = int(moment.timestamp()) * _MICROSECONDS
    try:
        with open_regular(ledger) as stream:
            head = itertools.takewhile(bool, (stream.readline(MAX_LINE_BYTES) for _ in range(_HEAD_LINES)))
            entries = (read_line(line.removeprefix(BOM)) for line in head)
            return any(isinstance(entry, Entry) and entry.t_us < limit for entry in entries)
    except OSError as error:
        raise _not_renamed(ledger, error, "see what stands there") from error


def rotate(ledger: Path, renamed: Path) -> None:
    """Give the ledger's file its new name, and put an empty one of the same owner and rights in its place.

    Args:
        ledger: a path without links.
        renamed: a path in the same folder that nothing has.

    Raises:
        ArchiveError: it could not be done; every line is where it was.
    """
    fresh = _prepared(ledger, ledger)
    try:
        if renamed.exists():
            raise FileExistsError(f"there is a {renamed.name} already")
        rename_patiently(ledger, renamed)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        advice = "whoever has it open has to close it first; it is tried again" if os.name == "nt" else "see who else moves it"
        raise _not_renamed(ledger, error, advice) from error
    _put(fresh, ledger)


def go_on(ledger: Path) -> None:
    """Put an empty ledger where a rotation died between its two steps; nothing is done where there is a ledger, or never was.

    Raises:
        ArchiveError: it could not be made.
    """
    if ledger.exists():
        return
    try:
        with os.scandir(ledger.parent) as entries:
            left = [entry.name for entry in entries if rotated_at(entry.name, ledger.name) and not is_packed(entry.name)]
    except OSError:
        return
    if left:
        _put(_prepared(ledger.with_name(max(left)), ledger), ledger)


def _prepared(like: Path, ledger: Path) -> Path:
    """Make an empty file with owner, group, mode and access list of another one; it has the rights before it has the name."""
    fresh = ledger.with_name(f".{ledger.name}.fresh")
    try:
        fresh.unlink(missing_ok=True)
        os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        before = like.stat()
        if sys.platform != "win32" and (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(fresh, before.st_uid, before.st_gid)
        shutil.copystat(like, fresh)
        os.utime(fresh)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise _not_renamed(ledger, error, "let the account that runs anr make files like it there") from error
    return fresh


def _put(fresh: Path, ledger: Path) -> None:
    """Give the prepared file the ledger's name, unless somebody has one there already: the router, with its next line."""
    try:
        with contextlib.suppress(FileExistsError):
            try:
                os.link(fresh, ledger)  # unlike a rename it never replaces what is there
            except OSError:
                ledger.open("xb").close()  # a file system without links has no owners either
        fresh.unlink()
        sync_directory(ledger.parent)
    except OSError as error:
        raise ArchiveError(
            f"The ledger's file has its new name, but no empty {ledger} could be made ({error.strerror or error}). No line was "
            "lost; the router makes one with its next line, or `anr recover` does.",
        ) from error


def _not_renamed(ledger: Path, error: OSError, advice: str) -> ArchiveError:
    return ArchiveError(
        f"The ledger {ledger} could not be given another name ({error.strerror or error}). It is as it was; {advice}."
    )
