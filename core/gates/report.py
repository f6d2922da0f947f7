"""What the gates say: a verdict for each, with the figures it rests on, as one report.

Pure. Excluded: how a verdict is reached (core/gates/evaluate.py).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from core.canonical import Moment, canonical_bytes
from core.gates.policy import ALWAYS_DEMANDED, GateName
from core.ledger.figures import WindowMetrics


class Verdict(StrEnum):
    """What a gate says. Only PASS and NOT_APPLICABLE let a promotion through."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    NO_DATA = "NO_DATA"
    NOT_APPLICABLE = "NOT_APPLICABLE"


class SlotsHealth(BaseModel):
    """What the router's health endpoint said: status by slot, or why there is no answer."""

    model_config = ConfigDict(frozen=True)

    statuses: Mapping[str, str] = Field(default_factory=dict)
    error: str | None = None


class AlertPath(BaseModel):
    """When the alert that always fires was last heard, or why nobody can say."""

    model_config = ConfigDict(frozen=True)

    heard: Moment | None = None
    error: str | None = None


class Gate(BaseModel):
    """One gate's verdict, with what was measured and the bound that it was held against."""

    model_config = ConfigDict(frozen=True)

    name: GateName
    verdict: Verdict
    value: float | None
    bound: float
    reason: str

    @property
    def passes(self) -> bool:
        """Whether this gate lets a promotion through."""
        return self.verdict in {Verdict.PASS, Verdict.NOT_APPLICABLE}

    @property
    def blind(self) -> bool:
        """Whether it blocks because nobody sees or hears enough, not because something is seen to be wrong."""
        about_data = self.name in {GateName.DECISIONS, GateName.FRESHNESS, GateName.ALERT_PATH}
        return self.verdict is Verdict.NO_DATA or (self.verdict is Verdict.FAIL and about_data)


def all_pass(gates: Iterable[Gate]) -> bool:
    """Whether each of these gates lets a promotion through."""
    return all(gate.passes for gate in gates)


class GateReport(BaseModel):
    """All gates over one window."""

    model_config = ConfigDict(frozen=True)

    gates: tuple[Gate, ...]
    demanded: frozenset[GateName] = ALWAYS_DEMANDED

    @property
    def go(self) -> bool:
        """True only if every gate that is demanded was asked, and each that was asked lets a promotion through."""
        return self.demanded <= {gate.name for gate in self.gates} and all_pass(self.gates)

    @property
    def blocking(self) -> tuple[Gate, ...]:
        """The gates that stand in the way of a promotion."""
        return tuple(gate for gate in self.gates if not gate.passes)

    @property
    def verdict_digest(self) -> str:
        """Digest of names, bounds and verdicts, but not of values, which change with every ledger line."""
        facts = [[gate.name, gate.verdict, gate.bound] for gate in self.gates]
        return sha256(canonical_bytes(facts)).hexdigest()


NOT_ASKED = SlotsHealth(error="not asked: the health of slots is known only for the present")
PATH_NOT_ASKED = AlertPath(error="not asked: whether the alert path is alive is known only for the present")


@dataclass(frozen=True, slots=True)
class Report:
    """A window's figures with the gates' verdicts on them."""

    metrics: WindowMetrics
    gates: GateReport

    def as_json(self) -> dict[str, Any]:
        """Return the report's JSON."""
        gates = [gate.model_dump(mode="json") for gate in self.gates.gates]
        return {**self.metrics.as_json(), "gates": gates, "go": self.gates.go}
