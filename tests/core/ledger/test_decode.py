"""The fast decoder against the reader that defines what a line means."""

import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.ledger.columns import TIMELESS, Columns, Flag, Kind
from core.ledger.decode import decode
from core.ledger.entry import MAX_DEPTH, MAX_LINE_BYTES, Entry, Skip, read_line
from tests.support.ledger_lines import ODD_TIMES, ODD_VALUES, START, decision_text, ledger_bytes
from tests.support.sweeps import sweep

LINES_A_RUN = 1_000


def as_lists(columns: Columns) -> dict[str, list[object]]:
    """Columns as plain values, `None` for what is not a number; negative zero would show."""
    return {
        "t_us": columns.t_us.tolist(),
        "flags": columns.flags.tolist(),
        "tri": [None if np.isnan(value) else repr(value) for value in columns.tri.tolist()],
        "r3": [None if np.isnan(value) else repr(value) for value in columns.r3.tolist()],
        "skipped": list(zip(columns.skipped_t_us.tolist(), columns.skipped_kind.tolist(), strict=True)),
    }


def by_the_definition(data: bytes) -> dict[str, list[object]]:
    """The same from the reference reader, line by line."""
    found: dict[str, list[object]] = {"t_us": [], "flags": [], "tri": [], "r3": [], "skipped": []}
    last = TIMELESS
    for line in data.split(b"\n"):
        read = read_line(line)
        if isinstance(read, Skip):
            found["skipped"].append((last, Kind.MALFORMED if read is Skip.MALFORMED else Kind.UNDATED))
        if not isinstance(read, Entry):
            continue
        last = read.t_us
        live = read.live_route is not None
        flags = Flag.LIVE * live | Flag.MATCHES_SHADOW * (live and read.live_route == read.argmax)
        flags |= Flag.ROLLED_BACK * (read.rollback is True) | Flag.ROLLBACK_KNOWN * (read.rollback is not None)
        flags |= Flag.ENGAGED * (read.engaged is True) | Flag.ANOMALY_KNOWN * (read.engaged is not None)
        found["t_us"].append(read.t_us)
        found["flags"].append(int(flags))
        found["tri"].append(None if read.tri is None else repr(read.tri))
        if read.engaged:
            found["r3"].append(None if read.r3 is None else repr(read.r3))
    return found


@sweep(12, 120)
def test_the_fast_decoder_reads_every_line_as_the_definition_does(rounds: int) -> None:
    """12,000 lines, 120,000 with the torture: whole, torn, of every odd kind, in every mixture; each means the same to both."""

    @settings(max_examples=rounds)
    @given(st.integers(0, 2**32), st.sampled_from([0.0, 0.01, 0.2, 1.0]))
    def law(seed: int, odd: float) -> None:
        data = ledger_bytes(random.Random(seed), LINES_A_RUN, odd=odd)
        assert as_lists(decode(data)) == by_the_definition(data)

    law()


@settings(max_examples=300)
@given(
    st.lists(
        st.one_of(st.binary(max_size=60), st.sampled_from([b"{}", b'{"t":"2025-09-30T09:00:00Z"}', b'{"t":', b"}", b"{", b""])),
        max_size=120,
    ),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
)
@example([b"{}"] * 40 + [b"{}{}", b'{"t":'], b"\n")
@example([b"{}"] * 40 + [b"{}{", b"}"], b"\n")
def test_any_bytes_are_the_same_to_both(lines: list[bytes], end: bytes) -> None:
    """Two values on a line and one on two lines do not make up for each other."""
    data = end.join(lines)
    assert as_lists(decode(data)) == by_the_definition(data)


@pytest.mark.parametrize("field", ["t", "id", "live", "shadow", "anomaly", "rewards", "other"])
@pytest.mark.parametrize("value", ODD_VALUES)
def test_every_odd_value_in_every_place_is_the_same_to_both(field: str, value: str) -> None:
    """Among good lines, so that it meets the decoder of many lines, and alone."""
    good = decision_text(random.Random(1), START)
    line = (good[:-1] + f',"{field}":{value}' + "}").encode("utf-8", "surrogatepass")
    for data in (line, b"\n".join([good.encode()] * 50 + [line] + [good.encode()] * 50) + b"\n"):
        assert as_lists(decode(data)) == by_the_definition(data)


@pytest.mark.parametrize("value", ODD_VALUES)
@pytest.mark.parametrize("place", ['"probs":{"R3":%s}', '"probs":%s', '"probs":{"R1":%s}', '"x":%s'])
def test_every_odd_probability_of_an_engaged_entry_is_the_same_to_both(place: str, value: str) -> None:
    """Known, masked, or unknown: a key that is missing from probabilities is not the same as probabilities that are missing."""
    line = ('{"t":"2025-09-30T09:00:00Z","anomaly":{"engaged":1},"shadow":{' + place.replace("%s", value) + "}}").encode(
        "utf-8", "surrogatepass"
    )
    for data in (line, (line + b"\n") * 50):
        assert as_lists(decode(data)) == by_the_definition(data)


