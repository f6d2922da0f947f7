"""The brake's marks on disk, by which a brake wins every race against a promotion.

Each brake (rollback, step down, freeze) leaves a note of its own before it touches the router, and replaces the token.
Whoever writes anything but the safe settings looks at token and freezes before and after (core/router.py): if they changed,
the brake came in between. The notes do not need the journal; what could not be recorded there waits in them (rule 1).

Excluded: the router's settings, and the journal.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from core.actors import Actor
from core.canonical import Moment, canonical_bytes
from core.errors import BrakeUnreadable
from core.files import read_bounded, sync_directory, write_durably
from core.receipts import Action

_MAX_NOTE_BYTES = 64 << 10


class BrakeNote(BaseModel):
    """What a brake is, written before it acts: enough to record it later.

    Attributes:
        id: of the operation; of a freeze also that of its hold.
        expires_at: when a freeze ends by itself; None if somebody has to lift it.
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
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class BrakeReading:
    """What the marks say at one moment. Two equal readings mean that no brake came in between."""

    token: str
    frozen_by: tuple[str, ...]


class Brake:
    """The marks in one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def engage(self, note: BrakeNote) -> None:
        """Leave a note durably and replace the token.

        Raises:
            OSError: the marks cannot be written; the caller goes on with the router all the same.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        self._write(note)
        write_durably(self._directory / "token", note.id.encode() + b"\n")

    def mark_recorded(self, note: BrakeNote) -> None:
        """The journal has this brake's receipt: a freeze's note stays as its mark, any other goes.

        Raises:
            OSError: the marks cannot be written.
        """
        if note.action is Action.FREEZE:
            self._write(note.model_copy(update={"recorded": True}))
        else:
            self.release((note.id,))

    def release(self, note_ids: tuple[str, ...]) -> None:
        """Remove the notes of holds that were lifted. Other notes and the token stay.

        Raises:
            OSError: a note cannot be removed.
        """
        for note_id in note_ids:
            with contextlib.suppress(FileNotFoundError):
                self._path(note_id).unlink()
        if self._directory.is_dir():
            sync_directory(self._directory)

    def read(self) -> BrakeReading:
        """Return what the marks say. A note that cannot be understood counts as a freeze.

        Raises:
            BrakeUnreadable: the directory or a mark in it cannot be read.
        """
        try:
            token = read_bounded(self._directory / "token", 1024).decode("utf-8", "replace").strip()
        except FileNotFoundError:
            token = ""
        except OSError as error:
            raise self._unreadable(error) from error
        frozen = [note_id for note_id, note in self._notes() if note is None or note.action is Action.FREEZE]
        return BrakeReading(token, tuple(sorted(frozen)))

    def unrecorded(self) -> tuple[BrakeNote, ...]:
        """Return the notes that the journal does not have yet, oldest first.

        Raises:
            BrakeUnreadable: the directory or a mark in it cannot be read.
        """
        waiting = (note for _, note in self._notes() if note is not None and not note.recorded)
        return tuple(sorted(waiting, key=lambda note: note.at))

    def _notes(self) -> list[tuple[str, BrakeNote | None]]:
        try:
            names = sorted(path.name for path in self._directory.iterdir() if path.match("note-*.json"))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unreadable(error) from error
        notes: list[tuple[str, BrakeNote | None]] = []
        for name in names:
            note_id = name.removeprefix("note-").removesuffix(".json")
            try:
                notes.append((note_id, BrakeNote.model_validate_json(read_bounded(self._directory / name, _MAX_NOTE_BYTES))))
            except FileNotFoundError:
                continue  # lifted between listing and reading
            except ValidationError:
                notes.append((note_id, None))
            except OSError as error:
                raise self._unreadable(error) from error
        return notes

    def _write(self, note: BrakeNote) -> None:
        write_durably(self._path(note.id), canonical_bytes(note.model_dump(mode="json")))

    def _path(self, note_id: str) -> Path:
        if not note_id.isalnum():
            raise ValueError(f"{note_id!r} cannot be the id of a note")
        return self._directory / f"note-{note_id}.json"

    def _unreadable(self, error: OSError) -> BrakeUnreadable:
        return BrakeUnreadable(
            f"The brake's marks in {self._directory} cannot be read ({error.strerror or error}), so nothing but the safe "
            "settings may be written. Make the directory readable for the account that runs anr.",
        )
