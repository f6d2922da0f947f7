import ast
import inspect
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.actors import ALERTMANAGER, SCHEDULER, Actor, ActorKind, Role
from core.gates.policy import GateName
from core.gates.report import Gate, GateReport, Verdict
from core.receipts.evidence import Hold
from core.receipts.receipt import Action
from core.rollout import decisions, refusals
from core.rollout.decisions import (
    Lower,
    NeedsApproval,
    Preconditions,
    Proceed,
    Raise,
    Veto,
    decide_approved,
    decide_move,
    decide_on_gates,
    decide_shadow,
    decide_step_up,
    decide_unfreeze,
    obstacles,
)
from core.rollout.refusals import Code, Refuse
from core.rollout.state import Pause, RolloutState, UnsettledIntent
from core.settings.target import LADDER
from tests.support.rig import NOW

DRIFTED = "The router's settings say 25%, but the journal says 10%."
Decision = Raise | Lower | NeedsApproval | Proceed | Refuse


def person(*roles: Role, kind: ActorKind = ActorKind.SLACK) -> Actor:
    return Actor(kind=kind, id="UOLIVIA", roles=frozenset(roles))


OPERATOR = person(Role.BRAKE, Role.OPERATE)
ACCOUNT = Actor(kind=ActorKind.ACCOUNT, id="anr", roles=frozenset(Role))
TERMINAL = person(Role.OPERATE, kind=ActorKind.OS)
UNSETTLED = UnsettledIntent(
    seq=7,
    operation="o7",
    action=Action.PROMOTE,
    actor=OPERATOR,
    from_stage=10,
    to_stage=25,
    since=NOW,
)


def hold(name: str, reason: str = "", *, keeps_stage: bool = False) -> Hold:
    return Hold(id=name, actor=OPERATOR, reason=reason, since=NOW, keeps_stage=keeps_stage)


def at(
    stage: int | None,
    *held: Hold,
    revision: int = 7,
    person_required: bool = False,
    unsettled: UnsettledIntent | None = None,
) -> RolloutState:
    return RolloutState(stage=stage, revision=revision, holds=held, person_required=person_required, unsettled=unsettled)


def gates(**changed: Verdict) -> GateReport:
    return GateReport(
        gates=tuple(
            Gate(name=name, verdict=changed.get(name.name, Verdict.PASS), value=1, bound=1, reason=f"this is {name.value}")
            for name in GateName
        )
    )


GO = gates()


PAUSED = at(10).model_copy(update={"paused": Pause(actor=OPERATOR, reason="fair", since=NOW)})
SOAKED = {10: 48.0}
VETO = Veto(OPERATOR, "the fair", NOW.date())


def served(hours: float | None) -> RolloutState:
    """At 10%, which the router was seen to serve some hours ago, or never."""
    seen_at = None if hours is None else NOW - timedelta(hours=hours)
    return at(10).model_copy(update={"observed_since": seen_at})


WRITTEN = at(10).model_copy(update={"since": NOW - timedelta(hours=1)})


def standing(state: RolloutState, **facts: object) -> Preconditions:
    return Preconditions(**{"state": state, "stages": LADDER, "now": NOW, **facts})  # type: ignore[arg-type]


FAILED = at(25).model_copy(update={"brake_failed": True})

