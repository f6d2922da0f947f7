"""A JSON text that is walked through, held against Python's own parser."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.alerts.json_text import MAX_TEXT, JsonText, NoJsonFromHere

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
VALUES = st.recursive(PLAIN, lambda some: st.lists(some, max_size=4) | st.dictionaries(st.text(max_size=8), some, max_size=4))


def texts_of(value: Any) -> dict[str, str | None]:
    """What the walk is to find in an object: its texts by name, None for what is no text."""
    return {name: inner if isinstance(inner, str) else None for name, inner in value.items()}


@given(value=st.dictionaries(st.text(max_size=8), VALUES, max_size=5), indent=st.sampled_from([None, 2]), escaped=st.booleans())
def test_an_object_has_the_names_and_texts_that_pythons_parser_finds(
    *, value: dict[str, Any], indent: int | None, escaped: bool
) -> None:
    """However it is written; what is no text is passed over, and nothing is left behind the end."""
    text = JsonText.of(json.dumps(value, indent=indent, ensure_ascii=escaped).encode("utf-8", "surrogatepass"))
    assert text.take("{")
    assert {name: text.text(MAX_TEXT) for name in text.names()} == texts_of(value)
    assert text.at_end


@given(VALUES.filter(lambda value: isinstance(value, list | dict)), st.data())
def test_a_text_that_breaks_off_is_never_passed_over_as_if_it_were_whole(value: Any, data: st.DataObject) -> None:
    """Wherever it was cut: a list or an object without its end is no JSON."""
    whole = json.dumps(value)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    text = JsonText(cut)
    with pytest.raises(NoJsonFromHere):
        text.skip()


@pytest.mark.parametrize(
    ("written", "longest", "cut", "read"),
    [
        pytest.param('"abcdef"', 3, True, "abc", id="the-beginning"),
        pytest.param('"abcdef"', 3, False, None, id="too-long-to-be-whole"),
        pytest.param('"abc"', 3, False, "abc", id="as-long-as-allowed"),
        pytest.param(r'"a\u00e4b"', 4, True, "a", id="cut-within-an-escape"),
        pytest.param(r'"\ud800"', 20, True, "???", id="half-a-pair"),
        pytest.param("7", 3, True, None, id="a-number"),
    ],
)
def test_a_text_is_read_up_to_its_bound(written: str, longest: int, cut: bool, read: str | None) -> None:  # noqa: FBT001 - of the table
    """No part of an escape is left at the end, and half a character is no character."""
    text = JsonText(written)
    found = text.text(longest, cut=cut)
    assert (found.encode("ascii", "replace").decode() if found else found) == read
    assert text.at_end


def test_a_hundred_thousand_brackets_are_passed_over_without_recursion() -> None:
    """Nobody asked for them; Python's own parser would give up."""
    text = JsonText("[" * 100_000 + "]" * 100_000)
    text.skip()
    assert text.at_end
