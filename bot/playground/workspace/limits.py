"""Slack's limits on texts, blocks and views, as the messages that Slack answers with.

Excluded: who may post where (the Web API) and whether a file that an image names exists (the workspace knows).
Each problem is worded as Slack words it, with a JSON pointer to the offending part. Source of the numbers:
https://docs.slack.dev/reference/block-kit/blocks and https://docs.slack.dev/reference/views.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

Json = dict[str, Any]

POST_TEXT_MAX: Final = 40_000
UPDATE_TEXT_MAX: Final = 4_000
"""chat.update refuses longer texts, although chat.postMessage takes them."""
MESSAGE_BLOCKS_MAX: Final = 50
VIEW_BLOCKS_MAX: Final = 100
BLOCKS_TEXT_MAX: Final = 13_000
"""Characters of all blocks of a message together. Not documented; `msg_blocks_too_long` is seen from about 13,200."""
VIEW_BYTES_MAX: Final = 250_000
SECTION_TEXT_MAX: Final = 3_000
MARKDOWN_MAX: Final = 12_000
ID_MAX: Final = 255
PRIVATE_METADATA_MAX: Final = 3_000

_MESSAGE_TYPES: Final = frozenset(
    ("section", "header", "divider", "context", "actions", "image", "input", "rich_text", "markdown", "table", "video")
)
_VIEW_TYPES: Final = _MESSAGE_TYPES - {"markdown", "table"}
_SELECTS: Final = frozenset(
    f"{many}{kind}_select" for many in ("", "multi_") for kind in ("static", "external", "users", "conversations", "channels")
)
_PICKERS: Final = frozenset(("datepicker", "timepicker", "datetimepicker"))
_CHOICES: Final = frozenset(("checkboxes", "radio_buttons"))
_ACTIONS_ELEMENTS: Final = _SELECTS | _PICKERS | _CHOICES | {"button", "overflow", "workflow_button"}
_INPUT_ELEMENTS: Final = (
    _SELECTS
    | _PICKERS
    | _CHOICES
    | {"plain_text_input", "number_input", "email_text_input", "url_text_input", "rich_text_input", "file_input"}
)
_ACCESSORIES: Final = _ACTIONS_ELEMENTS | {"image"}
_CONTEXT_ELEMENTS: Final = frozenset(("image", "plain_text", "mrkdwn"))


class _Problems:
    """Collects problems with their place; every check writes here and goes on."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, text: str, at: str) -> None:
        self.found.append(f"{text} [json-pointer:{at}]")

    def length(self, value: object, longest: int, at: str, *, shortest: int = 0) -> None:
        if not isinstance(value, str):
            self.add("must be a string", at)
        elif len(value) > longest:
            self.add(f"must be less than {longest + 1} characters", at)
        elif len(value) < shortest:
            self.add(f"must be more than {shortest - 1} characters", at)

    def count(self, items: object, most: int, at: str) -> list[Any]:
        if not isinstance(items, list):
            self.add("must be an array", at)
            return []
        if len(items) > most:
            self.add(f"no more than {most} items allowed", at)
        if not items:
            self.add("must have at least 1 items", at)
        return items

    def text(self, value: object, longest: int, at: str, *, plain: bool = False) -> None:
        """Check a text object."""
        if not isinstance(value, dict):
            self.add("must provide an object", at)
            return
        kind = _kind(value)
        if kind not in (("plain_text",) if plain else ("plain_text", "mrkdwn")):
            self.add(f"unsupported type: {kind}", f"{at}/type")
        if kind == "mrkdwn" and "emoji" in value:
            self.add("invalid additional property: emoji", at)
        if kind == "plain_text" and "verbatim" in value:
            self.add("invalid additional property: verbatim", at)
        self.length(value.get("text"), longest, f"{at}/text", shortest=1)

    def require(self, holder: Mapping[str, Any], name: str, at: str) -> bool:
        if name in holder:
            return True
        self.add(f"missing required field: {name}", at)
        return False


def check_message(blocks: object) -> list[str]:
    """Check the blocks of a message.

    Returns:
        Slack's sentences, empty when the blocks are acceptable.
    """
    problems = _Problems()
    if not isinstance(blocks, list):
        problems.add("must be an array", "/blocks")
        return problems.found
    _check_blocks(problems, blocks, at="/blocks", most=MESSAGE_BLOCKS_MAX, allowed=_MESSAGE_TYPES)
    written = sum(len(b["text"]) for b in blocks if _is_markdown(b))
    if written > MARKDOWN_MAX:
        problems.add(f"markdown blocks must be less than {MARKDOWN_MAX + 1} characters in all", "/blocks")
    return problems.found


