from datetime import timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.actors import RECOVERY, SCHEDULER, Actor, ActorKind
from core.receipts.chain import GENESIS
from core.receipts.evidence import Hold, RouterSighting
from core.receipts.receipt import Action, Phase, Receipt, Result
from core.rollout.ladder import soak_of
from core.rollout.state import AlertDrills, RolloutState, fold, learning_of, not_counted
from core.settings.target import LADDER
from tests.support.rig import NOW

OLIVIA = Actor(kind=ActorKind.SLACK, id="UOLIVIA")
MINUTE = timedelta(minutes=1)
SAYINGS = [Action.REQUEST, Action.DENY, Action.EXPIRE, Action.STALE, Action.DAILY, Action.GUARD]
SAYINGS += [Action.PREFLIGHT, Action.SKIP]
"""What is recorded without anything having moved."""


def hold(name: str) -> Hold:
    return Hold(id=name, actor=OLIVIA, reason="errors", since=NOW)


def receipt(seq: int, action: Action, phase: Phase, operation: str = "o", **facts: Any) -> Receipt:
    standing = {"id": f"r{seq}", "ts": NOW + seq * MINUTE, "actor": OLIVIA, "target": "production", "prev": GENESIS}
    return Receipt(**{**standing, "seq": seq, "action": action, "phase": phase, "operation": operation, **facts})


class Noted(NamedTuple):
    """What somebody with a pencil notes down of a rollout."""

    stage: int | None = None
    holds: tuple[str, ...] = ()
    revision: int = 0
    person_required: bool = True
    under_way: str | None = None


def noted(state: RolloutState) -> Noted:
    held = tuple(hold.id for hold in state.holds)
    begun = state.unsettled.operation if state.unsettled else None
    return Noted(state.stage, held, state.revision, state.person_required, begun)


class Pencil:
    """Lives through a rollout and writes down two things: the receipts that are left, and what is so after each of them.

    It knows what happens, not how receipts are read; so it can tell whether they were read rightly.
    """

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self.notes = [Noted()]
        self.intents: list[Receipt] = []
        """Those without an outcome: at most the last one is under way, brakes have overtaken the others."""

    @property
    def now(self) -> Noted:
        return self.notes[-1]

    def write(self, action: Action, phase: Phase, operation: str, truth: dict[str, Any], **facts: Any) -> Receipt:
        seq = len(self.receipts) + 1
        self.receipts.append(receipt(seq, action, phase, operation, **facts))
        self.notes.append(self.now._replace(revision=seq, **truth) if truth else self.now)
        return self.receipts[-1]

    def init(self, stage: int) -> None:
        self.write(Action.INIT, Phase.EVENT, "init", {"stage": stage}, stage_after=stage)

    def begin(self, to_stage: int, actor: Actor) -> None:
        stage, name = self.now.stage, f"o{len(self.receipts)}"
        action = Action.LOWER if stage is not None and to_stage < stage else Action.PROMOTE
        facts = {"stage_before": stage, "stage_after": to_stage, "actor": actor}
        self.intents.append(self.write(action, Phase.INTENT, name, {"under_way": name}, **facts))

    def end(self, intent: Receipt, result: Result, actor: Actor) -> None:
        self.intents.remove(intent)
        came_to = {
            Result.APPLIED: intent.stage_after,
            Result.NOT_APPLIED: intent.stage_before,
            Result.OVERTAKEN: 0,
            Result.UNKNOWN: None,
        }[result]
        counts = self.now.under_way == intent.operation
        truth: dict[str, Any] = {"stage": came_to, "under_way": None} if counts else {"stage": self.now.stage}
        if intent.action is Action.LOWER:
            truth["person_required"] = True
        elif counts and result is Result.APPLIED and actor.is_person:
            truth["person_required"] = False
        facts = {"result": result, "stage_before": intent.stage_before, "stage_after": came_to, "actor": actor}
        self.write(intent.action, Phase.OUTCOME, intent.operation, truth, **facts)

    def brake(self, action: Action, *, reached: bool) -> None:
        name = f"h{len(self.receipts)}"
        held = (hold(name),) if action is Action.FREEZE else ()
        stage = 0 if reached else None
        truth = {
            "stage": stage,
            "under_way": None,
            "person_required": True,
            "holds": (*self.now.holds, *(added.id for added in held)),
        }
        result = Result.APPLIED if reached else Result.NOT_APPLIED
        self.write(action, Phase.OUTCOME, name, truth, result=result, stage_after=stage, holds_added=held)

    def lift(self, names: tuple[str, ...]) -> None:
        left = tuple(name for name in self.now.holds if name not in names)
        stage = self.now.stage
        facts = {"stage_before": stage, "stage_after": stage, "holds_lifted": names}
        self.write(Action.UNFREEZE, Phase.EVENT, f"u{len(self.receipts)}", {"holds": left}, **facts)

    def say(self, action: Action, stage: int) -> None:
        """Record something that moves nothing, under the name of what is under way and with a stage that nobody serves."""
        facts = {"result": Result.APPLIED, "stage_after": stage, "holds_added": (hold("h"),)}
        self.write(action, Phase.EVENT, self.now.under_way or "story", {}, **facts)