STANDS: list[tuple[str, Preconditions, Actor, list[Code]]] = [
    ("nothing", standing(at(10), gates=GO), OPERATOR, []),
    ("nothing-for-the-scheduler", standing(at(10), gates=GO), SCHEDULER, []),
    ("a-paused-schedule-stops-no-person", standing(PAUSED), OPERATOR, []),
    ("a-paused-schedule-stops-the-scheduler", standing(PAUSED), SCHEDULER, [Code.SCHEDULE_PAUSED]),
    ("promotion-off-stops-no-person", standing(at(10), schedule_promotes=False), OPERATOR, []),
    ("promotion-off-stops-the-scheduler", standing(at(10), schedule_promotes=False), SCHEDULER, [Code.PROMOTION_OFF]),
    ("a-skipped-run-stops-no-person", standing(at(10), veto=VETO), OPERATOR, []),
    ("a-skipped-run-stops-the-scheduler", standing(at(10), veto=VETO), SCHEDULER, [Code.SKIPPED]),
    ("soaking", standing(served(47.9), soak_hours=SOAKED), OPERATOR, [Code.SOAKING]),
    ("soaking-stops-the-scheduler-too", standing(served(47.9), soak_hours=SOAKED), SCHEDULER, [Code.SOAKING]),
    ("soaked", standing(served(48), soak_hours=SOAKED), OPERATOR, []),
    ("never-seen-to-soak", standing(served(None), soak_hours=SOAKED), OPERATOR, [Code.SOAKING]),
    ("without-pilot-from-the-write", standing(WRITTEN, soak_hours={10: 1.0}, pilot_untold=True), OPERATOR, []),
    ("without-pilot-not-yet", standing(WRITTEN, soak_hours=SOAKED, pilot_untold=True), OPERATOR, [Code.SOAKING]),
    ("no-soak-asked", standing(served(None), soak_hours={25: 72.0}), OPERATOR, []),
    ("no-soak-at-the-top", standing(at(100), soak_hours={100: 72.0}), OPERATOR, [Code.TOP_OF_LADDER]),
    ("a-brake-that-failed", standing(FAILED), OPERATOR, [Code.BRAKE_FAILED]),
    ("a-brake-nobody-recorded", standing(at(10), drift=DRIFTED, braked=True), OPERATOR, [Code.BRAKED]),
    ("a-brake-without-its-receipt", standing(at(10), brake_marks=("h1",)), OPERATOR, [Code.BRAKE_ENGAGED]),
    ("a-brake-with-its-receipt", standing(at(0, hold("h1")), brake_marks=("h1",)), OPERATOR, [Code.FROZEN]),
    ("a-second-brake", standing(at(0, hold("h1")), brake_marks=("h1", "h2")), OPERATOR, [Code.FROZEN, Code.BRAKE_ENGAGED]),
    ("a-request-that-waits", standing(at(10), waiting=("abc",)), OPERATOR, [Code.APPROVAL_PENDING]),
    ("red-gates", standing(at(10), gates=gates(RSI=Verdict.FAIL)), OPERATOR, [Code.GATES_NOT_PASSED]),
    ("an-empty-journal", standing(RolloutState()), OPERATOR, [Code.NOT_INITIALISED]),
    ("an-unknown-stage", standing(at(None)), OPERATOR, [Code.STAGE_UNKNOWN]),
    (
        "everything-at-once",
        standing(
            at(0, hold("h1"), person_required=True, unsettled=UNSETTLED).model_copy(update={"paused": PAUSED.paused}),
            drift=DRIFTED,
            brake_marks=("h2",),
            soak_hours={0: 1.0},
            approvers_set=False,
            schedule_promotes=False,
            waiting=("abc",),
            gates=gates(SLOTS=Verdict.NO_DATA),
        ),
        SCHEDULER,
        [
            Code.FROZEN,
            Code.UNSETTLED,
            Code.DRIFT,
            Code.BRAKE_ENGAGED,
            Code.PROMOTION_OFF,
            Code.NO_APPROVERS,
            Code.SCHEDULE_PAUSED,
            Code.PERSON_MUST_ASK,
            Code.SOAKING,
            Code.APPROVAL_PENDING,
            Code.GATES_NOT_PASSED,
        ],
    ),
]


def kind(decision: Decision) -> Code | Decision:
    """The reason code of a refusal; anything else as it is."""
    return decision.code if isinstance(decision, Refuse) else decision


