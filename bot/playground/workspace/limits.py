"""Slack's limits on texts, blocks and views, as the messages that Slack answers with.

Excluded: who may post where (the Web API) and whether a file that an image names exists (the workspace knows).
Each problem is worded as Slack words it, with a JSON pointer to the offending part. Source of the numbers:
https://docs.slack.dev/reference/block-kit/blocks and https://docs.slack.dev/reference/views.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from bot.playground.workspace import newer_blocks
from bot.playground.workspace.data_blocks import CHARTS_MAX, data_table, data_visualization
from bot.playground.workspace.element_limits import (
    ACCESSORIES,
    ACTIONS_ELEMENTS,
    ID_MAX,
    INPUT_ELEMENTS,
    TEXT_MAX,
    element_problems,
    image_problems,
)
from bot.playground.workspace.problems import Json, Problem, Problems, kind_of

POST_TEXT_MAX: Final = 40_000
UPDATE_TEXT_MAX: Final = 4_000
"""chat.update refuses longer texts, although chat.postMessage takes them."""
MESSAGE_BLOCKS_MAX: Final = 50
VIEW_BLOCKS_MAX: Final = 100
BLOCKS_TEXT_MAX: Final = 13_000
"""Characters of all blocks of a message together. Not documented; `msg_blocks_too_long` is seen from about 13,200."""
VIEW_BYTES_MAX: Final = 250_000
MARKDOWN_MAX: Final = 12_000
PRIVATE_METADATA_MAX: Final = 3_000

_EVERYWHERE: Final = frozenset(
    ("section", "header", "divider", "context", "actions", "image", "input", "rich_text", "video", "container")
)
_MESSAGE_TYPES: Final = _EVERYWHERE | {
    "markdown",
    "table",
    "data_table",
    "data_visualization",
    "card",
    "carousel",
    "context_actions",
    "plan",
    "task_card",
}
_VIEW_TYPES: Final = _EVERYWHERE | {"alert"}
_IN_CONTAINER: Final = _EVERYWHERE - {"container"} | {"file", "table"}
_WIDTHS: Final = ("narrow", "standard", "wide", "full")
_CONTEXT_ELEMENTS: Final = frozenset(("image", "plain_text", "mrkdwn"))


def check_message(blocks: object) -> list[str]:
    """Check the blocks of a message.

    Returns:
        Slack's sentences, empty when the blocks are acceptable.
    """
    return [str(problem) for problem in message_problems(blocks)]


def message_problems(blocks: object) -> list[Problem]:
    """Check the blocks of a message; return what is wrong, with its place."""
    problems = Problems()
    if not isinstance(blocks, list):
        problems.add("must be an array", "/blocks")
        return problems.found
    _check_blocks(problems, blocks, at="/blocks", most=MESSAGE_BLOCKS_MAX, allowed=_MESSAGE_TYPES)
    written = sum(len(b["text"]) for b in blocks if _is_markdown(b))
    if written > MARKDOWN_MAX:
        problems.add(f"markdown blocks must be less than {MARKDOWN_MAX + 1} characters in all", "/blocks")
    if sum(kind_of(block) == "data_visualization" for block in blocks) > CHARTS_MAX:
        problems.add(f"no more than {CHARTS_MAX} data_visualization blocks allowed", "/blocks")
    return problems.found


def check_view(view: object) -> list[str]:
    """Check a modal or a home view.

    Returns:
        Slack's sentences, empty when the view is acceptable.
    """
    return [str(problem) for problem in view_problems(view)]


def view_problems(view: object) -> list[Problem]:
    """Check a modal or a home view; return what is wrong, with its place."""
    problems = Problems()
    if not isinstance(view, dict):
        problems.add("must provide an object", "/view")
        return problems.found
    kind = kind_of(view)
    if kind not in ("modal", "home"):
        problems.add(f"unsupported type: {kind}", "/view/type", ("modal", "home"))
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


def _check_view_blocks(problems: Problems, view: Json) -> None:
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


def _is_markdown(block: object) -> bool:
    return isinstance(block, dict) and block.get("type") == "markdown" and isinstance(block.get("text"), str)


def _check_blocks(problems: Problems, blocks: list[Any], *, at: str, most: int, allowed: frozenset[str]) -> None:
    if len(blocks) > most:
        problems.add(f"no more than {most} items allowed", at)
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        here = f"{at}/{index}"
        if not isinstance(block, dict):
            problems.add("must provide an object", here)
            continue
        kind = kind_of(block)
        if kind not in allowed:
            problems.add(f"unsupported type: {kind}", f"{here}/type", tuple(sorted(allowed)))
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


def _section(problems: Problems, block: Json, at: str) -> None:
    if block.get("text") is None and not block.get("fields"):
        problems.add("must define either `text` or `fields`", at)
    if block.get("text") is not None:
        problems.text(block["text"], TEXT_MAX, f"{at}/text")
    if block.get("fields") is not None:
        for index, field in enumerate(problems.count(block["fields"], 10, f"{at}/fields")):
            problems.text(field, 2_000, f"{at}/fields/{index}")
    if block.get("accessory") is not None:
        element_problems(problems, block["accessory"], f"{at}/accessory", ACCESSORIES)


def _header(problems: Problems, block: Json, at: str) -> None:
    problems.text(block.get("text"), 150, f"{at}/text", plain=True)


def _context(problems: Problems, block: Json, at: str) -> None:
    for index, element in enumerate(problems.count(block.get("elements"), 10, f"{at}/elements")):
        here = f"{at}/elements/{index}"
        kind = kind_of(element)
        if kind not in _CONTEXT_ELEMENTS:
            problems.add(f"unsupported type: {kind}", f"{here}/type", tuple(sorted(_CONTEXT_ELEMENTS)))
        elif kind == "image":
            image_problems(problems, element, here)
        else:
            problems.text(element, TEXT_MAX, here)


def _actions(problems: Problems, block: Json, at: str) -> None:
    seen: set[str] = set()
    for index, element in enumerate(problems.count(block.get("elements"), 25, f"{at}/elements")):
        here = f"{at}/elements/{index}"
        element_problems(problems, element, here, ACTIONS_ELEMENTS)
        action_id = element.get("action_id") if isinstance(element, dict) else None
        if action_id is not None and str(action_id) in seen:
            problems.add(f"action_id already exists: {action_id}", f"{here}/action_id")
        seen.add(str(action_id))


def _input(problems: Problems, block: Json, at: str) -> None:
    problems.text(block.get("label"), 2_000, f"{at}/label", plain=True)
    if block.get("hint") is not None:
        problems.text(block["hint"], 2_000, f"{at}/hint", plain=True)
    if problems.require(block, "element", at):
        element_problems(problems, block["element"], f"{at}/element", INPUT_ELEMENTS)


def _markdown(problems: Problems, block: Json, at: str) -> None:
    problems.length(block.get("text"), MARKDOWN_MAX, f"{at}/text", shortest=1)


def _container(problems: Problems, block: Json, at: str) -> None:
    if block.get("title") is None and block.get("rich_text_title") is None:
        problems.add("must define either `title` or `rich_text_title`", at)
    if block.get("title") is not None:
        problems.text(block["title"], 150, f"{at}/title", plain=True)
    if block.get("subtitle") is not None:
        problems.text(block["subtitle"], 150, f"{at}/subtitle")
    if block.get("width") is not None:
        problems.one_of(block["width"], _WIDTHS, f"{at}/width")
    children = block.get("child_blocks")
    if isinstance(children, list):
        _check_blocks(problems, children, at=f"{at}/child_blocks", most=10, allowed=_IN_CONTAINER)
    else:
        problems.add("must be an array", f"{at}/child_blocks")


def _table(problems: Problems, block: Json, at: str) -> None:
    if block.get("column_settings") is not None:
        problems.count(block["column_settings"], 20, f"{at}/column_settings")
    for index, row in enumerate(problems.count(block.get("rows"), 100, f"{at}/rows")):
        problems.count(row, 20, f"{at}/rows/{index}")


def _rich_text(problems: Problems, block: Json, at: str) -> None:
    problems.count(block.get("elements"), 1_000, f"{at}/elements")


_BLOCK_CHECKS: Final[Mapping[str, Callable[[Problems, Json, str], None]]] = {
    "section": _section,
    "header": _header,
    "context": _context,
    "actions": _actions,
    "image": image_problems,
    "input": _input,
    "markdown": _markdown,
    "table": _table,
    "rich_text": _rich_text,
    "container": _container,
    "data_table": data_table,
    "data_visualization": data_visualization,
    "alert": newer_blocks.alert,
    "card": newer_blocks.card,
    "carousel": newer_blocks.carousel,
    "context_actions": newer_blocks.context_actions,
    "plan": newer_blocks.plan,
    "task_card": newer_blocks.task_card,
    "video": newer_blocks.video,
}
