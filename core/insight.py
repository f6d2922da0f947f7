"""Why the next promotion does not happen, and what lies ahead: gathers what core/blockers.py judges.

A part that cannot be read is a blocker of its own and hides nothing else. Excluded: deciding anything on it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from core.actors import Actor, Approvable
from core.blockers import Blocker, Outlook, Question, blockers, outlook
from core.brake import BrakeReading
from core.canonical import rfc3339
from core.errors import AnrError
from core.site import Facts, Site

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Insight:
    """Everything that stands in the way of the next promotion at one moment, and what follows from it."""

    now: datetime
    blockers: tuple[Blocker, ...]
    ahead: Outlook

    def lines(self) -> tuple[str, ...]:
        """Return what lies ahead, as sentences for people."""
        ahead = self.ahead
        if ahead.to_stage is None:
            step = "There is no next stage." if ahead.from_stage is not None else "Nobody knows at which stage the router is."
        elif ahead.earliest is None:
            step = f"{ahead.from_stage} → {ahead.to_stage} % is possible once this is lifted:"
            return (self._run(), step)
        elif ahead.earliest <= self.now:
            step = f"{ahead.from_stage} → {ahead.to_stage} % can be asked for now."
        else:
            moment = f"{ahead.earliest:%Y-%m-%d %H:%M} UTC"
            step = f"{ahead.from_stage} → {ahead.to_stage} % is possible from {moment}, if the gates pass."
        return (step, self._run())

    def _run(self) -> str:
        return f"The next scheduled run is at {self.ahead.run_at:%Y-%m-%d %H:%M} UTC. {self.ahead.run_does}"

    def as_json(self) -> dict[str, Any]:
        """Return the insight's JSON."""
        ahead = self.ahead
        return {
            "from_stage": ahead.from_stage,
            "to_stage": ahead.to_stage,
            "blockers": [_blocker_json(blocker) for blocker in self.blockers],
            "earliest": rfc3339(ahead.earliest) if ahead.earliest else None,
            "next_run": {"at": rfc3339(ahead.run_at), "does": ahead.run_does},
        }


def gain_insight(site: Site) -> Insight:
    """Look at everything on which the next promotion depends."""
    now = site.clock()
    question = _question(site, now)
    return Insight(now, blockers(question), outlook(question, site.target.schedule, now))


def _question(site: Site, now: datetime) -> Question:
    unreadable: list[str] = []

    def read(what: Callable[[], _Read]) -> _Read | None:
        try:
            return what()
        except AnrError as error:
            unreadable.append(str(error))
            return None

    state, settings = read(site.journal.state), read(site.router.settings)
    report = read(lambda: site.measure(now, leaving_zero=state is not None and state.stage == 0))
    standing = None
    if state is not None:
        marks = read(site.brake.read) or BrakeReading("", ())
        drift = Facts(marks, settings, state, site.sighting()).drift if settings else None
        waiting = read(site.waiting) or ()
        standing = site.standing(state, now, marks=marks, drift=drift, waiting=waiting, report=report)
    return Question(standing, site.access.rule(Approvable.PROMOTE).approvers, site.target.schedule.promotion, tuple(unreadable))


def _blocker_json(blocker: Blocker) -> dict[str, Any]:
    owner = blocker.owner.model_dump(mode="json") if isinstance(blocker.owner, Actor) else blocker.owner
    return {
        "code": blocker.code,
        "text": blocker.text,
        "owner": owner,
        "lift": blocker.lift,
        "until": rfc3339(blocker.until) if blocker.until else None,
        "scheduled_only": blocker.scheduled_only,
    }