PLANS: list[tuple[str, RolloutState, int | None, str | None, Code | Decision]] = [
    ("the-next-stage-if-none-is-named", at(10), None, None, Raise(10, 25)),
    ("away-from-zero", at(0), None, None, Raise(0, 10)),
    ("the-next-stage-by-name", at(25), 50, None, Raise(25, 50)),
    ("the-last-step", at(75), None, None, Raise(75, 100)),
    ("up-from-a-stage-that-left-the-ladder", at(30), 50, None, Raise(30, 50)),
    ("one-stage-skipped", at(10), 50, None, Code.NOT_NEXT_STAGE),
    ("all-stages-skipped", at(0), 100, None, Code.NOT_NEXT_STAGE),
    ("down-one-stage", at(50), 25, None, Lower(50, 25)),
    ("down-several-stages", at(50), 10, None, Lower(50, 10)),
    ("down-to-zero", at(100), 0, None, Lower(100, 0)),
    ("down-from-a-stage-that-left-the-ladder", at(30), 25, None, Lower(30, 25)),
    ("the-stage-that-is-served", at(25), 25, None, Code.ALREADY_THERE),
    ("zero-at-zero", at(0), 0, None, Code.ALREADY_THERE),
    ("the-top-by-name", at(100), 100, None, Code.ALREADY_THERE),
    ("above-the-top", at(100), None, None, Code.TOP_OF_LADDER),
    ("between-two-stages", at(10), 30, None, Code.NOT_ON_LADDER),
    ("below-zero", at(10), -10, None, Code.NOT_ON_LADDER),
    ("more-than-everything", at(100), 110, None, Code.NOT_ON_LADDER),
    ("no-stage-while-frozen", at(0, hold("h1")), 30, None, Code.NOT_ON_LADDER),
    ("up-on-an-empty-journal", RolloutState(), None, None, Code.NOT_INITIALISED),
    ("down-on-an-empty-journal", RolloutState(), 0, None, Code.NOT_INITIALISED),
    ("up-from-an-unknown-stage", at(None), None, None, Code.STAGE_UNKNOWN),
    ("down-from-an-unknown-stage", at(None), 0, None, Code.STAGE_UNKNOWN),
    ("drift-at-an-unknown-stage", at(None), 10, DRIFTED, Code.STAGE_UNKNOWN),
    ("up-while-frozen", at(0, hold("h1")), None, None, Code.FROZEN),
    ("down-while-frozen", at(50, hold("h1")), 10, None, Code.FROZEN),
    ("down-while-held-at-the-stage", at(50, hold("h1", keeps_stage=True)), 10, None, Lower(50, 10)),
    ("up-while-held-at-the-stage", at(50, hold("h1", keeps_stage=True)), 75, None, Code.FROZEN),
    ("down-while-one-of-two-rolled-back", at(50, hold("h1", keeps_stage=True), hold("h2")), 10, None, Code.FROZEN),
    ("down-while-held-and-unsettled", at(50, hold("h1", keeps_stage=True), unsettled=UNSETTLED), 10, None, Code.UNSETTLED),
    ("down-while-held-and-drifted", at(50, hold("h1", keeps_stage=True)), 10, DRIFTED, Code.DRIFT),
    ("an-unknown-stage-while-frozen", at(None, hold("h1")), None, None, Code.FROZEN),
    ("frozen-before-unsettled", at(10, hold("h1"), unsettled=UNSETTLED), None, None, Code.FROZEN),
    ("up-while-unsettled", at(10, unsettled=UNSETTLED), None, None, Code.UNSETTLED),
    ("down-while-unsettled", at(50, unsettled=UNSETTLED), 10, None, Code.UNSETTLED),
    ("unsettled-before-drift", at(10, unsettled=UNSETTLED), None, DRIFTED, Code.UNSETTLED),
    ("up-with-drift", at(10), None, DRIFTED, Code.DRIFT),
    ("down-with-drift", at(10), 0, DRIFTED, Code.DRIFT),
    ("drift-at-zero", at(0), None, DRIFTED, Code.DRIFT),
]

ASKS: list[tuple[str, RolloutState, Actor, bool, Code | type[NeedsApproval | Proceed]]] = [
    ("an-operator", at(10), OPERATOR, True, NeedsApproval),
    ("an-operator-at-the-terminal", at(10), TERMINAL, True, NeedsApproval),
    ("an-operator-who-also-approves", at(10), person(*Role), True, NeedsApproval),
    ("an-operator-away-from-zero", at(0, person_required=True), OPERATOR, True, NeedsApproval),
    ("an-operator-after-a-brake", at(10, person_required=True), OPERATOR, True, NeedsApproval),
    ("somebody-without-a-role", at(10), person(), True, Code.NOT_ALLOWED),
    ("a-member-who-may-brake", at(10), person(Role.BRAKE), True, Code.NOT_ALLOWED),
    ("an-approver-who-does-not-operate", at(10), person(Role.BRAKE, Role.APPROVE), True, Code.NOT_ALLOWED),
    ("somebody-at-the-terminal", at(10), person(kind=ActorKind.OS), True, Code.NOT_ALLOWED),
    ("an-operator-without-approvers", at(10), OPERATOR, False, Code.NO_APPROVERS),
    ("somebody-without-approvers", at(10), person(), False, Code.NO_APPROVERS),
    ("the-scheduler", at(10), SCHEDULER, True, Proceed),
    ("the-scheduler-without-approvers", at(10), SCHEDULER, False, Code.NO_APPROVERS),
    ("the-scheduler-at-zero", at(0), SCHEDULER, True, Code.PERSON_MUST_ASK),
    ("the-scheduler-after-a-brake", at(10, person_required=True), SCHEDULER, True, Code.PERSON_MUST_ASK),
    ("the-scheduler-after-a-brake-at-zero", at(0, person_required=True), SCHEDULER, True, Code.PERSON_MUST_ASK),
]

