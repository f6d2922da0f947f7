from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.actors import SCHEDULER, AccessPolicy, Actor, ActorKind, Approvable, ApprovalRule, Role
from core.gates.policy import GateName
from core.gates.report import Gate, GateReport, Verdict
from core.receipts.evidence import Hold
from core.rollout.approvals import Approval, ApprovalStatus, decide_approval, may_approve, may_deny, still_open, still_true
from core.rollout.decisions import Preconditions, Raise, decide_approved
from core.rollout.refusals import Code, Refuse
from core.rollout.state import RolloutState
from core.settings.target import LADDER
from tests.support.rig import NOW

EXPIRY = NOW + timedelta(hours=1)
INSTANT = timedelta(microseconds=1)
POLICY = "a" * 64


def person(name: str, *roles: Role, kind: ActorKind = ActorKind.SLACK) -> Actor:
    return Actor(kind=kind, id=name, roles=frozenset(roles))


def listing(actor: Actor) -> AccessPolicy:
    """Settings that list this actor among the approvers, so that the role decides."""
    return AccessPolicy(approvers=actor.names)


OLIVIA = person("UOLIVIA", Role.BRAKE, Role.OPERATE)
AARON = person("UAARON", *Role)
FINAL = [status for status in ApprovalStatus if status is not ApprovalStatus.PENDING]


def gates(*, bound: float = 1, **changed: Verdict) -> GateReport:
    return GateReport(
        gates=tuple(
            Gate(name=name, verdict=changed.get(name.name, Verdict.PASS), value=1, bound=bound, reason=f"this is {name.value}")
            for name in GateName
        )
    )


REQUEST = Approval(
    id="abc",
    requester=OLIVIA,
    reason="good day",
    from_stage=10,
    to_stage=25,
    revision=7,
    policy_digest=POLICY,
    verdict_digest=gates().verdict_digest,
    asked_at=NOW,
    expires_at=EXPIRY,
)


def request(**changed: Any) -> Approval:
    return Approval.model_validate({**dict(REQUEST), **changed})


def state(stage: int | None = 10, revision: int = 7, *, frozen: bool = False) -> RolloutState:
    held = (Hold(id="h1", actor=AARON, reason="errors", since=NOW),) if frozen else ()
    return RolloutState(stage=stage, revision=revision, holds=held)


def code(answer: Refuse | None) -> Code | None:
    return answer.code if answer else None


@pytest.mark.parametrize(
    ("approval", "now", "expected"),
    [
        pytest.param(request(), NOW, None, id="just-asked"),
        pytest.param(request(), EXPIRY - INSTANT, None, id="at-the-last-instant"),
        pytest.param(request(), EXPIRY, Code.APPROVAL_EXPIRED, id="at-its-expiry"),
        pytest.param(request(), EXPIRY + INSTANT, Code.APPROVAL_EXPIRED, id="after-its-expiry"),
        pytest.param(None, NOW, Code.APPROVAL_UNKNOWN, id="unknown"),
        *(pytest.param(request(status=status), NOW, Code.APPROVAL_OVER, id=f"already-{status}") for status in FINAL),
        *(
            pytest.param(request(status=status), EXPIRY, Code.APPROVAL_OVER, id=f"already-{status}-at-its-expiry")
            for status in FINAL
        ),
    ],
)
def test_only_a_pending_request_is_open_and_only_before_its_expiry(
    approval: Approval | None, now: datetime, expected: Code | None
) -> None:
    """An answer in time finds it open; what is over, too old or unheard of is refused as that."""
    assert code(still_open(approval, "abc", now)) == expected


@pytest.mark.parametrize(
    ("approval", "says"),
    [
        pytest.param(None, "'abc'", id="unknown"),
        *(pytest.param(request(status=status), f"already {status}", id=status) for status in FINAL),
        pytest.param(request(expires_at=NOW), "ask again with `promote`", id="too-old"),
    ],
)
def test_the_refusal_of_a_late_answer_says_what_became_of_the_request(approval: Approval | None, says: str) -> None:
    """Whoever clicks a stale button reads which request it was, or how it ended, and that nothing was changed."""
    refusal = still_open(approval, "abc", NOW)
    assert refusal is not None
    assert says in refusal.text
    assert "Nothing was changed" in refusal.text


