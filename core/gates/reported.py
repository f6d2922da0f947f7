"""The gates on the figures of a report that somebody kept: what it does not say is no data, whatever the policy accepts.

Pure. Excluded: reading the report (core/ledger/reported.py); promoting on it, which nothing does.
"""

from core.gates.evaluate import evaluate
from core.gates.policy import GateName, GatePolicy
from core.gates.report import AlertPath, Gate, GateReport, Report, SlotsHealth, Verdict
from core.ledger.reported import Reported

_NEEDS = {
    GateName.RSI: {"live", "rsi"},
    GateName.ROLLBACKS: {"live", "rollbacks", "known"},
    GateName.TRI: {"decisions", "known"},
    GateName.FAST_CAP: {"decisions", "fast_cap_breaches", "known"},
    GateName.DECISIONS: {"decisions"},
    GateName.READING: {"skipped"},
    GateName.SPAN: {"oldest", "newest"},
    GateName.FRESHNESS: {"newest"},
}


def judge_reported(
    found: Reported, slots: SlotsHealth, policy: GatePolicy, *, alert_path: AlertPath, leaving_zero: bool
) -> Report:
    """Hold a report's figures, with the slots and the alert path as they are now, against the policy.

    Args:
        found: the report's figures, and what it does not say.
        slots: the health of the router's slots, of this moment.
        policy: the bounds of the gates.
        alert_path: when the alert path last gave a sign of life.
        leaving_zero: the step is the one from 0, for which gates of live traffic do not apply.
    """
    judged = evaluate(found.metrics, slots, policy, alert_path=alert_path, leaving_zero=leaving_zero)
    gates = tuple(_as_far_as_said(gate, found.unsaid) for gate in judged.gates)
    return Report(found.metrics, GateReport(gates=gates, demanded=judged.demanded))


def _as_far_as_said(gate: Gate, unsaid: frozenset[str]) -> Gate:
    """Return a gate as it is if it fails, for more figures could not help it, or if everything that it needs is said."""
    missing = sorted(_NEEDS.get(gate.name, set()) & unsaid)
    if not missing or gate.verdict is Verdict.FAIL:
        return gate
    reason = f"the report does not say {', '.join(missing)}"
    return gate.model_copy(update={"verdict": Verdict.NO_DATA, "value": None, "reason": reason})
