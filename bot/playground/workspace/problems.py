"""What is wrong with blocks or a view, each with its place, in Slack's words; and the checks that all of them are made of.

Excluded: which parts there are, and how long each may be (`limits`, `data_blocks`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        text: Slack's sentence.
        at: JSON pointer to the part.
        expected: the values of which it has to be one; empty if it is not about that.
    """

    text: str
    at: str
    expected: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.text} [json-pointer:{self.at}]"


class Problems:
    """Collects problems with their place; every check writes here and goes on."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, text: str, at: str, expected: tuple[str, ...] = ()) -> None:
        """Note a problem."""
        self.found.append(Problem(text, at, expected))

    def length(self, value: object, longest: int, at: str, *, shortest: int = 0) -> None:
        """Check a text by its length.

        Args:
            value: what is there.
            longest: in characters.
            at: JSON pointer to it.
            shortest: in characters.
        """
        if not isinstance(value, str):
            self.add("must be a string", at)
        elif len(value) > longest:
            self.add(f"must be less than {longest + 1} characters", at)
        elif len(value) < shortest:
            self.add(f"must be more than {shortest - 1} characters", at)

    def count(self, items: object, most: int, at: str, *, least: int = 1) -> list[Any]:
        """Check an array by its length; return it, or nothing if it is none.

        Args:
            items: what is there.
            most: how many there may be.
            at: JSON pointer to it.
            least: how many there have to be.
        """
        if not isinstance(items, list):
            self.add("must be an array", at)
            return []
        if len(items) > most:
            self.add(f"no more than {most} items allowed", at)
        if len(items) < least:
            self.add(f"must have at least {least} items", at)
        return items

    def number(self, value: object, least: int, most: int, at: str) -> None:
        """Check a whole number by its size.

        Args:
            value: what is there.
            least: the smallest that is allowed.
            most: the largest.
            at: JSON pointer to it.
        """
        if not isinstance(value, int) or isinstance(value, bool):
            self.add("must be an integer", at)
        elif not least <= value <= most:
            self.add(f"must be between {least} and {most}", at)

    def one_of(self, value: object, allowed: tuple[str, ...], at: str) -> None:
        """Check a word against those that there are."""
        if value not in allowed:
            self.add(f"must be one of: {', '.join(allowed)}", at, allowed)

    def text(self, value: object, longest: int, at: str, *, plain: bool = False) -> None:
        """Check a text object.

        Args:
            value: what is there.
            longest: its text, in characters.
            at: JSON pointer to it.
            plain: whether only plain text will do.
        """
        if not isinstance(value, dict):
            self.add("must provide an object", at)
            return
        kind, allowed = kind_of(value), ("plain_text",) if plain else ("plain_text", "mrkdwn")
        if kind not in allowed:
            self.add(f"unsupported type: {kind}", f"{at}/type", allowed)
        if kind == "mrkdwn" and "emoji" in value:
            self.add("invalid additional property: emoji", at)
        if kind == "plain_text" and "verbatim" in value:
            self.add("invalid additional property: verbatim", at)
        self.length(value.get("text"), longest, f"{at}/text", shortest=1)

    def require(self, holder: Mapping[str, Any], name: str, at: str) -> bool:
        """Check that something is there at all."""
        if name in holder:
            return True
        self.add(f"missing required field: {name}", at)
        return False


def kind_of(part: object) -> str | None:
    """Read the `type` of anything; None when there is none that could be one."""
    kind = part.get("type") if isinstance(part, dict) else None
    return kind if isinstance(kind, str) else None