ALERTED = RolloutState(
    stage=0,
    holds=tuple(Hold(id=name, actor=ALERTMANAGER, reason="RSI", since=NOW, cause=f"alert:{name}") for name in ("h1", "h2")),
    resolved=("alert:h2",),
)
TWO_HOLDS = at(0, hold("h1"), hold("h2"))
LIFTS: list[tuple[str, RolloutState, Actor, frozenset[str], Code | tuple[str, ...]]] = [
    ("all-of-them", TWO_HOLDS, OPERATOR, frozenset(), ("h1", "h2")),
    ("all-of-them-by-name", TWO_HOLDS, OPERATOR, frozenset({"h2", "h1"}), ("h1", "h2")),
    ("one-of-them", TWO_HOLDS, OPERATOR, frozenset({"h2"}), ("h2",)),
    ("at-the-terminal", at(0, hold("h1")), TERMINAL, frozenset(), ("h1",)),
    ("while-the-stage-is-unknown", at(None, hold("h1")), OPERATOR, frozenset(), ("h1",)),
    ("one-that-is-not-there", TWO_HOLDS, OPERATOR, frozenset({"h3"}), Code.HOLD_UNKNOWN),
    ("one-that-is-there-and-one-that-is-not", TWO_HOLDS, OPERATOR, frozenset({"h1", "h3"}), Code.HOLD_UNKNOWN),
    ("by-its-first-characters", at(0, hold("abcdef01"), hold("abcdee02")), OPERATOR, frozenset({"abcdef"}), ("abcdef01",)),
    ("by-too-few-characters", at(0, hold("abcdef01")), OPERATOR, frozenset({"abcde"}), Code.HOLD_UNKNOWN),
    ("by-characters-of-two", at(0, hold("abcdef01"), hold("abcdef02")), OPERATOR, frozenset({"abcdef"}), Code.HOLD_UNKNOWN),
    ("when-nothing-is-frozen", at(10), OPERATOR, frozenset(), Code.NOT_FROZEN),
    ("by-name-when-nothing-is-frozen", at(10), OPERATOR, frozenset({"h1"}), Code.NOT_FROZEN),
    ("by-a-member-who-may-brake", TWO_HOLDS, person(Role.BRAKE), frozenset(), Code.NOT_ALLOWED),
    ("by-an-approver-who-does-not-operate", TWO_HOLDS, person(Role.APPROVE), frozenset(), Code.NOT_ALLOWED),
    ("by-a-member-when-nothing-is-frozen", at(10), person(), frozenset(), Code.NOT_ALLOWED),
    ("by-the-scheduler", TWO_HOLDS, SCHEDULER, frozenset(), Code.NOT_ALLOWED),
    ("by-the-account-that-runs-anr", TWO_HOLDS, ACCOUNT, frozenset(), Code.NO_PERSON),
    ("while-its-alert-fires", ALERTED, OPERATOR, frozenset(), Code.STILL_FIRING),
    ("one-whose-alert-has-ended", ALERTED, OPERATOR, frozenset({"h2"}), ("h2",)),
]
KILLED = at(0).model_copy(update={"settings": {"NOVA_ANR_ENABLED": "0", "NOVA_ANR_PILOT": "0.00", "NOVA_ANR_KILL": "1"}})


def test_a_soak_that_kill_holds_up_says_what_begins_it() -> None:
    """Hours that nobody began never end: whoever asks is told the command, and how long it is from then."""
    (refusal,) = obstacles(standing(KILLED, soak_hours={0: 23.0}), OPERATOR)
    assert refusal.text.endswith("Nothing was changed; the 23 h begin once `anr shadow` has lifted KILL.")


