"""What is so now, as far as it can be known: a part that cannot be read says so and hides nothing else.

Excluded: deciding anything on it; operations gather their own facts and refuse what they cannot read (core/target/target.py).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from core.actors import Approvable
from core.errors import AnrError
from core.gates.report import Report
from core.receipts.evidence import RouterSighting
from core.receipts.observation import Observation, Sight, to_do, told
from core.rollout.approvals import Approval
from core.rollout.blockers import Blocker, Question, blockers
from core.rollout.drift import Drift
from core.rollout.schedule import coming_run
from core.rollout.state import RolloutState
from core.router.control import RouterSettings
from core.router.marks import BrakeReading
from core.target.refusals import refusals
from core.target.target import Facts, Target, sighting_in
from core.text import Sentence

_Read = TypeVar("_Read")
_NO_MARKS = BrakeReading("", ())
_NEVER, _NOTHING_KNOWN = datetime(1970, 1, 1, tzinfo=UTC), Question(None)


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that a status shows.

    Attributes:
        state: what the journal adds up to; None if it cannot be read.
        settings: what the router's settings file says; None if it cannot be read.
        report: the gates at this moment; None if the ledger cannot be read.
        drift: how the router differs from what the journal says; None if it does not, or nobody can tell.
        sighting: what the running router last showed; None if it cannot be seen.
        problems: what is wrong or cannot be told, each a sentence.
        now: the moment that this is about.
        question: what the blockers of the next promotion were looked for in.
        blockers: everything that stands in the way of the next promotion.
        observation: what is seen of the running router now; None if nothing is expected of it.
    """

    target: str
    state: RolloutState | None
    pending: tuple[Approval, ...]
    settings: RouterSettings | None
    report: Report | None
    problems: tuple[str, ...]
    now: datetime = _NEVER
    question: Question = _NOTHING_KNOWN
    blockers: tuple[Blocker, ...] = ()
    drift: Drift | None = None
    sighting: RouterSighting | None = None
    observation: Observation | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the overview's JSON."""
        return {
            "target": self.target,
            "state": self.state.model_dump(mode="json", exclude={"past"}) if self.state else None,
            "settings": dict(self.settings.values) if self.settings else None,
            "pending": [intent.model_dump(mode="json") for intent in self.pending],
            "observation": self.observation.model_dump(mode="json") if self.observation else None,
            "report": self.report.as_json() if self.report else None,
            "blockers": [blocker.as_json() for blocker in self.blockers],
            "problems": self.problems,
        }


def look(target: Target) -> Overview:
    """Look at journal, settings, brake, the running router and the ledger."""
    now = target.clock()
    unreadable: list[str] = []

    def read(what: Callable[[], _Read]) -> _Read | None:
        try:
            return what()
        except AnrError as error:
            unreadable.append(str(error))
            return None

    brake, state, pending = read(target.brake.read), read(target.journal.state), read(target.journal.pending) or ()
    settings = read(target.router.settings)
    report = read(lambda: target.measure(now, leaving_zero=state is not None and state.stage == 0))
    evidence, difference = target.evidence(), None
    sighting = sighting_in(evidence.tail)
    observation = None if state is None else target.observe(state, evidence)
    if state is not None and settings is not None:
        difference = Facts(brake or _NO_MARKS, settings, state, sighting, observation).difference
    drift = difference.text if difference else None
    standing = None
    if state is not None:
        waiting = tuple(intent.id for intent in pending if intent.action is Approvable.PROMOTE)
        standing = target.standing(state, now, marks=brake or _NO_MARKS, drift=difference, waiting=waiting, report=report)
        day = coming_run(now, target.settings.schedule, state.ran).day
        veto = read(lambda: target.veto(day))
        standing = replace(standing, veto=veto)
    approvers = target.access.rule(Approvable.PROMOTE).approvers
    question = Question(standing, approvers, target.settings.schedule.promotion, tuple(dict.fromkeys(unreadable)))
    refused = read(lambda: refusals(target.settings.run_dir, now)) or ()
    problems = (
        *dict.fromkeys(unreadable),
        *_problems(state, brake, drift, observation),
        *(Sentence("The alert webhook refused in the last hour: ", refusal.told) for refusal in refused),
    )
    found = blockers(question)
    return Overview(
        target.settings.name, state, pending, settings, report, problems, now, question, found, difference, sighting, observation
    )


def _problems(
    state: RolloutState | None, brake: BrakeReading | None, drift: str | None, seen: Observation | None
) -> Iterator[str]:
    if seen is not None and (seen.sight.contradicts or seen.sight in {Sight.UNSEEN_TIMEOUT, Sight.NOT_SERVING}):
        yield f"{told(seen)} {to_do(seen)}"
    if state is not None and not state.revision:
        yield "The journal has not begun; `anr init` records the stage that the settings show. Promotion is blocked."
    if drift:
        yield f"Drift: {drift} Promotion is blocked."
    if state is not None and brake is not None and brake.frozen_by and not state.frozen:
        yield f"{len(brake.frozen_by)} brake mark(s) are not in the journal yet; `anr recover` records them."
