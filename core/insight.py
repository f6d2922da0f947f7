"""Why the next promotion does not happen, and what lies ahead, as people and scripts read it.

Excluded: gathering (core/overview.py), and judging what stands in the way (core/blockers.py).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.blockers import Blocker, Outlook, outlook
from core.canonical import rfc3339
from core.overview import Overview
from core.schedule import Schedule


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
            "blockers": [blocker.as_json() for blocker in self.blockers],
            "earliest": rfc3339(ahead.earliest) if ahead.earliest else None,
            "next_run": {"at": rfc3339(ahead.run_at), "does": ahead.run_does},
        }


def insight_into(seen: Overview, schedule: Schedule) -> Insight:
    """Return what an overview says about the next promotion."""
    return Insight(seen.now, seen.blockers, outlook(seen.question, schedule, seen.now))