@pytest.mark.parametrize(
    ("requester", "actor", "expected"),
    [
        pytest.param(OLIVIA, AARON, None, id="another-approver"),
        pytest.param(OLIVIA, person("UPRIYA", Role.APPROVE), None, id="an-approver-without-another-role"),
        pytest.param(
            OLIVIA,
            person("priya", Role.APPROVE, kind=ActorKind.OS),
            Code.IDENTITY_UNPROVEN,
            id="a-terminal-user-who-might-be-the-requester",
        ),
        pytest.param(
            person("olivia", kind=ActorKind.OS), person("priya", Role.APPROVE, kind=ActorKind.OS), None, id="both-at-the-terminal"
        ),
        pytest.param(SCHEDULER, AARON, None, id="an-approver-of-the-scheduler"),
        pytest.param(OLIVIA, person("UOLIVIA"), Code.SELF_APPROVAL, id="the-requester-without-roles"),
        pytest.param(OLIVIA, person("UOLIVIA", *Role), Code.SELF_APPROVAL, id="the-requester-who-became-an-approver"),
        pytest.param(AARON, AARON, Code.SELF_APPROVAL, id="an-approver-who-asked"),
        pytest.param(SCHEDULER, SCHEDULER, Code.SELF_APPROVAL, id="the-scheduler-itself"),
        pytest.param(OLIVIA, person("UMAX"), Code.NOT_APPROVER, id="a-member"),
        pytest.param(OLIVIA, person("UMAX", Role.BRAKE, Role.OPERATE), Code.NOT_APPROVER, id="another-operator"),
        pytest.param(OLIVIA, SCHEDULER, Code.NOT_APPROVER, id="the-scheduler"),
        pytest.param(
            OLIVIA, person("anr", *Role, kind=ActorKind.ACCOUNT), Code.NO_PERSON, id="the-account-that-runs-anr-with-every-role"
        ),
        pytest.param(
            OLIVIA,
            person("daily", Role.APPROVE, kind=ActorKind.SCHEDULER),
            Code.NOT_APPROVER,
            id="the-scheduler-with-the-role",
        ),
        pytest.param(
            OLIVIA,
            person("start", Role.APPROVE, kind=ActorKind.RECOVERY),
            Code.NOT_APPROVER,
            id="the-recovery-with-the-role",
        ),
    ],
)
def test_only_another_person_who_approves_may_approve(requester: Actor, actor: Actor, expected: Code | None) -> None:
    """Four eyes: never the requester, never a machine, never somebody without the role."""
    assert code(may_approve(request(requester=requester), actor, listing(actor))) == expected


@pytest.mark.parametrize(
    ("actor", "expected"),
    [
        pytest.param(AARON, None, id="an-approver"),
        pytest.param(OLIVIA, None, id="the-requester"),
        pytest.param(person("UOLIVIA"), None, id="the-requester-without-roles"),
        pytest.param(person("UMAX"), Code.NOT_APPROVER, id="a-member"),
        pytest.param(person("UMAX", Role.BRAKE, Role.OPERATE), Code.NOT_APPROVER, id="another-operator"),
        pytest.param(person("UOLIVIA", kind=ActorKind.OS), Code.NOT_APPROVER, id="the-requesters-name-at-the-terminal"),
        pytest.param(SCHEDULER, Code.NOT_APPROVER, id="the-scheduler"),
        pytest.param(person("anr", *Role, kind=ActorKind.ACCOUNT), Code.NO_PERSON, id="the-account-that-runs-anr"),
    ],
)
def test_approvers_and_the_requester_may_deny(actor: Actor, expected: Code | None) -> None:
    """A no needs less than a yes: whoever asked may take it back, and nobody else without the role."""
    assert code(may_deny(request(), actor, listing(actor))) == expected


@pytest.mark.parametrize(
    ("now", "policy", "expected"),
    [
        pytest.param(state(), POLICY, None, id="nothing-changed"),
        pytest.param(state(revision=8), POLICY, Code.APPROVAL_STALE, id="something-was-recorded"),
        pytest.param(state(revision=6), POLICY, Code.APPROVAL_STALE, id="an-older-journal"),
        pytest.param(state(25), POLICY, Code.APPROVAL_STALE, id="another-stage"),
        pytest.param(state(None), POLICY, Code.APPROVAL_STALE, id="an-unknown-stage"),
        pytest.param(state(0), POLICY, Code.APPROVAL_STALE, id="rolled-back"),
        pytest.param(state(), "b" * 64, Code.APPROVAL_STALE, id="other-bounds"),
        pytest.param(state(), "", Code.APPROVAL_STALE, id="no-bounds"),
        pytest.param(state(frozen=True), POLICY, Code.FROZEN, id="frozen"),
        pytest.param(state(0, 8, frozen=True), "b" * 64, Code.FROZEN, id="frozen-and-everything-else"),
    ],
)
def test_a_request_is_true_as_long_as_nothing_that_it_is_bound_to_changed(
    now: RolloutState, policy: str, expected: Code | None
) -> None:
    """Stage, revision and bounds are those of the question, and no hold was put since."""
    assert code(still_true(request(), now, policy)) == expected


