"""Which payloads are done together."""

from datetime import UTC, datetime
from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from core.alerts.payload import AlertFacts
from core.brake.turns import BrakeResult, nothing_in_common, until_shown
from tests.support.alert_payloads import alert, heard

payloads = st.lists(
    st.builds(
        lambda group, names: heard(*(alert(name) for name in sorted(names)), groupKey=f"group {group}"),
        st.integers(0, 5),
        st.sets(st.sampled_from("abcdef"), min_size=1, max_size=3),
    ),
    max_size=8,
)


def about(heard_of: tuple[AlertFacts, ...]) -> set[str]:
    return {facts.group for facts in heard_of} | {facts.fingerprint for facts in heard_of}


@given(told=payloads)
def test_payloads_stay_in_their_order_and_none_meets_one_about_the_same(told: list[tuple[AlertFacts, ...]]) -> None:
    """Nothing is left out; in one run no two share a group or an alert; a run is as long as that allows."""
    runs = list(nothing_in_common(told))
    assert [payload for run in runs for payload in run] == told
    for run in runs:
        assert all(about(payload).isdisjoint(about(other)) for payload, other in combinations(run, 2))
    for run, after in pairwise(runs):
        assert any(about(payload) & about(after[0]) for payload in run)


@given(shows=st.lists(st.booleans(), max_size=10))
def test_what_is_shown_ends_a_run_of_receipts(shows: list[bool]) -> None:
    """Freezes are recorded together only up to the next thing that is shown, which comes after them."""
    at = datetime(2026, 11, 24, tzinfo=UTC)
    (facts,) = heard(alert())
    acted = [BrakeResult(at, shown=(("story", facts),) if show else ()) for show in shows]
    runs = list(until_shown(acted))
    assert [result for run in runs for result in run] == acted
    assert all(not result.shown for run in runs for result in run[:-1])
    assert all(run[-1].shown for run in runs[:-1])