@st.composite
def histories(draw: st.DrawFn) -> Pencil:
    """Rollouts as they happen: moves that end in every way or not at all, brakes at any moment, talk in between."""
    pencil = Pencil()
    if draw(st.sampled_from([True, True, True, False])):
        pencil.init(draw(st.sampled_from(LADDER)))
    for _ in range(draw(st.integers(0, 15))):
        now = pencil.now
        usual = ["move", "move"] if now.under_way is None else ["end", "end"]
        step = draw(st.sampled_from([*usual, *usual, "end", "brake", "lift", "say"]))
        if step == "move" and now.stage is not None and not now.holds and now.under_way is None:
            to_stage = draw(st.sampled_from([stage for stage in LADDER if stage != now.stage]))
            pencil.begin(to_stage, draw(st.sampled_from([OLIVIA, SCHEDULER])))
        elif step == "end" and pencil.intents:
            intent = draw(st.sampled_from(pencil.intents[-2:]))
            result = draw(st.sampled_from([Result.APPLIED, Result.APPLIED, *Result]))
            pencil.end(intent, result, draw(st.sampled_from([intent.actor, intent.actor, RECOVERY])))
        elif step == "brake":
            action = draw(st.sampled_from([Action.FREEZE, Action.ROLLBACK]))
            pencil.brake(action, reached=draw(st.sampled_from([True, True, False])))
        elif step == "lift" and now.holds:
            pencil.lift(tuple(sorted(draw(st.sets(st.sampled_from(now.holds), min_size=1)))))
        elif step == "say":
            pencil.say(draw(st.sampled_from(SAYINGS)), draw(st.sampled_from(LADDER)))
    return pencil


@settings(max_examples=300)
@given(histories())
def test_the_fold_of_receipts_equals_the_state(pencil: Pencil) -> None:
    """After every single receipt, what the receipts add up to is what somebody who was there noted down."""
    folded = [noted(fold(pencil.receipts[:count])) for count in range(len(pencil.receipts) + 1)]
    assert folded == pencil.notes


stages = st.none() | st.sampled_from(LADDER)
hold_names = st.sampled_from(["h1", "h2", "h3"])


@st.composite
def any_receipts(draw: st.DrawFn) -> list[Receipt]:
    """Receipts that nobody would write, in any order and with any facts."""
    return [
        receipt(
            seq,
            draw(st.sampled_from(Action)),
            draw(st.sampled_from(Phase)),
            draw(st.sampled_from(["o1", "o2"])),
            actor=draw(st.sampled_from([OLIVIA, SCHEDULER, RECOVERY])),
            result=draw(st.none() | st.sampled_from(Result)),
            stage_before=draw(stages),
            stage_after=draw(stages),
            holds_added=tuple(hold(name) for name in draw(st.lists(hold_names, max_size=2, unique=True))),
            holds_lifted=tuple(draw(st.lists(hold_names, max_size=2))),
        )
        for seq in range(1, draw(st.integers(0, 8)) + 1)
    ]


