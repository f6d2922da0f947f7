import json
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.gates.evaluate import evaluate
from core.gates.policy import GateName, GatePolicy
from core.gates.report import AlertPath, SlotsHealth, Verdict
from core.gates.reported import judge_reported
from core.ledger.figures import Counts, LedgerSpan, WindowMetrics, figures_of
from core.ledger.reported import reported
from core.ledger.window import Window
from tests.support.rig import NOW

HEALTHY = SlotsHealth(statuses=dict.fromkeys(GatePolicy().critical_slots, "healthy"))
POLICIES = [GatePolicy(), GatePolicy(coverage_min=0), GatePolicy(live_min=1, decisions_min=1)]


@st.composite
def windows(draw: st.DrawFn) -> WindowMetrics:
    """Figures as a ledger may give them."""
    decisions = draw(st.integers(0, 3000))
    live = draw(st.integers(0, decisions))
    engaged = draw(st.integers(0, decisions))
    known = draw(st.integers(0, live))
    counts = Counts(
        decisions=decisions,
        live=live,
        matching=draw(st.integers(0, live)),
        rollbacks=draw(st.integers(0, known)),
        breaches=draw(st.integers(0, engaged)),
        rollbacks_known=known,
        tri_known=draw(st.integers(0, decisions)),
        anomalies_known=draw(st.integers(engaged, decisions)),
        engaged=engaged,
        r3_known=draw(st.integers(0, engaged)),
    )
    window = Window.ending(NOW, 1440)
    median = draw(st.floats(-1, 1)) if counts.tri_known else None
    newest = window.end_us - draw(st.integers(0, 3600)) * 1_000_000
    oldest = newest - draw(st.integers(0, 80_000)) * 1_000_000
    skipped = {"malformed": draw(st.integers(0, 40)), "undated": 0, "future": 0}
    return WindowMetrics(
        window,
        figures_of(counts, median),
        oldest if decisions else None,
        newest if decisions else None,
        skipped,
        (),
        LedgerSpan(0, ""),
    )


@given(windows(), st.sampled_from(POLICIES), st.booleans())
def test_a_report_that_was_kept_is_judged_as_the_ledger_was(
    metrics: WindowMetrics, policy: GatePolicy, leaving_zero: object
) -> None:
    """Written as JSON and read back at the same moment, every gate says the same of it."""
    found = reported(json.loads(json.dumps(metrics.as_json())), NOW)
    again = judge_reported(found, HEALTHY, policy, alert_path=AlertPath(), leaving_zero=bool(leaving_zero)).gates
    first = evaluate(metrics, HEALTHY, policy, alert_path=AlertPath(), leaving_zero=bool(leaving_zero))
    assert [(gate.name, gate.verdict) for gate in again.gates] == [(gate.name, gate.verdict) for gate in first.gates]
    assert (again.go, again.demanded) == (first.go, first.demanded)


@given(
    windows(),
    st.sets(st.sampled_from(["live", "rsi", "rollbacks", "known", "decisions", "fast_cap_breaches", "newest", "skipped"])),
)
def test_what_a_report_does_not_say_passes_no_gate(metrics: WindowMetrics, left_out: set[str]) -> None:
    """Fewer figures never turn a gate that did not pass into one that does, whatever the policy accepts."""
    told = {name: value for name, value in metrics.as_json().items() if name not in left_out and name != "live_rate"}
    for policy in POLICIES:
        whole = evaluate(metrics, HEALTHY, policy)
        part = judge_reported(reported(told, NOW), HEALTHY, policy, alert_path=AlertPath(), leaving_zero=False).gates
        passed = {gate.name for gate in whole.gates if gate.passes}
        assert {gate.name for gate in part.gates if gate.passes} <= passed


def test_an_old_report_is_not_fresh_and_one_from_the_future_neither() -> None:
    """How old the newest entry is counts from the moment of judging, not from that of the report."""
    counts = Counts(decisions=300, live=300, matching=300, rollbacks_known=300, tri_known=300, anomalies_known=300)
    window = Window.ending(NOW, 1440)
    told = WindowMetrics(
        window, figures_of(counts, 0.1), window.end_us - 86_000_000_000, window.end_us, {}, (), LedgerSpan(0, "")
    ).as_json()
    for moment, verdict in [
        (timedelta(), Verdict.PASS),
        (timedelta(days=1), Verdict.FAIL),
        (timedelta(days=-1), Verdict.NO_DATA),
    ]:
        report = judge_reported(reported(told, NOW + moment), HEALTHY, GatePolicy(), alert_path=AlertPath(), leaving_zero=False)
        assert next(gate.verdict for gate in report.gates.gates if gate.name is GateName.FRESHNESS) is verdict
