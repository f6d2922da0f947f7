"""The brake's marks on disk, by which a brake wins every race against a promotion.

Each brake (rollback, step down, freeze) leaves a note of its own before it touches the router, and replaces the token.
Whoever writes anything but the safe settings looks at token and freezes before and after (core/router/control.py): if they
changed, the brake came in between. The notes do not need the journal; what could not be recorded there waits in them (rule 1).

Each note has a name of its own. Notes that are left together share one file under all their names, so that a storm of alerts
waits for one sync of the disk; whoever lifts one of them removes its name.

Where the first directory cannot be written, marks are left in a spare one beside the router's settings file: a disk on which
the safe settings could be written can take a mark, too. Where neither can be written, this process remembers.

Excluded: the router's settings, and the journal.
"""

import contextlib
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from core.actors import Actor
from core.alerts.payload import AlertFacts
from core.canonical import Moment, canonical_bytes
from core.errors import BrakeUnreadable
from core.receipts.evidence import BreakGlass
from core.receipts.receipt import Action
from core.system.files import create_together, make_folder, read_bounded, replace_unsynced, sync_directory, write_durably
from core.system.logs import logger

log = logger(__name__)

_MAX_NOTE_BYTES = 64 << 10
_PREFIX, _SUFFIX = "note-", ".json"
_TOGETHER_BYTES = 32 << 10
"""Longest file that several notes share: each of them is read out of all."""


