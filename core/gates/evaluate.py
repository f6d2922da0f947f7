"""The go/no-go gates: metrics, slots health and policy in, a verdict for each gate out.

Pure. Excluded: reading the ledger, asking the router for its health, and what follows from a verdict (decisions.py).
The gates and their bounds are the runbook's; the decisions floor and freshness are what operators apply by eye today.
"""

from core.gates.policy import COVERAGE_MIN, DAY_MINUTES, GateName, GatePolicy
from core.gates.report import PATH_NOT_ASKED, AlertPath, Gate, GateReport, SlotsHealth, Verdict
from core.ledger.figures import WindowMetrics
from core.ledger.window import MINUTE_US, moment_of

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
        alert_path: when the alert that always fires was last heard, and what drills have proven.
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
        _reading(metrics, policy),
        _span(metrics, policy),
        _freshness(metrics, policy),
    ]
    if policy.alert_path_bound is not None:
        gates.append(_alert_path(metrics, alert_path, policy))
    return GateReport(gates=tuple(gates), demanded=policy.demanded)


def _without_live_traffic(name: GateName, bound: float, *, leaving_zero: bool) -> Gate:
    if leaving_zero:
        reason = "not applicable to the step away from stage 0: there is no live traffic yet"
        return Gate(name=name, verdict=Verdict.NOT_APPLICABLE, value=None, bound=bound, reason=reason)
    reason = "no live decisions in the window, so there is nothing to measure"
    return Gate(name=name, verdict=Verdict.NO_DATA, value=None, bound=bound, reason=reason)


def _too_few_live(metrics: WindowMetrics, policy: GatePolicy, name: GateName, bound: float) -> Gate:
    reason = f"only {metrics.figures.live:,} live decisions in the window; fewer than {policy.live_min:,} prove nothing"
    return Gate(name=name, verdict=Verdict.NO_DATA, value=None, bound=bound, reason=reason)


def _rsi(metrics: WindowMetrics, policy: GatePolicy, *, leaving_zero: bool) -> Gate:
    name, figures, bound = GateName.RSI, metrics.figures, policy.rsi_min
    value, interval = figures.rsi, figures.intervals.rsi
    if value is None or interval is None:
        return _without_live_traffic(name, bound, leaving_zero=leaving_zero)
    if figures.live < policy.live_min:
        return _too_few_live(metrics, policy, name, bound)
    shares = f"{value:.1%} of {figures.live:,} live decisions (95% sure: {interval[0]:.1%} to {interval[1]:.1%})"
    told = f"{shares} took the route that shadow would have taken; at least {bound:.0%} is asked"
    if value >= bound:
        return Gate(name=name, verdict=Verdict.PASS, value=value, bound=bound, reason=told)
    return Gate(name=name, verdict=Verdict.FAIL, value=value, bound=bound, reason=f"only {told}")


def _rollbacks(metrics: WindowMetrics, policy: GatePolicy, *, leaving_zero: bool) -> Gate:
    """A rate above the bound fails whatever the coverage: what nobody tells can only add to it."""
    name, figures, bound = GateName.ROLLBACKS, metrics.figures, policy.rollbacks_per_1k_max
    value, count = figures.rollbacks_per_1k, f"{figures.rollbacks:,} rollback{'' if figures.rollbacks == 1 else 's'}"
    if value is None:
        if figures.rollbacks and leaving_zero:
            reason = f"{count} recorded although no decision was live"
            return Gate(name=name, verdict=Verdict.FAIL, value=None, bound=bound, reason=reason)
        return _without_live_traffic(name, bound, leaving_zero=leaving_zero)
    if figures.live < policy.live_min:
        return _too_few_live(metrics, policy, name, bound)
    counted = f"{count} in {figures.live:,} live decisions{_proven(metrics)}"
    if value > bound:
        reason = f"{counted}, {value:.3g} per 1,000; at most {bound:g} is allowed"
        return Gate(name=name, verdict=Verdict.FAIL, value=value, bound=bound, reason=reason)
    least = policy.coverage_min_of(name)
    told = f"{figures.known.rollbacks:,} of {figures.live:,} live decisions tell whether they were rolled back"
    if _share(figures.coverage.rollbacks_per_1k) < least:
        return _uncovered(name, bound, told, figures.coverage.rollbacks_per_1k, least)
    reason = f"{counted}; at most {bound:g} per 1,000 is allowed{_accepted(least, told, figures.coverage.rollbacks_per_1k)}"
    return Gate(name=name, verdict=Verdict.PASS, value=value, bound=bound, reason=reason)


