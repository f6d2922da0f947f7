import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ledger.intervals import none_of, wilson

PUBLISHED = [
    pytest.param(81, 263, 0.2553, 0.3662, id="81-of-263"),
    pytest.param(15, 148, 0.0624, 0.1605, id="15-of-148"),
    pytest.param(0, 20, 0.0000, 0.1611, id="0-of-20"),
    pytest.param(1, 29, 0.0061, 0.1718, id="1-of-29"),
]
"""R. G. Newcombe, "Two-sided confidence intervals for the single proportion: comparison of seven methods", Statistics in
Medicine 17, 1998, pages 857 to 872, table I, method 3 (Wilson's score, without continuity correction)."""


@pytest.mark.parametrize(("hits", "trials", "low", "high"), PUBLISHED)
def test_wilsons_interval_is_the_published_one(hits: int, trials: int, low: float, high: float) -> None:
    """To the four digits that the table prints."""
    assert [round(bound, 4) for bound in wilson(hits, trials)] == [low, high]


@given(st.integers(1, 10**7), st.data())
def test_an_interval_holds_its_share_and_mirrors(trials: int, data: st.DataObject) -> None:
    """It lies within 0 and 1, holds the share that was counted, and hits and misses are two sides of one thing."""
    hits = data.draw(st.integers(0, trials))
    low, high = wilson(hits, trials)
    assert 0 <= low <= hits / trials <= high <= 1
    mirrored = wilson(trials - hits, trials)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high), abs=1e-12)


@given(st.integers(1, 10**7))
def test_three_in_n_is_never_less_than_what_nothing_in_n_proves(trials: int) -> None:
    """The exact bound is the rate at which n trials without a hit have a chance of 5%: the rule of three is just above it."""
    exact = 1 - 0.05 ** (1 / trials)
    low, high = none_of(trials)
    assert low == 0
    assert exact <= high <= min(1, 1.0015 * exact + 5 / trials**2)
