"""Marks as people type them, and as logs give them back."""

import json

import pytest

from core.journal.marks import Mark, Marks, contradiction, left_behind, line_of, marks_in_lines

DIGEST = "0c6082f58fd0" + "ab" * 26
MARK = Mark(seq=12, digest=DIGEST)
LINE = line_of(MARK, "production").decode()


@pytest.mark.parametrize("text", ["#12 0c6082f58fd0", "12:0c6082f58fd0", " #12  0c6082f58fd0 ", f"12:{DIGEST}"])
def test_a_mark_is_typed_as_messages_show_it(text: str) -> None:
    """Number and first digits, however they were copied."""
    found = Mark.typed(text)
    assert found is not None
    assert (found.seq, found.digest[:12]) == (12, "0c6082f58fd0")


@pytest.mark.parametrize(
    "text", ["", "12", "#12", "0 0c6082f58fd0", "#12 0c6082", "#12 0C6082F58FD0", "#-1 0c6082f58fd0", "#１２ 0c6082f58fd0"]
)
def test_what_is_no_mark_is_none(text: str) -> None:
    """Half a mark confirms nothing."""
    assert Mark.typed(text) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(LINE, id="a-file"),
        pytest.param(f"Nov 28 11:12:09 vm anr[4711]: {LINE}", id="syslog"),
        pytest.param(f"-- Journal begins --\n{LINE}-- No entries --\n", id="a-logs-own-words"),
        pytest.param('{"a":{"b":1}}\n{"kind":"anr.mark"\n' + LINE + "{}\n[1]\n", id="other-json-and-half-a-line"),
    ],
)
def test_a_logs_own_words_do_not_matter(text: str) -> None:
    """A mark is found in whatever line a log made of it."""
    assert marks_in_lines(text.encode(), "production") == (MARK,)


@pytest.mark.parametrize(
    "change",
    [{"target": "staging"}, {"kind": "anr.head"}, {"seq": 0}, {"seq": "x"}, {"digest": "short"}, {"digest": None}],
    ids=repr,
)
def test_what_is_not_ours_or_no_mark_is_passed_over(change: dict[str, object]) -> None:
    """Several routers may tell one log, and anybody may write to it."""
    assert marks_in_lines(json.dumps({**json.loads(LINE), **change}).encode(), "production") == ()


@pytest.mark.parametrize(
    ("chain", "contradicts"),
    [
        pytest.param({11: "ff", 12: DIGEST}, False, id="in-it"),
        pytest.param({12: "ff" * 32, 13: "ee" * 32}, True, id="another-in-its-place"),
        pytest.param({10: "ff", 11: "ee"}, True, id="cut-off"),
        pytest.param({}, True, id="empty"),
        pytest.param({13: "ff", 14: "ee"}, False, id="pruned"),
    ],
)
def test_what_contradicts_a_chain(chain: dict[int, str], contradicts: bool) -> None:  # noqa: FBT001 - a table's column
    """A receipt that is not there, or is another; of what was pruned nobody can say."""
    assert (contradiction(MARK, chain) is not None) is contradicts


@pytest.mark.parametrize(
    ("marks", "begins", "is_left_behind"),
    [
        pytest.param(((3,), (12,)), 13, True, id="each-mark-is-older"),
        pytest.param(((3,), (12,)), 12, False, id="the-newest-is-in-it"),
        pytest.param(((3,), (20,)), 13, False, id="one-place-was-told-nothing-for-long"),
        pytest.param(((), ()), 13, False, id="no-marks"),
    ],
)
def test_a_chain_that_begins_after_every_mark_is_proven_by_none(
    marks: tuple[tuple[int, ...], ...],
    begins: int,
    is_left_behind: bool,  # noqa: FBT001 - a table's column
) -> None:
    """As a forger's checkpoint would make it; a pruned chain still has receipts that were shown."""
    places = [Marks("a place", tuple(Mark(seq=seq, digest=DIGEST) for seq in held)) for held in marks]
    chain = {begins: DIGEST, begins + 1: DIGEST}
    assert (left_behind(places, chain) is not None) is is_left_behind
    inside = [Marks("here", place.marks, outside=False) for place in places]
    assert left_behind(inside, chain) is None
    assert left_behind(places, {}) is None
