import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.canonical import canonical_bytes
from core.ledger.figures import COUNTED, Counts, Figures, HourMetrics, LedgerSpan, WindowMetrics, figures_of
from core.ledger.recorded import recorded
from core.ledger.window import Window

LATEST_US = 253_402_300_799_999_999
"""The last microsecond of the year 9999."""
moments = st.integers(0, LATEST_US)


@st.composite
def some_figures(draw: st.DrawFn) -> Figures:
    live = draw(st.integers(0, 10_000))
    most = {"decisions": 10**7, "matching": live, "rollbacks": live, "rollbacks_known": live}
    counts = {name: draw(st.integers(0, most.get(name, 10**6))) for name in COUNTED if name != "live"}
    return figures_of(Counts(live=live, **counts), draw(st.none() | st.floats(-1e9, 1e9)))


windows = st.builds(
    WindowMetrics,
    window=st.builds(Window, moments, st.integers(1, 100_000)),
    figures=some_figures(),
    oldest_us=st.none() | moments,
    newest_us=st.none() | moments,
    skipped=st.dictionaries(st.sampled_from(["malformed", "undated"]), st.integers(0, 10**6)),
    hours=st.lists(st.builds(HourMetrics, moments, some_figures()), max_size=3).map(tuple),
    span=st.builds(LedgerSpan, st.integers(0, 10**12), st.just("ab" * 32), st.integers(0, 10**12), st.booleans()),
)


@given(windows)
def test_figures_come_back_from_a_receipts_bytes_as_they_were(metrics: WindowMetrics) -> None:
    """What a receipt keeps as canonical JSON are the same figures, and they are written as the same bytes again."""
    kept = canonical_bytes(metrics.as_json())
    found = recorded(json.loads(kept))
    assert found == metrics
    assert canonical_bytes(found.as_json()) == kept


@given(windows)
def test_a_receipt_without_hours_gives_the_window_alone(metrics: WindowMetrics) -> None:
    """Only the daily run keeps each hour."""
    found = recorded(json.loads(canonical_bytes(metrics.summary())))
    assert (found.figures, found.hours) == (metrics.figures, ())


WHOLE = WindowMetrics(
    Window(0, 60), figures_of(Counts(decisions=2, live=1), None), None, None, {}, (), LedgerSpan(0, "")
).as_json()


def test_a_receipt_from_before_a_figure_says_that_nothing_is_known_of_it() -> None:
    """Coverage, intervals and the counts they rest on were added later: none of them is made up."""
    old = {name: value for name, value in WHOLE.items() if name not in {"coverage", "intervals", "known"}}
    found = recorded(old).figures
    assert (found.decisions, found.live) == (2, 1)
    assert (found.coverage.rollbacks_per_1k, found.intervals.rsi, found.known.rollbacks) == (None, None, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"decisions": "many"},
        {"generated_at": "yesterday"},
        {"generated_at": None},
        {"skipped": 3},
        {"ledger": {}},
        {"hours": [1]},
    ],
    ids=str,
)
def test_what_is_no_figures_is_refused(change: dict[str, Any]) -> None:
    """A receipt that cannot be understood shows no figures, never some."""
    with pytest.raises(ValueError):  # noqa: PT011 - pydantic's own is one
        recorded({**WHOLE, **change})