def _proven(metrics: WindowMetrics) -> str:
    """Say what the rollbacks that were counted prove."""
    figures, interval = metrics.figures, metrics.figures.intervals.rollbacks_per_1k
    if interval is None:
        return ""
    low, high = interval
    if figures.rollbacks == 0:
        return f" (95% sure: at most {high:.3g} per 1,000, from {figures.known.rollbacks:,} that tell)"
    return f" (95% sure: {low:.3g} to {high:.3g} per 1,000)"


def _share(value: float | None) -> float:
    return 0.0 if value is None else value


def _uncovered(name: GateName, bound: float, told: str, share: float | None, least: float) -> Gate:
    reason = f"only {told} ({_share(share):.1%}); at least {least:.0%} is asked"
    return Gate(name=name, verdict=Verdict.NO_DATA, value=None, bound=bound, reason=reason)


def _accepted(least: float, told: str, share: float | None) -> str:
    """Say that the policy accepts what is absent, where it is."""
    return f"; accepted by `coverage_min` = 0: only {told}" if least == 0 and _share(share) < COVERAGE_MIN else ""


def _tri(metrics: WindowMetrics, policy: GatePolicy) -> Gate:
    name, figures, bound = GateName.TRI, metrics.figures, policy.tri_median_min
    value, least = figures.tri_median, policy.coverage_min_of(name)
    if value is None:
        reason = "no entry in the window carries a TRI figure"
        return Gate(name=name, verdict=Verdict.NO_DATA, value=None, bound=bound, reason=reason)
    told = f"{figures.known.tri:,} of {figures.decisions:,} decisions carry a TRI figure"
    if _share(figures.coverage.tri_median) < least:
        return _uncovered(name, bound, told, figures.coverage.tri_median, least)
    accepted = _accepted(least, told, figures.coverage.tri_median)
    if value >= bound:
        reason = f"the median TRI change is {value:+.4f}; at least {bound:g} is asked{accepted}"
        return Gate(name=name, verdict=Verdict.PASS, value=value, bound=bound, reason=reason)
    reason = f"the median TRI change is {value:+.4f}, below {bound:g}{accepted}"
    return Gate(name=name, verdict=Verdict.FAIL, value=value, bound=bound, reason=reason)


def _fast_cap(metrics: WindowMetrics, policy: GatePolicy) -> Gate:
    """A breach that was seen fails whatever the coverage."""
    name, figures, least = GateName.FAST_CAP, metrics.figures, policy.coverage_min_of(GateName.FAST_CAP)
    value, known = figures.fast_cap_breaches, figures.known
    if figures.decisions == 0:
        reason = "no decisions in the window, so nobody can say that the cap held"
        return Gate(name=name, verdict=Verdict.NO_DATA, value=None, bound=0, reason=reason)
    if value > 0:
        reason = f"R3 was above {policy.fast_cap:g} in {value:,} decisions during an anomaly"
        return Gate(name=name, verdict=Verdict.FAIL, value=value, bound=0, reason=reason)
    told = f"{known.anomalies:,} of {figures.decisions:,} decisions tell whether there was an anomaly"
    share = known.anomalies / figures.decisions
    if share < least:
        return _uncovered(name, 0, told, share, least)
    accepted = _accepted(least, told, share)
    if known.engaged:
        told, share = f"{known.r3:,} of {known.engaged:,} decisions during an anomaly tell R3", known.r3 / known.engaged
        if share < least:
            return _uncovered(name, 0, told, share, least)
        accepted += _accepted(least, told, share)
        reason = (
            f"R3 stayed at or below {policy.fast_cap:g} in each of the {known.r3:,} decisions during an anomaly that report it"
        )
    else:
        reason = f"no anomaly in the {known.anomalies:,} decisions that tell"
    return Gate(name=name, verdict=Verdict.PASS, value=0, bound=0, reason=f"{reason}{accepted}")