SHADOWS: list[tuple[str, RolloutState, Actor, tuple[str, ...], str | None, Code | None]] = [
    ("a-router-that-was-rolled-back", KILLED, OPERATOR, (), None, None),
    ("at-the-terminal", KILLED, TERMINAL, (), None, None),
    ("while-it-serves", at(10), OPERATOR, (), None, Code.NOT_AT_ZERO),
    ("while-it-observes", at(0), OPERATOR, (), None, Code.ALREADY_THERE),
    ("while-it-is-frozen", KILLED.model_copy(update={"holds": (hold("h1"),)}), OPERATOR, (), None, Code.FROZEN),
    ("while-a-mark-is-on-disk", KILLED, OPERATOR, ("h9",), None, Code.BRAKE_ENGAGED),
    ("while-it-drifts", KILLED, OPERATOR, (), DRIFTED, Code.DRIFT),
    ("while-an-operation-is-open", KILLED.model_copy(update={"unsettled": UNSETTLED}), OPERATOR, (), None, Code.UNSETTLED),
    ("while-the-stage-is-unknown", at(None), OPERATOR, (), None, Code.STAGE_UNKNOWN),
    ("by-a-member-who-may-brake", KILLED, person(Role.BRAKE), (), None, Code.NOT_ALLOWED),
    ("by-the-scheduler", KILLED, SCHEDULER, (), None, Code.NOT_ALLOWED),
    ("by-the-account-that-runs-anr", KILLED, ACCOUNT, (), None, Code.NO_PERSON),
]
OVERRIDES: list[tuple[str, str, bool, Code | tuple[str, ...]]] = [
    ("said-and-explained", "it is the probe", True, ("h1", "h2")),
    ("said-without-a-reason", "", True, Code.STILL_FIRING),
    ("a-reason-alone", "it is the probe", False, Code.STILL_FIRING),
]

NO_GO = [Verdict.FAIL, Verdict.NO_DATA]


@pytest.mark.parametrize(("state", "wanted", "drift", "expected"), [pytest.param(*row, id=name) for name, *row in PLANS])
def test_decide_move_says_which_move_is_asked_for(
    state: RolloutState, wanted: int | None, drift: str | None, expected: Code | Decision
) -> None:
    """Up one stage at a time, down at will, and nothing while the rollout is not in order."""
    assert kind(decide_move(standing(state, drift=drift), OPERATOR, wanted)) == expected


@pytest.mark.parametrize(
    ("state", "actor", "approvers_set", "expected"), [pytest.param(*row, id=f"by-{name}") for name, *row in ASKS]
)
def test_a_step_up_with_green_gates_depends_on_who_asks(
    state: RolloutState,
    actor: Actor,
    approvers_set: bool,  # noqa: FBT001 - a column of the table
    expected: Code | type[NeedsApproval | Proceed],
) -> None:
    """An operator's step waits for an approval, the scheduler's does not, and nobody else gets one."""
    decision = decide_step_up(standing(state, approvers_set=approvers_set), actor, GO)
    if isinstance(expected, Code):
        assert kind(decision) == expected
        return
    move = decide_move(standing(state), OPERATOR, None)
    assert isinstance(move, Raise)
    assert decision == expected(move.from_stage, move.to_stage)


@pytest.mark.parametrize(
    ("state", "actor", "approvers_set", "expected"), [pytest.param(*row, id=f"by-{name}") for name, *row in ASKS]
)
def test_who_may_not_ask_is_refused_before_anything_is_measured(
    state: RolloutState,
    actor: Actor,
    approvers_set: bool,  # noqa: FBT001 - a column of the table
    expected: Code | type[NeedsApproval | Proceed],
) -> None:
    """Who is refused for who they are is refused without a look at the gates, with the same code."""
    decision = decide_step_up(standing(state, approvers_set=approvers_set), actor)
    assert (decision.code if isinstance(decision, Refuse) else None) == (expected if isinstance(expected, Code) else None)


