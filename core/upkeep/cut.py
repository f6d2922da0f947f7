"""Letting a new file take the ledger's place while the router appends, without losing a line.

The ledger is never cut in place. The new file takes its name in one rename; the old one keeps a hidden name until nobody
writes to it any more. What was appended to it meanwhile is then copied into room that the new file has for it: blank lines,
which readers ignore. Nothing is ever appended to a file that the router appends to, so that no line of ours can land inside
one of the router's.

That nobody writes to the old file any more is the kernel's word (core/upkeep/leases.py). Where it cannot be had, archiving is
refused.

A note beside the ledger says how far it went before the name changes hands (`Cut`). Killed at any moment, all lines are in the
ledger, or in it and the old file, and `pending` and `finish` know which.

Excluded: what the new file holds (core/upkeep/months.py), and how the router is made to open its ledger anew
(core/upkeep/archive.py).
"""

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from core.actors import Actor
from core.canonical import Moment, canonical_bytes
from core.errors import ArchiveError
from core.receipts.evidence import LedgerArchive
from core.system.files import open_regular, read_bounded, sync_directory, write_durably
from core.upkeep.leases import POLL_SECONDS, becomes, lease_alone, lease_without_writers, leases_work, without_writer
from core.upkeep.months import BLANK_LINE

DRAIN_SECONDS = 10.0
"""How long the router may go on writing to the old file before the cut is taken back."""
PROBE_SECONDS = 2.0
"""How long to look for a moment at which nobody has the ledger open."""
QUIET_SECONDS = 0.2
"""How long the old file has to stay without a writer: longer than the kernel takes to open a file that it has looked up."""
_MAX_NOTE_BYTES = 1 << 20