def _reading(metrics: WindowMetrics, policy: GatePolicy) -> Gate:
    name, value, bound = GateName.READING, metrics.skipped_share, policy.skipped_max
    if value is None:
        reason = "the window holds no line"
        return Gate(name=name, verdict=Verdict.NO_DATA, value=None, bound=bound, reason=reason)
    skipped = sum(metrics.lost.values())
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in metrics.lost.items() if count)
    lines = f"{skipped:,} of {metrics.figures.decisions + skipped:,} lines could not be counted"
    told = f"{lines} ({value:.2%}{f': {kinds}' if kinds else ''}); at most {bound:.2%} is allowed"
    verdict = Verdict.PASS if value <= bound else Verdict.NO_DATA
    return Gate(name=name, verdict=verdict, value=value, bound=bound, reason=told)


def _span(metrics: WindowMetrics, policy: GatePolicy) -> Gate:
    name, value, bound = GateName.SPAN, metrics.span_share, policy.span_min
    if value is None:
        reason = "the window holds no ledger entry"
        return Gate(name=name, verdict=Verdict.NO_DATA, value=None, bound=bound, reason=reason)
    minutes = value * metrics.window.minutes
    told = f"entries span {minutes:,.0f} of the window's {metrics.window.minutes:,} minutes; at least {bound:.0%} is asked"
    verdict = Verdict.PASS if value >= bound else Verdict.NO_DATA
    return Gate(name=name, verdict=verdict, value=value, bound=bound, reason=told)


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
    age = (metrics.window.end_us - metrics.newest_us) / MINUTE_US
    if age <= bound:
        old = "less than a minute" if age < 1 else f"{age:.1f} minutes"
        reason = f"the newest ledger entry is {old} old; at most {bound:g} minutes are allowed"
        return Gate(name=name, verdict=Verdict.PASS, value=age, bound=bound, reason=reason)
    reason = f"the newest ledger entry is {age:,.1f} minutes old; at most {bound:g} are allowed: is the router writing?"
    return Gate(name=name, verdict=Verdict.FAIL, value=age, bound=bound, reason=reason)


def _alert_path(metrics: WindowMetrics, path: AlertPath, policy: GatePolicy) -> Gate:
    """Ask for the Watchdog, for a proof by drill, or for both: the first that does not pass is what the gate says."""
    asked = []
    if policy.alert_path_minutes is not None:
        asked.append(_watchdog(metrics, path, policy.alert_path_minutes))
    if policy.alert_path_proof_days is not None:
        asked.append(_proof(metrics, path, policy.alert_path_proof_days))
    told = next((gate for gate in asked if not gate.passes), asked[0])
    return told.model_copy(update={"reason": "; ".join(gate.reason for gate in asked)}) if told.passes else told


def _proof(metrics: WindowMetrics, path: AlertPath, days: float) -> Gate:
    name, bound, now = GateName.ALERT_PATH, days * DAY_MINUTES, moment_of(metrics.window.end_us)
    if path.proof_error is not None or (path.proven is None and path.drill_failed is None):
        reason = path.proof_error or "it was never proven that an alert arrives: `anr drill alerts` tries it out"
        return Gate(name=name, verdict=Verdict.NO_DATA, value=None, bound=bound, reason=reason)
    age = None if path.proven is None else (now - path.proven).total_seconds() / 60
    if path.drill_failed is not None:
        failed = f"the drill alert of {path.drill_failed:%Y-%m-%d %H:%M} UTC did not arrive"
        reason = f"{failed}: mend the alert path, then run `anr drill alerts`"
        return Gate(name=name, verdict=Verdict.FAIL, value=age, bound=bound, reason=reason)
    if age is None or age < -_CLOCK_SKEW_MINUTES:
        reason = "the alert path was proven in the future: the clock was changed"
        return Gate(name=name, verdict=Verdict.NO_DATA, value=None, bound=bound, reason=reason)
    told = f"that an alert arrives was proven {max(age, 0) / DAY_MINUTES:,.1f} days ago; at most {days:g} are allowed"
    if age <= bound:
        return Gate(name=name, verdict=Verdict.PASS, value=age, bound=bound, reason=told)
    return Gate(name=name, verdict=Verdict.FAIL, value=age, bound=bound, reason=f"{told}: `anr drill alerts` proves it again")


def _watchdog(metrics: WindowMetrics, path: AlertPath, bound: float) -> Gate:
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
