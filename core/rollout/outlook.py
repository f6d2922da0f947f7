"""Why the next promotion does not happen, and what lies ahead: as values, as sentences and as JSON.

Pure. Excluded: gathering (core/target/overview.py), and judging what stands in the way (core/rollout/blockers.py).
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from core.canonical import rfc3339
from core.rollout.blockers import Blocker, Question, blockers
from core.rollout.ladder import next_stage
from core.rollout.refusals import Code
from core.rollout.schedule import PromotionMode, Schedule, coming_run
from core.rollout.state import Learning, learning_of, not_counted
from core.text import Sentence


@dataclass(frozen=True, slots=True)
class Outlook:
    """What lies ahead.

    Attributes:
        from_stage, to_stage: the next step; None where there is none or nobody knows.
        earliest: the earliest moment at which a person can ask for it; None if something does not lift itself.
        first: the blockers that have to be lifted by somebody before that.
        run_at: when the next scheduled run begins.
        run_does: what it will do, as a sentence.
    """

    from_stage: int | None
    to_stage: int | None
    earliest: datetime | None
    first: tuple[Blocker, ...]
    run_at: datetime
    run_does: str


def outlook(question: Question, schedule: Schedule, now: datetime) -> Outlook:
    """Return when the next promotion is possible at the earliest, and what the next scheduled run will do.

    Gates are measured when the time comes: those that fail now are named among what has to be lifted first.
    """
    standing = question.standing
    stage = standing.state.stage if standing else None
    above = None if standing is None or stage is None else next_stage(stage, standing.stages)
    for_people = [blocker for blocker in blockers(question) if not blocker.scheduled_only]
    first = tuple(blocker for blocker in for_people if blocker.until is None)
    earliest = None if first else max((now, *(blocker.until for blocker in for_people if blocker.until)))
    run_at = coming_run(now, schedule, standing.state.ran if standing else None).begins
    return Outlook(stage, above, earliest, first, run_at, _run_does(question, max(run_at, now), stage, above))


def _run_does(question: Question, run_at: datetime, stage: int | None, above: int | None) -> str:
    """Say what a run at `run_at` does if nobody lifts anything until then."""
    standing = question.standing
    if standing is None or question.unreadable:
        return "It cannot run while something cannot be read; it is tried again within its grace."
    held = tuple(hold for hold in standing.state.holds if hold.expires_at is None or hold.expires_at > run_at)
    then = replace(question, standing=replace(standing, now=run_at, state=standing.state.model_copy(update={"holds": held})))
    at_present = {(blocker.code, blocker.lift): blocker.text for blocker in blockers(question)}
    waiting = [blocker for blocker in blockers(then) if blocker.code not in {Code.GATES_NOT_PASSED, Code.UNREADABLE}]
    if waiting:
        text = at_present.get((waiting[0].code, waiting[0].lift), waiting[0].text)  # ages and hours left as of now
        return Sentence("It reports and promotes nothing: ", text)
    does = "asks for an approval of" if question.mode is PromotionMode.APPROVE else "promotes"
    failing = standing.gates is not None and not standing.gates.go
    condition = "if the gates pass by then (they do not now)" if failing else "if the gates still pass then"
    return f"It reports, and {does} {stage}% → {above}% {condition}."


@dataclass(frozen=True, slots=True)
class Insight:
    """Everything that stands in the way of the next promotion at one moment, and what follows from it.

    Attributes:
        learning: from when on what the router learned and served counts; None if nobody can say.
    """

    now: datetime
    blockers: tuple[Blocker, ...]
    ahead: Outlook
    learning: Learning | None = None

    @property
    def does_not_count(self) -> str:
        """Say what of that which was learned and served does not count, because R4 was forced; empty if all of it does."""
        return "" if self.learning is None else not_counted(self.learning, self.now)

    def lines(self) -> tuple[str, ...]:
        """Return what lies ahead, as sentences for people."""
        ahead = self.ahead
        if ahead.to_stage is None:
            step = "There is no next stage." if ahead.from_stage is not None else "Nobody knows at which stage the router is."
        elif ahead.earliest is None:
            step = f"{ahead.from_stage}% → {ahead.to_stage}% is possible once this is lifted:"
            return (*filter(None, (self.does_not_count, self._run())), step)
        elif ahead.earliest <= self.now:
            step = f"{ahead.from_stage}% → {ahead.to_stage}% can be asked for now."
        else:
            step = Sentence(f"{ahead.from_stage}% → {ahead.to_stage}% is possible from ", ahead.earliest, ", if the gates pass.")
        return (step, *filter(None, (self.does_not_count, self._run())))

    def _run(self) -> str:
        return Sentence("The next scheduled run is at ", self.ahead.run_at, ". ", self.ahead.run_does)

    def as_json(self) -> dict[str, Any]:
        """Return the insight's JSON."""
        ahead = self.ahead
        return {
            "from_stage": ahead.from_stage,
            "to_stage": ahead.to_stage,
            "blockers": [blocker.as_json() for blocker in self.blockers],
            "counts": None if self.learning is None else _counts(self.learning),
            "earliest": rfc3339(ahead.earliest) if ahead.earliest else None,
            "next_run": {"at": rfc3339(ahead.run_at), "does": ahead.run_does},
        }


def insight_into(now: datetime, blockers: tuple[Blocker, ...], question: Question, schedule: Schedule) -> Insight:
    """Return what the blockers say about the next promotion.

    Args:
        now: the operation's one reading of the clock.
        blockers: everything that stands in the way.
        question: what they were found from.
        schedule: when the daily run is made.
    """
    state = question.standing.state if question.standing else None
    learning = None if state is None else learning_of(state)
    return Insight(now, blockers, outlook(question, schedule, now), learning)


def _counts(learning: Learning) -> dict[str, Any]:
    return {"killed": learning.killed, "since": rfc3339(learning.since) if learning.since else None}
