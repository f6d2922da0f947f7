"""Where marks of the chain are kept outside of the journal: what a channel has shown, a witness in other hands, signed heads.

A chain whose newest receipts were cut off, files and all, holds by itself; a mark that was shown before betrays it. A mark
proves something only where whoever writes the journal cannot change it: a log of the system, another account, a channel.

Excluded: comparing marks with the chain (core/journal/verification.py), and reading a channel (bot/slack/channel_marks.py).
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
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

    def saw(self, *marks: Mark, chain: Callable[[Collection[int]], Mapping[int, str]]) -> None:
        """Remember marks that were shown; of several the newest, but before all one that contradicts the chain.

        What contradicts the chain is evidence, and is never written over.

        Args:
            marks: what was shown.
            chain: returns digests by number: of the receipts that are asked about, of the oldest, and of the last one that was
                pruned.

        Raises:
            OSError: it cannot be written.
            WitnessUnreadable: what was seen before cannot be read, and is not written over.
        """
        before = self.newest()
        if not marks:
            return
        known = chain([mark.seq for mark in (*marks, before) if mark is not None])
        if before is not None and contradiction(before, known) is not None:
            return
        evidence = [mark for mark in marks if contradiction(mark, known) is not None]
        news = newest_of(evidence or marks)
        if news is not None and (evidence or before is None or before.seq < news.seq):
            make_folder(self._file.parent)
            write_durably(self._file, canonical_bytes(news.model_dump(mode="json")), shared=True)

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


class Witnesses:
    """Every place that a target's settings name, and the memory of what its channel has shown.

    Attributes:
        memory: what its channel has shown.
    """

    def __init__(self, target: TargetSettings) -> None:
        self._target = target
        self.memory = Witness(target.run_dir / "witness.json")
        self._lock = threading.Lock()
        self._newest: Sealed | None = None
        self._telling = False

    def marks(self) -> tuple[Marks, ...]:
        """Return what can be seen from here; a place that is set and holds nothing, or cannot be read, says so."""
        places = [self.memory.marks()]
        if self._target.witness_command or self._target.witness_read_command:
            places.append(self._told())
        if self._target.signed_heads is not None:
            places.append(heads_in(self._target.signed_heads, self._target.signing_public_key, self._target.name))
        return tuple(place for place in places if place.marks or place.problem)

    def tell(self, sealed: Sealed) -> None:
        """Tell the witness of a receipt that was recorded. Nobody waits: whoever brakes has done so, and looks meanwhile.

        One thread tells, and of those that came meanwhile the newest: it confirms them all. A process ends with that thread.
        """
        if not self._target.witness_command:
            return
        with self._lock:
            if self._newest is None or self._newest.receipt.seq < sealed.receipt.seq:
                self._newest = sealed
            if self._telling:
                return
            self._telling = True
        try:
            threading.Thread(target=self._tell, name="anr-witness").start()
        except RuntimeError:  # no thread can be had
            self._telling = False
            log.exception("the witness was not told of %s; it hears of it with the next receipt", sealed.mark)

    def _tell(self) -> None:
        while True:
            with self._lock:
                news, self._newest = self._newest, None
                if news is None:
                    self._telling = False
                    return
            line = line_of(Mark.of(news), self._target.name)
            try:
                piped(self._target.witness_command, line, timeout_s=WITNESS_SECONDS, limit=_MAX_BYTES)
            except (OSError, ValueError) as error:
                log.error("the witness was not told of %s (%s); what follows proves it once it is told", news.mark, error)  # noqa: TRY400 - foreseen

    def _told(self) -> Marks:
        source = "the witness"
        if not self._target.witness_read_command:
            return Marks(
                source, problem="it is told (`witness_command`), but nothing says how to read it (`witness_read_command`)"
            )
        try:
            text = piped(self._target.witness_read_command, b"", timeout_s=WITNESS_SECONDS, limit=_MAX_BYTES)
        except (OSError, ValueError) as error:
            return Marks(source, problem=f"it cannot be read ({error}). Nothing was compared with it")
        marks = marks_in_lines(text, self._target.name)
        return Marks(source, marks, "" if marks else "it holds no mark of this journal: it was deleted, or was never told")


def unreadable(places: Sequence[Marks]) -> str | None:
    """Say which place that should prove something does not, or None."""
    return next((f"{place.source}: {place.problem}" for place in places if place.problem), None)
