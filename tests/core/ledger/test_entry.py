import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ledger.entry import MAX_DEPTH, Entry, Skip, csv_row, microseconds_of, read_line

T = "2025-09-30T09:00:00Z"


def entry(**parts: Any) -> Entry:
    read = read_line(json.dumps({"id": "a", "t": T, **parts}).encode())
    assert isinstance(read, Entry)
    return read


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        pytest.param(b"{", Skip.MALFORMED, id="torn"),
        pytest.param(b"[1]", Skip.MALFORMED, id="not-an-object"),
        pytest.param(b'{"t": NaN}', Skip.MALFORMED, id="nan-is-not-json"),
        pytest.param(b'{"t": "2025-09-30T09:00:00Z", "x": Infinity}', Skip.MALFORMED, id="infinity-is-not-json"),
        pytest.param(b'{"t": "\xff"}', Skip.MALFORMED, id="bad-utf-8"),
        pytest.param('{"t": "x"}'.encode("utf-16"), Skip.MALFORMED, id="utf-16"),
        pytest.param(b'{"t": ' + b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1) + b"}", Skip.MALFORMED, id="too-deep"),
        pytest.param(b"\x00" * 40, Skip.MALFORMED, id="nul-bytes-after-a-crash"),
        pytest.param(b'{"id": "a"}', Skip.UNDATED, id="no-time"),
        pytest.param(b'{"t": 1759222800}', Skip.UNDATED, id="time-as-number"),
        pytest.param(b'{"t": "2025-09-30"}', Skip.UNDATED, id="a-date-is-no-date-time"),
        pytest.param(b'{"t": "2025-02-30T09:00:00Z"}', Skip.UNDATED, id="no-such-day"),
        pytest.param(b'{"t": "0001-01-01T00:00:00+14:00"}', Skip.UNDATED, id="before-the-first-year"),
        pytest.param(b" \t\r\n", None, id="blank"),
    ],
)
def test_a_line_that_is_no_entry_is_counted_by_kind(line: bytes, kind: Skip | None) -> None:
    """What is not an entry says which kind of nothing it is."""
    assert read_line(line) is kind


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        pytest.param("2025-09-30T09:00:00", T, id="no-offset-is-utc"),
        pytest.param("2025-09-30T11:00:00+02:00", T, id="offset"),
        pytest.param("2025-09-30T11:00:00+0200", T, id="offset-without-colon"),
        pytest.param("2025-09-30 09:00Z", T, id="space-and-no-seconds"),
        pytest.param("2025-09-30t09:00:00z", T, id="lower-case"),
        pytest.param("2025-09-30T09:00:00.0000009Z", T, id="fraction-is-cut"),
    ],
)
def test_times_that_mean_the_same(text: str, same_as: str) -> None:
    """Several spellings of ISO 8601 name one moment."""
    assert microseconds_of(text) == microseconds_of(same_as) == 1759222800000000


@pytest.mark.parametrize(
    ("value", "counts"),
    [
        (1, True), (True, True), (0.5, True), (-1, True), (-1.0, True), (1e-300, True),
        (0, False), (False, False), (0.0, False), (-0.0, False),
        ("1", None), ("-1.0", None), (None, None), ([1], None), ({}, None),
    ],
)  # fmt: skip
def test_a_rollback_is_a_number_other_than_zero(value: object, counts: bool | None) -> None:  # noqa: FBT001 - a table's column
    """The router's own reward of -1.0 is one; true is 1; a string is never a number, so that nothing is known."""
    assert entry(rewards={"deployment": {"rollback": value}}).rollback is counts
    assert entry(anomaly={"engaged": value}).engaged is counts


@pytest.mark.parametrize(
    ("shadow", "r3"),
    [
        pytest.param({"probs": {"R3": 0.2}}, 0.2, id="told"),
        pytest.param({"probs": {"R2": 0.7, "R4": 0.3}}, 0.0, id="masked"),
        pytest.param({"probs": {}}, 0.0, id="all-masked"),
        pytest.param({}, None, id="without-probs"),
        pytest.param({"probs": None}, None, id="probs-are-null"),
        pytest.param({"probs": [0.1, 0.2]}, None, id="probs-are-a-list"),
        pytest.param({"probs": {"R3": None}}, None, id="null"),
        pytest.param({"probs": {"R3": "0.1"}}, None, id="a-string"),
        pytest.param({"probs": {"R3": True}}, None, id="true"),
        pytest.param(None, None, id="without-shadow"),
    ],
)
def test_a_masked_route_has_no_probability_and_missing_ones_are_unknown(shadow: object, r3: float | None) -> None:
    """R3 without a key among the probabilities is 0; without probabilities, or with something else, nobody knows it."""
    assert entry(shadow=shadow).r3 == r3


@pytest.mark.parametrize(("value", "tri"), [(0.5, 0.5), (-1, -1.0), (True, None), ("0.5", None), (10**400, None), (None, None)])
def test_tri_is_a_finite_json_number(value: object, tri: float | None) -> None:
    """True is not a number here, and a number beyond all bounds is not finite."""
    assert entry(rewards={"immediate": {"tri_delta_norm": value}}).tri == tri


def test_a_number_of_ten_thousand_digits_is_read_without_an_error() -> None:
    """The interpreter's limit on digits does not decide what a line means."""
    line = b'{"t": "2025-09-30T09:00:00Z", "rewards": {"immediate": {"tri_delta_norm": ' + b"9" * 10_000 + b"}}}"
    read = read_line(line)
    assert isinstance(read, Entry)
    assert read.tri is None


def test_of_a_repeated_key_the_last_wins() -> None:
    """A key that stands twice in one object has its last value."""
    read = read_line(b'{"t": "x", "t": "2025-09-30T09:00:00Z", "live": {"route": "R1", "route": "R2"}}')
    assert isinstance(read, Entry)
    assert read.live_route == "R2"


def test_an_empty_route_is_absent() -> None:
    """An empty text, like a text that is none, is no route."""
    assert entry(live={"route": ""}).live_route is None
    assert entry(live={"route": 3}).live_route is None
    assert entry(live="R1").live_route is None


def test_a_cell_that_a_spreadsheet_would_run_is_disarmed() -> None:
    """An id that begins like a formula reaches the CSV as text."""
    assert csv_row(entry(id="=HYPERLINK(1)", live={"route": "R1"}))[0] == "'=HYPERLINK(1)"


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail(line: bytes) -> None:
    """Whatever a crash leaves behind is an entry, a kind of skip, or blank."""
    assert isinstance(read_line(line), (Entry, Skip, type(None)))
