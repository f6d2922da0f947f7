"""The go/no-go gates: metrics, slots health and policy in, a verdict for each gate out.

Pure. Excluded: reading the ledger, asking the router for its health, and what follows from a verdict (decisions.py).
The gates and their bounds are the runbook's; the decisions floor and freshness are what operators apply by eye today.
"""

from core.gates.policy import GateName, GatePolicy
from core.gates.report import PATH_NOT_ASKED, AlertPath, Gate, GateReport, SlotsHealth, Verdict
from core.ledger.figures import WindowMetrics
from core.ledger.window import moment_of

_CLOCK_SKEW_MINUTES = 5


def evaluate(
    metrics: WindowMetrics,
    slots: SlotsHealth,
    policy: GatePolicy,
    *,
    alert_path: AlertPath = PATH_NOT_ASKED,
    leaving_zero: bool = False,
) -> GateReport:
    """Hold one window's metrics, the slots' health and the alert path against the policy.

    Args:
        metrics: the window's figures; its `generated_at` is the reference time of freshness.
        slots: what the health endpoint said.
        policy: the bounds, and whether the alert path is asked for at all.
        alert_path: when the alert that always fires was last heard.
        leaving_zero: the step 0 → 10 is asked for. There is no live traffic at stage 0, so that RSI and rollbacks with
            no data are not applicable (runbook). Where the window still holds live traffic they count as always: a
            failure that was seen is not cleared by silence.
    """
    gates = [
        _rsi(metrics, policy, leaving_zero=leaving_zero),
        _rollbacks(metrics, policy, leaving_zero=leaving_zero),
        _tri(metrics, policy),
        _fast_cap(metrics, policy),
        _slots(slots, policy),
        _decisions(metrics, policy),
        _freshness(metrics, policy),
    ]
    if policy.alert_path_minutes is not None:
        gates.append(_alert_path(metrics, alert_path, policy.alert_path_minutes))
    return GateReport(gates=tuple(gates), demanded=policy.demanded)


def _without_live_traffic(name: GateName, bound: float, *, leaving_zero: bool) -> Gate:
    if leaving_zero:
        reason = "not applicable to the step away from stage 0: there is no live traffic yet"
        return Gate(name=name, verdict=Verdict.NOT_APPLICABLE, value=None, bound=bound, reason=reason)
    reason = "no live decisions in the window, so there is nothing to measure"
    return Gate(name=name, verdict=Verdict.NO_DATA, value=None, bound=bound, reason=reason)


def _rsi(metrics: WindowMetrics, policy: GatePolicy, *, leaving_zero: bool) -> Gate:
    name, value, bound = GateName.RSI, metrics.figures.rsi, policy.rsi_min
    if value is None:
        return _without_live_traffic(name, bound, leaving_zero=leaving_zero)
    if value >= bound:
        reason = f"{value:.1%} of live decisions took the route that shadow would have taken; at least {bound:.0%} is asked"
        return Gate(name=name, verdict=Verdict.PASS, value=value, bound=bound, reason=reason)
    reason = f"only {value:.1%} of live decisions took the route that shadow would have taken; at least {bound:.0%} is asked"
    return Gate(name=name, verdict=Verdict.FAIL, value=value, bound=bound, reason=reason)


def _rollbacks(metrics: WindowMetrics, policy: GatePolicy, *, leaving_zero: bool) -> Gate:
    name, value, bound = GateName.ROLLBACKS, metrics.figures.rollbacks_per_1k, policy.rollbacks_per_1k_max
    if value is None:
        if metrics.figures.rollbacks and leaving_zero:
            reason = f"{metrics.figures.rollbacks} rollbacks were recorded although no decision was live"
            return Gate(name=name, verdict=Verdict.FAIL, value=None, bound=bound, reason=reason)
        return _without_live_traffic(name, bound, leaving_zero=leaving_zero)
    counted = f"{metrics.figures.rollbacks:,} rollbacks in {metrics.figures.live:,} live decisions"
    if value <= bound:
        reason = f"{counted}; at most {bound:g} per 1,000 is allowed"
        return Gate(name=name, verdict=Verdict.PASS, value=value, bound=bound, reason=reason)
    reason = f"{counted} is {value:.3g} per 1,000; at most {bound:g} is allowed"
    return Gate(name=name, verdict=Verdict.FAIL, value=value, bound=bound, reason=reason)


def _tri(metrics: WindowMetrics, policy: GatePolicy) -> Gate:
    name, value, bound = GateName.TRI, metrics.figures.tri_median, policy.tri_median_min
    if value is None:
        reason = "no entry in the window carries a TRI figure"
        return Gate(name=name, verdict=Verdict.NO_DATA, value=None, bound=bound, reason=reason)
    if value >= bound:
        reason = f"the median TRI change is {value:+.4f}; at least {bound:g} is asked"
        return Gate(name=name, verdict=Verdict.PASS, value=value, bound=bound, reason=reason)
    reason = f"the median TRI change is {value:+.4f}, below {bound:g}"
    return Gate(name=name, verdict=Verdict.FAIL, value=value, bound=bound, reason=reason)