@given(any_receipts(), st.data())
def test_folding_a_prefix_and_then_the_rest_is_folding_all(receipts: list[Receipt], data: st.DataObject) -> None:
    """A state can be kept and carried on from anywhere, and the state it was carried on from stays as it was."""
    cut = data.draw(st.integers(0, len(receipts)))
    kept = fold(receipts[:cut])
    copy = kept.model_copy(deep=True)
    assert fold(iter(receipts[cut:]), kept) == fold(receipts)
    assert kept == copy


@given(any_receipts())
def test_only_an_act_at_once_or_the_outcome_of_what_is_under_way_moves_the_stage(receipts: list[Receipt]) -> None:
    """No other receipt, whatever it claims, changes the stage; and it becomes what that receipt says."""
    at_once = {Action.INIT, Action.ROLLBACK, Action.FREEZE, Action.ACCEPT}
    states = [fold(receipts[:count]) for count in range(len(receipts) + 1)]
    for (before, after), folded in zip(pairwise(states), receipts, strict=True):
        own = before.unsettled is not None and before.unsettled.operation == folded.operation
        if after.stage != before.stage:
            assert folded.phase is not Phase.INTENT
            assert folded.action not in SAYINGS
            assert own or folded.action in at_once
            assert (after.stage, after.since) == (folded.stage_after, folded.ts)


@given(any_receipts())
def test_a_hold_stays_until_it_is_lifted_by_name(receipts: list[Receipt]) -> None:
    """Nothing but its own name in a receipt takes a hold away, and no hold is in force twice."""
    states = [fold(receipts[:count]) for count in range(len(receipts) + 1)]
    for (before, after), folded in zip(pairwise(states), receipts, strict=True):
        held, now = [in_force.id for in_force in before.holds], [in_force.id for in_force in after.holds]
        assert set(held) - set(now) <= set(folded.holds_lifted)
        assert set(now) - set(held) <= {in_force.id for in_force in folded.holds_added}
        assert len(now) == len(set(now))
        assert after.frozen is bool(now)


@given(any_receipts())
def test_only_a_person_whose_own_step_was_applied_sets_the_scheduler_free(receipts: list[Receipt]) -> None:
    """After a brake the scheduler stays out until a person's step up has been applied while nothing overtook it."""
    states = [fold(receipts[:count]) for count in range(len(receipts) + 1)]
    for (before, after), folded in zip(pairwise(states), receipts, strict=True):
        if before.person_required and not after.person_required:
            assert before.unsettled is not None
            assert before.unsettled.operation == folded.operation
            assert (folded.result, folded.actor) == (Result.APPLIED, OLIVIA)
            assert folded.action is Action.PROMOTE


def test_no_receipts_say_nothing() -> None:
    """An empty journal knows no stage, is not frozen, and leaves the next step to a person."""
    assert noted(fold([])) == Noted(stage=None, holds=(), revision=0, person_required=True, under_way=None)
    assert fold([]).since is None


INIT = receipt(1, Action.INIT, Phase.EVENT, stage_after=10)
BEGUN = receipt(2, Action.PROMOTE, Phase.INTENT, stage_before=10, stage_after=25)


def outcome(result: Result, stage: int | None) -> Receipt:
    return receipt(3, Action.PROMOTE, Phase.OUTCOME, result=result, stage_before=10, stage_after=stage)


@pytest.mark.parametrize(
    ("receipts", "stage", "since"),
    [
        pytest.param([INIT], 10, INIT.ts, id="from-the-first-receipt"),
        pytest.param([INIT, BEGUN], 10, INIT.ts, id="not-from-an-intent"),
        pytest.param([INIT, BEGUN, outcome(Result.APPLIED, 25)], 25, NOW + 3 * MINUTE, id="from-an-outcome-that-moved-it"),
        pytest.param([INIT, BEGUN, outcome(Result.NOT_APPLIED, 10)], 10, INIT.ts, id="not-from-an-outcome-that-did-not"),
        pytest.param([INIT, BEGUN, outcome(Result.UNKNOWN, None)], None, NOW + 3 * MINUTE, id="unknown-from-then-on"),
        pytest.param([INIT, receipt(2, Action.ROLLBACK, Phase.OUTCOME, stage_after=0)], 0, NOW + 2 * MINUTE, id="from-a-brake"),
        pytest.param([INIT, receipt(2, Action.DAILY, Phase.EVENT, stage_after=10)], 10, INIT.ts, id="not-from-a-report"),
    ],
)
def test_a_stage_dates_from_the_receipt_that_brought_it(receipts: list[Receipt], stage: int | None, since: object) -> None:
    """`since` is when the router came to its stage; what leaves the stage alone leaves its date alone."""
    state = fold(receipts)
    assert (state.stage, state.since) == (stage, since)