def check_view(view: object) -> list[str]:
    """Check a modal or a home view.

    Returns:
        Slack's sentences, empty when the view is acceptable.
    """
    problems = _Problems()
    if not isinstance(view, dict):
        problems.add("must provide an object", "/view")
        return problems.found
    kind = _kind(view)
    if kind not in ("modal", "home"):
        problems.add(f"unsupported type: {kind}", "/view/type")
        return problems.found
    if kind == "modal" and problems.require(view, "title", "/view"):
        problems.text(view["title"], 24, "/view/title", plain=True)
    for name in ("submit", "close"):
        if view.get(name) is not None:
            problems.text(view[name], 24, f"/view/{name}", plain=True)
    for name, longest in (
        ("private_metadata", PRIVATE_METADATA_MAX),
        ("callback_id", ID_MAX),
        ("external_id", ID_MAX),
    ):
        if view.get(name) is not None:
            problems.length(view[name], longest, f"/view/{name}")
    if problems.require(view, "blocks", "/view"):
        _check_view_blocks(problems, view)
    return problems.found


def _check_view_blocks(problems: _Problems, view: Json) -> None:
    blocks = view["blocks"]
    if not isinstance(blocks, list):
        problems.add("must be an array", "/view/blocks")
        return
    _check_blocks(problems, blocks, at="/view/blocks", most=VIEW_BLOCKS_MAX, allowed=_VIEW_TYPES)
    has_input = any(isinstance(b, dict) and b.get("type") == "input" for b in blocks)
    if view["type"] == "modal" and has_input and view.get("submit") is None:
        problems.add("missing required field: submit (the modal has input blocks)", "/view")


def blocks_text_length(blocks: object) -> int:
    """Count the characters of every text in blocks, for `msg_blocks_too_long`."""
    return sum(len(text) for text in _texts(blocks))


