"""Label matchers in Alertmanager's own syntax: `component="anr", severity=~"page|critical"`.

Pure. Regular expressions are RE2's, which is what Alertmanager's are (Go's `regexp`): they are anchored as Alertmanager
anchors them (`^(?:…)$`) and take a time that grows with the text, never with its square. A label that an alert does not carry
counts as empty. Where a label's value is not known, neither is whether it matches: that is the third answer, None.

Excluded: how a list is written (core/alerts/matcher_syntax.py).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from core.alerts.matcher_syntax import Operator, conditions

MAX_MATCHERS_LENGTH = 2000
MAX_SEARCHED = 64 << 10
"""Longest value that an expression is tried on, in bytes; whether it matches a longer one is not known."""
_MAX_PROGRAM_BYTES = 1 << 20
_BEYOND_GO = re.compile(r"(?<!\\)(?:\\\\)*\\C")
_PLAIN_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


@dataclass(frozen=True, slots=True)
class KnownLabels:
    """What is known of the labels of an alert.

    Attributes:
        values: by name.
        unread: names of labels whose value could not be read.
        whole: the alert carries no other labels.
    """

    values: Mapping[str, str]
    unread: frozenset[str] = frozenset()
    whole: bool = True

    def value(self, name: str) -> str | None:
        """Return a label's value, empty if the alert does not carry it; None if nobody knows."""
        if name in self.unread:
            return None
        return self.values.get(name, "" if self.whole else None)


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label.

    Attributes:
        name: the label's name; any UTF-8 text.
        operator: how its value is compared.
        value: what it is compared with: a text, or a regular expression in RE2's syntax that matches the whole value.
    """

    name: str
    operator: Operator
    value: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert with these labels meets the condition, however long their values are."""
        return self._is_met(labels.get(self.name, ""))

    def judge(self, labels: KnownLabels) -> bool | None:
        """Whether an alert meets the condition, as far as its labels are known; None if it may."""
        actual = labels.value(self.name)
        if actual is None or (self._searches and len(actual.encode("utf-8", "replace")) > MAX_SEARCHED):
            return None
        return self._is_met(actual)

    @property
    def _searches(self) -> bool:
        return self.operator in {"=~", "!~"}

    def _is_met(self, actual: str) -> bool:
        if not self._searches:
            return (actual == self.value) == (self.operator == "=")
        found = _expression(self.value).search(actual.encode("utf-8", "replace")) is not None
        return found == (self.operator == "=~")

    def __str__(self) -> str:
        name = self.name if _PLAIN_NAME.fullmatch(self.name) else _in_quotes(self.name)
        return f"{name}{self.operator}{_in_quotes(self.value)}"


@lru_cache
def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Understand a list of matchers, all of which an alert has to meet.

    Raises:
        ValueError: a matcher is not of Alertmanager's syntax, there is none, or a regular expression cannot be used; the
            message says where.
    """
    if len(text) > MAX_MATCHERS_LENGTH:
        raise ValueError(f"a list of matchers has at most {MAX_MATCHERS_LENGTH:,} characters")
    found = conditions(text)
    if not found:
        raise ValueError('there is no matcher; write for example component="anr"')
    for condition in found:
        if condition.operator in {"=~", "!~"}:
            try:
                _expression(condition.value)
            except ValueError as error:
                raise ValueError(f"column {condition.column}: {error}") from error
    return tuple(Matcher(condition.name, condition.operator, condition.value) for condition in found)


def all_match(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether an alert with these labels meets every condition."""
    return all(matcher.matches(labels) for matcher in matchers)


def judge_all(matchers: Iterable[Matcher], labels: KnownLabels) -> bool | None:
    """Whether an alert meets every condition, as far as its labels are known; None if it may."""
    certain: bool | None = True
    for matcher in matchers:
        judged = matcher.judge(labels)
        if judged is False:
            return False
        certain = certain if judged else None
    return certain


def _in_quotes(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@lru_cache(maxsize=1024)
def _expression(value: str) -> Any:
    """Compile as Alertmanager does.

    Raises:
        ValueError: it is no expression, or one that Alertmanager and this engine do not both know.
    """
    if _BEYOND_GO.search(value):
        raise ValueError(f"{value!r} uses \\C, which Alertmanager's regular expressions do not know")
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _MAX_PROGRAM_BYTES
    try:
        return re2.compile(b"^(?:" + value.encode() + b")$", options)
    except re2.error as error:
        said = error.args[0].decode("utf-8", "replace") if error.args and isinstance(error.args[0], bytes) else str(error)
        raise ValueError(f"{value!r} is not a regular expression of RE2: {said}") from error
