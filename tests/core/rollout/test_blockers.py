from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.actors import SCHEDULER, Actor, ActorKind, Role
from core.gates.policy import GateName
from core.gates.report import Gate, GateReport, Verdict
from core.receipts.evidence import Hold
from core.receipts.receipt import Action
from core.rollout.blockers import _GATES, Question, blockers
from core.rollout.decisions import Preconditions, Veto, obstacles
from core.rollout.outlook import outlook
from core.rollout.refusals import Code
from core.rollout.schedule import PromotionMode, Schedule
from core.rollout.state import Pause, RolloutState, UnsettledIntent
from core.settings.target import LADDER
from tests.support.rig import NOW

OLIVIA = Actor(kind=ActorKind.SLACK, id="UOLIVIA")
OPERATOR = Actor(kind=ActorKind.SLACK, id="UOLIVIA", roles=frozenset({Role.OPERATE}))
HOUR = timedelta(hours=1)
NIGHTLY = Schedule(at=time(9, 5))
NEXT = datetime(2025, 10, 2, 9, 5, tzinfo=UTC)
FREE = RolloutState(
    stage=10, since=NOW - 80 * HOUR, observed_since=NOW - 80 * HOUR, revision=3, person_required=False, ran=NOW
)  # today's run was made


def hold(name: str, age: timedelta, expires: timedelta | None = None) -> Hold:
    ends = None if expires is None else NOW + expires
    return Hold(id=name * 8, actor=OLIVIA, reason="errors", since=NOW - age, expires_at=ends)


def gates(**changed: Verdict) -> GateReport:
    return GateReport(
        gates=tuple(
            Gate(name=name, verdict=changed.get(name.name, Verdict.PASS), value=1, bound=1, reason=f"this is {name.value}")
            for name in GateName
        )
    )


def standing_of(**facts: object) -> Preconditions:
    return Preconditions(**facts)  # type: ignore[arg-type]


def known(asked: Question) -> Preconditions:
    assert asked.standing is not None
    return asked.standing


def question(
    state: RolloutState = FREE, *, unreadable: tuple[str, ...] = (), mode: PromotionMode = PromotionMode.AUTO, **changes: object
) -> Question:
    facts = {"state": state, "stages": LADDER, "now": NOW, "gates": gates(), **changes}
    return Question(
        replace(standing_of(**facts), schedule_promotes=mode is not PromotionMode.OFF),
        frozenset({"UAARON", "UPRIYA"}),
        mode,
        unreadable,
    )


def changed(**facts: object) -> RolloutState:
    return FREE.model_copy(update=facts)


INTENT = UnsettledIntent(seq=7, operation="o", action=Action.PROMOTE, actor=OLIVIA, from_stage=10, to_stage=25, since=NOW)


@pytest.mark.parametrize(
    ("asked", "code", "owner", "lift"),
    [
        pytest.param(question(gates=gates(RSI=Verdict.FAIL)), Code.GATES_NOT_PASSED, "the router's team", "wait", id="gate"),
        pytest.param(question(changed(holds=(hold("a", HOUR),))), Code.FROZEN, OLIVIA, "`unfreeze aaaaaaaa`", id="hold"),
        pytest.param(question(soak_hours={10: 90.0}), Code.SOAKING, "time", "wait", id="soak"),
        pytest.param(
            question(waiting=("abcd",)), Code.APPROVAL_PENDING, "approvers: UAARON, UPRIYA", "`approve abcd`", id="request"
        ),
        pytest.param(
            question(changed(paused=Pause(actor=OLIVIA, reason="fair", since=NOW))),
            Code.SCHEDULE_PAUSED,
            OLIVIA,
            "`schedule resume`",
            id="schedule",
        ),
        pytest.param(question(drift="It differs."), Code.DRIFT, "approvers: UAARON, UPRIYA", "`drift reapply`", id="drift"),
        pytest.param(question(approvers_set=False), Code.NO_APPROVERS, "an administrator", "`approvers`", id="no-approvers"),
        pytest.param(question(changed(unsettled=INTENT)), Code.UNSETTLED, OLIVIA, "`anr recover`", id="unsettled"),
        pytest.param(question(changed(person_required=True)), Code.PERSON_MUST_ASK, "operators", "`promote`", id="person"),
        pytest.param(
            question(veto=Veto(OLIVIA, "the fair", NEXT.date())), Code.SKIPPED, OLIVIA, "the run of the next day", id="skipped"
        ),
        pytest.param(question(mode=PromotionMode.OFF), Code.PROMOTION_OFF, "an administrator", "schedule.promotion", id="off"),
        pytest.param(question(RolloutState()), Code.NOT_INITIALISED, "operators", "`anr init`", id="not-begun"),
        pytest.param(question(changed(brake_failed=True)), Code.BRAKE_FAILED, "anybody", "`rollback`", id="brake-failed"),
        pytest.param(question(drift="It is safe.", braked=True), Code.BRAKED, "anybody", "`rollback`", id="braked"),
        pytest.param(question(brake_marks=("x",)), Code.BRAKE_ENGAGED, "operators", "`anr recover`", id="brake-mark"),
        pytest.param(question(unreadable=("No.",)), Code.UNREADABLE, "whoever runs anr", "`anr doctor`", id="unreadable"),
    ],
)
def test_each_blocker_names_its_owner_and_its_way_out(asked: Question, code: Code, owner: Actor | str, lift: str) -> None:
    """Whoever asks why sees what stands in the way, to whom it belongs and what to type."""
    found = next(blocker for blocker in blockers(asked) if blocker.code is code)
    assert found.owner == owner
    assert lift in found.lift
    assert found.text


