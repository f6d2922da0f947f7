"""A chain that was verified goes on, and is known again to the byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.journal.verified_chain import ChainBroken, VerifiedChain
from core.receipts.receipt import Action, Phase
from core.rollout.state import RolloutState, fold
from tests.core.receipts.test_chain import chained, draft, rows

CHAIN = chained(
    [
        draft(1, Action.INIT, Phase.EVENT, stage_after=10, settings_observed={}),
        *(draft(number, Action.DAILY, Phase.EVENT, note=f"day {number} ü") for number in range(2, 8)),
    ]
)
ROWS = rows(CHAIN)


@given(st.lists(st.integers(0, len(ROWS)), max_size=4).map(sorted))
def test_verified_piece_by_piece_a_chain_is_what_it_is_as_a_whole(cuts: list[int]) -> None:
    """Wherever it was cut, what follows adds up to the same state, the same seal and the same newest receipt."""
    chain = VerifiedChain("production")
    for begin, end in zip([0, *cuts], [*cuts, len(ROWS)], strict=True):
        chain = chain.followed_by(ROWS[begin:end]) if chain.seq else VerifiedChain.of(ROWS[begin:end], "production")
    assert chain == VerifiedChain.of(ROWS, "production")
    assert (chain.seq, chain.digest) == (7, CHAIN[-1].digest)
    assert chain.state == fold(sealed.receipt for sealed in CHAIN)
    assert chain.state.stage == 10


@given(st.integers(0, len(ROWS) - 1), st.data())
def test_rows_that_differ_in_one_byte_are_not_the_chain(which: int, data: st.DataObject) -> None:
    """Whichever receipt it is, and whether its recorded digest was rewritten with it or not."""
    seq, content, digest = ROWS[which]
    at = data.draw(st.integers(0, len(content) - 1))
    altered = content[:at] + bytes([content[at] ^ data.draw(st.integers(1, 255))]) + content[at + 1 :]
    chain = VerifiedChain.of(ROWS, "production")
    assert chain.is_made_of(ROWS)
    assert not chain.is_made_of([*ROWS[:which], (seq, altered, digest), *ROWS[which + 1 :]])
    assert not chain.ends_with((seq, altered, digest))


def test_a_chain_that_lost_a_receipt_is_no_longer_the_one_that_was_verified() -> None:
    """At its head, in its midst or at its end: the seal is over all of them, in order."""
    chain = VerifiedChain.of(ROWS, "production")
    assert not any(chain.is_made_of([*ROWS[:gone], *ROWS[gone + 1 :]]) for gone in range(len(ROWS)))
    assert not chain.is_made_of([ROWS[1], ROWS[0], *ROWS[2:]])
    assert chain.ends_with(ROWS[-1])
    assert not chain.ends_with(ROWS[-2])


def test_receipts_that_do_not_follow_are_named() -> None:
    """A gap, a receipt that is there already, or one of another router: the error has the first that does not hold."""
    begun = VerifiedChain.of(ROWS[:3], "production")
    for wrong in (ROWS[4:], ROWS[2:], ROWS[5:2:-1]):
        with pytest.raises(ChainBroken) as broken:
            begun.followed_by(wrong)
        assert str(broken.value) == broken.value.flaw.problem
        assert broken.value.flaw.problem
    with pytest.raises(ChainBroken):
        VerifiedChain.of(ROWS, "staging")


def test_a_chain_without_receipts_is_empty_and_made_of_nothing() -> None:
    """A journal that has not begun: nothing is served, and no row belongs to it."""
    empty = VerifiedChain.of((), "production")
    assert (empty.seq, empty.digest, empty.state) == (0, "", RolloutState())
    assert empty.is_made_of(())
    assert not empty.is_made_of(ROWS[:1])
