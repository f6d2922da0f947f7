import json
import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ledger.decode import decode
from core.ledger.entry import read_line
from core.ledger.figures import LedgerSpan
from core.ledger.tally import Tally
from core.ledger.totals import Totals
from core.ledger.window import Window
from tests.support.ledger_lines import START, ledger_bytes
from tests.support.rig import NOW, decision

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
