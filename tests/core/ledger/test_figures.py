import statistics

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.ledger.totals import median_in_place


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=50))
def test_the_median_is_exact(values: list[float]) -> None:
    """As the standard library has it, without an overflow between two huge values."""
    found = median_in_place(np.array(values, dtype=np.float64))
    if not values:
        assert found is None
    else:
        low, high = statistics.median_low(values), statistics.median_high(values)
        assert found == (low if low == high else low / 2 + high / 2)
