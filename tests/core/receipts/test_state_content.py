"""What a state says: its routes, and from which of two states a router went on."""

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.receipts.state_content import StateSeen, listed, problem_in, routes_in, seen_after
from tests.support.state_routers import ROUTES, fresh, learn


def state(value: object) -> bytes:
    return json.dumps(value).encode()


def learned(begin: dict[str, Any], count: int, seed: int) -> dict[str, Any]:
    """A state after so many credits, from another one."""
    went_on = copy.deepcopy(begin)
    dice = random.Random(seed)
    for _ in range(count):
        learn(went_on, dice)
    return went_on


@pytest.mark.parametrize(
    ("value", "routes"),
    [
        pytest.param({"R1": {}, "R2": {}, "updated": 1}, {"R1", "R2"}, id="routes-at-the-top"),
        pytest.param({"version": 1, "arms": ["R1", "R5"], "A": {}, "b": {}}, {"R1", "R5"}, id="a-list-of-arms"),
        pytest.param({"arms": {"fast": {}, "strict": {}}}, {"fast", "strict"}, id="an-object-of-arms"),
        pytest.param({"version": 1, "A": {"R1": [[1.0]]}, "b": {"R1": [0.0]}}, {"R1"}, id="matrices-alone"),
        pytest.param({"version": 1, "A": [[[1.0]]]}, None, id="without-names"),
        pytest.param({}, None, id="empty"),
        pytest.param(["R1"], None, id="no-object"),
    ],
)
def test_the_routes_of_either_writers_state_are_found(value: object, routes: set[str] | None) -> None:
    """At the top level, or under arms or matrices; what has no names has no routes that could be compared."""
    assert routes_in(state(value)) == routes


def test_names_of_routes_are_bounded_for_people() -> None:
    """They are outside text: ten at most, each cut, without line ends."""
    assert listed(frozenset({"R2", "R1"})) == "R1, R2"
    assert listed(frozenset(f"R{number}" for number in range(30))).endswith("and 20 more")
    assert len(listed(frozenset({"x" * 1000 + "\n"}))) <= 20


SEEDS = st.integers(0, 1 << 32)


@given(before=st.integers(0, 80), more=st.integers(20, 80), since=st.integers(1, 3), seed=SEEDS)
def test_a_router_that_went_on_from_the_backup_is_told_from_one_that_kept_its_state(
    before: int, more: int, since: int, seed: int
) -> None:
    """Whatever was learned: a few credits after the backup it continued, a few after the state before it was overwritten."""
    backup = learned(fresh(), before, seed)
    present = learned(backup, more, seed + 1)
    put, had = state(backup), state(present)
    assert seen_after(put, put, had) is StateSeen.UNCHANGED
    assert seen_after(state(learned(backup, since, seed + 2)), put, had) is StateSeen.CONTINUED
    assert seen_after(state(learned(present, since, seed + 3)), put, had) is StateSeen.OVERWRITTEN
    assert seen_after(had, put, had) is StateSeen.OVERWRITTEN


@given(before=st.integers(30, 120), since=st.integers(0, 3), seed=SEEDS)
def test_a_router_that_began_anew_is_told_from_one_that_did_not(before: int, since: int, seed: int) -> None:
    """After a reset a fresh state is what was wanted; after a restore it means that the router could not use the backup."""
    present = learned(fresh(), before, seed)
    anew = state(learned(fresh(), since, seed + 1))
    assert seen_after(anew, None, state(present)) is StateSeen.CONTINUED
    assert seen_after(state(learned(present, max(1, since), seed + 2)), None, state(present)) is StateSeen.OVERWRITTEN
    assert seen_after(anew, state(present), None) is StateSeen.OVERWRITTEN
    assert seen_after(anew, state(present), state(learned(present, 20, seed))) is StateSeen.OVERWRITTEN


@pytest.mark.parametrize("shown", [None, b"", b"{", b"[]"], ids=["gone", "empty", "torn", "no-object"])
def test_what_cannot_be_read_tells_nothing(shown: bytes | None) -> None:
    """No state, or half of one, is unclear, and never a success."""
    assert seen_after(shown, state({"count": 1}), state({"count": 9})) is StateSeen.UNCLEAR


def test_after_a_reset_no_file_is_what_was_put_there() -> None:
    """The router has not written yet."""
    assert seen_after(None, None, state({"count": 9})) is StateSeen.UNCHANGED


def test_times_are_not_learned() -> None:
    """A stamp moves on whichever state a router has; the numbers beside it decide."""
    put, had = {"count": 5, "at": 1_700_000_000}, {"count": 900, "at": 1_700_090_000}
    assert seen_after(state({"count": 6, "at": 1_700_090_100}), state(put), state(had)) is StateSeen.CONTINUED
    assert seen_after(state({"count": 901, "at": 1_700_090_100}), state(put), state(had)) is StateSeen.OVERWRITTEN


def test_a_backup_of_the_same_numbers_is_continued_whichever_it_was() -> None:
    """Nothing tells them apart, and nothing has to."""
    same = {"count": 5, "note": "a"}
    assert seen_after(state({"count": 6}), state(same), state({**same, "note": "b"})) is StateSeen.CONTINUED


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_no_state_makes_it_stumble(value: object) -> None:
    """Whatever JSON somebody writes: an answer, and no error."""
    shown = state(value)
    problem_in(shown)
    routes_in(shown)
    assert seen_after(shown, state(fresh()), state({"R1": 1})) in StateSeen


def test_deep_nesting_makes_it_not_stumble() -> None:
    """A hundred thousand brackets are no state."""
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    assert problem_in(deep) is not None
    assert routes_in(deep) is None
    assert seen_after(deep, state({"count": 1}), deep) is StateSeen.UNCLEAR
    assert routes_in(state(fresh())) == frozenset(ROUTES)
