"""The go/no-go report: a window's figures with the gates' verdicts on them. Pure."""

from dataclasses import dataclass
from typing import Any

from core.gates import GateReport
from core.metrics import WindowMetrics


@dataclass(frozen=True, slots=True)
class Report:
    """A window's figures with the gates' verdicts on them."""

    metrics: WindowMetrics
    gates: GateReport

    def as_json(self) -> dict[str, Any]:
        """Return the report's JSON."""
        gates = [gate.model_dump(mode="json") for gate in self.gates.gates]
        return {**self.metrics.as_json(), "gates": gates, "go": self.gates.go}