@pytest.mark.parametrize(
    ("now", "says"),
    [
        pytest.param(state(25, 8), "at 25%", id="a-known-stage"),
        pytest.param(state(0, 8), "at 0%", id="zero-is-a-stage"),
        pytest.param(state(None, 8), "at an unknown stage", id="an-unknown-stage"),
    ],
)
def test_a_stale_request_says_where_the_rollout_is_now(now: RolloutState, says: str) -> None:
    """Whoever is too late reads what came in between."""
    refusal = still_true(request(), now, POLICY)
    assert refusal is not None
    assert says in refusal.text
    assert "Nothing was" in refusal.text


@pytest.mark.parametrize(
    ("asked_on", "found", "expected"),
    [
        pytest.param(gates(), gates(), None, id="green-as-it-was"),
        pytest.param(gates(), gates(SLOTS=Verdict.FAIL), Code.GATES_NOT_PASSED, id="one-turned-red"),
        pytest.param(gates(), gates(TRI=Verdict.NO_DATA), Code.GATES_NOT_PASSED, id="one-without-data"),
        pytest.param(gates(RSI=Verdict.FAIL), gates(RSI=Verdict.FAIL), Code.GATES_NOT_PASSED, id="as-red-as-it-was"),
        pytest.param(gates(), GateReport(gates=()), Code.GATES_NOT_PASSED, id="nothing-was-measured"),
        pytest.param(gates(), gates(bound=0.5), Code.APPROVAL_STALE, id="green-by-other-bounds"),
        pytest.param(gates(), gates(RSI=Verdict.NOT_APPLICABLE), Code.APPROVAL_STALE, id="green-because-not-applicable"),
        pytest.param(
            gates(RSI=Verdict.NOT_APPLICABLE, ROLLBACKS=Verdict.NOT_APPLICABLE),
            gates(RSI=Verdict.NOT_APPLICABLE, ROLLBACKS=Verdict.NOT_APPLICABLE),
            None,
            id="not-applicable-as-it-was",
        ),
    ],
)
def test_an_approval_is_carried_out_only_on_gates_that_are_green_as_they_were(
    asked_on: GateReport, found: GateReport, expected: Code | None
) -> None:
    """A fresh report has to be GO for the same reasons; the step is then the one that was asked for."""
    decision = decide_approval(request(verdict_digest=asked_on.verdict_digest), found)
    assert code(decision) == expected


def test_a_gate_that_turned_red_is_the_evidence() -> None:
    """Whoever approves a request whose gates no longer pass reads which ones, and only those."""
    decision = decide_approval(request(), gates(SLOTS=Verdict.FAIL, DECISIONS=Verdict.NO_DATA))
    assert isinstance(decision, Refuse)
    assert decision.blockers == ("slots: this is slots", "decisions: this is decisions")


def test_a_request_that_ended_keeps_what_it_was_and_gains_its_answer() -> None:
    """The answer adds who, when and why, and touches nothing that was asked; the question itself stays pending."""
    asked = request()
    ended = asked.ended(ApprovalStatus.DENIED, EXPIRY - INSTANT, by=AARON, note="not today")
    answer = {"status": ApprovalStatus.DENIED, "decided_by": AARON, "decided_at": EXPIRY - INSTANT, "note": "not today"}
    assert dict(ended) == {**dict(asked), **answer}
    assert asked.status is ApprovalStatus.PENDING


identities = st.builds(
    lambda kind, name: (kind, name),
    st.sampled_from([ActorKind.SLACK, ActorKind.OS, ActorKind.SCHEDULER]),
    st.sampled_from(["UOLIVIA", "olivia", "daily"]) | st.text(min_size=1, max_size=20),
)
role_sets = st.frozensets(st.sampled_from(Role))
spans = st.one_of(
    st.integers(-3, 3).map(lambda count: count * INSTANT),
    st.timedeltas(min_value=-timedelta(hours=2), max_value=timedelta(hours=2)),
)
zones = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))


