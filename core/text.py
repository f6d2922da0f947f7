"""Text for people and from people: cleaned and bounded, sentences with moments in them, and lengths of time, read and told.

Pure. Excluded: bytes that are hashed (core/canonical.py).
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Self

MAX_REASON = 500
"""Longest free text that is kept, in characters: it stands in receipts, on cards and in logs."""


MAX_SPAN = timedelta(days=30)
_COUNT_AND_UNIT = re.compile(
    r"(an?|\d{1,5}(?:[.,]\d{1,2})?)\s*(d|days?|h|hrs?|hours?|m|mins?|minutes?)(?![a-z])(?:\s*(?:and\s+)?(?=\d))?",
    re.IGNORECASE | re.ASCII,
)
_HOURS_AND_MINUTES = re.compile(r"^(\d{1,3})h(\d{1,2})(?![\w.,])", re.IGNORECASE | re.ASCII)
_MINUTES = {"d": 1440, "h": 60, "m": 1}


class Sentence(str):
    """A text whose moments stand in it as moments, so that each reader's surface writes them in its own way.

    Taken as the string that it is, it reads as on a terminal and in a receipt: in UTC, to the minute. What is put together of it
    with an f-string is such a string, and no longer knows its moments: give the sentence to another one as a part.

    Attributes:
        parts: the text in order; what is a moment is a `datetime`.
    """

    __slots__ = ("parts",)
    parts: tuple[str | datetime, ...]

    def __new__(cls, *parts: str | datetime) -> Self:
        """Put a sentence together of text, moments (with an offset) and other sentences."""
        flat = tuple(piece for part in parts for piece in (part.parts if isinstance(part, Sentence) else (part,)))
        made = super().__new__(cls, "".join(written(part) if isinstance(part, datetime) else part for part in flat))
        made.parts = flat
        return made

    @classmethod
    def recorded(cls, text: str) -> Self:
        """Read a sentence as it stands in a receipt, where it is the string that it was: the inverse of writing one."""
        parts: list[str | datetime] = []
        rest, place = text, text.find(_UTC)
        while place >= 0:
            begins = max(0, place - _MOMENT_LENGTH)
            moment = _moment(rest[begins:place])
            if moment is not None:
                parts.extend((rest[:begins], moment))
                rest, place = rest[place + len(_UTC) :], -1
            place = rest.find(_UTC, place + 1)
        return cls(*parts, rest)


_MOMENT, _UTC = "%Y-%m-%d %H:%M", " UTC"
_MOMENT_LENGTH = len("2025-10-01 09:05")


def written(moment: datetime) -> str:
    """Write a moment (with an offset) in UTC, to the minute: `2025-10-01 09:05 UTC`."""
    return moment.astimezone(UTC).strftime(_MOMENT + _UTC).rjust(_MOMENT_LENGTH + len(_UTC), "0")


def _moment(text: str) -> datetime | None:
    """Return the moment that a text is, to the letter; None if it only looks like one."""
    try:
        found = datetime.strptime(text, _MOMENT).replace(tzinfo=UTC)
    except ValueError:
        return None
    return found if written(found) == text + _UTC else None


def clean_text(text: str, limit: int = MAX_REASON) -> str:
    """Make outside text fit for one line of a receipt: printable, single-spaced, at most `limit` characters.

    Control characters, line breaks, lone surrogates and the marks that reverse the direction of writing are replaced by a
    space. What is cut off is marked with an ellipsis.
    """
    head = text[: limit * 4]
    words = "".join(character if character.isprintable() else " " for character in head).split()
    line = " ".join(words)
    return line if len(line) <= limit and len(text) <= len(head) else line[: limit - 1] + "…"


def parse_span(text: str) -> timedelta | None:
    """Return the length of time that a whole text names, or None: the one grammar of command line, Slack and forms.

    `90m`, `2h`, `3d`, `1h30m`, `90 min`, `1 day 4 hours`, `1.5 h`, `an hour`; at least a minute, at most 30 days.
    """
    found = leading_span(text)
    return found[0] if found and not found[1] else None


def leading_span(text: str) -> tuple[timedelta, str] | None:
    """Return the length of time with which a text begins, and what follows; None if it begins with none.

    Units become smaller and each stands once, so that `30m 2h` is 30 minutes with something behind them.
    """
    minutes, least, rest = 0.0, float("inf"), _HOURS_AND_MINUTES.sub(r"\1h\2m", text.strip(), count=1)
    while (found := _COUNT_AND_UNIT.match(rest)) and (unit := _MINUTES[found[2][0].lower()]) < least:
        minutes += unit * (1.0 if found[1].lower() in {"a", "an"} else float(found[1].replace(",", ".")))
        least, rest = unit, rest[found.end() :].lstrip()
    span = timedelta(minutes=minutes)
    return (span, rest) if timedelta(minutes=1) <= span <= MAX_SPAN else None


def spoken(span: timedelta) -> str:
    """Write a length of time as people say it, in its one or two largest units: `3 d 4 h`, `2 h`, `12 min`."""
    minutes = max(0, round(span.total_seconds() / 60))
    days, hours, left = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, "d"), (hours, "h"), (0 if days else left, "min")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 min"
