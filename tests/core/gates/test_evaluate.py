from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.gates.evaluate import evaluate
from core.gates.policy import ALWAYS_DEMANDED, COVERED, GateName, GatePolicy
from core.gates.report import NOT_ASKED, PATH_NOT_ASKED, AlertPath, Gate, GateReport, SlotsHealth, Verdict
from core.ledger.figures import Counts, LedgerSpan, WindowMetrics, figures_of
from core.ledger.window import MINUTE_US, Window
from tests.support.rig import NOW

POLICY = GatePolicy()
WATCHED = GatePolicy(alert_path_minutes=5)
Fact = TypeVar("Fact")
LIVE_ONLY = {GateName.RSI, GateName.ROLLBACKS}
"""The gates that need live traffic, of which there is none at stage 0."""
LETS_THROUGH = {Verdict.PASS, Verdict.NOT_APPLICABLE}
TIMED_OUT = SlotsHealth(error="the router's health could not be asked (ReadTimeoutError)")


def slots(**changed: str) -> SlotsHealth:
    return SlotsHealth(statuses={**dict.fromkeys(POLICY.critical_slots, "healthy"), **changed})


def without(*missing: str) -> SlotsHealth:
    return SlotsHealth(statuses={name: status for name, status in slots().statuses.items() if name not in missing})


@dataclass(frozen=True, kw_only=True)
class Day:
    """The counts of one window, of a good one unless told otherwise; shares follow from them as the domain says."""

    decisions: int = 20_000
    live: int = 10_000
    matching: int = 10_000
    rollbacks: int = 0
    told: int | None = None
    """Live decisions that tell whether they were rolled back; None for all."""
    tri: float | None = 0.5
    tri_known: int | None = None
    breaches: int = 0
    anomalies_known: int | None = None
    engaged: int | None = None
    r3_known: int | None = None
    age_us: int | None = 0
    span_us: int = 1430 * MINUTE_US
    skipped: int = 0
    health: SlotsHealth = slots()  # noqa: RUF009 - a frozen value
    leaving_zero: bool = False

    def metrics(self) -> WindowMetrics:
        window = Window.ending(NOW, 1440)

        def known(value: int | None, otherwise: int) -> int:
            return otherwise if value is None else value

        engaged = known(self.engaged, self.breaches)
        counts = Counts(
            decisions=self.decisions,
            live=self.live,
            matching=self.matching,
            rollbacks=self.rollbacks,
            breaches=self.breaches,
            rollbacks_known=known(self.told, self.live),
            tri_known=known(self.tri_known, 0 if self.tri is None else self.decisions),
            anomalies_known=known(self.anomalies_known, self.decisions),
            engaged=engaged,
            r3_known=known(self.r3_known, engaged),
        )
        newest = None if self.age_us is None else window.end_us - self.age_us
        return WindowMetrics(
            window=window,
            figures=figures_of(counts, self.tri),
            oldest_us=None if newest is None else newest - self.span_us,
            newest_us=newest,
            skipped={"malformed": self.skipped, "undated": 0, "future": 0},
            hours=(),
            span=LedgerSpan(0, ""),
        )

    def report(self, policy: GatePolicy = POLICY) -> GateReport:
        return evaluate(self.metrics(), self.health, policy, leaving_zero=self.leaving_zero)

    def gate(self, name: GateName) -> Gate:
        return next(gate for gate in self.report().gates if gate.name is name)


SILENT = Day(live=0, matching=0)
"""A good day in shadow only."""
EMPTY = Day(decisions=0, live=0, matching=0, tri=None, age_us=None)
"""A window without a single entry."""


def leaving_zero(day: Day) -> Day:
    return replace(day, leaving_zero=True)


