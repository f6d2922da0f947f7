"""Blocks as Slack keeps them: every id and default filled in, and which elements in them people can use.

Excluded: whether blocks are acceptable (`limits`); what comes here has passed that check.
"""

import copy
import secrets
from collections.abc import Iterable, Iterator
from typing import Any

Json = dict[str, Any]


def dressed_blocks(blocks: Iterable[Json]) -> list[Json]:
    """Copy blocks and fill in what Slack fills in: block ids, action ids, `emoji` and `verbatim` of texts."""
    dressed = copy.deepcopy(list(blocks))
    taken = {block["block_id"] for block in dressed if block.get("block_id")}
    for block in dressed:
        if not block.get("block_id"):
            block["block_id"] = _unused_id(taken)
        _fill_texts(block)
        elements = block.get("elements") if block["type"] == "actions" else None
        for element in [*(elements or []), block.get("accessory"), block.get("element")]:
            if isinstance(element, dict) and element.get("type") != "image" and not element.get("action_id"):
                element["action_id"] = _unused_id(set())
    return dressed


def _unused_id(taken: set[str]) -> str:
    while (drawn := secrets.token_urlsafe(4)[:5]) in taken:
        pass
    taken.add(drawn)
    return drawn


def _fill_texts(part: object) -> None:
    if isinstance(part, dict):
        if part.get("type") == "plain_text":
            part.setdefault("emoji", True)
        elif part.get("type") == "mrkdwn":
            part.setdefault("verbatim", False)
        for value in part.values():
            _fill_texts(value)
    elif isinstance(part, list):
        for value in part:
            _fill_texts(value)


def elements(shown: Json) -> Iterator[tuple[str, Json]]:
    """List what can be used in a message or a view: block id and element."""
    for block in shown.get("blocks") or ():
        held = block.get("elements", []) if block["type"] == "actions" else []
        for element in [*held, block.get("accessory"), block.get("element")]:
            if isinstance(element, dict) and "action_id" in element:
                yield block["block_id"], element
