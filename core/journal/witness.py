"""Where marks of the chain are kept outside of the journal: what a channel has shown, a witness in other hands, signed heads.

A chain whose newest receipts were cut off, files and all, holds by itself; a mark that was shown before betrays it. A mark
proves something only where whoever writes the journal cannot change it: a log of the system, another account, a channel.

Excluded: comparing marks with the chain (core/journal/verification.py), and reading a channel (bot/slack/channel_marks.py).
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from core.canonical import canonical_bytes
from core.errors import WitnessUnreadable
from core.journal.marks import Mark, Marks, contradiction, line_of, marks_in_lines, newest_of
from core.journal.signed_heads import heads_in
from core.receipts.chain import Sealed
from core.settings.target import TargetSettings
from core.system.files import make_folder, read_bounded, write_durably
from core.system.logs import logger
from core.system.processes import piped

log = logger(__name__)

WITNESS_SECONDS = 10.0
"""How long a witness is waited for; nobody waits for it who brakes: it is told on a thread."""
_MAX_BYTES = 16 << 20
"""How much a witness may give back."""


class Witness:
    """One file that remembers the newest mark that a channel has shown; in the same hands as the journal."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def saw(self, *marks: Mark, chain: Mapping[int, str]) -> None:
        """Remember marks that were shown; of several the newest, but before all one that contradicts the chain.

        What contradicts the chain is evidence, and is never written over.

        Args:
            marks: what was shown.
            chain: the digest of each receipt by its number, and of the last one that was pruned.

        Raises:
            OSError: it cannot be written.
            WitnessUnreadable: what was seen before cannot be read, and is not written over.
        """
        before = self.newest()
        if not marks or (before is not None and contradiction(before, chain) is not None):
            return
        evidence = [mark for mark in marks if contradiction(mark, chain) is not None]
        news = newest_of(evidence or marks)
        if news is not None and (evidence or before is None or before.seq < news.seq):
            make_folder(self._file.parent)
            write_durably(self._file, canonical_bytes(news.model_dump(mode="json")))

    def newest(self) -> Mark | None:
        """Return the newest mark that was shown, or None if none was.

        Raises:
            WitnessUnreadable: it cannot be read, or is no mark.
        """
        try:
            return Mark.model_validate_json(read_bounded(self._file, 4096))
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise WitnessUnreadable(
                f"{self._file}, which remembers the newest mark that was shown, cannot be read. Nothing was compared with it; "
                "compare the newest message in the channel with `anr verify --expect`, then move the file away.",
            ) from error

    def marks(self) -> Marks:
        """Return what it holds."""
        source = "what the bot remembers of the channel"
        try:
            newest = self.newest()
        except WitnessUnreadable as error:
            return Marks(source, problem=str(error), outside=False)
        return Marks(source, () if newest is None else (newest,), outside=False)


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Every place that a target's settings name, and the memory of what its channel has shown.

    Attributes:
        target: its settings.
        memory: what its channel has shown.
    """

    target: TargetSettings
    memory: Witness

    @classmethod
    def of(cls, target: TargetSettings) -> "Witnesses":
        """Return those of a target."""
        return cls(target, Witness(target.run_dir / "witness.json"))

    def marks(self) -> tuple[Marks, ...]:
        """Return what can be seen from here; a place that is set and holds nothing, or cannot be read, says so."""
        places = [self.memory.marks()]
        if self.target.witness_command or self.target.witness_read_command:
            places.append(self._told())
        if self.target.signed_heads is not None:
            places.append(heads_in(self.target.signed_heads, self.target.signing_public_key, self.target.name))
        return tuple(place for place in places if place.marks or place.problem)

    def tell(self, sealed: Sealed) -> None:
        """Tell the witness of a receipt that was recorded. Nobody waits: whoever brakes has done so, and looks meanwhile."""
        if not self.target.witness_command:
            return
        line = line_of(Mark.of(sealed), self.target.name)
        try:
            threading.Thread(target=self._tell, args=(line, sealed.mark), name="anr-witness").start()
        except RuntimeError:  # no thread can be had
            log.exception("the witness was not told of %s; it hears of it with the next receipt", sealed.mark)

    def _tell(self, line: bytes, mark: str) -> None:
        try:
            piped(self.target.witness_command, line, timeout_s=WITNESS_SECONDS, limit=_MAX_BYTES)
        except (OSError, ValueError) as error:
            log.error("the witness was not told of %s (%s); what follows proves it once it is told", mark, error)  # noqa: TRY400 - foreseen

    def _told(self) -> Marks:
        source = "the witness"
        if not self.target.witness_read_command:
            return Marks(
                source, problem="it is told (`witness_command`), but nothing says how to read it (`witness_read_command`)"
            )
        try:
            text = piped(self.target.witness_read_command, b"", timeout_s=WITNESS_SECONDS, limit=_MAX_BYTES)
        except (OSError, ValueError) as error:
            return Marks(source, problem=f"it cannot be read ({error}). Nothing was compared with it")
        marks = marks_in_lines(text, self.target.name)
        return Marks(source, marks, "" if marks else "it holds no mark of this journal: it was deleted, or was never told")


def unreadable(places: Sequence[Marks]) -> str | None:
    """Say which place that should prove something does not, or None."""
    return next((f"{place.source}: {place.problem}" for place in places if place.problem), None)