@given(identities, role_sets, st.lists(st.tuples(role_sets, spans), min_size=1))
def test_the_requester_alone_never_gets_an_approval(
    who: tuple[ActorKind, str], asked_as: frozenset[Role], attempts: list[tuple[frozenset[Role], timedelta]]
) -> None:
    """However often, whenever and with whatever roles the requester tries, also on a request that was kept and read back."""
    kind, name = who
    asked = request(requester=Actor(kind=kind, id=name, roles=asked_as))
    kept = Approval.model_validate_json(asked.model_dump_json())
    for roles, after in attempts:
        actor = Actor(kind=kind, id=name, roles=roles)
        for approval in (asked, kept):
            answer = still_open(approval, approval.id, EXPIRY + after) or may_approve(approval, actor, listing(actor))
            assert code(answer) in {Code.APPROVAL_EXPIRED, Code.SELF_APPROVAL}
            assert code(may_approve(approval, actor, listing(actor))) is Code.SELF_APPROVAL


@given(identities, identities, role_sets)
def test_whoever_may_approve_is_another_person_with_the_role(
    asking: tuple[ActorKind, str], answering: tuple[ActorKind, str], roles: frozenset[Role]
) -> None:
    """An approver passes exactly if they are a human being, hold the role, and provably differ from the requester."""
    asked = request(requester=Actor(kind=asking[0], id=asking[1]))
    actor = Actor(kind=answering[0], id=answering[1], roles=roles)
    proven = asking[0] is ActorKind.SCHEDULER or asking[0] is answering[0]
    entitled = answering[0] is not ActorKind.SCHEDULER and Role.APPROVE in roles and answering != asking and proven
    assert (may_approve(asked, actor, listing(actor)) is None) is entitled


@given(spans, zones, st.sampled_from(ApprovalStatus))
def test_a_request_is_never_open_at_or_after_its_expiry(after: timedelta, zone: timezone, status: ApprovalStatus) -> None:
    """It is open exactly while it is pending and the clock, of whatever zone, has not reached `expires_at`."""
    now = (EXPIRY + after).astimezone(zone)
    refusal = still_open(request(status=status), "abc", now)
    assert (refusal is None) is (status is ApprovalStatus.PENDING and after < timedelta(0))


@given(st.sampled_from(FINAL), spans, st.none() | st.just(AARON))
def test_a_request_that_ended_is_never_open_again(status: ApprovalStatus, after: timedelta, by: Actor | None) -> None:
    """All but PENDING are final: no later moment and no earlier one lets it be answered twice."""
    ended = request().ended(status, NOW, by=by)
    assert code(still_open(ended, "abc", EXPIRY + after)) is Code.APPROVAL_OVER


@given(
    st.sampled_from([10, 25, 50]),
    st.sampled_from([7, 8]),
    st.sampled_from([POLICY, "b" * 64]),
    st.none() | st.sampled_from([10, 25, 50]),
    st.sampled_from([7, 8]),
)
def test_a_change_of_from_stage_revision_or_policy_makes_a_request_stale(
    from_stage: int, revision: int, policy: str, stage: int | None, seen_revision: int
) -> None:
    """Unfrozen, a request is still true exactly if all three are what it was bound to, and otherwise it is stale."""
    asked = request(from_stage=from_stage, to_stage=75, revision=revision, policy_digest=policy)
    unchanged = (stage, seen_revision, POLICY) == (from_stage, revision, policy)
    assert code(still_true(asked, state(stage, seen_revision), POLICY)) == (None if unchanged else Code.APPROVAL_STALE)


@given(st.sampled_from(LADDER[:-1]), st.integers(-10, 110))
def test_a_change_of_to_stage_leaves_no_step_to_carry_out(from_stage: int, to_stage: int) -> None:
    """The plan that is made again at the answer is a step up only to the very stage above, whatever the request says."""
    asked = request(from_stage=from_stage, to_stage=to_stage)
    above = LADDER[LADDER.index(from_stage) + 1]
    move = decide_approved(Preconditions(state(from_stage), LADDER, NOW), asked.to_stage)
    assert (move == Raise(from_stage, above)) is (to_stage == above)
    assert isinstance(move, Raise) is (to_stage == above)