@pytest.mark.parametrize("verdict", NO_GO)
@pytest.mark.parametrize("name", GateName)
@pytest.mark.parametrize("actor", [OPERATOR, SCHEDULER], ids=["operator", "scheduler"])
def test_one_red_gate_refuses_the_step_and_is_the_evidence(actor: Actor, name: GateName, verdict: Verdict) -> None:
    """No gate is less important than another, NO_DATA is as red as FAIL, and only what is red is listed."""
    decision = decide_step_up(standing(at(10)), actor, gates(**{name.name: verdict}))
    assert isinstance(decision, Refuse)
    assert (decision.code, decision.blockers) == (Code.GATES_NOT_PASSED, (f"{name.value}: this is {name.value}",))
    assert "10% → 25%" in decision.text


def test_several_red_gates_are_all_listed() -> None:
    """The refusal names every gate that stands in the way, in the order in which people read them."""
    report = gates(FRESHNESS=Verdict.NO_DATA, RSI=Verdict.FAIL, TRI=Verdict.NOT_APPLICABLE)
    decision = decide_step_up(standing(at(10)), OPERATOR, report)
    assert isinstance(decision, Refuse)
    assert decision.blockers == ("rsi: this is rsi", "freshness: this is freshness")


@pytest.mark.parametrize(("state", "actor", "wanted", "expected"), [pytest.param(*row, id=name) for name, *row in LIFTS])
def test_decide_unfreeze_lifts_what_is_held_and_named(
    state: RolloutState, actor: Actor, wanted: frozenset[str], expected: Code | tuple[str, ...]
) -> None:
    """An operator lifts all holds or those named, all or none of them, in the order in which they were put."""
    decision = decide_unfreeze(state, actor, wanted)
    assert (decision.code if isinstance(decision, Refuse) else decision) == expected


@pytest.mark.parametrize(("state", "actor", "marks", "drift", "code"), [pytest.param(*row, id=name) for name, *row in SHADOWS])
def test_decide_shadow_lets_an_operator_go_back_to_observing(
    state: RolloutState, actor: Actor, marks: tuple[str, ...], drift: str | None, code: Code | None
) -> None:
    """Without gates and approval, once no hold is left: nothing is served by it."""
    refusal = decide_shadow(state, actor, marks, drift)
    assert (refusal.code if refusal else None) is code


@pytest.mark.parametrize(("reason", "while_firing", "expected"), [pytest.param(*row, id=name) for name, *row in OVERRIDES])
def test_a_hold_whose_alert_fires_is_lifted_only_on_purpose_and_with_a_reason(
    reason: str,
    while_firing: bool,  # noqa: FBT001 - a column of the table
    expected: Code | tuple[str, ...],
) -> None:
    """Neither the switch nor the reason alone is enough, and what fires is named."""
    decision = decide_unfreeze(ALERTED, OPERATOR, frozenset(), reason, while_firing=while_firing)
    assert (decision.code if isinstance(decision, Refuse) else decision) == expected
    assert not isinstance(decision, Refuse) or decision.blockers == ("RSI",)


def test_every_code_that_decisions_can_return_stands_in_a_table() -> None:
    """A reason that is added to the module without a row here is noticed."""
    tree = ast.parse(inspect.getsource(decisions) + inspect.getsource(refusals))
    written = {
        Code[node.attr]
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Code"
    }
    rows = [row[-1] for row in (*PLANS, *ASKS, *LIFTS, *APPROVED, *SHADOWS)] + [code for row in STANDS for code in row[-1]]
    assert {code for code in rows if isinstance(code, Code)} == written


@pytest.mark.parametrize(("facts", "actor", "codes"), [pytest.param(*row, id=name) for name, *row in STANDS])
def test_everything_that_stands_in_the_way_is_named_at_once(facts: Preconditions, actor: Actor, codes: list[Code]) -> None:
    """Each thing that would refuse the next step, in the order in which operations refuse, and nothing else."""
    assert [refusal.code for refusal in obstacles(facts, actor)] == codes


@pytest.mark.parametrize(
    ("state", "wanted", "evidence"),
    [
        pytest.param(
            at(0, hold("h1", "errors"), hold("h2")), None, ("errors (UOLIVIA)", "no reason given (UOLIVIA)"), id="frozen"
        ),
        pytest.param(at(10), 30, (), id="nothing-to-show"),
    ],
)
def test_a_refusal_carries_its_evidence(state: RolloutState, wanted: int | None, evidence: tuple[str, ...]) -> None:
    """Whoever is refused because of holds sees every hold and its owner."""
    refusal = decide_move(standing(state), OPERATOR, wanted)
    assert isinstance(refusal, Refuse)
    assert refusal.blockers == evidence