RSI = [
    pytest.param(Day(live=1000, matching=849), Verdict.FAIL, 0.849, "only 84.9%", id="just-below"),
    pytest.param(Day(live=1000, matching=850), Verdict.PASS, 0.85, "85.0%", id="at-the-bound"),
    pytest.param(Day(live=1000, matching=851), Verdict.PASS, 0.851, "85.1%", id="just-above"),
    pytest.param(SILENT, Verdict.NO_DATA, None, "no live decisions", id="no-live-traffic"),
    pytest.param(EMPTY, Verdict.NO_DATA, None, "no live decisions", id="no-entries"),
    pytest.param(leaving_zero(SILENT), Verdict.NOT_APPLICABLE, None, "stage 0", id="no-live-traffic-leaving-zero"),
    pytest.param(leaving_zero(Day(live=1000, matching=850)), Verdict.PASS, 0.85, "85.0%", id="at-the-bound-leaving-zero"),
    pytest.param(leaving_zero(Day(live=30, matching=0)), Verdict.FAIL, 0.0, "only 0.0%", id="bad-routes-leaving-zero"),
    pytest.param(Day(live=29, matching=29), Verdict.NO_DATA, None, "only 29 live decisions", id="too-few-to-say"),
    pytest.param(Day(live=3, matching=0), Verdict.NO_DATA, None, "only 3 live decisions", id="three-bad-routes"),
    pytest.param(Day(live=30, matching=30), Verdict.PASS, 1.0, "(95% sure: 88.6% to 100.0%)", id="just-enough"),
    pytest.param(leaving_zero(Day(live=3, matching=3)), Verdict.NO_DATA, None, "only 3", id="too-few-leaving-zero"),
]
ROLLBACKS = [
    pytest.param(Day(rollbacks=0), Verdict.PASS, 0.0, "0 rollbacks in 10,000", id="none"),
    pytest.param(
        Day(live=291, matching=291),
        Verdict.PASS,
        0.0,
        "(95% sure: at most 10.3 per 1,000, from 291 that tell)",
        id="what-none-of-a-few-proves",
    ),
    pytest.param(Day(live=29, matching=29, rollbacks=29), Verdict.NO_DATA, None, "only 29 live", id="too-few-to-say"),
    pytest.param(Day(told=5_000), Verdict.PASS, 0.0, "from 5,000 that tell", id="half-of-them-tell"),
    pytest.param(Day(told=4_999), Verdict.NO_DATA, None, "only 4,999 of 10,000", id="fewer-than-half-of-them-tell"),
    pytest.param(Day(told=0), Verdict.NO_DATA, None, "(0.0%); at least 50% is asked", id="nothing-tells"),
    pytest.param(
        Day(told=100, rollbacks=50), Verdict.FAIL, 5.0, "50 rollbacks", id="what-was-seen-is-not-cleared-by-what-is-unknown"
    ),
    pytest.param(Day(live=10_001, rollbacks=1), Verdict.PASS, 1000 / 10_001, "1 rollback in 10,001", id="just-below"),
    pytest.param(Day(live=10_000, rollbacks=1), Verdict.PASS, 0.1, "1 rollback in 10,000", id="at-the-bound"),
    pytest.param(
        Day(live=9_999, matching=9_999, rollbacks=1), Verdict.FAIL, 1000 / 9_999, "1 rollback in 9,999", id="just-above"
    ),
    pytest.param(SILENT, Verdict.NO_DATA, None, "no live decisions", id="no-live-traffic"),
    pytest.param(EMPTY, Verdict.NO_DATA, None, "no live decisions", id="no-entries"),
    pytest.param(replace(SILENT, rollbacks=1), Verdict.NO_DATA, None, "no live", id="a-rollback-without-live-traffic"),
    pytest.param(leaving_zero(SILENT), Verdict.NOT_APPLICABLE, None, "stage 0", id="no-live-traffic-leaving-zero"),
    pytest.param(
        leaving_zero(replace(SILENT, rollbacks=1)),
        Verdict.FAIL,
        None,
        "although no decision was live",
        id="a-rollback-without-live-traffic-leaving-zero",
    ),
    pytest.param(
        leaving_zero(Day(live=9_999, matching=9_999, rollbacks=1)),
        Verdict.FAIL,
        1000 / 9_999,
        "1 rollback in 9,999",
        id="just-above-leaving-zero",
    ),
]
TRI = [
    pytest.param(Day(tri=-1e-9), Verdict.FAIL, -1e-9, "below 0", id="just-below"),
    pytest.param(Day(tri=0.0), Verdict.PASS, 0.0, "+0.0000", id="at-the-bound"),
    pytest.param(Day(tri=1e-9), Verdict.PASS, 1e-9, "+0.0000", id="just-above"),
    pytest.param(Day(tri=None), Verdict.NO_DATA, None, "no entry", id="no-entry-carries-one"),
    pytest.param(Day(tri_known=10_000), Verdict.PASS, 0.5, "+0.5000", id="half-of-them-carry-one"),
    pytest.param(Day(tri_known=9_999), Verdict.NO_DATA, None, "only 9,999 of 20,000", id="fewer-than-half-carry-one"),
    pytest.param(Day(decisions=500, live=500, matching=500, tri_known=1), Verdict.NO_DATA, None, "(0.2%)", id="one-of-500"),
    pytest.param(leaving_zero(Day(tri=None)), Verdict.NO_DATA, None, "no entry", id="no-entry-carries-one-leaving-zero"),
    pytest.param(leaving_zero(Day(tri=-0.5)), Verdict.FAIL, -0.5, "-0.5000", id="below-leaving-zero"),
]
FAST_CAP = [
    pytest.param(Day(breaches=0), Verdict.PASS, 0.0, "no anomaly in the 20,000", id="no-anomaly"),
    pytest.param(Day(engaged=7), Verdict.PASS, 0.0, "at or below 0.15 in each of the 7", id="none"),
    pytest.param(Day(engaged=7, r3_known=3), Verdict.NO_DATA, None, "only 3 of 7", id="R3-of-few-is-known"),
    pytest.param(Day(engaged=7, r3_known=0), Verdict.NO_DATA, None, "only 0 of 7", id="R3-of-none-is-known"),
    pytest.param(Day(anomalies_known=9_999), Verdict.NO_DATA, None, "only 9,999 of 20,000", id="few-tell-of-anomalies"),
    pytest.param(Day(anomalies_known=1, breaches=1), Verdict.FAIL, 1.0, "above 0.15", id="one-breach-is-one"),
    pytest.param(Day(breaches=1), Verdict.FAIL, 1.0, "above 0.15 in 1 decisions", id="one"),
    pytest.param(EMPTY, Verdict.NO_DATA, None, "no decisions", id="no-entries"),
    pytest.param(leaving_zero(EMPTY), Verdict.NO_DATA, None, "no decisions", id="no-entries-leaving-zero"),
    pytest.param(leaving_zero(Day(breaches=1)), Verdict.FAIL, 1.0, "above 0.15", id="one-leaving-zero"),
]
SLOTS = [
    pytest.param(Day(), Verdict.PASS, 4.0, "all 4 critical slots", id="all-healthy"),
    pytest.param(Day(health=slots(slot99="dead")), Verdict.PASS, 4.0, "all 4", id="an-uncritical-slot-is-ill"),
    pytest.param(Day(health=slots(slot09="degraded")), Verdict.FAIL, 3.0, "slot09 is degraded", id="one-unhealthy"),
    pytest.param(Day(health=slots(slot09="Healthy")), Verdict.FAIL, 3.0, "slot09 is Healthy", id="healthy-in-other-letters"),
    pytest.param(Day(health=slots(slot09="")), Verdict.FAIL, 3.0, "slot09 is", id="an-empty-status"),
    pytest.param(Day(health=without("slot08_lock")), Verdict.FAIL, 3.0, "slot08_lock is missing", id="one-missing"),
    pytest.param(
        Day(health=SlotsHealth()),
        Verdict.FAIL,
        0.0,
        "slot04 is missing, slot08_lock is missing, slot09 is missing, slot10 is missing",
        id="all-missing",
    ),
    pytest.param(Day(health=NOT_ASKED), Verdict.NO_DATA, None, "not asked", id="unknown"),
    pytest.param(Day(health=TIMED_OUT), Verdict.NO_DATA, None, "ReadTimeoutError", id="timed-out"),
    pytest.param(
        Day(health=SlotsHealth(statuses=slots().statuses, error="cut off")),
        Verdict.NO_DATA,
        None,
        "cut off",
        id="an-answer-and-an-error",
    ),
    pytest.param(leaving_zero(Day(health=TIMED_OUT)), Verdict.NO_DATA, None, "Timeout", id="timed-out-leaving-zero"),
    pytest.param(leaving_zero(Day(health=without("slot10"))), Verdict.FAIL, 3.0, "missing", id="one-missing-leaving-zero"),
]
DECISIONS = [
    pytest.param(Day(decisions=99, live=99, matching=99), Verdict.FAIL, 99.0, "only 99 decisions", id="just-below"),
    pytest.param(Day(decisions=100, live=100, matching=100), Verdict.PASS, 100.0, "100 decisions", id="at-the-bound"),
    pytest.param(Day(decisions=101, live=101, matching=101), Verdict.PASS, 101.0, "101 decisions", id="just-above"),
    pytest.param(EMPTY, Verdict.NO_DATA, 0.0, "only 0 decisions", id="no-entries"),
    pytest.param(leaving_zero(EMPTY), Verdict.NO_DATA, 0.0, "only 0 decisions", id="no-entries-leaving-zero"),
    pytest.param(leaving_zero(replace(SILENT, decisions=99)), Verdict.FAIL, 99.0, "only 99", id="just-below-leaving-zero"),
]
READING = [
    pytest.param(Day(decisions=990, live=990, matching=990, skipped=10), Verdict.PASS, 0.01, "10 of 1,000", id="at-the-bound"),
    pytest.param(Day(decisions=989, live=989, matching=989, skipped=11), Verdict.NO_DATA, 0.011, "11 malformed", id="just-above"),
    pytest.param(EMPTY, Verdict.NO_DATA, None, "no line", id="no-lines"),
    pytest.param(replace(EMPTY, skipped=3), Verdict.NO_DATA, 1.0, "3 of 3 lines", id="nothing-but-broken-lines"),
    pytest.param(leaving_zero(Day(skipped=20_000)), Verdict.NO_DATA, 0.5, "50.00%", id="half-leaving-zero"),
]
SPAN = [
    pytest.param(Day(span_us=1296 * MINUTE_US), Verdict.PASS, 0.9, "span 1,296 of the window's 1,440", id="at-the-bound"),
    pytest.param(
        Day(span_us=1296 * MINUTE_US - 1), Verdict.NO_DATA, (1296 - 1 / MINUTE_US) / 1440, "at least 90%", id="just-below"
    ),
    pytest.param(Day(span_us=30 * MINUTE_US), Verdict.NO_DATA, 30 / 1440, "span 30 of", id="rotated-half-an-hour-ago"),
    pytest.param(EMPTY, Verdict.NO_DATA, None, "no ledger entry", id="no-entries"),
    pytest.param(leaving_zero(Day(span_us=0)), Verdict.NO_DATA, 0.0, "span 0", id="one-moment-leaving-zero"),
]
BOUND_US = 15 * MINUTE_US
FRESHNESS = [
    pytest.param(Day(age_us=0), Verdict.PASS, 0.0, "less than a minute old", id="of-this-moment"),
    pytest.param(Day(age_us=BOUND_US - 1), Verdict.PASS, 15 - 1 / MINUTE_US, "15.0 minutes", id="just-below"),
    pytest.param(Day(age_us=BOUND_US), Verdict.PASS, 15.0, "15.0 minutes", id="at-the-bound"),
    pytest.param(Day(age_us=BOUND_US + 1), Verdict.FAIL, 15 + 1 / MINUTE_US, "is the router writing?", id="just-above"),
    pytest.param(Day(age_us=1440 * MINUTE_US), Verdict.FAIL, 1440.0, "1,440.0 minutes old", id="stale-for-a-day"),
    pytest.param(EMPTY, Verdict.NO_DATA, None, "no ledger entry", id="no-entries"),
    pytest.param(leaving_zero(EMPTY), Verdict.NO_DATA, None, "no ledger entry", id="no-entries-leaving-zero"),
    pytest.param(leaving_zero(Day(age_us=BOUND_US + 1)), Verdict.FAIL, 15 + 1 / MINUTE_US, "15.0", id="stale-leaving-zero"),
]