def test_every_hold_and_every_gate_is_a_blocker_of_its_own() -> None:
    """Two causes have two owners and two ways out; the age and the expiry of each hold are told."""
    held = (hold("a", 50 * HOUR), hold("b", HOUR, expires=2 * HOUR))
    asked = question(changed(holds=held, stage=0), gates=gates(RSI=Verdict.NO_DATA, SLOTS=Verdict.FAIL))
    found = blockers(asked)
    assert [blocker.text for blocker in found if blocker.code is Code.FROZEN] == [
        "Frozen for 2 d 2 h: errors",
        "Frozen for 1 h, until 2025-10-01 11:05 UTC: errors",
    ]
    assert [blocker.until for blocker in found if blocker.code is Code.FROZEN] == [None, NOW + 2 * HOUR]
    assert [blocker.text for blocker in found if blocker.code is Code.GATES_NOT_PASSED] == [
        "Gate rsi says NO_DATA: this is rsi",
        "Gate slots says FAIL: this is slots",
    ]


def test_what_stops_the_schedule_alone_is_marked() -> None:
    """A person may promote while the schedule is paused or waits for a person; what stops everybody is not marked."""
    asked = question(
        changed(paused=Pause(actor=OLIVIA, reason="", since=NOW), person_required=True), gates=gates(TRI=Verdict.FAIL)
    )
    assert {blocker.code: blocker.scheduled_only for blocker in blockers(asked)} == {
        Code.SCHEDULE_PAUSED: True,
        Code.PERSON_MUST_ASK: True,
        Code.GATES_NOT_PASSED: False,
    }


states = st.builds(
    lambda stage, held, required, paused, unsettled: changed(
        stage=stage,
        holds=held,
        person_required=required,
        paused=Pause(actor=OLIVIA, reason="", since=NOW) if paused else None,
        unsettled=INTENT if unsettled else None,
    ),
    st.none() | st.sampled_from(LADDER),
    st.sampled_from([(), (hold("a", HOUR),), (hold("a", HOUR), hold("b", HOUR, expires=HOUR))]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
questions = st.builds(
    lambda state, drift, soak, waiting, verdict, mode, approvers: question(
        state, drift=drift, soak_hours=soak, waiting=waiting, gates=gates(RSI=verdict), mode=mode, approvers_set=approvers
    ),
    states,
    st.none() | st.just("It differs."),
    st.sampled_from([{}, {10: 79.0, 0: 5.0}, {10: 200.0, 0: 90.0}]),
    st.sampled_from([(), ("abcd",)]),
    st.sampled_from(Verdict),
    st.sampled_from(PromotionMode),
    st.booleans(),
)


@given(questions)
def test_why_says_exactly_what_operations_would_refuse_with(asked: Question) -> None:
    """No blocker that no operation refuses with, and no refusal that is not shown."""
    refusing = {refuse.code for actor in (OPERATOR, SCHEDULER) for refuse in obstacles(known(asked), actor)}
    assert {blocker.code for blocker in blockers(asked)} == refusing
    for_people = {blocker.code for blocker in blockers(asked) if not blocker.scheduled_only}
    assert for_people == {refuse.code for refuse in obstacles(known(asked), OPERATOR)}


def test_an_unreadable_journal_blocks_and_nothing_is_guessed() -> None:
    """Without a state there is no stage, no earliest moment and no other blocker than what cannot be read."""
    asked = Question(None, unreadable=("The journal cannot be read.",))
    assert [blocker.code for blocker in blockers(asked)] == [Code.UNREADABLE]
    seen = outlook(asked, NIGHTLY, NOW)
    assert (seen.from_stage, seen.to_stage, seen.earliest) == (None, None, None)
    assert "cannot run" in seen.run_does


def test_every_gate_has_an_owner_and_a_way_out() -> None:
    """A gate that is added without one would be an error at three in the morning, in the very command that explains it."""
    assert set(_GATES) == set(GateName)


@pytest.mark.parametrize("gate", [GateName.ROLLBACKS, GateName.FAST_CAP, GateName.RSI, GateName.TRI])
def test_of_a_gate_that_saw_nothing_nobody_is_told_that_something_was_wrong(gate: GateName) -> None:
    """Without data there were no rollbacks to wait for and no cap that R3 was above: the ledger is what has to be looked at."""
    (blocker,) = blockers(question(gates=gates(**{gate.name: Verdict.NO_DATA})))
    assert blocker.lift == "see whether the router runs and writes this figure to its ledger"
