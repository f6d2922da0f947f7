from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from core.actors import SCHEDULER, Actor, ActorKind
from core.receipts import GENESIS, Action, Draft, Hold, Phase, Result, Sealed, flaws_in_chain, seal, unseal
from core.rollout import RolloutState, fold

MOMENT = datetime(2025, 10, 1, 9, 5, tzinfo=UTC)
PERSON = Actor(kind=ActorKind.SLACK, id="UOLIVIA")


def draft(number: int, action: Action, phase: Phase, **facts: object) -> Draft:
    standing = {"id": f"r{number}", "operation": f"o{number}", "ts": MOMENT, "actor": PERSON}
    return Draft.model_validate({**standing, "action": action, "phase": phase, **facts})


def chained(drafts: list[Draft]) -> list[Sealed]:
    sealed: list[Sealed] = []
    for number, one in enumerate(drafts, 1):
        sealed.append(seal(one, target="production", seq=number, prev=sealed[-1].digest if sealed else GENESIS))
    return sealed


def rows(sealed: list[Sealed]) -> list[tuple[int, bytes, str]]:
    return [(one.receipt.seq, one.data, one.digest) for one in sealed]


CHAIN = chained([draft(number, Action.DAILY, Phase.EVENT, note=f"day {number} ü") for number in range(1, 6)])


def test_an_untouched_chain_has_no_flaw() -> None:
    """What was sealed verifies, and reads back as what it was."""
    assert flaws_in_chain(rows(CHAIN), target="production") == []
    assert [unseal(one.data) for one in CHAIN] == CHAIN


@given(st.integers(0, 4), st.data())
def test_any_single_flipped_byte_in_any_receipt_breaks_the_chain(which: int, data: st.DataObject) -> None:
    """Whichever byte changes, into whatever, verification names the receipt."""
    broken = rows(CHAIN)
    seq, content, digest = broken[which]
    at = data.draw(st.integers(0, len(content) - 1))
    flip = data.draw(st.integers(1, 255))
    broken[which] = (seq, content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :], digest)
    assert seq in {flaw.seq for flaw in flaws_in_chain(broken, target="production")}


@given(st.integers(0, 3))
def test_a_deleted_receipt_breaks_the_chain(which: int) -> None:
    """Whatever is missing before the tail is missed."""
    assert flaws_in_chain([row for number, row in enumerate(rows(CHAIN)) if number != which], target="production")


def test_two_swapped_receipts_break_the_chain() -> None:
    """Receipts that changed places, digests and all, do not fit their neighbours."""
    swapped = rows(CHAIN)
    (one, *first), (two, *second) = swapped[1], swapped[2]
    swapped[1], swapped[2] = (one, *second), (two, *first)  # type: ignore[assignment]
    assert flaws_in_chain(swapped, target="production")


def test_a_receipt_altered_with_its_digest_breaks_the_next_one() -> None:
    """Who rewrites a receipt and its recorded digest is betrayed by the receipt after it."""
    forged = rows(CHAIN)
    again = seal(draft(2, Action.DAILY, Phase.EVENT, note="nothing"), target="production", seq=2, prev=CHAIN[0].digest)
    forged[1] = (2, again.data, again.digest)
    assert [flaw.seq for flaw in flaws_in_chain(forged, target="production")] == [3]


def test_a_receipt_of_another_target_does_not_belong() -> None:
    """Chains of two routers cannot be mixed."""
    assert flaws_in_chain(rows(CHAIN), target="staging")


def state_after(*drafts: Draft) -> RolloutState:
    return fold(one.receipt for one in chained(list(drafts)))


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
    after = state_after(INIT, draft(2, Action.DAILY, Phase.EVENT, actor=SCHEDULER), draft(3, Action.REQUEST, Phase.EVENT))
    assert after == before
