import json
import random
import statistics
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.decode import decode
from core.ledger import read_line
from core.metrics import LedgerSpan, Tally, Window
from core.totals import Totals, median_in_place
from tests.core.conftest import NOW, decision
from tests.core.ledger_lines import START, ledger_bytes

SPAN = LedgerSpan(0, "")


@given(st.integers(0, 2**32), st.integers(-30, 90), st.integers(1, 300), st.sampled_from([0.1, 0.15, 0.19]))
def test_columns_add_up_to_what_lines_add_up_to(seed: int, end: int, minutes: int, cap: float) -> None:
    """Any window, any bound on R3, however the ledger is cut: the metrics of the definition, skipped lines and hours too."""
    rng = random.Random(seed)
    data = ledger_bytes(rng, 150, odd=0.3, step_s=30)
    window = Window.ending(START + timedelta(minutes=end), minutes)
    tally, totals = Tally(window, cap), Totals(window, cap)
    for line in data.split(b"\n"):
        tally.add(read_line(line))
    lines = data.splitlines(keepends=True) if b"\r" not in data else [line + b"\n" for line in data.split(b"\n")]
    cuts = sorted(rng.randrange(len(lines) + 1) for _ in range(3))
    for first, after in zip([0, *cuts], [*cuts, len(lines)], strict=True):
        totals.add(decode(b"".join(lines[first:after])))
    assert totals.result(SPAN) == tally.result(SPAN)


@pytest.mark.parametrize(("follows_old", "counted"), [(True, 0), (False, 1)])
def test_a_broken_line_at_the_begin_counts_unless_older_lines_stand_before_it(follows_old: bool, counted: int) -> None:  # noqa: FBT001 - a table
    """What stands before the first line that was read decides, not what comes after it."""
    totals = Totals(Window.ending(NOW, 1440), 0.15)
    if follows_old:
        totals.begin_after_the_old()
    totals.add(decode(b"{\n" + json.dumps(decision(NOW)).encode() + b"\n"))
    assert totals.result(SPAN).skipped["malformed"] == counted


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=50))
def test_the_median_is_exact(values: list[float]) -> None:
    """As the standard library has it, without an overflow between two huge values."""
    found = median_in_place(np.array(values, dtype=np.float64))
    if not values:
        assert found is None
    else:
        low, high = statistics.median_low(values), statistics.median_high(values)
        assert found == (low if low == high else low / 2 + high / 2)