LATER = {"result": Result.APPLIED, "stage_after": 0}


@pytest.mark.parametrize(
    ("receipts", "expected"),
    [
        pytest.param([INIT], True, id="at-the-beginning"),
        pytest.param([INIT, BEGUN], True, id="while-a-persons-step-is-under-way"),
        pytest.param([INIT, BEGUN, outcome(Result.APPLIED, 25)], False, id="a-persons-step-was-applied"),
        pytest.param([INIT, BEGUN, outcome(Result.NOT_APPLIED, 10)], True, id="a-persons-step-was-not-applied"),
        pytest.param([INIT, BEGUN, outcome(Result.OVERTAKEN, 0)], True, id="a-persons-step-was-overtaken"),
        pytest.param([INIT, BEGUN, outcome(Result.UNKNOWN, None)], True, id="a-persons-step-ended-unclear"),
        pytest.param([INIT, outcome(Result.APPLIED, 25)], True, id="an-outcome-without-an-intent"),
        pytest.param(
            [INIT, BEGUN, outcome(Result.APPLIED, 25).model_copy(update={"actor": SCHEDULER})],
            True,
            id="the-schedulers-step-was-applied",
        ),
        *(
            pytest.param(
                [INIT, BEGUN, outcome(Result.APPLIED, 25), receipt(4, action, Phase.OUTCOME, "later", **LATER)],
                True,
                id=f"a-{action}-after-a-persons-step",
            )
            for action in (Action.ROLLBACK, Action.FREEZE, Action.LOWER)
        ),
        *(
            pytest.param(
                [INIT, BEGUN, outcome(Result.APPLIED, 25), receipt(4, action, Phase.EVENT, "later", **LATER)],
                False,
                id=f"a-{action}-after-a-persons-step",
            )
            for action in (Action.DAILY, Action.REQUEST, Action.UNFREEZE)
        ),
    ],
)
def test_a_person_is_required_until_a_persons_step_was_applied(receipts: list[Receipt], expected: bool) -> None:  # noqa: FBT001 - a table's column
    """At the beginning and after every brake the scheduler waits for a person; talk and unfreezing change nothing in that."""
    assert fold(receipts).person_required is expected


def test_an_intent_is_remembered_with_what_settles_it() -> None:
    """Whoever recovers after a crash learns from the state who wanted what, from where to where, and since when."""
    begun = fold([INIT, BEGUN]).unsettled
    assert begun is not None
    assert begun.model_dump() == {
        "seq": 2,
        "operation": "o",
        "action": Action.PROMOTE,
        "actor": OLIVIA.model_dump(),
        "from_stage": 10,
        "to_stage": 25,
        "since": NOW + 2 * MINUTE,
    }


def seen(minute: int, stage: int = 25) -> RouterSighting:
    return RouterSighting(pilot=stage / 100, at=NOW + minute * MINUTE)


APPLIED = outcome(Result.APPLIED, 25)


def sighting(seq: int, at: RouterSighting, operation: str = "o") -> Receipt:
    return receipt(seq, Action.SEEN, Phase.EVENT, operation, stage_after=25, router_seen=at)


BESIDE = [
    sighting(4, seen(9)),
    receipt(4, Action.PAUSE, Phase.EVENT, "p", reason="fair"),
    receipt(4, Action.RESUME, Phase.EVENT, "p"),
    receipt(4, Action.DRIFT, Phase.EVENT, "d", note="it differs"),
    receipt(4, Action.AGREED, Phase.EVENT, "d"),
]