@given(st.fixed_dictionaries({name.name: st.sampled_from([Verdict.PASS, *Verdict]) for name in GateName}), st.booleans())
def test_an_approval_never_proceeds_on_other_verdicts_than_it_was_asked_on(
    verdicts: dict[str, Verdict],
    same: bool,  # noqa: FBT001 - drawn, not passed by hand
) -> None:
    """It proceeds exactly if the fresh report is GO and says what the report of the question said."""
    found = gates(bound=1, **verdicts)
    asked = request(verdict_digest=found.verdict_digest if same else gates().verdict_digest)
    decision = decide_approval(asked, found)
    green = {Verdict.PASS, Verdict.NOT_APPLICABLE}.issuperset(verdicts.values())
    as_asked = same or set(verdicts.values()) == {Verdict.PASS}
    assert (decision is None) is (green and as_asked)


def test_moments_are_kept_in_utc() -> None:
    """A request that was asked in another zone expires at the same instant, and one without a zone is refused."""
    abroad = request(expires_at=EXPIRY.astimezone(timezone(timedelta(hours=9))))
    assert abroad == request()
    assert abroad.expires_at.tzinfo is UTC
    with pytest.raises(ValueError, match="should have timezone info"):
        request(expires_at=EXPIRY.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        pytest.param(Approvable.PROMOTE, Code.NOT_APPROVER, id="the-action-has-approvers-of-its-own"),
        pytest.param(Approvable.RESTORE, None, id="the-general-list-holds-where-it-has-none"),
    ],
)
def test_approvers_of_another_action_do_not_count(action: Approvable, expected: Code | None) -> None:
    """Who may approve restores may not therefore approve promotions."""
    rules = {Approvable.PROMOTE: ApprovalRule(needed=1, approvers=frozenset({"UPRIYA"}))}
    access = AccessPolicy(approvers=frozenset({"UAARON"}), rules=rules)
    assert code(may_approve(request(action=action), AARON, access)) == expected


def test_a_member_of_a_listed_group_may_approve_and_the_group_alone_gives_no_role() -> None:
    """A Slack user group in the list stands for its members, as long as they hold the role."""
    access = AccessPolicy(approvers=frozenset({"S0ONCALL"}))
    member = AARON.model_copy(update={"groups": frozenset({"S0ONCALL"})})
    assert may_approve(request(), member, access) is None
    assert code(may_approve(request(), member.model_copy(update={"roles": frozenset()}), access)) is Code.NOT_APPROVER
    assert code(may_approve(request(), AARON, access)) is Code.NOT_APPROVER


def test_one_person_signs_once_and_the_request_counts_what_is_missing() -> None:
    """Of two approvals that are needed, the same person gives one."""
    asked = request(needed=2)
    once = asked.signed(AARON, NOW)
    assert (asked.missing, once.missing, once.signed(person("UPRIYA", *Role), NOW).missing) == (2, 1, 0)
    assert code(may_approve(once, AARON, listing(AARON))) is Code.ALREADY_DONE


def test_a_request_to_lift_a_hold_is_stale_once_the_hold_is_gone() -> None:
    """It is bound to the holds that it names, and to nothing else: a freeze in between does not void it."""
    asked = request(action=Approvable.UNFREEZE, subject=("h1",), from_stage=0, to_stage=None)
    assert still_true(asked, state(0, 9, frozen=True), "b" * 64) is None
    assert code(still_true(asked, state(0, 7), POLICY)) is Code.APPROVAL_STALE


@pytest.mark.parametrize("requester", [SCHEDULER, OLIVIA], ids=["the-scheduler", "a-person"])
def test_one_person_under_two_identities_does_not_sign_twice(requester: Actor) -> None:
    """Who approved in Slack may be who approves at the terminal: nobody can tell, so it does not count."""
    at_the_terminal = person("aaron", *Role, kind=ActorKind.OS)
    access = AccessPolicy(approvers=AARON.names | at_the_terminal.names)
    once = request(requester=requester, needed=2).signed(AARON, NOW)
    assert code(may_approve(once, at_the_terminal, access)) is Code.IDENTITY_UNPROVEN
    assert may_approve(once, person("UPRIYA", *Role), listing(person("UPRIYA"))) is None


@pytest.mark.parametrize("action", list(Approvable))
def test_an_expired_request_says_how_to_ask_again_for_the_same(action: Approvable) -> None:
    """Not for a promotion where a hold was to be lifted."""
    refused = still_open(request(action=action), "abc", EXPIRY)
    assert refused is not None
    assert f"ask again with `{'state reset' if action is Approvable.RESET else action}`" in refused.text
