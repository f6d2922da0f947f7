"""Text for people and from people: cleaned and bounded, and lengths of time, read and told.

Pure. Excluded: bytes that are hashed (core/canonical.py).
"""

import re
from datetime import timedelta

MAX_REASON = 500
"""Longest free text that is kept, in characters: it stands in receipts, on cards and in logs."""


MAX_SPAN = timedelta(days=30)
_SPAN = re.compile(r"(?:(\d{1,3})d)?(?:(\d{1,3})h)?(?:(\d{1,5})m)?", re.ASCII)


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
    """Return the length of time that a word names: `90m`, `2h`, `3d`, `1h30m`; None if it names none.

    At least a minute and at most 30 days.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if not text or found is None:
        return None
    days, hours, minutes = (int(part or 0) for part in found.groups())
    span = timedelta(days=days, hours=hours, minutes=minutes)
    return span if timedelta(minutes=1) <= span <= MAX_SPAN else None


def spoken(span: timedelta) -> str:
    """Write a length of time as people say it, in its one or two largest units: `3 d 4 h`, `2 h`, `12 min`."""
    minutes = max(0, round(span.total_seconds() / 60))
    days, hours, left = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, "d"), (hours, "h"), (0 if days else left, "min")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 min"