@pytest.mark.parametrize("one", [pytest.param(beside, id=str(beside.action)) for beside in BESIDE])
def test_what_is_noted_beside_the_rollout_leaves_open_requests_alone(one: Receipt) -> None:
    """Sightings, pauses and alarms move nothing: stage, holds and the revision to which requests are bound stay."""
    before = fold([INIT, BEGUN, APPLIED])
    assert noted(fold([one], before)) == noted(before)
    assert fold([one], before).since == before.since


def test_a_pause_stays_until_the_schedule_is_resumed() -> None:
    """The state knows who paused it, why and when, until somebody resumes it."""
    paused = fold([INIT, receipt(2, Action.PAUSE, Phase.EVENT, "p", reason="fair")])
    assert paused.paused is not None
    assert (paused.paused.actor, paused.paused.reason, paused.paused.since) == (OLIVIA, "fair", NOW + 2 * MINUTE)
    assert fold([receipt(3, Action.ROLLBACK, Phase.OUTCOME, "r", stage_after=0)], paused).paused == paused.paused
    assert fold([receipt(3, Action.RESUME, Phase.EVENT, "p")], paused).paused is None


@pytest.mark.parametrize(
    ("endings", "open_"),
    [
        pytest.param([], True, id="alarmed"),
        pytest.param([receipt(4, Action.AGREED, Phase.EVENT, "d")], False, id="over-by-itself"),
        pytest.param([receipt(4, Action.ACCEPT, Phase.EVENT, "d", result=Result.APPLIED, stage_after=50)], False, id="accepted"),
        pytest.param(
            [
                receipt(4, Action.REAPPLY, Phase.INTENT, "d", stage_before=10, stage_after=10),
                receipt(5, Action.REAPPLY, Phase.OUTCOME, "d", result=Result.APPLIED, stage_before=10, stage_after=10),
            ],
            False,
            id="re-applied",
        ),
        pytest.param(
            [
                receipt(4, Action.REAPPLY, Phase.INTENT, "d", stage_before=10, stage_after=10),
                receipt(5, Action.REAPPLY, Phase.OUTCOME, "d", result=Result.NOT_APPLIED, stage_before=10, stage_after=50),
            ],
            True,
            id="not-re-applied",
        ),
        pytest.param([receipt(4, Action.ROLLBACK, Phase.OUTCOME, "r", stage_after=0)], True, id="until-somebody-looks-again"),
    ],
)
def test_a_drift_is_open_until_it_is_over(endings: list[Receipt], open_: bool) -> None:  # noqa: FBT001 - a table's column
    """Alarmed once, it stays open until the router was seen to agree, or an approver has put it in order."""
    state = fold([INIT, receipt(3, Action.DRIFT, Phase.EVENT, "d", note="it differs"), *endings])
    assert (state.drift is not None) is open_


def test_putting_a_router_in_order_sets_nobody_free_and_begins_its_stage_anew() -> None:
    """Neither re-applying nor accepting counts as a person's asking for a promotion; both restart the soak."""
    free = fold([INIT, BEGUN, APPLIED.model_copy(update={"router_seen": seen(3)})])
    assert not free.person_required
    accepted = fold([receipt(4, Action.ACCEPT, Phase.EVENT, "d", result=Result.APPLIED, stage_after=50)], free)
    assert (accepted.stage, accepted.person_required, accepted.observed_since) == (50, True, None)
    facts = {"stage_before": 25, "stage_after": 25}
    reapplied = fold(
        [
            receipt(4, Action.REAPPLY, Phase.INTENT, "d", **facts),
            receipt(5, Action.REAPPLY, Phase.OUTCOME, "d", result=Result.APPLIED, **facts),
        ],
        free.model_copy(update={"person_required": True}),
    )
    assert (reapplied.stage, reapplied.person_required, reapplied.observed_since) == (25, True, None)
    assert reapplied.since == NOW + 5 * MINUTE


