"""The playground's limits are Slack's, on both sides of every edge."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.playground.workspace import limits
from bot.playground.workspace.blocks import dressed_blocks, elements

Json = dict[str, Any]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def section(text: str = "x", **rest: Any) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **rest}


def button(**rest: Any) -> Json:
    return {"type": "button", "text": plain("Go"), "action_id": "go", **rest}


def actions(*elements: Json) -> Json:
    return {"type": "actions", "elements": list(elements)}


def confirm(title: int = 1, text: int = 1, button_text: int = 1) -> Json:
    return {
        "title": plain("t" * title),
        "text": plain("t" * text),
        "confirm": plain("y" * button_text),
        "deny": plain("n"),
    }


def numbered(count: int) -> list[Json]:
    return [button(action_id=f"go{n}") for n in range(count)]


def image(alt: str) -> Json:
    return {"type": "image", "image_url": "https://example.com/i.png", "alt_text": alt}


def container(children: int) -> Json:
    return {"type": "container", "title": plain("t" * 150), "child_blocks": [section()] * children}


FITS = {
    "50 blocks": [section()] * 50,
    "section text": [section("x" * 3_000)],
    "header": [{"type": "header", "text": plain("x" * 150)}],
    "10 fields": [{"type": "section", "fields": [plain("x" * 2_000)] + [plain("x")] * 9}],
    "10 context elements": [{"type": "context", "elements": [plain("x")] * 10}],
    "25 buttons": [actions(*numbered(25))],
    "button text": [actions(button(text=plain("x" * 75)))],
    "button value": [actions(button(value="x" * 2_000))],
    "action_id": [actions(button(action_id="x" * 255))],
    "block_id": [section(block_id="x" * 255)],
    "confirm": [actions(button(confirm=confirm(100, 300, 30)))],
    "alt text": [image("x" * 2_000)],
    "accessory": [section(accessory=button())],
    "divider": [{"type": "divider"}],
    "markdown": [{"type": "markdown", "text": "x" * 12_000}],
    "table": [{"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * 20] * 100}],
    "container": [container(10)],
}

TOO_MUCH: dict[str, tuple[list[Any], str]] = {
    "51 blocks": ([section()] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
    "section text": (
        [section("x" * 3_001)],
        "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
    ),
    "empty text": ([section("")], "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
    "no text or fields": (
        [{"type": "section"}],
        "must define either `text` or `fields` [json-pointer:/blocks/0]",
    ),
    "header": (
        [{"type": "header", "text": plain("x" * 151)}],
        "must be less than 151 characters [json-pointer:/blocks/0/text/text]",
    ),
    "header in mrkdwn": (
        [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}],
        "unsupported type: mrkdwn [json-pointer:/blocks/0/text/type]",
    ),
    "11 fields": (
        [{"type": "section", "fields": [plain("x")] * 11}],
        "no more than 10 items allowed [json-pointer:/blocks/0/fields]",
    ),
    "field text": (
        [{"type": "section", "fields": [plain("x" * 2_001)]}],
        "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]",
    ),
    "11 context elements": (
        [{"type": "context", "elements": [plain("x")] * 11}],
        "no more than 10 items allowed [json-pointer:/blocks/0/elements]",
    ),
    "button in context": (
        [{"type": "context", "elements": [button()]}],
        "unsupported type: button [json-pointer:/blocks/0/elements/0/type]",
    ),
    "26 buttons": ([actions(*numbered(26))], "no more than 25 items allowed [json-pointer:/blocks/0/elements]"),
    "button text": (
        [actions(button(text=plain("x" * 76)))],
        "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]",
    ),
    "button value": (
        [actions(button(value="x" * 2_001))],
        "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]",
    ),
    "button style": (
        [actions(button(style="loud"))],
        "must be one of: primary, danger [json-pointer:/blocks/0/elements/0/style]",
    ),
    "action_id": (
        [actions(button(action_id="x" * 256))],
        "must be less than 256 characters [json-pointer:/blocks/0/elements/0/action_id]",
    ),
    "same action_id": (
        [actions(button(), button())],
        "action_id already exists: go [json-pointer:/blocks/0/elements/1/action_id]",
    ),
    "block_id": (
        [section(block_id="x" * 256)],
        "must be less than 256 characters [json-pointer:/blocks/0/block_id]",
    ),
    "same block_id": (
        [section(block_id="a"), section(block_id="a")],
        "block_id already exists: a [json-pointer:/blocks/1/block_id]",
    ),
    "confirm title": (
        [actions(button(confirm=confirm(title=101)))],
        "must be less than 101 characters [json-pointer:/blocks/0/elements/0/confirm/title/text]",
    ),
    "confirm text": (
        [actions(button(confirm=confirm(text=301)))],
        "must be less than 301 characters [json-pointer:/blocks/0/elements/0/confirm/text/text]",
    ),
    "confirm button": (
        [actions(button(confirm=confirm(button_text=31)))],
        "must be less than 31 characters [json-pointer:/blocks/0/elements/0/confirm/confirm/text]",
    ),
    "alt text": ([image("x" * 2_001)], "must be less than 2001 characters [json-pointer:/blocks/0/alt_text]"),
    "no alt text": ([image("")], "must be more than 0 characters [json-pointer:/blocks/0/alt_text]"),
    "unknown block": ([{"type": "banner"}], "unsupported type: banner [json-pointer:/blocks/0/type]"),
    "container in a container": (
        [{**container(1), "child_blocks": [container(1)]}],
        "unsupported type: container [json-pointer:/blocks/0/child_blocks/0/type]",
    ),
    "11 in a container": ([container(11)], "no more than 10 items allowed [json-pointer:/blocks/0/child_blocks]"),
    "not a block": (["text"], "must provide an object [json-pointer:/blocks/0]"),
    "markdown in all": (
        [{"type": "markdown", "text": "x" * 6_001}] * 2,
        "markdown blocks must be less than 12001 characters in all [json-pointer:/blocks]",
    ),
    "table rows": (
        [{"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]] * 101}],
        "no more than 100 items allowed [json-pointer:/blocks/0/rows]",
    ),
}


@pytest.mark.parametrize("blocks", FITS.values(), ids=FITS.keys())
def test_a_message_at_the_limit_is_accepted(blocks: list[Json]) -> None:
    """What is exactly as long as Slack allows passes."""
    assert limits.check_message(blocks) == []


@pytest.mark.parametrize(("blocks", "problem"), TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_a_message_past_the_limit_names_the_place(blocks: list[Any], problem: str) -> None:
    """What is one too long is refused in Slack's words, with a pointer to the part."""
    assert limits.check_message(blocks) == [problem]


