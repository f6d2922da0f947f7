"""Following the running router: looks again and again whether it does what was written, and records each turn once.

A look costs a glance at the journal's head and the ledger's last lines. It takes no lock, so that nobody waits for it and it
waits for nobody; a turn has a cause key, so that the bot and a command line that look at the same time record it once.

Excluded: what a sight means (core/receipts/observation.py), and the bot's loop (bot/observing.py).
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from core.actors import SCHEDULER
from core.brake.brake import Braked
from core.errors import AnrError, CauseAlreadyRecorded, JournalError
from core.operations.results import Moved
from core.operations.shadow import UnfrozenInShadow
from core.receipts.cause import Observed
from core.receipts.chain import Sealed
from core.receipts.drafts.origin import Origin
from core.receipts.drafts.sightings import router_observed, stage_seen
from core.receipts.evidence import RouterSighting
from core.receipts.observation import TOLERANCE, Evidence, Observation, Sight, is_turn, judge, told
from core.rollout.state import RolloutState, expected_of
from core.system.logs import logger
from core.target.target import Target, sighting_in

log = logger(__name__)
Result = TypeVar("Result")

OFTEN_SECONDS, RARELY_SECONDS = 1.0, 5.0
"""How often it is looked while nothing was seen, or the router should be safe; and else."""
_WAIT_SECONDS = 0.25
_JOURNAL_SECONDS = 1.0
"""How long a look waits for another process's transaction; the next look is a second away."""


class Observer:
    """Follows one running router. For one thread at a time.

    Attributes:
        seen: what was seen at the last look; None if nothing is expected of the router.
    """

    def __init__(self, target: Target, expected: Observation | None = None) -> None:
        """Follow `expected` as long as the journal does not have it."""
        self._target = replace(target, journal=target.journal.with_patience(_JOURNAL_SECONDS))
        self._expected = expected
        self._head = ""
        self._state: RolloutState | None = None
        self._looked_at = -RARELY_SECONDS
        self._unreadable = False
        self._is_recorded = False
        self.seen: Observation | None = None

    @property
    def story(self) -> str:
        """The operation with which the settings were written that are looked for; empty if nobody knows."""
        return self._state.acted_in if self._state is not None else ""

    def close(self) -> None:
        """Let go of the journal."""
        self._target.journal.close()

    def tick(self) -> Sealed | None:
        """Look if it is time to, or if something was recorded; return the receipt of a turn."""
        changed = self._read()
        calm = self.seen is None or (self.seen.sight.is_seen and not (self.seen.stage == 0 and self.seen.safe))
        due = time.monotonic() - self._looked_at >= (RARELY_SECONDS if calm else OFTEN_SECONDS)
        return self._look() if changed or due else None

    def look(self) -> Sealed | None:
        """Look now; return the receipt of a turn, None if there is none."""
        self._read()
        return self._look()

    def _read(self) -> bool:
        """Read the journal if it has grown; whether it has."""
        try:
            news = self._target.journal.state_after(self._head)
            if news is None:
                return False
            self._state, self._head = news
        except JournalError as error:
            if not self._unreadable:  # it is looked every second, and said once
                log.warning("what is expected of the router cannot be read; what was known last is looked for: %s", error)
            self._unreadable = True
            return False
        self._unreadable = False
        return True

    def _look(self) -> Sealed | None:
        self._looked_at = time.monotonic()
        asked = self._asked()
        if asked is None:
            self.seen = None
            return None
        evidence = self._target.evidence()
        self.seen = judge(asked, evidence)
        return self._note(self.seen, evidence)

    def _asked(self) -> Observation | None:
        """Return what is expected, with what was seen of it at the look before, which no receipt has to say.

        What was ordered last counts: a brake that is not in the journal yet has acted all the same.
        """
        recorded = None if self._state is None else expected_of(self._state)
        orders = [order for order in (recorded, self._expected, self._by_marks()) if order is not None]
        # in the same instant the brake counts; of two that are equal the first, which has its turns
        asked = max(orders, key=lambda order: (order.since, order.safe), default=None)
        self._is_recorded = asked is recorded
        seen = self.seen
        if asked is None or seen is None or (seen.since, seen.stage, seen.safe) != (asked.since, asked.stage, asked.safe):
            return asked
        return seen.model_copy(update={"turn": asked.turn})

    def _by_marks(self) -> Observation | None:
        """Return what the marks of brakes expect of which the journal does not know yet."""
        try:
            marks = {note.id: note for note in self._target.brake.in_force()}
        except AnrError:
            return None
        known = {hold.id for hold in self._state.holds} if self._state is not None else set()
        since = max((note.at for note in marks.values() if note.id not in known), default=None)
        return None if since is None else Observation(stage=0, safe=True, since=since, counts_from=since + TOLERANCE)

    def _note(self, seen: Observation, evidence: Evidence) -> Sealed | None:
        state = self._state
        if state is None or state.stage is None or not self._is_recorded:
            return None
        before = state.observation
        news = is_turn(before, seen) if before is not None else seen.serves_too_much
        if not news:
            return None
        turn = seen.turn + 1
        seen = seen.model_copy(update={"turn": turn})
        first = seen.sight is Sight.SEEN_STAGE and state.observed_since is None
        draft = self._target.draft(
            (stage_seen if first else router_observed)(
                Origin(state.began if first else state.acted_in or state.began, evidence.now, SCHEDULER),
                state.stage,
                Observed(state.acted, turn),
                _sighting(seen, evidence),
                seen,
            ),
        )
        try:
            sealed = self._target.journal.append(draft)
        except CauseAlreadyRecorded:
            return None  # somebody else looks too
        except JournalError as error:
            log.warning("what was seen of the router cannot be recorded; the next look tries again: %s", error)
            return None
        (log.error if seen.sight.contradicts else log.info)("the running router: %s", told(seen))
        return sealed


def _sighting(seen: Observation, evidence: Evidence) -> RouterSighting | None:
    if seen.source == "endpoint" and seen.pilot is not None and seen.at is not None:
        return RouterSighting(pilot=seen.pilot, at=seen.at)
    return sighting_in(evidence.tail)


def followed(target: Target, result: Result, sleep: Callable[[float], None] = time.sleep) -> Result:
    """Wait up to `observe_timeout_s` to see what came of a brake or a move, and return the result with what was seen.

    The act is over: nothing is delayed by it, and no lock is held. Whatever else the result is, it is returned as it is.
    """
    if isinstance(result, UnfrozenInShadow):
        return replace(result, shadow=followed(target, result.shadow, sleep))
    if isinstance(result, Braked | Moved):
        expected = result.observation if isinstance(result, Braked) else result.seen
        if expected is not None:
            return replace(result, observation=follow(target, expected, sleep))
    return result


def follow(target: Target, expected: Observation, sleep: Callable[[float], None] = time.sleep) -> Observation:
    """Wait up to `observe_timeout_s` until the running router is seen to do what is expected, and return what was seen."""
    observer = Observer(target, expected)
    ends = time.monotonic() + target.settings.observe_timeout_s
    try:
        while True:
            observer.look()
            seen = observer.seen if observer.seen is not None and observer.seen.since == expected.since else expected
            if seen.sight.is_seen or seen.sight is Sight.SERVING or time.monotonic() >= ends:
                return seen
            sleep(_WAIT_SECONDS)
    finally:
        observer.close()