def test_what_a_brake_wrote_counts_more_than_what_showed_for_a_moment() -> None:
    """The settings to which later ones are compared are those that were read back, and under a brake the safe ones."""
    shown = {"NOVA_ANR_ENABLED": "1", "NOVA_ANR_KILL": "0", "NOVA_ANR_MAX_FAST_PROB": "0.15"}
    safe = {"NOVA_ANR_ENABLED": "0", "NOVA_ANR_KILL": "1"}
    braked = receipt(
        2,
        Action.ROLLBACK,
        Phase.OUTCOME,
        "r",
        result=Result.APPLIED,
        stage_after=0,
        settings_observed=shown,
        settings_written=safe,
    )
    assert fold([INIT, braked]).settings == {**shown, **safe}
    assert fold([INIT, braked.model_copy(update={"settings_observed": None})]).settings is None


def test_without_a_pilot_in_the_ledger_the_soak_is_counted_from_the_write() -> None:
    """What never shows cannot be waited for; once it is seen, that is what counts."""
    state = fold([INIT, BEGUN, APPLIED])
    untold = soak_of(state, {25: 23}, pilot_untold=True)
    assert untold is not None
    assert (untold.begun, untold.from_write) == (state.since, True)
    told = soak_of(fold([INIT, BEGUN, APPLIED, sighting(4, seen(9))]), {25: 23}, pilot_untold=True)
    assert told is not None
    assert (told.begun, told.from_write) == (NOW + 9 * MINUTE, False)


def test_what_the_ledger_showed_before_the_journal_began_counts() -> None:
    """The first receipt brings its evidence along; no later receipt takes what came before it."""
    early = RouterSighting(pilot=0.1, at=NOW - timedelta(hours=30))
    begun = soak_of(fold([INIT.model_copy(update={"router_seen": early})]), {10: 23})
    assert begun is not None
    assert begun.is_over(NOW)
    moved = soak_of(fold([INIT, BEGUN, APPLIED.model_copy(update={"router_seen": early})]), {25: 23})
    assert moved is not None
    assert moved.begun is None


KILLED = {"NOVA_ANR_ENABLED": "0", "NOVA_ANR_PILOT": "0.00", "NOVA_ANR_KILL": "1"}
OBSERVING = {"NOVA_ANR_ENABLED": "1", "NOVA_ANR_PILOT": "0.00", "NOVA_ANR_KILL": "0"}


def test_what_was_learned_under_kill_does_not_count() -> None:
    """While KILL stands no soak of stage 0 begins; it begins when the settings were read back without it."""
    braked = receipt(2, Action.ROLLBACK, Phase.OUTCOME, "r", stage_after=0, settings_observed=KILLED)
    soak = soak_of(fold([INIT, braked]), {0: 23})
    assert soak is not None
    assert (soak.begun, soak.killed, soak.is_over(NOW + timedelta(days=9))) == (None, True, False)
    said = not_counted(learning_of(fold([INIT, braked])), NOW)
    assert "does not count. `anr shadow` ends it; stage 0 soaks from then on." in said
    accepted = receipt(7, Action.ACCEPT, Phase.EVENT, "a", stage_after=0, settings_observed=OBSERVING)
    lifted = soak_of(fold([INIT, braked, accepted]), {0: 23})
    assert lifted is not None
    assert (lifted.begun, lifted.killed) == (NOW + 7 * MINUTE, False)


def test_a_drill_of_the_alert_path_is_remembered_and_moves_nothing() -> None:
    """The newest proof stays until a drill fails; one that arrives again makes up for it. No request becomes stale by it."""

    def drill(seq: int, result: Result) -> Receipt:
        return receipt(seq, Action.ALERT_DRILL, Phase.EVENT, f"d{seq}", result=result)

    arrived, failed = drill(1, Result.APPLIED), drill(2, Result.NOT_APPLIED)
    again = drill(3, Result.APPLIED)
    assert fold([arrived]).alert_drills == AlertDrills(arrived=arrived.ts)
    assert fold([arrived, failed]).alert_drills == AlertDrills(arrived=arrived.ts, failed=failed.ts)
    after = fold([arrived, failed, again])
    assert after == RolloutState(alert_drills=AlertDrills(arrived=again.ts))
