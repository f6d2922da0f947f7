"""The limits of the blocks that Slack added late: alerts, cards, plans, videos, buttons below a message.

Source of the numbers: Slack's published types (`@slack/types`). Excluded: what shows data (`data_blocks`), and containers, which
hold other blocks (`limits`).
"""

from typing import Final

from bot.playground.workspace.problems import Json, Problems, kind_of

CARDS_MAX: Final = 10
_LEVELS: Final = ("default", "info", "warning", "error", "success")
_STATES: Final = ("pending", "in_progress", "complete", "error")
_BELOW: Final = ("feedback_buttons", "icon_button")


def alert(problems: Problems, block: Json, at: str) -> None:
    """Check an alert."""
    problems.text(block.get("text"), 3_000, f"{at}/text")
    if block.get("level") is not None:
        problems.one_of(block["level"], _LEVELS, f"{at}/level")


def card(problems: Problems, block: Json, at: str) -> None:
    """Check a card: anything of it, but something."""
    if not any(block.get(name) for name in ("hero_image", "title", "actions", "body")):
        problems.add("must define at least one of `hero_image`, `title`, `actions` or `body`", at)
    for name, longest in (("title", 150), ("subtitle", 150), ("body", 200)):
        if block.get(name) is not None:
            problems.text(block[name], longest, f"{at}/{name}")


def carousel(problems: Problems, block: Json, at: str) -> None:
    """Check cards side by side."""
    for index, one in enumerate(problems.count(block.get("elements"), CARDS_MAX, f"{at}/elements")):
        here = f"{at}/elements/{index}"
        if not isinstance(one, dict) or kind_of(one) != "card":
            problems.add(f"unsupported type: {kind_of(one)}", f"{here}/type", ("card",))
        else:
            card(problems, one, here)


def context_actions(problems: Problems, block: Json, at: str) -> None:
    """Check the small buttons below a message."""
    for index, element in enumerate(problems.count(block.get("elements"), 5, f"{at}/elements")):
        if kind_of(element) not in _BELOW:
            problems.add(f"unsupported type: {kind_of(element)}", f"{at}/elements/{index}/type", _BELOW)


def plan(problems: Problems, block: Json, at: str) -> None:
    """Check a plan of tasks."""
    problems.length(block.get("title"), 3_000, f"{at}/title", shortest=1)


def task_card(problems: Problems, block: Json, at: str) -> None:
    """Check one task."""
    for name in ("task_id", "title"):
        problems.length(block.get(name), 3_000, f"{at}/{name}", shortest=1)
    problems.one_of(block.get("status"), _STATES, f"{at}/status")


def video(problems: Problems, block: Json, at: str) -> None:
    """Check a video."""
    for name in ("video_url", "thumbnail_url", "alt_text"):
        problems.length(block.get(name), 3_000, f"{at}/{name}", shortest=1)
    problems.text(block.get("title"), 199, f"{at}/title", plain=True)
    if block.get("author_name") is not None:
        problems.length(block["author_name"], 49, f"{at}/author_name")