people = st.builds(
    lambda roles, where: person(*roles, kind=where),
    st.frozensets(st.sampled_from(Role)),
    st.sampled_from([ActorKind.SLACK, ActorKind.OS]),
)
reports = st.just(GO) | st.builds(
    lambda verdicts: gates(**verdicts),
    st.dictionaries(st.sampled_from([name.name for name in GateName]), st.sampled_from(Verdict)),
)
states = st.builds(
    lambda stage, held, required, unsettled: at(stage, *held, person_required=required, unsettled=unsettled),
    st.none() | st.sampled_from(LADDER),
    st.lists(
        st.sampled_from([hold("h1"), hold("h2"), hold("h3", keeps_stage=True)]),
        max_size=2,
        unique_by=lambda in_force: in_force.id,
    ),
    st.booleans(),
    st.none() | st.just(UNSETTLED),
)
steps = st.builds(
    lambda step, required: (at(step[0], person_required=required), Raise(*step)),
    st.sampled_from(tuple(pairwise(LADDER))),
    st.booleans(),
)
"""A state in good order below the top, and the step up from there."""
ladders = st.sets(st.integers(1, 100), min_size=1, max_size=6).map(lambda above: (0, *sorted(above)))


@given(people, states, reports, st.booleans())
def test_a_person_alone_never_promotes(
    actor: Actor,
    state: RolloutState,
    report: GateReport,
    approvers_set: bool,  # noqa: FBT001 - drawn, not passed by hand
) -> None:
    """Whatever the state, the gates and the roles, a person's step is refused or waits for somebody else's approval."""
    decision = decide_step_up(standing(state, approvers_set=approvers_set), actor, report)
    assert isinstance(decision, (NeedsApproval, Refuse))


@given(steps, st.just(SCHEDULER) | people, reports, st.booleans())
def test_a_step_up_needs_green_gates_approvers_and_the_right_to_ask(
    step: tuple[RolloutState, Raise],
    actor: Actor,
    report: GateReport,
    approvers_set: bool,  # noqa: FBT001 - drawn, not passed by hand
) -> None:
    """It is refused exactly if one of them is missing, and otherwise it is the step that was asked for."""
    state, move = step
    entitled = Role.OPERATE in actor.roles if actor.is_person else state.stage != 0 and not state.person_required
    decision = decide_step_up(standing(state, approvers_set=approvers_set), actor, report)
    assert isinstance(decision, Refuse) is not (report.go and approvers_set and entitled)
    if not isinstance(decision, Refuse):
        assert (decision.from_stage, decision.to_stage) == (move.from_stage, move.to_stage)


def planned_and_decided(
    state: RolloutState, wanted: int | None, actor: Actor, report: GateReport, *, approvers_set: bool
) -> Decision:
    """Plan, then decide on what was planned, as every operation does."""
    move = decide_move(standing(state, approvers_set=approvers_set), actor, wanted)
    return decide_on_gates(move, actor, report) if isinstance(move, Raise) else move


@given(states, st.none() | st.sampled_from(LADDER), st.just(SCHEDULER) | people, reports, st.booleans())
def test_nothing_moves_while_frozen_or_unsettled_and_nothing_up_without_gates_or_approvers(
    state: RolloutState,
    wanted: int | None,
    actor: Actor,
    report: GateReport,
    approvers_set: bool,  # noqa: FBT001 - drawn, not passed by hand
) -> None:
    """A frozen or unsettled rollout refuses every move, but one down from a stage that was kept; so do red gates."""
    decision = planned_and_decided(state, wanted, actor, report, approvers_set=approvers_set)
    if state.rolled_back or state.unsettled or state.stage is None:
        assert isinstance(decision, Refuse)
    elif state.frozen or not report.go or not approvers_set:
        assert isinstance(decision, (Refuse, Lower))
    if isinstance(decision, Proceed):
        assert not actor.is_person


