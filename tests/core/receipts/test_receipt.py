from core.actors import SCHEDULER
from core.receipts.evidence import Hold
from core.receipts.receipt import Action, Draft, Phase, Result
from core.rollout.state import RolloutState, fold
from tests.core.receipts.test_chain import MOMENT, PERSON, chained, draft


def state_after(*drafts: Draft) -> RolloutState:
    return fold(sealed_receipt.receipt for sealed_receipt in chained(list(drafts)))


def promotion(number: int, phase: Phase, **facts: object) -> Draft:
    given_facts = {"operation": "p", "stage_before": 10, "stage_after": 25, **facts}
    return draft(number, Action.PROMOTE, phase, **given_facts)


INIT = draft(1, Action.INIT, Phase.EVENT, stage_after=10)
HOLD = Hold(id="h1", actor=PERSON, reason="errors", since=MOMENT)


def test_a_promotion_moves_the_stage_only_with_its_outcome() -> None:
    """Between intent and outcome nobody knows; after it the person who asked has asked."""
    between = state_after(INIT, promotion(2, Phase.INTENT))
    assert (between.stage, between.unsettled is not None) == (10, True)
    after = state_after(INIT, promotion(2, Phase.INTENT), promotion(3, Phase.OUTCOME, result=Result.APPLIED))
    assert (after.stage, after.unsettled, after.person_required) == (25, None, False)


def test_an_outcome_that_comes_after_the_brake_no_longer_counts() -> None:
    """A promotion whose outcome is recorded after a freeze does not lift the stage again."""
    freeze = draft(3, Action.FREEZE, Phase.OUTCOME, result=Result.APPLIED, stage_after=0, holds_added=(HOLD,))
    state = state_after(INIT, promotion(2, Phase.INTENT), freeze, promotion(4, Phase.OUTCOME, result=Result.APPLIED))
    assert (state.stage, state.frozen, state.person_required) == (0, True, True)


def test_lifting_one_hold_leaves_the_other_and_never_promotes() -> None:
    """Frozen is a set of causes."""
    second = HOLD.model_copy(update={"id": "h2"})
    freezes = [
        draft(number, Action.FREEZE, Phase.OUTCOME, result=Result.APPLIED, stage_after=0, holds_added=(hold,))
        for number, hold in enumerate((HOLD, second), 2)
    ]
    lifted = draft(4, Action.UNFREEZE, Phase.EVENT, stage_after=0, holds_lifted=("h1",))
    state = state_after(INIT, *freezes, lifted)
    assert ([hold.id for hold in state.holds], state.stage) == (["h2"], 0)


def test_reports_and_requests_do_not_change_the_state() -> None:
    """What only says something leaves the revision alone, so that approvals are not made stale by it."""
    before = state_after(INIT)
    run = draft(2, Action.DAILY, Phase.EVENT, actor=SCHEDULER)
    after = state_after(INIT, run, draft(3, Action.REQUEST, Phase.EVENT))
    assert after == before.model_copy(update={"ran": run.ts})
