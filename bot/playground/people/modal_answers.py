"""The answers in a modal, completed and checked as Slack's client does before it sends anything.

Excluded: the app's own checks, which come back with its acknowledgement (`people`).
"""

import copy
from typing import Any, Final

Json = dict[str, Any]

REQUIRED_FIELD: Final = "Please complete this required field."
INPUT_TEXT_MAX: Final = 3_000


class ClientRefusal(Exception):
    """Slack's client does not let the person do this; nothing was sent to the app.

    Attributes:
        errors: texts by block id, for a modal with unacceptable answers.
    """

    def __init__(self, text: str, errors: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.errors = errors or {}


def completed(view: Json, given: Json) -> Json:
    """Complete given answers, in the shape of `state.values`, with types, initial values and the options as they are shown.

    Raises:
        ClientRefusal: a block is not in the modal, a required one is empty, an option is not offered, or a text is too short
            or too long.
    """
    values: Json = {}
    errors: dict[str, str] = {}
    for block in view["blocks"]:
        if block["type"] != "input":
            continue
        element = block["element"]
        answer = _initial(element) | dict((given.get(block["block_id"]) or {}).get(element["action_id"]) or {})
        answer = _with_options(element, answer) | {"type": element["type"]}
        values[block["block_id"]] = {element["action_id"]: answer}
        wrong = _objection(block, element, answer)
        if wrong:
            errors[block["block_id"]] = wrong
    stray = sorted(set(given) - set(values) - {block["block_id"] for block in view["blocks"]})
    if stray:
        raise ClientRefusal(f"The modal has no block {', '.join(stray)}. Nothing was sent.")
    if errors:
        raise ClientRefusal("The modal was not submitted: some fields need attention.", errors)
    return values


def _initial(element: Json) -> Json:
    initial = {
        name.replace("initial_", "selected_", 1) if name != "initial_value" else "value": copy.deepcopy(value)
        for name, value in element.items()
        if name.startswith("initial_")
    }
    return initial if initial or "text_input" not in element["type"] else {"value": None}


def _with_options(element: Json, answer: Json) -> Json:
    """Put the options as they are shown in place of their values: the client sends them whole."""
    offered = {option["value"]: option for option in _options(element)}
    if not offered:
        return answer

    def shown(chosen: Json) -> Json:
        if chosen.get("value") not in offered:
            raise ClientRefusal(f"The modal offers no {chosen.get('value')}. Nothing was sent.")
        return copy.deepcopy(offered[chosen["value"]])

    one, several = answer.get("selected_option"), answer.get("selected_options")
    filled = {"selected_option": shown(one)} if one else {}
    return answer | filled | ({"selected_options": [shown(chosen) for chosen in several]} if several else {})


def _options(element: Json) -> list[Json]:
    groups: list[Json] = element.get("option_groups") or []
    return [*(element.get("options") or []), *(option for group in groups for option in group["options"])]


def _objection(block: Json, element: Json, answer: Json) -> str | None:
    given: list[Any] = [value for name, value in answer.items() if name != "type"]
    if not any(given):
        return None if block.get("optional") else REQUIRED_FIELD
    text = answer.get("value")
    if not isinstance(text, str):
        return None
    if len(text) > element.get("max_length", INPUT_TEXT_MAX):
        return f"Please enter at most {element.get('max_length', INPUT_TEXT_MAX)} characters."
    if len(text) < element.get("min_length", 0):
        return f"Please enter at least {element['min_length']} characters."
    return None