@given(states, st.just(SCHEDULER) | people, reports, st.none() | st.just(DRIFTED), st.booleans())
def test_what_stands_in_the_way_is_what_an_operation_refuses_with(
    state: RolloutState,
    actor: Actor,
    report: GateReport,
    drift: str | None,
    approvers_set: bool,  # noqa: FBT001 - drawn, not passed by hand
) -> None:
    """There is no second opinion: the first obstacle is the refusal, and without an obstacle nothing is refused."""
    facts = standing(state, drift=drift, approvers_set=approvers_set, gates=report)
    found, decision = obstacles(facts, actor), decide_step_up(facts, actor, report)
    assert (found[0] if found else None) == (decision if isinstance(decision, Refuse) else None)


@given(states, ladders, st.none() | st.integers(0, 100), st.none() | st.just(DRIFTED))
def test_a_planned_move_is_one_stage_up_or_any_way_down(
    state: RolloutState, ladder: tuple[int, ...], wanted: int | None, drift: str | None
) -> None:
    """On any ladder, up means the very next stage, down means below, both start where the router is, and order comes first."""
    move = decide_move(standing(state, stages=ladder, drift=drift), OPERATOR, wanted)
    if isinstance(move, Refuse):
        return
    assert not state.frozen or (isinstance(move, Lower) and not state.rolled_back)
    assert (state.unsettled, drift, state.stage) == (None, None, move.from_stage)
    assert move.to_stage in ladder
    assert wanted in {None, move.to_stage}
    if isinstance(move, Raise):
        assert [stage for stage in ladder if move.from_stage < stage <= move.to_stage] == [move.to_stage]
    else:
        assert wanted is not None
        assert move.to_stage < move.from_stage


@given(states, people, st.frozensets(st.sampled_from(["h1", "h2", "h3"])))
def test_unfreezing_never_lifts_what_was_not_named_or_not_held(state: RolloutState, actor: Actor, wanted: frozenset[str]) -> None:
    """Only an operator lifts holds, only those in force, and exactly those named if any were named."""
    lifted = decide_unfreeze(state, actor, wanted)
    held = {hold.id for hold in state.holds}
    if isinstance(lifted, Refuse):
        assert Role.OPERATE not in actor.roles or not held or not wanted <= held
    else:
        assert Role.OPERATE in actor.roles
        assert set(lifted) == (wanted or held) <= held
        assert lifted


APPROVED: list[tuple[str, Preconditions, int | None, Code | Raise]] = [
    ("still-the-next-stage", standing(at(10)), 25, Raise(10, 25)),
    ("a-stage-that-is-skipped-now", standing(at(10)), 50, Code.NOT_NEXT_STAGE),
    ("the-stage-that-is-served", standing(at(25)), 25, Code.ALREADY_THERE),
    ("no-stage-at-all", standing(at(10)), None, Code.APPROVAL_STALE),
    ("frozen-since", standing(at(0, hold("h1"))), 10, Code.FROZEN),
    ("unsettled", standing(at(10, unsettled=UNSETTLED)), 25, Code.UNSETTLED),
    ("drifted", standing(at(10), drift=DRIFTED), 25, Code.DRIFT),
    ("a-brake-without-its-receipt", standing(at(10), brake_marks=("h1",)), 25, Code.BRAKE_ENGAGED),
    ("an-unknown-stage", standing(at(None)), 25, Code.STAGE_UNKNOWN),
    ("what-waits-is-this-request", standing(at(10), waiting=("abc",)), 25, Raise(10, 25)),
]


@pytest.mark.parametrize(("facts", "wanted", "expected"), [pytest.param(*row, id=name) for name, *row in APPROVED])
def test_an_approved_step_is_decided_anew_without_asking_who_asked(
    facts: Preconditions, wanted: int | None, expected: Code | Raise
) -> None:
    """Roles are looked up of who acts, and who acts now is the approver: of the step itself everything is asked again."""
    assert kind(decide_approved(facts, wanted)) == expected


def test_a_member_who_may_brake_steps_down_and_not_up() -> None:
    """Less exposure needs no operator."""
    facts = standing(at(50, hold("h1", keeps_stage=True)))
    assert decide_move(facts, person(Role.BRAKE), 10) == Lower(50, 10)
    assert kind(decide_move(facts, person(), 10)) is Code.NOT_ALLOWED
    assert kind(decide_move(standing(at(50)), person(Role.BRAKE), 75)) is Code.NOT_ALLOWED
