"""What is so now, as far as it can be known: a part that cannot be read says so and hides nothing else.

Excluded: deciding anything on it; operations gather their own facts and refuse what they cannot read (core/site.py).
"""

from dataclasses import dataclass
from typing import Any

from core.approvals import Approval
from core.errors import AnrError
from core.report import Report
from core.rollout import RolloutState
from core.router import RouterSettings
from core.site import Facts, Site, observed


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that a status shows.

    Attributes:
        state: what the journal adds up to; None if it cannot be read.
        settings: what the router's settings file says; None if it cannot be read.
        report: the gates at this moment; None if the ledger cannot be read.
        problems: what is wrong or cannot be told, each a sentence.
    """

    target: str
    state: RolloutState | None
    pending: tuple[Approval, ...]
    settings: RouterSettings | None
    report: Report | None
    problems: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the overview's JSON."""
        return {
            "target": self.target,
            "state": self.state.model_dump(mode="json") if self.state else None,
            "settings": dict(self.settings.values) if self.settings else None,
            "pending": [one.model_dump(mode="json") for one in self.pending],
            "report": self.report.as_json() if self.report else None,
            "problems": self.problems,
        }


def look(site: Site) -> Overview:
    """Look at journal, settings, brake and ledger."""
    problems: list[str] = []
    state, report, brake = None, None, None
    pending: tuple[Approval, ...] = ()
    try:
        brake = site.brake.read()
    except AnrError as error:
        problems.append(str(error))
    try:
        state, pending = site.journal.state(), site.journal.pending()
    except AnrError as error:
        problems.append(str(error))
    settings, unreadable = observed(site)
    if unreadable:
        problems.append(unreadable)
    if state is not None and not state.revision:
        problems.append("The journal has not begun; `anr init` records the stage that the settings show. Promotion is blocked.")
    if state is not None and settings is not None and brake is not None:
        drift = Facts(brake, settings, state).drift
        problems.extend([f"Drift: {drift} Promotion is blocked."] if drift else [])
        if brake.frozen_by and not state.frozen:
            problems.append(f"{len(brake.frozen_by)} brake mark(s) are not in the journal yet; `anr recover` records them.")
    try:
        report = site.measure(site.clock(), leaving_zero=state is not None and state.stage == 0)
    except AnrError as error:
        problems.append(str(error))
    return Overview(site.target.name, state, pending, settings, report, tuple(problems))