def assert_row(day: Day, name: GateName, bound: float, expected: tuple[Verdict, float | None, str]) -> None:
    """One row of a table: the gate's own verdict, figure, bound and words, and what they mean for the whole report."""
    gate, (verdict, value, says) = day.gate(name), expected
    assert (gate.verdict, gate.value, gate.bound) == (verdict, None if value is None else pytest.approx(value, rel=1e-12), bound)
    assert says in gate.reason
    assert gate.passes is (verdict in LETS_THROUGH)
    assert day.report().go is (verdict in LETS_THROUGH)


@pytest.mark.parametrize(("day", "verdict", "value", "says"), RSI)
def test_rsi_passes_from_its_bound_upwards(day: Day, verdict: Verdict, value: float | None, says: str) -> None:
    """The share of matching routes has to reach 0.85, and without live traffic only the step from 0 does not ask for it."""
    assert_row(day, GateName.RSI, 0.85, (verdict, value, says))


@pytest.mark.parametrize(("day", "verdict", "value", "says"), ROLLBACKS)
def test_rollbacks_pass_up_to_their_bound(day: Day, verdict: Verdict, value: float | None, says: str) -> None:
    """At most 0.1 rollbacks per 1,000 live decisions, and one that was seen is not cleared by having no live traffic."""
    assert_row(day, GateName.ROLLBACKS, 0.1, (verdict, value, says))


