"""The guard between daily runs: a series of looks at the gates over a short window -> whether to freeze.

Pure. Excluded: measuring, remembering the series, and freezing (core/watch/watch.py).

A look fails if a gate fails that can be judged on so short a window. Silence is no failure and clears none: a look without
data neither counts nor ends a row. Where only some gates have data (few live decisions, a silent health endpoint), a row ends
once the gates that failed in it are seen to pass. A failing row belongs to its stage; another stage begins anew.
"""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from core.canonical import Moment
from core.gates.policy import GateName
from core.gates.report import GateReport, Verdict


class GuardMode(StrEnum):
    """What a sustained failure leads to."""

    OFF = "off"
    OBSERVE = "observe"
    ACT = "act"


class GuardPolicy(BaseModel):
    """How the guard looks."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    mode: GuardMode = Field(
        GuardMode.OBSERVE,
        description="what failures in a row lead to: `act` freezes, `observe` posts that it would have, `off` does not look",
    )
    every_minutes: int = Field(5, ge=1, le=60, description="how often the guard looks, in minutes")
    window_minutes: int = Field(60, ge=5, le=1440, description="length of the window that the guard looks at, in minutes")
    failures: int = Field(3, ge=1, le=20, description="how many looks in a row have to fail; looks without data do not count")
    decisions_min: int = Field(30, ge=1, description="fewest decisions in the guard's window for rates and medians to count")


class Look(BaseModel):
    """What one look found.

    Attributes:
        at: when it was looked.
        verdict: FAIL; PASS if every gate that counts was seen to pass or does not apply; else NO_DATA.
        reasons: why it failed, gate by gate.
        failed: the gates that failed.
        passed: the gates that were seen to pass, on a window that can clear a failure.
    """

    model_config = ConfigDict(frozen=True)

    at: Moment
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    failed: tuple[GateName, ...] = ()
    passed: tuple[GateName, ...] = ()


class Series(BaseModel):
    """What the looks add up to.

    Attributes:
        stage_since: begin of the stage that was looked at.
        last: the newest look.
        failing: the failing looks in a row, oldest first, at most as many as it takes.
        tripped_in: mode in which the row was long enough and had its effect; a row that ends, ends it.
    """

    model_config = ConfigDict(frozen=True)

    stage_since: Moment | None = None
    last: Look | None = None
    failing: tuple[Look, ...] = ()
    tripped_in: GuardMode | None = None


@dataclass(frozen=True, slots=True)
class Trip:
    """The gates failed often enough in a row."""

    looks: tuple[Look, ...]

    @property
    def text(self) -> str:
        """How often, since when and why, as a sentence."""
        reasons = "; ".join(self.looks[-1].reasons)
        return f"{len(self.looks)} looks in a row failed, the first at {self.looks[0].at:%H:%M} UTC: {reasons}"


_RATES = frozenset({GateName.RSI, GateName.ROLLBACKS, GateName.TRI})
_ENOUGH = frozenset({GateName.DECISIONS, GateName.FRESHNESS})
"""They say whether there is enough to judge rates by; on a short window a quiet hour is no failure."""

_ENOUGH_TO_PASS = _ENOUGH | {GateName.READING, GateName.SPAN}
"""What could not be read, and what the ledger does not reach back to, clears no failure; nor does it hide one."""

_NOT_THE_ROUTER = frozenset({GateName.ALERT_PATH})
"""A dead alert path refuses promotion; it says nothing of the router that serves."""


def judge(report: GateReport, at: Moment) -> Look:
    """Return what one look at the gates says.

    Rates and medians count only if there are decisions enough and the ledger is fresh; a breach of the fast cap and a sick
    slot count always. Nothing passes on a window that could not be read, or that the ledger does not span.
    """
    passing = {gate.name for gate in report.gates if gate.verdict is Verdict.PASS}
    asked = {gate.name for gate in report.gates}
    enough = asked & _ENOUGH <= passing
    counted = [
        gate
        for gate in report.gates
        if gate.name not in _ENOUGH_TO_PASS | _NOT_THE_ROUTER and (enough or gate.name not in _RATES)
    ]
    failing = tuple(gate for gate in counted if gate.verdict is Verdict.FAIL)
    if failing:
        reasons = tuple(f"{gate.name}: {gate.reason}" for gate in failing)
        return Look(at=at, verdict=Verdict.FAIL, reasons=reasons, failed=tuple(gate.name for gate in failing))
    if not asked & _ENOUGH_TO_PASS <= passing:
        return Look(at=at, verdict=Verdict.NO_DATA)
    passed = tuple(gate.name for gate in counted if gate.verdict is Verdict.PASS)
    silent = not passed or any(gate.verdict is Verdict.NO_DATA for gate in counted)
    return Look(at=at, verdict=Verdict.NO_DATA if silent else Verdict.PASS, passed=passed)


def is_due(series: Series, now: Moment, policy: GuardPolicy) -> bool:
    """Whether it is time to look again. A clock that was set back does not stop the guard."""
    if policy.mode is GuardMode.OFF:
        return False
    minutes = None if series.last is None else (now - series.last.at).total_seconds() / 60
    return minutes is None or minutes < 0 or minutes >= policy.every_minutes


def after(series: Series, look: Look, stage_since: Moment, policy: GuardPolicy) -> tuple[Series, Trip | None]:
    """Return the series with one more look, and the trip if that look made the row long enough.

    Args:
        series: the looks so far.
        look: the new one.
        stage_since: when the present stage began; looks before it count for nothing.
        policy: how many looks make a trip.
    """
    before = series if series.stage_since == stage_since else Series(stage_since=stage_since)
    if look.verdict is not Verdict.FAIL:
        failed = {name for earlier in before.failing for name in earlier.failed}
        clears = look.verdict is Verdict.PASS or (failed and failed <= set(look.passed))
        return Series(stage_since=stage_since, last=look) if clears else before.model_copy(update={"last": look}), None
    failing = (*before.failing, look)[-policy.failures :]
    trips = len(failing) >= policy.failures and before.tripped_in is not policy.mode
    tripped_in = policy.mode if trips else before.tripped_in
    grown = Series(stage_since=stage_since, last=look, failing=failing, tripped_in=tripped_in)
    return grown, Trip(failing) if trips else None
