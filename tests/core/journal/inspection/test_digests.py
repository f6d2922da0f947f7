"""The digests of a chain in little memory say what a dictionary of them would."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from core.journal.inspection.digests import Digests


def digest(number: int) -> bytes:
    return sha256(str(number).encode()).digest()


@given(st.integers(1, 50), st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=6))
def test_every_digest_is_found_by_its_number_and_its_number_by_the_digest(first: int, pieces: list[tuple[int, int]]) -> None:
    """However many are added at once, and whatever is missing between them; what is not there is not found."""
    digests, expected, number = Digests(), dict[int, str](), first
    unbroken, whole = first, True
    for gap, count in pieces:
        number += gap
        whole = whole and (not gap or not expected)
        digests.add(number, b"".join(digest(at) for at in range(number, number + count)))
        expected |= {at: digest(at).hex() for at in range(number, number + count)}
        number += count
        unbroken = number if whole else unbroken
    assert dict(digests) == expected
    assert len(digests) == len(expected)
    assert sorted(digests) == sorted(expected)
    assert min(digests, default=1) == min(expected, default=1)
    assert number + 9 not in digests
    assert digests.number_of(digest(number + 9).hex()) is None
    if expected:
        start = min(expected)
        assert all(digests.number_of(expected[at]) == at for at in range(start, unbroken))