@pytest.mark.parametrize(("day", "verdict", "value", "says"), TRI)
def test_the_tri_median_passes_from_its_bound_upwards(day: Day, verdict: Verdict, value: float | None, says: str) -> None:
    """The median must not be negative, and a median of nothing does not pass, not even on the step from 0."""
    assert_row(day, GateName.TRI, 0.0, (verdict, value, says))


@pytest.mark.parametrize(("day", "verdict", "value", "says"), FAST_CAP)
def test_the_fast_cap_passes_only_without_a_breach(day: Day, verdict: Verdict, value: float | None, says: str) -> None:
    """One breach fails the gate, and a window without decisions cannot show that there was none."""
    assert_row(day, GateName.FAST_CAP, 0.0, (verdict, value, says))


@pytest.mark.parametrize(("day", "verdict", "value", "says"), SLOTS)
def test_slots_pass_only_if_every_critical_one_is_healthy(day: Day, verdict: Verdict, value: float | None, says: str) -> None:
    """Exactly the status `healthy` counts; what is missing, ill or unknown does not pass and is named."""
    assert_row(day, GateName.SLOTS, 4.0, (verdict, value, says))


@pytest.mark.parametrize(("day", "verdict", "value", "says"), DECISIONS)
def test_decisions_pass_from_their_floor_upwards(day: Day, verdict: Verdict, value: float | None, says: str) -> None:
    """Fewer than 100 decisions are too few to say anything, whether live or in shadow."""
    assert_row(day, GateName.DECISIONS, 100.0, (verdict, value, says))