def _texts(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "text" and isinstance(value, str):
                yield value
            else:
                yield from _texts(value)
    elif isinstance(part, list):
        for value in part:
            yield from _texts(value)


def _kind(part: object) -> str | None:
    """Read the `type` of anything; None when there is none that could be one."""
    kind = part.get("type") if isinstance(part, dict) else None
    return kind if isinstance(kind, str) else None


def _is_markdown(block: object) -> bool:
    return isinstance(block, dict) and block.get("type") == "markdown" and isinstance(block.get("text"), str)


def _check_blocks(problems: _Problems, blocks: list[Any], *, at: str, most: int, allowed: frozenset[str]) -> None:
    if len(blocks) > most:
        problems.add(f"no more than {most} items allowed", at)
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        here = f"{at}/{index}"
        if not isinstance(block, dict):
            problems.add("must provide an object", here)
            continue
        kind = _kind(block)
        if kind not in allowed:
            problems.add(f"unsupported type: {kind}", f"{here}/type")
            continue
        block_id = block.get("block_id")
        if block_id is not None:
            problems.length(block_id, ID_MAX, f"{here}/block_id")
            if str(block_id) in seen:
                problems.add(f"block_id already exists: {block_id}", f"{here}/block_id")
            seen.add(str(block_id))
        check = _BLOCK_CHECKS.get(str(kind))
        if check:
            check(problems, block, here)


def _section(problems: _Problems, block: Json, at: str) -> None:
    if block.get("text") is None and not block.get("fields"):
        problems.add("must define either `text` or `fields`", at)
    if block.get("text") is not None:
        problems.text(block["text"], SECTION_TEXT_MAX, f"{at}/text")
    if block.get("fields") is not None:
        for index, field in enumerate(problems.count(block["fields"], 10, f"{at}/fields")):
            problems.text(field, 2_000, f"{at}/fields/{index}")
    if block.get("accessory") is not None:
        _element(problems, block["accessory"], f"{at}/accessory", _ACCESSORIES)


def _header(problems: _Problems, block: Json, at: str) -> None:
    problems.text(block.get("text"), 150, f"{at}/text", plain=True)


def _context(problems: _Problems, block: Json, at: str) -> None:
    for index, element in enumerate(problems.count(block.get("elements"), 10, f"{at}/elements")):
        here = f"{at}/elements/{index}"
        kind = _kind(element)
        if kind not in _CONTEXT_ELEMENTS:
            problems.add(f"unsupported type: {kind}", f"{here}/type")
        elif kind == "image":
            _image(problems, element, here)
        else:
            problems.text(element, SECTION_TEXT_MAX, here)


def _actions(problems: _Problems, block: Json, at: str) -> None:
    seen: set[str] = set()
    for index, element in enumerate(problems.count(block.get("elements"), 25, f"{at}/elements")):
        here = f"{at}/elements/{index}"
        _element(problems, element, here, _ACTIONS_ELEMENTS)
        action_id = element.get("action_id") if isinstance(element, dict) else None
        if action_id is not None and str(action_id) in seen:
            problems.add(f"action_id already exists: {action_id}", f"{here}/action_id")
        seen.add(str(action_id))


def _image(problems: _Problems, block: Json, at: str) -> None:
    if not block.get("image_url") and not block.get("slack_file"):
        problems.add("must define either `image_url` or `slack_file`", at)
    if block.get("image_url"):
        problems.length(block["image_url"], 3_000, f"{at}/image_url")
    file = block.get("slack_file")
    if file is not None and not (isinstance(file, dict) and (file.get("id") or file.get("url"))):
        problems.add("must define either `id` or `url`", f"{at}/slack_file")
    problems.length(block.get("alt_text"), 2_000, f"{at}/alt_text", shortest=1)
    if block.get("title") is not None:
        problems.text(block["title"], 2_000, f"{at}/title", plain=True)


def _input(problems: _Problems, block: Json, at: str) -> None:
    problems.text(block.get("label"), 2_000, f"{at}/label", plain=True)
    if block.get("hint") is not None:
        problems.text(block["hint"], 2_000, f"{at}/hint", plain=True)
    if problems.require(block, "element", at):
        _element(problems, block["element"], f"{at}/element", _INPUT_ELEMENTS)


def _markdown(problems: _Problems, block: Json, at: str) -> None:
    problems.length(block.get("text"), MARKDOWN_MAX, f"{at}/text", shortest=1)


def _table(problems: _Problems, block: Json, at: str) -> None:
    for index, row in enumerate(problems.count(block.get("rows"), 100, f"{at}/rows")):
        problems.count(row, 20, f"{at}/rows/{index}")


def _rich_text(problems: _Problems, block: Json, at: str) -> None:
    problems.count(block.get("elements"), 1_000, f"{at}/elements")


_BLOCK_CHECKS: Final[Mapping[str, Callable[[_Problems, Json, str], None]]] = {
    "section": _section,
    "header": _header,
    "context": _context,
    "actions": _actions,
    "image": _image,
    "input": _input,
    "markdown": _markdown,
    "table": _table,
    "rich_text": _rich_text,
}


def _element(problems: _Problems, element: object, at: str, allowed: frozenset[str]) -> None:
    if not isinstance(element, dict):
        problems.add("must provide an object", at)
        return
    kind = _kind(element)
    if kind not in allowed:
        problems.add(f"unsupported type: {kind}", f"{at}/type")
        return
    if element.get("action_id") is not None:
        problems.length(element["action_id"], ID_MAX, f"{at}/action_id")
    if element.get("confirm") is not None:
        _confirm(problems, element["confirm"], f"{at}/confirm")
    if element.get("placeholder") is not None:
        problems.text(element["placeholder"], 150, f"{at}/placeholder", plain=True)
    if kind == "image":
        _image(problems, element, at)
    elif kind == "button":
        _button(problems, element, at)
    elif kind in ("static_select", "multi_static_select", "overflow") or kind in _CHOICES:
        _options(problems, element, str(kind), at)
    elif kind == "plain_text_input" and element.get("initial_value") is not None:
        problems.length(element["initial_value"], SECTION_TEXT_MAX, f"{at}/initial_value")


def _button(problems: _Problems, element: Json, at: str) -> None:
    problems.text(element.get("text"), 75, f"{at}/text", plain=True)
    if element.get("value") is not None:
        problems.length(element["value"], 2_000, f"{at}/value")
    if element.get("url") is not None:
        problems.length(element["url"], 3_000, f"{at}/url")
    if element.get("style") not in (None, "primary", "danger"):
        problems.add("must be one of: primary, danger", f"{at}/style")


def _options(problems: _Problems, element: Json, kind: str, at: str) -> None:
    most = {"overflow": 5, "checkboxes": 10, "radio_buttons": 10}.get(kind, 100)
    if element.get("option_groups"):
        for index, group in enumerate(problems.count(element["option_groups"], 100, f"{at}/option_groups")):
            label = group.get("label") if isinstance(group, dict) else None
            problems.text(label, 75, f"{at}/option_groups/{index}/label", plain=True)
        return
    for index, option in enumerate(problems.count(element.get("options"), most, f"{at}/options")):
        here = f"{at}/options/{index}"
        if not isinstance(option, dict):
            problems.add("must provide an object", here)
            continue
        problems.text(option.get("text"), 75, f"{here}/text", plain=kind not in _CHOICES)
        problems.length(option.get("value"), 150, f"{here}/value", shortest=1)


def _confirm(problems: _Problems, confirm: object, at: str) -> None:
    if not isinstance(confirm, dict):
        problems.add("must provide an object", at)
        return
    problems.text(confirm.get("title"), 100, f"{at}/title", plain=True)
    problems.text(confirm.get("text"), 300, f"{at}/text")
    problems.text(confirm.get("confirm"), 30, f"{at}/confirm", plain=True)
    problems.text(confirm.get("deny"), 30, f"{at}/deny", plain=True)
