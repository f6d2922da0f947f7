"""What of several payloads may be done together, and what came of each.

Excluded: doing it (core/brake/respond.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core.alerts.payload import AlertFacts
from core.receipts.chain import Sealed
from core.router.marks import BrakeNote


@dataclass(frozen=True, slots=True)
class BrakeResult:
    """What the brake did about one payload.

    Attributes:
        notes: the marks of causes that are new.
        shown: alerts whose story changes without a freeze, with the story.
        repeated: how many freezing alerts were held already.
        held: every freezing alert of the payload has its mark, or was lifted by a person.
        safe: the router is in its safe settings, if any alert of the payload freezes.
        problems: what went wrong, each a sentence.
    """

    at: datetime
    notes: tuple[BrakeNote, ...] = ()
    shown: tuple[tuple[str, AlertFacts], ...] = ()
    repeated: int = 0
    held: bool = True
    safe: bool = True
    problems: tuple[str, ...] = ()
    unmarked: frozenset[str] = field(default_factory=frozenset)

    @property
    def heard(self) -> tuple[AlertFacts, ...]:
        """The alerts of which something is to be recorded."""
        return (*(note.alert for note in self.notes if note.alert is not None), *(facts for _, facts in self.shown))


@dataclass(frozen=True, slots=True)
class RecordResult:
    """What was recorded about one payload.

    Attributes:
        sealed: the receipts.
        kept: nothing that was heard would be lost if the process died now.
        problems: what could not be recorded, each a sentence.
    """

    sealed: tuple[Sealed, ...] = ()
    kept: bool = True
    problems: tuple[str, ...] = ()


def nothing_in_common(payloads: Sequence[tuple[AlertFacts, ...]]) -> Iterator[list[tuple[AlertFacts, ...]]]:
    """Yield the payloads in their order, in runs of which no two are about the same group or the same alert."""
    run: list[tuple[AlertFacts, ...]] = []
    met: set[str] = set()
    for heard in payloads:
        about = {facts.group for facts in heard} | {facts.fingerprint for facts in heard}
        if about & met:
            yield run
            run, met = [], set()
        run.append(heard)
        met |= about
    if run:
        yield run


def until_shown(acted: Sequence[BrakeResult]) -> Iterator[list[BrakeResult]]:
    """Yield what was done in its order, in runs that end with what is shown, too: no receipt overtakes an earlier one."""
    run: list[BrakeResult] = []
    for result in acted:
        run.append(result)
        if result.shown:
            yield run
            run = []
    if run:
        yield run