class Cut(BaseModel):
    """The note of one cut, written before the ledger's name changes hands.

    Attributes:
        receipt_id: of the receipt that this cut gets, however it is finished.
        inode: of the file that was the ledger.
        copied: how many of its bytes are in the archives and the new file; what it has beyond them is late.
        new_inode: of the file that takes its place.
        room_at: where in the new file the room for late lines begins.
        room: its length, in bytes.
        expired: archives that are too old.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    receipt_id: str
    operation: str
    actor: Actor
    cause: str | None
    at: Moment
    archives: tuple[LedgerArchive, ...]
    expired: tuple[str, ...]
    inode: int
    copied: int
    new_inode: int
    room_at: int
    room: int


class LedgerCut:
    """Cuts one ledger, a path without links. The caller makes sure that only one does so at a time.

    Attributes:
        fresh: where the file is written that is to take the ledger's place.
    """

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        names = ("fresh", "old", "cut.json", "probe")
        self.fresh, self._old, self._note, self._probe = (ledger.with_name(f".{ledger.name}.{part}") for part in names)

    def can_prove(self) -> None:
        """Make sure that the kernel can say, here and of this ledger, whether anybody writes to a file.

        Raises:
            ArchiveError: it cannot; nothing was changed.
        """
        if sys.platform != "linux":
            raise ArchiveError(
                "Only Linux can tell whether anybody still writes to a file, so on this system a line could be lost. Nothing "
                "was changed; archive where the router runs, or stop the router and compress the ledger by hand.",
            )
        try:
            proven = leases_work(self._probe)
            with contextlib.suppress(BlockingIOError), lease_without_writers(self._ledger):
                pass
        except OSError as error:
            raise self._error("cannot be watched", error, "run anr as the account that owns the ledger") from error
        if not proven:
            raise ArchiveError(
                f"The file system of {self._ledger} does not tell who has a file open (a network file system?), so a line "
                "could be lost. Nothing was changed; keep the ledger on a local file system.",
            )

    def is_kept_open(self) -> bool:
        """Whether somebody has the ledger open for writing all the time, and does not open it anew for each line.

        Raises:
            ArchiveError: nobody can tell.
        """
        try:
            return not becomes(lambda: without_writer(self._ledger), PROBE_SECONDS)
        except OSError as error:
            raise self._error("cannot be watched", error, "run anr as the account that owns the ledger") from error

    def swap(self, cut: Cut) -> None:
        """Let the new file take the ledger's name. From here on `finish` has to bring it to its end.

        Raises:
            ArchiveError: it could not; the ledger is as it was.
        """
        try:
            write_durably(self._note, canonical_bytes(cut.model_dump(mode="json")))
            os.link(self._ledger, self._old)
            _is_still(self._old.stat(), cut.inode)
            sync_directory(self._ledger.parent)
            self.fresh.replace(self._ledger)
            sync_directory(self._ledger.parent)
        except OSError as error:
            if not self._swapped():
                self._clear()
            raise self._error("could not be replaced", error, "see who else moves it") from error

    def pending(self) -> Cut | None:
        """Return the cut that has to be finished, or None. What died before the ledger's name changed is cleared away.

        Raises:
            ArchiveError: the note cannot be read.
        """
        try:
            cut = self._noted()
            if cut is not None and self._swapped():
                return cut
            if cut is not None:
                self._set_strays_aside(cut)
            self._clear()
        except (OSError, ValueError) as error:
            raise ArchiveError(
                f"An archive of the ledger {self._ledger} died, and only the note {self._note} says which lines of {self._old} "
                f"are not in the ledger yet ({error}). Nothing was changed; keep both files and bring the lines over by hand.",
            ) from error
        return None

    def _noted(self) -> Cut | None:
        try:
            return Cut.model_validate_json(read_bounded(self._note, _MAX_NOTE_BYTES))
        except FileNotFoundError:
            return None

    def finish(self, cut: Cut, before_the_end: Callable[[], None], *, wait_s: float = DRAIN_SECONDS) -> bool:
        """Bring a cut to its end: wait until nobody writes to the old file, and copy what came late.

        Args:
            cut: the note.
            before_the_end: records it; called once all lines are in the ledger, before the old file goes.
            wait_s: how long to wait.

        Returns:
            False if somebody goes on writing to the old file; nothing was lost, and it can be tried again or taken back.

        Raises:
            ArchiveError: something cannot be read or written; all lines are in the ledger or the old file.
        """
        ends = time.monotonic() + wait_s
        try:
            while time.monotonic() < ends:
                with contextlib.suppress(BlockingIOError), lease_without_writers(self._old) as broken:
                    if not becomes(broken, QUIET_SECONDS):
                        cut = self._copy_late(cut)
                        before_the_end()
                        if not broken():  # else somebody was just opening it, and now writes
                            self._old.unlink()
                            self._clear()
                            sync_directory(self._ledger.parent)
                            return True
                time.sleep(POLL_SECONDS)
        except OSError as error:
            raise self._error(
                f"was archived, but late lines in {self._old} could not be copied", error, "run `anr recover`"
            ) from error
        return False

    def take_back(self, cut: Cut) -> bool:
        """Give the old file its name again, if nobody has written to the new one. Return whether that could be done.

        Raises:
            ArchiveError: it could not be done half-way; the message names the files.
        """
        length = cut.room_at + cut.room
        try:
            if self._ledger.stat().st_size != length:
                return False
            self.fresh.unlink(missing_ok=True)
            os.link(self._ledger, self.fresh)  # whoever opened it this moment writes to a file that has a name
            self._old.replace(self._ledger)
            self._note.unlink()
            sync_directory(self._ledger.parent)
            becomes(lambda: without_writer(self.fresh), PROBE_SECONDS)
            self._set_strays_aside(cut)
            self.fresh.unlink()
        except OSError as error:
            raise self._error("could not get its old file back", error, "run `anr recover`") from error
        return True

    def _set_strays_aside(self, cut: Cut) -> None:
        """Keep lines that somebody wrote to the new file in the moment in which the old one got its name back."""
        length = cut.room_at + cut.room
        if not self.fresh.exists() or (self.fresh.stat().st_size == length and without_writer(self.fresh)):
            return
        late = self._ledger.with_name(f"{self._ledger.name}.late-{time.time_ns()}")
        self.fresh.rename(late)
        self._note.unlink(missing_ok=True)
        raise ArchiveError(
            f"While the ledger {self._ledger} was put back, lines were written to {late}, after byte {length:,}. "
            "They are not in the ledger; append them by hand.",
        )

    def _copy_late(self, cut: Cut) -> Cut:
        """Write what the old file has beyond the copied bytes into the room; safe to repeat, and while others append."""
        with open_regular(self._old) as stream:
            stream.seek(cut.copied)
            late = stream.read()
        if late and not late.endswith(b"\n"):
            late += b"\n"  # its writer died inside this line
        if len(late) > cut.room:
            cut = self._make_room(cut, len(late))
        if late:
            with self._ledger.open("r+b") as ledger:
                _is_still(os.fstat(ledger.fileno()), cut.new_inode)
                ledger.seek(cut.room_at)
                ledger.write(late)
                ledger.flush()
                os.fsync(ledger.fileno())
        return cut

    def _make_room(self, cut: Cut, needed: int) -> Cut:
        """Append more blank lines to the ledger, in a moment in which nobody else has it open."""
        ends = time.monotonic() + PROBE_SECONDS
        while time.monotonic() < ends:
            with contextlib.suppress(BlockingIOError), lease_alone(self._ledger) as descriptor:
                room_at = os.lseek(descriptor, 0, os.SEEK_END)
                blank = BLANK_LINE * (needed // len(BLANK_LINE) + 1)
                left = memoryview(blank)
                while left:
                    left = left[os.write(descriptor, left) :]
                os.fsync(descriptor)
                cut = cut.model_copy(update={"room_at": room_at, "room": len(blank)})
                write_durably(self._note, canonical_bytes(cut.model_dump(mode="json")))
                return cut
            time.sleep(POLL_SECONDS)
        raise OSError(f"{needed:,} bytes came late, there is room for {cut.room:,}, and the ledger is always open")

    def _swapped(self) -> bool:
        try:
            old = self._old.stat()
        except FileNotFoundError:
            return False
        try:
            return not os.path.samestat(old, self._ledger.stat())
        except FileNotFoundError:
            return True  # then the old file is all there is

    def _clear(self) -> None:
        """Remove what is left of a cut that never changed the ledger's name."""
        if self._swapped():
            raise OSError(f"{self._old} holds lines of an earlier archive that was not finished")
        for path in (self._old, self.fresh, self._probe, self._note):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    def _error(self, what: str, error: OSError, advice: str) -> ArchiveError:
        return ArchiveError(
            f"The ledger {self._ledger} {what} ({error.strerror or error}). No line was lost; {advice}, then try again."
        )

    def inodes(self) -> tuple[int, int]:
        """Return the inodes of the ledger and of the file that may take its place.

        Raises:
            ArchiveError: one of them is gone.
        """
        try:
            return self._ledger.stat().st_ino, self.fresh.stat().st_ino
        except OSError as error:
            raise self._error("cannot be replaced", error, "see who else moves it") from error


def _is_still(found: os.stat_result, inode: int) -> None:
    if found.st_ino != inode:
        raise OSError("something else replaced it meanwhile")