def test_blocks_that_are_no_array_are_refused() -> None:
    """A single block instead of a list is a mistake."""
    assert limits.check_message(section()) == ["must be an array [json-pointer:/blocks]"]


def modal(**rest: Any) -> Json:
    return {"type": "modal", "title": plain("x"), "blocks": [section()], **rest}


VIEWS_TOO_MUCH: dict[str, tuple[object, str]] = {
    "title": (
        modal(title=plain("x" * 25)),
        "must be less than 25 characters [json-pointer:/view/title/text]",
    ),
    "submit": (
        modal(submit=plain("x" * 25)),
        "must be less than 25 characters [json-pointer:/view/submit/text]",
    ),
    "close": (modal(close=plain("x" * 25)), "must be less than 25 characters [json-pointer:/view/close/text]"),
    "private_metadata": (
        modal(private_metadata="x" * 3_001),
        "must be less than 3001 characters [json-pointer:/view/private_metadata]",
    ),
    "callback_id": (
        modal(callback_id="x" * 256),
        "must be less than 256 characters [json-pointer:/view/callback_id]",
    ),
    "101 blocks": (modal(blocks=[section()] * 101), "no more than 100 items allowed [json-pointer:/view/blocks]"),
    "no title": ({"type": "modal", "blocks": []}, "missing required field: title [json-pointer:/view]"),
    "input without submit": (
        modal(blocks=[{"type": "input", "label": plain("Why"), "element": {"type": "plain_text_input", "action_id": "a"}}]),
        "missing required field: submit (the modal has input blocks) [json-pointer:/view]",
    ),
    "button as input": (
        modal(submit=plain("Go"), blocks=[{"type": "input", "label": plain("Why"), "element": button()}]),
        "unsupported type: button [json-pointer:/view/blocks/0/element/type]",
    ),
    "unknown type": ({"type": "popup"}, "unsupported type: popup [json-pointer:/view/type]"),
    "no view": (None, "must provide an object [json-pointer:/view]"),
}


@pytest.mark.parametrize(("view", "problem"), VIEWS_TOO_MUCH.values(), ids=VIEWS_TOO_MUCH.keys())
def test_a_view_past_the_limit_names_the_place(view: object, problem: str) -> None:
    """A modal that Slack would refuse is refused in the same words."""
    assert limits.check_view(view) == [problem]


def test_views_at_the_limit_are_accepted() -> None:
    """A modal with everything at its longest, and a home of a hundred blocks, pass."""
    longest = modal(
        title=plain("x" * 24),
        submit=plain("x" * 24),
        close=plain("x" * 24),
        private_metadata="x" * 3_000,
        blocks=[section()] * 100,
    )
    assert limits.check_view(longest) == []
    assert limits.check_view({"type": "home", "blocks": [section()] * 100}) == []


NAMES = [
    "type",
    "text",
    "fields",
    "elements",
    "accessory",
    "element",
    "block_id",
    "action_id",
    "options",
    "option_groups",
    "label",
    "confirm",
    "slack_file",
    "alt_text",
    "rows",
    "title",
    "submit",
    "blocks",
    "value",
    "placeholder",
    "image_url",
    "chart",
    "series",
    "axis_config",
    "categories",
    "data",
    "caption",
    "child_blocks",
    "column_settings",
]
KINDS = [
    "section",
    "header",
    "context",
    "actions",
    "image",
    "input",
    "markdown",
    "table",
    "rich_text",
    "button",
    "static_select",
    "overflow",
    "checkboxes",
    "plain_text",
    "mrkdwn",
    "plain_text_input",
    "modal",
    "home",
    "divider",
    "data_table",
    "data_visualization",
    "container",
    "card",
    "carousel",
    "context_actions",
    "plan",
    "task_card",
    "video",
    "alert",
    "line",
    "raw_number",
]
HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.sampled_from(KINDS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
        | st.builds(
            lambda kind, rest: {**rest, "type": kind},
            st.sampled_from(KINDS),
            st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
        )
    ),
    max_leaves=25,
)


@given(hostile=HOSTILE)
def test_no_json_whatever_breaks_the_checks(hostile: Any) -> None:
    """Any JSON is either refused with a sentence, or can be dressed and looked through."""
    assert isinstance(limits.check_view(hostile), list)
    assert limits.check_message(hostile) or not isinstance(hostile, dict | str)
    if isinstance(hostile, list) and not limits.check_message(hostile):
        dressed = dressed_blocks(hostile)
        assert all(block["block_id"] for block in dressed)
        assert all(element["action_id"] for _, element in elements({"blocks": dressed}))
