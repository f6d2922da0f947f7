"""The limits of what people use in a block: buttons, menus, inputs, and the confirmation before either; and of pictures.

Source of the numbers: https://docs.slack.dev/reference/block-kit/block-elements and …/composition-objects.
"""

from typing import Final

from bot.playground.workspace.problems import Json, Problems, kind_of

TEXT_MAX: Final = 3_000
ID_MAX: Final = 255
_SELECTS: Final = frozenset(
    f"{many}{kind}_select" for many in ("", "multi_") for kind in ("static", "external", "users", "conversations", "channels")
)
_PICKERS: Final = frozenset(("datepicker", "timepicker", "datetimepicker"))
_CHOICES: Final = frozenset(("checkboxes", "radio_buttons"))
ACTIONS_ELEMENTS: Final = _SELECTS | _PICKERS | _CHOICES | {"button", "overflow", "workflow_button"}
INPUT_ELEMENTS: Final = (
    _SELECTS
    | _PICKERS
    | _CHOICES
    | {"plain_text_input", "number_input", "email_text_input", "url_text_input", "rich_text_input", "file_input"}
)
ACCESSORIES: Final = ACTIONS_ELEMENTS | {"image"}


def element_problems(problems: Problems, element: object, at: str, allowed: frozenset[str]) -> None:
    """Check one element.

    Args:
        problems: takes what is wrong.
        element: what is there.
        at: JSON pointer to it.
        allowed: the kinds that may stand in this block.
    """
    if not isinstance(element, dict):
        problems.add("must provide an object", at)
        return
    kind = kind_of(element)
    if kind not in allowed:
        problems.add(f"unsupported type: {kind}", f"{at}/type", tuple(sorted(allowed)))
        return
    if element.get("action_id") is not None:
        problems.length(element["action_id"], ID_MAX, f"{at}/action_id")
    if element.get("confirm") is not None:
        _confirm(problems, element["confirm"], f"{at}/confirm")
    if element.get("placeholder") is not None:
        problems.text(element["placeholder"], 150, f"{at}/placeholder", plain=True)
    if kind == "image":
        image_problems(problems, element, at)
    elif kind == "button":
        _button(problems, element, at)
    elif kind in ("static_select", "multi_static_select", "overflow") or kind in _CHOICES:
        _options(problems, element, str(kind), at)
    elif kind == "plain_text_input":
        _text_input(problems, element, at)


def _text_input(problems: Problems, element: Json, at: str) -> None:
    if element.get("initial_value") is not None:
        problems.length(element["initial_value"], TEXT_MAX, f"{at}/initial_value")
    for name, least in (("min_length", 0), ("max_length", 1)):
        if element.get(name) is not None:
            problems.number(element[name], least, TEXT_MAX, f"{at}/{name}")


def _button(problems: Problems, element: Json, at: str) -> None:
    problems.text(element.get("text"), 75, f"{at}/text", plain=True)
    if element.get("value") is not None:
        problems.length(element["value"], 2_000, f"{at}/value")
    if element.get("url") is not None:
        problems.length(element["url"], 3_000, f"{at}/url")
    if element.get("accessibility_label") is not None:
        problems.length(element["accessibility_label"], 75, f"{at}/accessibility_label")
    if element.get("style") is not None:
        problems.one_of(element["style"], ("primary", "danger"), f"{at}/style")


def _options(problems: Problems, element: Json, kind: str, at: str) -> None:
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
        if option.get("description") is not None:
            problems.text(option["description"], 75, f"{here}/description", plain=kind not in _CHOICES)


def _confirm(problems: Problems, confirm: object, at: str) -> None:
    if not isinstance(confirm, dict):
        problems.add("must provide an object", at)
        return
    problems.text(confirm.get("title"), 100, f"{at}/title", plain=True)
    problems.text(confirm.get("text"), 300, f"{at}/text")
    problems.text(confirm.get("confirm"), 30, f"{at}/confirm", plain=True)
    problems.text(confirm.get("deny"), 30, f"{at}/deny", plain=True)


def image_problems(problems: Problems, block: Json, at: str) -> None:
    """Check a picture, as a block or in one."""
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
