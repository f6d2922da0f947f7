from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.receipts.receipt import Action, Phase, Receipt
from core.rollout.ladder import next_stage, soak_of
from core.rollout.state import fold
from core.settings.target import LADDER
from tests.core.rollout.test_state import APPLIED, BEGUN, INIT, MINUTE, receipt, seen, sighting
from tests.support.rig import NOW


@pytest.mark.parametrize(
    ("stage", "ladder", "above"),
    [
        pytest.param(0, LADDER, 10, id="away-from-zero"),
        pytest.param(10, LADDER, 25, id="10-to-25"),
        pytest.param(25, LADDER, 50, id="25-to-50"),
        pytest.param(50, LADDER, 75, id="50-to-75"),
        pytest.param(75, LADDER, 100, id="the-last-step"),
        pytest.param(100, LADDER, None, id="the-top"),
        pytest.param(30, LADDER, 50, id="between-two-stages"),
        pytest.param(120, LADDER, None, id="above-the-top"),
        pytest.param(0, (0, 1), 1, id="the-shortest-ladder"),
        pytest.param(60, (0, 30, 60), None, id="the-top-of-a-low-ladder"),
    ],
)
def test_the_next_stage_is_the_lowest_one_above(stage: int, ladder: tuple[int, ...], above: int | None) -> None:
    """One stage at a time, also from a stage that is not on the ladder, and none above the top."""
    assert next_stage(stage, ladder) == above


@given(st.integers(0, 100), st.sets(st.integers(1, 100), min_size=1).map(lambda above: (0, *sorted(above))))
def test_no_stage_lies_between_a_stage_and_the_next(stage: int, ladder: tuple[int, ...]) -> None:
    """On any ladder, the next stage is on it, is higher, and skips none."""
    above = next_stage(stage, ladder)
    skipped = [step for step in ladder if step > stage and (above is None or step <= above)]
    assert skipped == ([] if above is None else [above])


@pytest.mark.parametrize(
    ("receipts", "begun"),
    [
        pytest.param([INIT], None, id="nobody-has-seen-the-router-yet"),
        pytest.param([INIT, BEGUN, APPLIED], None, id="written-is-not-seen"),
        pytest.param([INIT, BEGUN, APPLIED.model_copy(update={"router_seen": seen(3)})], 3, id="seen-when-it-was-promoted"),
        pytest.param([INIT, BEGUN, APPLIED.model_copy(update={"router_seen": seen(1)})], None, id="seen-before-it-was-asked"),
        pytest.param([INIT, BEGUN, APPLIED.model_copy(update={"router_seen": seen(3, 10)})], None, id="seen-at-another-stage"),
        pytest.param([INIT, BEGUN, APPLIED, sighting(4, seen(9))], 9, id="seen-later"),
        pytest.param([INIT, BEGUN, APPLIED, sighting(4, seen(9), "before")], None, id="seen-for-another-story"),
        pytest.param(
            [INIT, BEGUN, APPLIED, sighting(4, seen(9)), receipt(5, Action.ROLLBACK, Phase.OUTCOME, "r", stage_after=0)],
            5,
            id="a-rollback-begins-anew",
        ),
        pytest.param(
            [INIT, *(receipt(seq, Action.ROLLBACK, Phase.OUTCOME, f"r{seq}", stage_after=0) for seq in (2, 3))],
            3,
            id="also-a-rollback-at-zero",
        ),
    ],
)
def test_the_soak_is_counted_from_the_observed_start(receipts: list[Receipt], begun: int | None) -> None:
    """Only the running router starts the soak of a stage; at stage 0, where nothing is live, the receipt does."""
    soak = soak_of(fold(receipts), {0: 1, 10: 48, 25: 72})
    assert soak is not None
    assert soak.begun == (None if begun is None else NOW + begun * MINUTE)
    assert soak.hours == {0: 1, 10: 48, 25: 72}[soak.stage]


def test_a_soak_lasts_its_hours_and_a_stage_without_one_does_not_wait() -> None:
    """It is over at its last second and not before; a stage that was not seen never soaks; no soak needs no sighting."""
    state = fold([INIT, BEGUN, APPLIED.model_copy(update={"router_seen": seen(3)})])
    soak = soak_of(state, {25: 72})
    assert soak is not None
    assert soak.ends == NOW + 3 * MINUTE + timedelta(hours=72)
    assert soak.is_over(soak.ends)
    assert not soak.is_over(soak.ends - timedelta(microseconds=1))
    unseen = soak_of(fold([INIT]), {10: 48})
    assert unseen is not None
    assert not unseen.is_over(NOW + timedelta(days=365))
    unasked = soak_of(fold([INIT]), {})
    assert unasked is not None
    assert unasked.is_over(NOW)
    assert soak_of(fold([]), {}) is None
