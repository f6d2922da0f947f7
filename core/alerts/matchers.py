"""Label matchers in Alertmanager's own syntax: `component="anr", severity=~"page|critical"`.

Pure. The grammar is that of Alertmanager's `pkg/labels` (`ParseMatchers`, `ParseMatcher`): braces around the list and quotes
around a value are optional, a label that an alert does not carry counts as empty, and a regular expression has to match the
whole value. Python's expressions stand in for RE2; what RE2 does not know (looking around, back references) is refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Operator = Literal["=", "!=", "=~", "!~"]
MAX_MATCHERS_LENGTH = 2000
_MATCHER = re.compile(r"\s*(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?P<operator>=~|=|!=|!~)\s*(?P<value>.*?)\s*", re.DOTALL)
_BEYOND_RE2 = re.compile(r"\(\?(?:<?[=!]|P=|>|\()|(?<!\\)(?:\\\\)*\\[1-9Z]")


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label."""

    name: str
    operator: Operator
    value: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert with these labels meets the condition."""
        actual = labels.get(self.name, "")
        if self.operator in {"=", "!="}:
            return (actual == self.value) == (self.operator == "=")
        found = re.fullmatch(self.value, actual, re.ASCII) is not None
        return found == (self.operator == "=~")

    def __str__(self) -> str:
        value = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.operator}"{value}"'


@lru_cache
def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Understand a list of matchers, all of which an alert has to meet.

    Raises:
        ValueError: a matcher is not of Alertmanager's syntax, there is none, or a regular expression cannot be used.
    """
    if len(text) > MAX_MATCHERS_LENGTH:
        raise ValueError(f"a list of matchers has at most {MAX_MATCHERS_LENGTH:,} characters")
    matchers = tuple(_matcher(part) for part in _parts(text.removeprefix("{").removesuffix("}")))
    if not matchers:
        raise ValueError('there is no matcher; write for example component="anr"')
    return matchers


def all_match(matchers: tuple[Matcher, ...], labels: Mapping[str, str]) -> bool:
    """Whether an alert with these labels meets every condition."""
    return all(matcher.matches(labels) for matcher in matchers)


def _parts(text: str) -> list[str]:
    """Split at commas that stand outside quotes; a last empty part does not count."""
    parts, part, quoted, escaped = [], "", False, False
    for character in text:
        if character == "," and not quoted:
            parts.append(part)
            part = ""
            continue
        if character == '"' and not escaped:
            quoted = not quoted
        escaped = character == "\\" and not escaped
        part += character
    return [*parts, part] if part.strip() else parts


def _matcher(text: str) -> Matcher:
    found = _MATCHER.fullmatch(text)
    if found is None:
        raise ValueError(f'{text.strip()!r} is not a matcher; write for example component="anr" or severity=~"page|critical"')
    operator: Operator = found["operator"]  # type: ignore[assignment]  # the expression allows nothing else
    value = _value(found["value"])
    if operator in {"=~", "!~"}:
        if _BEYOND_RE2.search(value):
            raise ValueError(f"{value!r} uses what Alertmanager's regular expressions (RE2) do not know")
        try:
            re.compile(value, re.ASCII)
        except re.error as error:
            raise ValueError(f"{value!r} is not a regular expression: {error}") from error
    return Matcher(found["name"], operator, value)


def _value(raw: str) -> str:
    quoted = raw.startswith('"')
    inner = raw[1:] if quoted else raw
    value, index, closed = "", 0, not quoted
    while index < len(inner):
        character, following = inner[index], inner[index + 1 : index + 2]
        if character == "\\" and following in {"n", '"', "\\"} and following:
            value += "\n" if following == "n" else following
            index += 1
        elif character == '"':
            if closed or index < len(inner) - 1:
                raise ValueError(f'{raw!r} has a double quote inside; write \\" for it')
            closed = True
        else:
            value += character
        index += 1
    if not closed:
        raise ValueError(f"{raw!r} has no closing double quote")
    return value