@pytest.mark.parametrize("text", ODD_TIMES)
def test_every_odd_time_is_the_same_to_both(text: str) -> None:
    """Days that exist and days that do not, offsets, fractions, digits of other scripts."""
    line = b'{"t":"' + text.encode() + b'"}\n'
    for count in (1, 100):
        assert as_lists(decode(line * count)) == by_the_definition(line * count)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(0, 13), st.integers(0, 32), st.sampled_from(["09:00:00", "23:59:59", "24:00:00", "09:6x:00"])),
        min_size=1,
        max_size=60,
    ),
    st.lists(st.sampled_from([1, 1900, 2000, 2024, 2025, 2026, 9999]), min_size=1, max_size=3),
    st.lists(st.sampled_from(["Z", ".5Z", ".123456Z", "+00:00", ".250+00:00", "", "+0Z"]), min_size=1, max_size=2),
    st.integers(1, 200),
)
@example([(9, 30, "09:00:00")], [2025], ["", ".5Z", "Z"], 1)
def test_many_times_in_a_block_are_the_same_to_both(
    days: list[tuple[int, int, str]], years: list[int], ends: list[str], times: int
) -> None:
    """Dates that stand near each other and far apart, that exist and do not, in one form and in several of any length."""
    texts = [
        f"{years[number % len(years)]:04}-{month:02}-{day:02}T{clock}{ends[number % len(ends)]}"
        for number, (month, day, clock) in enumerate(days * (1 + times // len(days)))
    ]
    data = b"".join(b'{"t":"%s"}\n' % text.encode() for text in texts)
    assert as_lists(decode(data)) == by_the_definition(data)


ROUTES = ("", '"R1"', '"R2"', '""', "null", "1")
NUMBERS = ("", "0", "1", "-0", "-1.0", "0.0", "1e-400", "true", "false", "null", "9223372036854775808", "1" * 30, '"1"')


@pytest.mark.parametrize("argmax", ROUTES)
@pytest.mark.parametrize("route", ROUTES)
def test_every_mixture_of_routes_and_numbers_is_the_same_to_both(route: str, argmax: str) -> None:
    """What is live, matches, was rolled back and engaged: each with each, said and unsaid."""

    def entry(rollback: str, engaged: str) -> bytes:
        members = (
            ("live", "route", route),
            ("shadow", "argmax", argmax),
            ("anomaly", "engaged", engaged),
        )
        parts = [f'"{part}":{{"{key}":{value}}}' for part, key, value in members if value]
        parts += [f'"rewards":{{"deployment":{{"rollback":{rollback}}}}}'] if rollback else []
        return ",".join(['{"t":"2025-09-30T09:00:00Z"', *parts]).encode() + b"}\n"

    for rollback in NUMBERS:
        mixed = b"".join(entry(rollback, engaged) for engaged in NUMBERS)
        for data in (mixed, entry(rollback, rollback) * 40):  # the second is read at once, unless it is refused
            assert as_lists(decode(data)) == by_the_definition(data)


@pytest.mark.parametrize("pad", [MAX_LINE_BYTES - 20, MAX_LINE_BYTES - 9, MAX_LINE_BYTES - 8, MAX_LINE_BYTES])
def test_the_longest_line_is_the_same_to_both(pad: int) -> None:
    """The bound on a line's length holds to the byte, with and without its end."""
    line = b'{"x":"' + b"y" * pad + b'"}'
    for data in (line, line + b"\n", line + b"\r\n", b"{}\n" * 50 + line + b"\n"):
        assert as_lists(decode(data)) == by_the_definition(data)


def test_the_deepest_value_is_the_same_to_both() -> None:
    """One level more than allowed is malformed, whatever stands around it."""
    for depth in range(MAX_DEPTH - 3, MAX_DEPTH + 3):
        line = b'{"t":"2025-09-30T09:00:00Z","x":' + b'{"y":[' * (depth // 2) + b"]}" * (depth // 2) + b"}\n"
        assert as_lists(decode(line * 50)) == by_the_definition(line * 50)


@given(st.integers(0, 2**32))
def test_packed_columns_come_back_as_they_were(seed: int) -> None:
    """What the index keeps and what another process sends is what was decoded."""
    columns = decode(ledger_bytes(random.Random(seed), 50, odd=0.5))
    assert as_lists(Columns.unpacked(columns.packed())) == as_lists(columns)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_columns_are_refused(data: bytes) -> None:
    """A damaged index cannot be taken for columns."""
    good = decode(b'{"t":"2025-09-30T09:00:00Z"}\n').packed()
    for bad in (data, good[:-1], good + b"x", b"anr0" + good[4:]):
        with pytest.raises(ValueError, match="columns"):
            Columns.unpacked(bad)