@pytest.mark.parametrize(("day", "verdict", "value", "says"), READING)
def test_too_many_lines_that_could_not_be_counted_are_no_data(day: Day, verdict: Verdict, value: float | None, says: str) -> None:
    """What could not be read may have been the bad ones: more than one line in a hundred, and nobody can say."""
    assert_row(day, GateName.READING, 0.01, (verdict, value, says))


@pytest.mark.parametrize(("day", "verdict", "value", "says"), SPAN)
def test_a_ledger_that_does_not_reach_back_is_no_data(day: Day, verdict: Verdict, value: float | None, says: str) -> None:
    """A good half-hour is no good day."""
    assert_row(day, GateName.SPAN, 0.9, (verdict, value, says))


@pytest.mark.parametrize(("day", "verdict", "value", "says"), FRESHNESS)
def test_freshness_passes_up_to_its_bound(day: Day, verdict: Verdict, value: float | None, says: str) -> None:
    """The newest entry is at most 15 minutes older than the end of the window, to the microsecond."""
    assert_row(day, GateName.FRESHNESS, 15.0, (verdict, value, says))


def test_an_ill_slot_is_named_and_a_healthy_one_is_not() -> None:
    """The reason lists what is wrong in the policy's order, and nothing else."""
    health = SlotsHealth(statuses={"slot10": "dead", "slot04": "degraded", "slot09": "healthy", "slot08_lock": "healthy"})
    assert Day(health=health).gate(GateName.SLOTS).reason == "slot04 is degraded, slot10 is dead"


@pytest.mark.parametrize(
    ("day", "name", "changed", "verdict"),
    [
        pytest.param(Day(live=1000, matching=850), GateName.RSI, {"rsi_min": 0.851}, Verdict.FAIL, id="rsi-stricter"),
        pytest.param(Day(live=1000, matching=849), GateName.RSI, {"rsi_min": 0.849}, Verdict.PASS, id="rsi-laxer"),
        pytest.param(Day(rollbacks=1), GateName.ROLLBACKS, {"rollbacks_per_1k_max": 0}, Verdict.FAIL, id="rollbacks-stricter"),
        pytest.param(Day(rollbacks=2), GateName.ROLLBACKS, {"rollbacks_per_1k_max": 0.2}, Verdict.PASS, id="rollbacks-laxer"),
        pytest.param(Day(tri=0.5), GateName.TRI, {"tri_median_min": 0.6}, Verdict.FAIL, id="tri-stricter"),
        pytest.param(Day(tri=-0.1), GateName.TRI, {"tri_median_min": -0.1}, Verdict.PASS, id="tri-laxer"),
        pytest.param(Day(), GateName.DECISIONS, {"decisions_min": 20_001}, Verdict.FAIL, id="decisions-stricter"),
        pytest.param(replace(SILENT, decisions=1), GateName.DECISIONS, {"decisions_min": 1}, Verdict.PASS, id="decisions-laxer"),
        pytest.param(Day(age_us=BOUND_US), GateName.FRESHNESS, {"fresh_minutes": 14.9}, Verdict.FAIL, id="freshness-stricter"),
        pytest.param(Day(age_us=BOUND_US + 1), GateName.FRESHNESS, {"fresh_minutes": 16}, Verdict.PASS, id="freshness-laxer"),
        pytest.param(Day(skipped=200), GateName.READING, {"skipped_max": 0.001}, Verdict.NO_DATA, id="reading-stricter"),
        pytest.param(Day(skipped=2_000), GateName.READING, {"skipped_max": 0.5}, Verdict.PASS, id="reading-laxer"),
        pytest.param(Day(), GateName.SPAN, {"span_min": 1}, Verdict.NO_DATA, id="span-stricter"),
        pytest.param(Day(span_us=MINUTE_US), GateName.SPAN, {"span_min": 0}, Verdict.PASS, id="span-laxer"),
        pytest.param(Day(told=9_000), GateName.ROLLBACKS, {"coverage_min": 0.95}, Verdict.NO_DATA, id="coverage-stricter"),
        pytest.param(
            Day(told=0), GateName.ROLLBACKS, {"coverage_min": {"rollbacks_per_1k": 0}}, Verdict.PASS, id="no-feedback-accepted"
        ),
        pytest.param(
            Day(anomalies_known=0), GateName.FAST_CAP, {"coverage_min": {"fast_cap": 0}}, Verdict.PASS, id="no-anomalies-accepted"
        ),
        pytest.param(Day(tri_known=1), GateName.TRI, {"coverage_min": {"tri_median": 0}}, Verdict.PASS, id="one-value-accepted"),
        pytest.param(Day(), GateName.SLOTS, {"critical_slots": ("slot04", "slot99")}, Verdict.FAIL, id="slots-another"),
        pytest.param(
            Day(health=slots(slot09="ill")), GateName.SLOTS, {"critical_slots": ("slot04",)}, Verdict.PASS, id="slots-fewer"
        ),
    ],
)
def test_every_bound_is_that_of_the_policy(day: Day, name: GateName, changed: dict[str, object], verdict: Verdict) -> None:
    """Another bound turns the verdict of its own gate over on the same window, and that of no other gate."""
    usual = {gate.name: gate.verdict for gate in day.report().gates}
    other = {gate.name: gate.verdict for gate in day.report(GatePolicy.model_validate(changed)).gates}
    assert other == {**usual, name: verdict}
    assert usual[name] is not verdict


