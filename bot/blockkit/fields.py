"""The fields of a modal, and what was answered in them.

Pure. Limits: Slack's documentation of Block Kit (a label 150 characters, an option 75, its description 75).
"""

from collections.abc import Mapping
from typing import Any

from bot.blockkit.blocks import plain_text
from bot.blockkit.post import Block
from core.text import MAX_REASON


def entry(name: str, label: str, element: Block, *, hint: str = "", optional: bool = False) -> Block:
    """Return one field of a modal; its answers come back under its name.

    Args:
        name: key of its answers.
        label: the question.
        element: what is answered with.
        hint: what stands below it; empty if nothing does.
        optional: whether it may be left empty.
    """
    block: Block = {"type": "input", "block_id": name, "label": plain_text(label, 150), "element": element, "optional": optional}
    if hint:
        block["hint"] = plain_text(hint, 150)
    return block


def reason_entry(name: str, label: str, placeholder: str, *, optional: bool, focus: bool = False, said: str = "") -> Block:
    """Return the field for somebody's own words, as long as a receipt keeps them.

    Args:
        name: key of its answer.
        label: the question.
        placeholder: what stands in the empty field.
        optional: whether it may be left empty.
        focus: whether the cursor stands in it.
        said: words that stand in it already.
    """
    element: Block = {
        "type": "plain_text_input",
        "action_id": name,
        "multiline": True,
        "max_length": MAX_REASON,
        "focus_on_load": focus,
        "placeholder": plain_text(placeholder, 150),
    }
    if said:
        element["initial_value"] = said[:MAX_REASON]
    return entry(name, label, element, hint="It is kept in the receipt, and everybody in the channel sees it.", optional=optional)


def option(value: str, text: str, description: str = "") -> Block:
    """Return one choice, with what it means."""
    option: Block = {"text": plain_text(text, 75), "value": value}
    if description:
        option["description"] = plain_text(description, 75)
    return option


def written(values: Mapping[str, Any], name: str) -> str:
    """Return what was written into a field, without blanks around it."""
    return str((values.get(name) or {}).get("value") or "").strip()


def chosen(values: Mapping[str, Any], name: str) -> str:
    """Return the value of the choice that was made, or "" if none was."""
    return str(((values.get(name) or {}).get("selected_option") or {}).get("value") or "")
