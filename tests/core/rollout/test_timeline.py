"""The spells of a rollout fill their span without a gap, whatever happened."""

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from core.actors import UPKEEP
from core.brake import brake
from core.operations import propose
from core.receipts.receipt import Action, Phase, Receipt, Result
from core.rollout.state import REMEMBERED, RolloutState, fold
from core.rollout.timeline import spells
from core.target.order import Order
from core.upkeep import prune
from tests.core.rollout.test_state import receipt
from tests.support.rig import NOW, Rig

steps = st.lists(st.tuples(st.sampled_from([Action.INIT, Action.ROLLBACK, Action.FREEZE]), st.integers(0, 3)), max_size=12)


def history(taken: list[tuple[Action, int]]) -> list[Receipt]:
    return [
        receipt(number, action, Phase.OUTCOME, f"o{number}", stage_after=stage * 10, result=Result.APPLIED)
        for number, (action, stage) in enumerate(taken, start=1)
    ]


@given(steps, st.integers(-5, 20), st.integers(1, 30))
def test_spells_fill_the_span_and_agree_with_the_receipts(taken: list[tuple[Action, int]], begin: int, length: int) -> None:
    """No gap, no overlap, no two equal neighbours; inside each spell the state is what the receipts until then add up to."""
    begins = NOW + timedelta(minutes=begin, seconds=30)
    ends = begins + timedelta(minutes=length)
    receipts = history(taken)
    found = spells(fold(receipts), begins, ends)
    assert found[0].begins == begins
    assert found[-1].ends == ends
    for earlier, other in pairwise(found):
        assert earlier.ends == other.begins
        assert (earlier.stage, earlier.frozen) != (other.stage, other.frozen)
    for spell in found:
        middle = spell.begins + (spell.ends - spell.begins) / 2
        state = fold(receipt for receipt in receipts if receipt.ts <= middle)
        assert (spell.stage, spell.frozen) == (state.stage, state.frozen)


def test_a_freeze_and_its_end_are_spells_of_their_own(begun: Rig) -> None:
    """10% until the freeze, frozen at 0%, then 0%."""
    begins: datetime = begun.clock() + timedelta(minutes=1)
    begun.clock.pass_(hours=3)
    brake.freeze(begun.target, begun.people["max"], "errors")
    begun.clock.pass_(hours=2)
    propose.unfreeze(begun.target, Order(begun.people["olivia"]))
    begun.clock.pass_(hours=1)
    found = spells(begun.target.journal.state(), begins, begun.clock())
    assert [(spell.stage, spell.frozen) for spell in found] == [(10, False), (0, True), (0, False)]
    assert found[1].ends - found[1].begins == timedelta(hours=2)


def test_after_pruning_the_spells_begin_with_what_the_checkpoint_says(begun: Rig) -> None:
    """What was pruned is not unknown: the stage until the next receipt is the one that the checkpoint sealed."""
    begun.clock.pass_(days=120)
    begins = begun.clock.now
    pruned = prune.prune(begun.target, UPKEEP)
    assert isinstance(pruned, prune.Pruning)
    assert pruned.count == 1
    begun.clock.pass_(hours=1)
    brake.freeze(begun.target, begun.people["max"], "errors")
    begun.clock.pass_(hours=1)
    found = spells(begun.target.journal.state(), begins, begun.clock.now)
    assert [(spell.stage, spell.frozen) for spell in found] == [(10, False), (0, True)]


def test_a_span_that_ends_before_it_begins_holds_nothing() -> None:
    """And none of no length."""
    assert spells(RolloutState(), NOW, NOW) == ()


def test_what_was_long_ago_is_unknown_and_not_made_up() -> None:
    """A state that remembers a month says of the time before that nobody knows, and of the month what it always said."""
    receipts = history([(Action.INIT, 1), (Action.INIT, 2), (Action.INIT, 3)])
    later = receipts[-1].model_copy(
        update={"seq": 4, "ts": receipts[1].ts + REMEMBERED + timedelta(seconds=30), "stage_after": 50}
    )
    found = spells(fold([*receipts, later]), receipts[0].ts - timedelta(days=1), later.ts)
    assert [(spell.stage, spell.ends) for spell in found] == [(None, receipts[1].ts), (20, receipts[2].ts), (30, later.ts)]