@st.composite
def days(draw: st.DrawFn) -> Day:
    """Good days, most with a fact or two at, near or beyond its bound; possible ones only: no figures without entries."""
    facts = ["decisions", "live", "misses", "rollbacks", "tri", "breaches", "age_us", "health"]
    facts += ["told", "tri_known", "anomalies_known", "r3_known", "skipped", "span_us"]
    odd = draw(st.sets(st.sampled_from(facts), max_size=2))

    def fact(name: str, usual: Fact, others: st.SearchStrategy[Fact]) -> Fact:
        return draw(others) if name in odd else usual

    decisions = fact("decisions", 20_000, st.sampled_from([0, 1, 99, 100, 101]))
    live = fact("live", decisions, st.sampled_from([0, min(29, decisions), min(30, decisions), decisions // 2]))
    misses = fact("misses", 0, st.sampled_from([live // 10, live * 15 // 100, live // 5, live]))
    rollbacks = fact("rollbacks", 0, st.sampled_from([1, 2, 3, 300]))
    tri = fact("tri", 0.5, st.none() | st.sampled_from([0.0, 0.1, -1e-9]))
    age_us = fact("age_us", 0, st.sampled_from([BOUND_US, BOUND_US - 1, BOUND_US + 1, 2 * BOUND_US]))
    return Day(
        decisions=decisions,
        live=live,
        matching=live - misses,
        rollbacks=min(rollbacks, decisions),
        tri=tri if decisions else None,
        told=fact("told", live, st.sampled_from([0, live // 2, (live + 1) // 2, live - live // 2 - 1 if live else 0])),
        tri_known=None if tri is None else fact("tri_known", decisions, st.sampled_from([min(1, decisions), decisions // 2])),
        breaches=(breaches := min(fact("breaches", 0, st.just(1)), decisions)),
        anomalies_known=fact("anomalies_known", decisions, st.sampled_from([breaches, decisions // 2, decisions * 4 // 10])),
        engaged=(engaged := min(decisions, 10 if "r3_known" in odd else breaches)),
        r3_known=fact("r3_known", engaged, st.sampled_from(sorted({breaches, max(breaches, engaged // 2)}))),
        skipped=fact("skipped", 0, st.sampled_from([1, decisions // 99, decisions // 98, 10**6])),
        span_us=fact("span_us", 1430 * MINUTE_US, st.sampled_from([0, 30, 1295, 1296]))
        * (1 if "span_us" not in odd else MINUTE_US),
        age_us=age_us if decisions else None,
        health=fact("health", slots(), st.sampled_from([NOT_ASKED, TIMED_OUT, without("slot04"), SlotsHealth()]) | told_slots),
        leaving_zero=draw(st.booleans()),
    )


told_slots = st.builds(
    slots,
    slot04=st.just("healthy") | st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=60),
    slot09=st.sampled_from(["healthy", "degraded", "None", "unreadable"]),
)
policies = st.just(POLICY) | st.builds(
    GatePolicy,
    rsi_min=st.sampled_from([0, 0.5, 0.85, 1]),
    rollbacks_per_1k_max=st.sampled_from([0, 0.1, 20]),
    tri_median_min=st.sampled_from([-1, 0, 0.1]),
    decisions_min=st.sampled_from([1, 100, 101]),
    live_min=st.sampled_from([1, 30]),
    coverage_min=st.sampled_from([0, 0.5, 1, {"rollbacks_per_1k": 0}, {"fast_cap": 0}]),
    skipped_max=st.sampled_from([0, 0.01, 1]),
    span_min=st.sampled_from([0, 0.9]),
    fresh_minutes=st.sampled_from([1, 15, 30]),
    critical_slots=st.sampled_from([("slot04",), POLICY.critical_slots]),
)


def may_go(day: Day, policy: GatePolicy) -> bool:
    """The domain's go/no-go once more, in the plainest way: N/A never passes, and the step from 0 asks for no live traffic."""
    counts = day.metrics().figures.known
    coverage: Any = policy.coverage_min
    least: dict[GateName, float] = {name: coverage.get(name, 0.5) if isinstance(coverage, dict) else coverage for name in COVERED}
    if day.live:
        on_live = day.matching >= policy.rsi_min * day.live and 1000 * day.rollbacks <= policy.rollbacks_per_1k_max * day.live
        on_live &= day.live >= policy.live_min and counts.rollbacks >= least[GateName.ROLLBACKS] * day.live
    else:
        on_live = day.leaving_zero and day.rollbacks == 0
    asked = [day.health.statuses.get(slot) for slot in policy.critical_slots]
    return (
        on_live
        and day.tri is not None
        and day.tri >= policy.tri_median_min
        and day.decisions >= policy.decisions_min
        and day.breaches == 0
        and counts.tri >= least[GateName.TRI] * day.decisions
        and counts.anomalies >= least[GateName.FAST_CAP] * day.decisions
        and counts.r3 >= least[GateName.FAST_CAP] * counts.engaged
        and day.skipped <= policy.skipped_max * (day.skipped + day.decisions)
        and day.span_us >= policy.span_min * 1440 * MINUTE_US
        and day.health.error is None
        and asked == ["healthy"] * len(asked)
        and day.age_us is not None
        and day.age_us <= policy.fresh_minutes * MINUTE_US
    )


@given(days(), policies)
def test_not_applicable_never_passes_unless_the_step_from_zero_allows_it(day: Day, policy: GatePolicy) -> None:
    """A report is GO only if every gate says PASS, or says NOT_APPLICABLE of live traffic on the step away from 0."""
    report = day.report(policy)
    excused = LIVE_ONLY if day.leaving_zero else set()
    assert {gate.name for gate in report.gates if gate.verdict is Verdict.NOT_APPLICABLE} <= excused
    if report.go:
        assert [gate.name for gate in report.gates if gate.verdict is not Verdict.PASS and gate.name not in excused] == []


@given(days(), policies)
def test_go_is_what_the_definitions_say(day: Day, policy: GatePolicy) -> None:
    """An independent, plain reading of the domain comes to the same GO or NO-GO."""
    assert day.report(policy).go is may_go(day, policy)


@given(days(), policies)
def test_what_was_not_measured_is_never_called_a_pass(day: Day, policy: GatePolicy) -> None:
    """A gate that shows no figure does not say PASS, and one that lacks data does not let a promotion through."""
    for gate in day.report(policy).gates:
        assert gate.value is not None or gate.verdict is not Verdict.PASS, gate
        assert gate.passes is (gate.verdict in LETS_THROUGH), gate


@given(days(), policies)
def test_every_gate_is_asked_once_and_gives_its_reason_in_one_line(day: Day, policy: GatePolicy) -> None:
    """All demanded gates stand in the order in which people read them, each with one line of printable text."""
    gates = day.report(policy).gates
    assert [gate.name for gate in gates] == [name for name in GateName if name in policy.demanded]
    for gate in gates:
        assert gate.reason.strip(), gate
        assert gate.reason.splitlines() == [gate.reason], gate
        assert gate.reason.isprintable(), gate


def reported(verdicts: dict[GateName, Verdict], demanded: frozenset[GateName] = ALWAYS_DEMANDED) -> GateReport:
    return GateReport(
        demanded=demanded,
        gates=tuple(Gate(name=name, verdict=verdict, value=1, bound=1, reason="measured") for name, verdict in verdicts.items()),
    )


verdicts_of_all = st.fixed_dictionaries({name: st.sampled_from(Verdict) for name in GateName})
mostly_passing = st.fixed_dictionaries(
    {name: st.sampled_from([Verdict.PASS, Verdict.PASS, Verdict.PASS, *Verdict]) for name in GateName}
)


@given(verdicts_of_all | mostly_passing)
def test_one_gate_that_does_not_pass_is_enough_for_no_go(verdicts: dict[GateName, Verdict]) -> None:
    """GO means that nothing blocks, and what blocks is exactly what says FAIL or NO_DATA."""
    report = reported(verdicts)
    stopping = [name for name, verdict in verdicts.items() if verdict in {Verdict.FAIL, Verdict.NO_DATA}]
    assert [gate.name for gate in report.blocking] == stopping
    assert report.go is (not stopping)


@given(st.sets(st.sampled_from(GateName)), st.sampled_from([POLICY, WATCHED]))
def test_a_gate_that_was_not_asked_is_enough_for_no_go(asked: set[GateName], policy: GatePolicy) -> None:
    """A report is GO only if all gates that the policy demands stand in it, however well the others do."""
    report = reported({name: Verdict.PASS for name in GateName if name in asked}, policy.demanded)
    assert report.go is (policy.demanded <= asked)


@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        pytest.param(AlertPath(heard=NOW), Verdict.PASS, id="heard-now"),
        pytest.param(AlertPath(heard=NOW - timedelta(minutes=5)), Verdict.PASS, id="heard-at-the-bound"),
        pytest.param(AlertPath(heard=NOW - timedelta(minutes=5, seconds=1)), Verdict.FAIL, id="silent-for-too-long"),
        pytest.param(AlertPath(), Verdict.NO_DATA, id="never-heard"),
        pytest.param(AlertPath(error="cannot be read"), Verdict.NO_DATA, id="nobody-can-say"),
        pytest.param(AlertPath(heard=NOW + timedelta(hours=1)), Verdict.NO_DATA, id="heard-in-the-future"),
        pytest.param(PATH_NOT_ASKED, Verdict.NO_DATA, id="not-asked"),
    ],
)
def test_a_dead_alert_path_refuses_promotion_once_there_is_one(path: AlertPath, verdict: Verdict) -> None:
    """Without a webhook token nobody asks for the gate; with one a silent Watchdog is NO-GO."""
    day = Day()
    report = evaluate(day.metrics(), day.health, WATCHED, alert_path=path)
    assert report.gates[-1].name is GateName.ALERT_PATH
    assert report.gates[-1].verdict is verdict
    assert report.go is (verdict is Verdict.PASS)
    without = evaluate(day.metrics(), day.health, POLICY, alert_path=path)
    assert without.go
    assert GateName.ALERT_PATH not in {gate.name for gate in without.gates}


PROVEN = GatePolicy(alert_path_proof_days=7)
BOTH = GatePolicy(alert_path_minutes=5, alert_path_proof_days=7)
AGO = {days: NOW - timedelta(days=days) for days in (3, 7, 8)}


@pytest.mark.parametrize(
    ("policy", "path", "verdict", "told"),
    [
        pytest.param(PROVEN, AlertPath(proven=AGO[3]), Verdict.PASS, "3.0 days ago", id="proven"),
        pytest.param(PROVEN, AlertPath(proven=AGO[7]), Verdict.PASS, "at most 7", id="proven-at-the-bound"),
        pytest.param(PROVEN, AlertPath(proven=AGO[8]), Verdict.FAIL, "proves it again", id="proven-too-long-ago"),
        pytest.param(PROVEN, AlertPath(), Verdict.NO_DATA, "never proven", id="never-proven"),
        pytest.param(PROVEN, AlertPath(heard=NOW), Verdict.NO_DATA, "never proven", id="the-watchdog-is-no-proof"),
        pytest.param(PROVEN, AlertPath(drill_failed=NOW), Verdict.FAIL, "did not arrive", id="failed"),
        pytest.param(PROVEN, AlertPath(proven=AGO[3], drill_failed=NOW), Verdict.FAIL, "did not arrive", id="failed-since"),
        pytest.param(PROVEN, AlertPath(proven=NOW + timedelta(hours=1)), Verdict.NO_DATA, "clock", id="proven-in-the-future"),
        pytest.param(PROVEN, AlertPath(proven=AGO[3], proof_error="unreadable"), Verdict.NO_DATA, "unreadable", id="unreadable"),
        pytest.param(BOTH, AlertPath(heard=NOW, proven=AGO[3]), Verdict.PASS, "0.0 minutes ago; at most 5", id="both"),
        pytest.param(BOTH, AlertPath(heard=NOW, proven=AGO[8]), Verdict.FAIL, "8.0 days ago", id="both-proof-too-old"),
        pytest.param(BOTH, AlertPath(heard=AGO[3], proven=AGO[3]), Verdict.FAIL, "path is dead", id="both-watchdog-silent"),
    ],
)
def test_a_proof_by_drill_is_asked_for_where_the_policy_wants_it(
    policy: GatePolicy, path: AlertPath, verdict: Verdict, told: str
) -> None:
    """An old proof, none, or a drill that failed since is NO-GO; Watchdog and proof do not stand in for each other."""
    day = Day()
    report = evaluate(day.metrics(), day.health, policy, alert_path=path)
    gate = report.gates[-1]
    assert (gate.name, gate.verdict) == (GateName.ALERT_PATH, verdict)
    assert told in gate.reason
    assert report.go is (verdict is Verdict.PASS)
    assert GateName.ALERT_PATH in report.demanded


@given(verdicts_of_all, st.sampled_from(GateName), st.sampled_from(Verdict))
def test_the_digest_changes_with_any_verdict(verdicts: dict[GateName, Verdict], name: GateName, other: Verdict) -> None:
    """Two reports have the same digest exactly if all their verdicts are the same."""
    before, after = reported(verdicts), reported({**verdicts, name: other})
    assert (before.verdict_digest == after.verdict_digest) is (verdicts[name] is other)


@pytest.mark.parametrize("name", GateName)
def test_the_digest_depends_on_bounds_but_not_on_figures(name: GateName) -> None:
    """A new ledger line leaves the digest alone; a bound that was moved does not."""
    report = reported(dict.fromkeys(GateName, Verdict.PASS))

    def with_change(**change: object) -> GateReport:
        return GateReport(gates=tuple(gate.model_copy(update=change) if gate.name is name else gate for gate in report.gates))

    assert with_change(value=2.0, reason="measured again").verdict_digest == report.verdict_digest
    assert with_change(bound=2.0).verdict_digest != report.verdict_digest