def _fast_cap(metrics: WindowMetrics, policy: GatePolicy) -> Gate:
    name, value = GateName.FAST_CAP, metrics.figures.fast_cap_breaches
    if metrics.figures.decisions == 0:
        reason = "no decisions in the window, so nobody can say that the cap held"
        return Gate(name=name, verdict=Verdict.NO_DATA, value=None, bound=0, reason=reason)
    if value == 0:
        reason = f"R3 stayed at or below {policy.fast_cap:g} in every anomaly"
        return Gate(name=name, verdict=Verdict.PASS, value=0, bound=0, reason=reason)
    reason = f"R3 was above {policy.fast_cap:g} in {value:,} decisions during an anomaly"
    return Gate(name=name, verdict=Verdict.FAIL, value=value, bound=0, reason=reason)


def _slots(slots: SlotsHealth, policy: GatePolicy) -> Gate:
    name, bound = GateName.SLOTS, len(policy.critical_slots)
    if slots.error is not None:
        return Gate(name=name, verdict=Verdict.NO_DATA, value=None, bound=bound, reason=slots.error)
    healthy = [slot for slot in policy.critical_slots if slots.statuses.get(slot) == "healthy"]
    if len(healthy) == len(policy.critical_slots):
        reason = f"all {bound} critical slots are healthy"
        return Gate(name=name, verdict=Verdict.PASS, value=bound, bound=bound, reason=reason)
    ill = ", ".join(f"{slot} is {slots.statuses.get(slot, 'missing')}" for slot in policy.critical_slots if slot not in healthy)
    return Gate(name=name, verdict=Verdict.FAIL, value=len(healthy), bound=bound, reason=ill)


def _decisions(metrics: WindowMetrics, policy: GatePolicy) -> Gate:
    name, value, bound = GateName.DECISIONS, metrics.figures.decisions, policy.decisions_min
    if value >= bound:
        reason = f"{value:,} decisions in the window; at least {bound:,} are asked"
        return Gate(name=name, verdict=Verdict.PASS, value=value, bound=bound, reason=reason)
    reason = f"only {value:,} decisions in the window; at least {bound:,} are asked"
    return Gate(name=name, verdict=Verdict.NO_DATA if value == 0 else Verdict.FAIL, value=value, bound=bound, reason=reason)


def _freshness(metrics: WindowMetrics, policy: GatePolicy) -> Gate:
    name, bound = GateName.FRESHNESS, policy.fresh_minutes
    if metrics.newest_us is None:
        reason = "the window holds no ledger entry"
        return Gate(name=name, verdict=Verdict.NO_DATA, value=None, bound=bound, reason=reason)
    age = (metrics.window.end_us - metrics.newest_us) / 60_000_000
    if age <= bound:
        old = "less than a minute" if age < 1 else f"{age:.1f} minutes"
        reason = f"the newest ledger entry is {old} old; at most {bound:g} minutes are allowed"
        return Gate(name=name, verdict=Verdict.PASS, value=age, bound=bound, reason=reason)
    reason = f"the newest ledger entry is {age:,.1f} minutes old; at most {bound:g} are allowed: is the router writing?"
    return Gate(name=name, verdict=Verdict.FAIL, value=age, bound=bound, reason=reason)


def _alert_path(metrics: WindowMetrics, path: AlertPath, bound: float) -> Gate:
    name, heard = GateName.ALERT_PATH, path.heard
    if path.error is not None or heard is None:
        reason = path.error or "the Watchdog alert was never heard: nobody knows whether an alert would reach the brake"
        return Gate(name=name, verdict=Verdict.NO_DATA, value=None, bound=bound, reason=reason)
    age = (moment_of(metrics.window.end_us) - heard).total_seconds() / 60
    if age < -_CLOCK_SKEW_MINUTES:
        reason = "the Watchdog alert was heard in the future: the clock was changed"
        return Gate(name=name, verdict=Verdict.NO_DATA, value=None, bound=bound, reason=reason)
    if age <= bound:
        reason = f"the Watchdog alert was heard {max(age, 0):.1f} minutes ago; at most {bound:g} is allowed"
        return Gate(name=name, verdict=Verdict.PASS, value=age, bound=bound, reason=reason)
    reason = f"the Watchdog alert was last heard {age:,.1f} minutes ago: the alert path is dead, no alert would reach the brake"
    return Gate(name=name, verdict=Verdict.FAIL, value=age, bound=bound, reason=reason)