class BrakeNote(BaseModel):
    """What a brake is, written before it acts: enough to record it later.

    Attributes:
        id: of the operation; of a freeze also that of its hold.
        expires_at: when a freeze ends by itself; None if somebody has to lift it.
        operation: joins the receipts of one story: of a request that was approved, or of a group of alerts; empty if the note
            is a story of its own.
        break_glass: whose approval was not waited for, where one was wanted.
        alert: the alert that asked for it.
        pilot_before: the pilot that stood in the router's settings before, as it was written.
        recorded: the journal has the receipt. A freeze's note stays until its hold is lifted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    action: Action
    actor: Actor
    reason: str
    cause: str | None
    at: Moment
    expires_at: Moment | None = None
    operation: str = ""
    break_glass: BreakGlass | None = None
    alert: AlertFacts | None = None
    pilot_before: str | None = None
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class BrakeReading:
    """What the marks say at one moment. Two equal readings mean that no brake came in between.

    Attributes:
        frozen_by: notes of freezes.
        waiting: notes that the journal does not have yet; a brake leaves its note before it is recorded.
    """

    token: str
    frozen_by: tuple[str, ...]
    waiting: tuple[str, ...] = ()


class Brake:
    """The marks of one target."""

    def __init__(self, directory: Path, spare: Path) -> None:
        self._directories = (directory, spare)
        self._remembered: dict[str, BrakeNote] = {}

    @property
    def remembered(self) -> tuple[BrakeNote, ...]:
        """The notes that only this process knows."""
        return tuple(self._remembered.values())

    def remember(self, notes: tuple[BrakeNote, ...]) -> None:
        """Know what another process knows and cannot write down."""
        self._remembered = {note.id: note for note in notes}

    def engage(self, *notes: BrakeNote) -> None:
        """Leave notes durably and replace the token.

        Raises:
            OSError: the marks can be written nowhere; this process remembers them, and the caller goes on with the router.
        """
        first: OSError | None = None
        for directory in self._directories:
            try:
                make_folder(directory)
                _leave(directory, notes)
                # no sync: who compares tokens lives through the brake, and no process lives through a crash of the machine
                replace_unsynced(directory / "token", notes[-1].id.encode() + b"\n")
            except OSError as error:
                log.warning("the brake's mark could not be written to %s (%s)", directory, error.strerror or error)
                first = first or error
            else:
                for note in notes:
                    self._remembered.pop(note.id, None)
                return
        self._remembered |= {note.id: note for note in notes}
        if first is not None:
            raise first

    def mark_recorded(self, note: BrakeNote) -> None:
        """The journal has this brake's receipt: a freeze's note stays as its mark, any other goes.

        Raises:
            OSError: the marks cannot be written.
        """
        if note.action is not Action.FREEZE:
            self.release((note.id,))
            return
        recorded = note.model_copy(update={"recorded": True})
        if note.id in self._remembered:
            self.engage(recorded)
        for directory in self._directories:
            if _path(directory, note.id).exists():
                # no sync: a mark that a crash of the machine spoils still freezes, and the journal knows what it was
                replace_unsynced(_path(directory, note.id), _bytes_of(recorded))

    def release(self, note_ids: tuple[str, ...]) -> None:
        """Remove the notes of holds that were lifted. Other notes and the token stay.

        Raises:
            OSError: a note cannot be removed.
        """
        for note_id in note_ids:
            self._remembered.pop(note_id, None)
        for directory in self._directories:
            for note_id in note_ids:
                with contextlib.suppress(FileNotFoundError):
                    _path(directory, note_id).unlink()
            if directory.is_dir():
                sync_directory(directory)

    def read(self) -> BrakeReading:
        """Return what the marks say. A note that cannot be understood counts as a freeze.

        Raises:
            BrakeUnreadable: a directory or a mark in it cannot be read.
        """
        tokens = [*(_token(directory) for directory in self._directories), *self._remembered]
        notes = self._notes()
        frozen = sorted(note_id for note_id, note in notes.items() if note is None or note.action is Action.FREEZE)
        waiting = sorted(note_id for note_id, note in notes.items() if note is not None and not note.recorded)
        return BrakeReading(" ".join(filter(None, tokens)), tuple(frozen), tuple(waiting))

    def has(self, note_id: str) -> bool:
        """Whether a note with this id is on disk."""
        return any(_path(directory, note_id).exists() for directory in self._directories)

    def freezes(self, besides: Collection[str] = ()) -> tuple[BrakeNote, ...]:
        """Return the notes of freezes in force that can be understood.

        Args:
            besides: ids of notes that are not wanted and need not be read.

        Raises:
            BrakeUnreadable: the directory or a mark in it cannot be read.
        """
        notes = self._notes(besides)
        return tuple(note for note in notes.values() if note is not None and note.action is Action.FREEZE)

    def in_force(self) -> tuple[BrakeNote, ...]:
        """Return the notes of freezes, and those that the journal does not have yet, as far as they can be understood.

        Raises:
            BrakeUnreadable: the directory or a mark in it cannot be read.
        """
        notes = (note for note in self._notes().values() if note is not None)
        return tuple(note for note in notes if note.action is Action.FREEZE or not note.recorded)

    def unrecorded(self) -> tuple[BrakeNote, ...]:
        """Return the notes that the journal does not have yet, oldest first.

        Raises:
            BrakeUnreadable: a directory or a mark in it cannot be read.
        """
        waiting = (note for note in self._notes().values() if note is not None and not note.recorded)
        return tuple(sorted(waiting, key=lambda note: note.at))

    def _notes(self, besides: Collection[str] = ()) -> dict[str, BrakeNote | None]:
        notes: dict[str, BrakeNote | None] = dict(self._remembered)
        for directory in self._directories:
            notes.update(_notes_in(directory, besides))
        return notes


def in_files(notes: Sequence[BrakeNote]) -> Iterator[tuple[BrakeNote, ...]]:
    """Yield the notes in the groups that share a file, in their order."""
    group: list[BrakeNote] = []
    size = 0
    for note in notes:
        length = len(_bytes_of(note))
        if group and size + length > _TOGETHER_BYTES:
            yield tuple(group)
            group, size = [], 0
        group.append(note)
        size += length
    if group:
        yield tuple(group)


def _token(directory: Path) -> str:
    try:
        return read_bounded(directory / "token", 1024).decode("utf-8", "replace").strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise _unreadable(directory, error) from error


def _notes_in(directory: Path, besides: Collection[str] = ()) -> dict[str, BrakeNote | None]:
    try:
        names = sorted(name for name in os.listdir(directory) if name.startswith(_PREFIX) and name.endswith(_SUFFIX))  # noqa: PTH208 - names are enough
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _unreadable(directory, error) from error
    notes: dict[str, BrakeNote | None] = {}
    for name in names:
        note_id = name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
        if note_id in besides:
            continue
        try:
            notes[note_id] = _understood(_line_of(note_id, read_bounded(directory / name, _MAX_NOTE_BYTES)))
        except FileNotFoundError:
            continue  # lifted between listing and reading
        except ValidationError:
            notes[note_id] = None
        except OSError as error:
            raise _unreadable(directory, error) from error
    return notes


def _line_of(note_id: str, data: bytes) -> bytes:
    """Return the note with an id out of those that share a file; all of it if it holds one, or none of that id."""
    lines = data.splitlines(keepends=True)
    if len(lines) < 2:
        return data
    named = f'"id":"{note_id}"'.encode()  # another note may say so in passing, of a label for example
    for line in lines:
        if named in line:
            with contextlib.suppress(ValidationError):
                if _understood(line).id == note_id:
                    return line
    return data


@lru_cache(maxsize=4096)  # after a storm of alerts there are many marks, and they are read again and again
def _understood(data: bytes) -> BrakeNote:
    return BrakeNote.model_validate_json(data)


def _leave(directory: Path, notes: Sequence[BrakeNote]) -> None:
    """Write notes that are new, in one file under all their names where the file system can, and synced where it can be.

    Raises:
        OSError: they cannot be written.
    """
    paths = [_path(directory, note.id) for note in notes]
    data = [_bytes_of(note) for note in notes]
    if os.name == "posix":
        try:
            create_together(paths, b"".join(data))
        except OSError as error:  # no links, or no sync: each for itself may do
            log.warning("the brake's marks in %s cannot be written together (%s)", directory, error.strerror or error)
        else:
            return
    for path, own in zip(paths, data, strict=True):
        try:
            write_durably(path, own, shared=True)
        except OSError as error:
            log.warning("the brake's mark %s cannot be synced (%s): a power cut may take it", path, error.strerror or error)
            replace_unsynced(path, own)


def _bytes_of(note: BrakeNote) -> bytes:
    return canonical_bytes(note.model_dump(mode="json"))


def _path(directory: Path, note_id: str) -> Path:
    if not note_id.isalnum():
        raise ValueError(f"{note_id!r} cannot be the id of a note")
    return directory / f"{_PREFIX}{note_id}{_SUFFIX}"


def _unreadable(directory: Path, error: OSError) -> BrakeUnreadable:
    return BrakeUnreadable(
        f"The brake's marks in {directory} cannot be read ({error.strerror or error}), so nothing but the safe "
        "settings may be written. Make the directory readable for the account that runs anr.",
    )
