"""Stages, lengths of time, options and people, as they are typed in a hurry.

Pure. What is not plainly one of them is none, so that it stays part of a reason.
"""

import re
from datetime import timedelta
from html import unescape

from core.text import MAX_SPAN

_ENTITY = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")
_PERSON = re.compile(r"<@([UW][A-Z0-9]{2,20})(?:\|[^<>]*)?>|([UW][A-Z0-9]{6,20})")
_NUMBER = r"([01]?\.\d{1,2}(?!\d)|\d{1,6}(?![\d.]\d|\d))\s*(?:%|percent\b|per cent\b|pct\b)?"
_STAGE = re.compile(
    rf"(?:(?:up|down)\s+)?(?:to\s+)?(?:stage\s+)?{_NUMBER}(?=[\s,;:]|\.(?!\d)|$)[,;:.]?",
    re.IGNORECASE | re.ASCII,
)
_NEXT = re.compile(r"(?:the\s+)?next(?:\s+stage)?(?=\s|$)", re.IGNORECASE)
_UNIT = r"(d|days?|h|hrs?|hours?|m|mins?|minutes?)"
_DURATION = re.compile(
    rf"(an?|\d{{1,5}}(?:[.,]\d{{1,2}})?)\s*{_UNIT}(?![a-z])(?:\s*(?:and\s+)?(?=\d))?", re.IGNORECASE | re.ASCII
)
_HOURS_AND_MINUTES = re.compile(r"^(\d{1,3})h(\d{1,2})(?![\w.,])", re.IGNORECASE | re.ASCII)
_MINUTES = {"d": 1440, "h": 60, "m": 1}


def plain(text: str) -> str:
    """Return what was typed, from what Slack makes of it: people, channels and links by their names, no escapes."""

    def shown(found: re.Match[str]) -> str:
        sign, target, label = found[1], found[2], found[3]
        if sign in {"@", "#"}:
            return sign + (label or target)
        return f"@{target}" if sign == "!" else target

    return unescape(_ENTITY.sub(shown, text)) if "<" in text or "&" in text else text


def named_person(word: str) -> str | None:
    """Return the Slack user id that a word names: a mention, or the id itself. A display name names nobody."""
    found = _PERSON.fullmatch(word.strip(",;"))
    return (found[1] or found[2]) if found else None


def leading_stage(text: str) -> tuple[int | None, str] | None:
    """Return the stage with which a text begins, in percent, and what follows; None if it begins with none.

    `25`, `25%`, `25 percent`, `to 25`, `0.25`; `next` is the next stage, which is None.
    """
    if found := _NEXT.match(text):
        return None, text[found.end() :].strip()
    if (found := _STAGE.match(text)) is None:
        return None
    number = found[1]
    return (round(float(number) * 100) if "." in number else int(number)), text[found.end() :].strip()


def leading_duration(text: str) -> tuple[timedelta, str] | None:
    """Return the length of time with which a text begins, and what follows; None if it begins with none.

    `2h`, `90 min`, `1 day 4 hours`, `1.5 h`, `an hour`; at least a minute, at most 30 days.
    """
    minutes, rest = 0.0, _HOURS_AND_MINUTES.sub(r"\1h\2m", text.strip(), count=1)
    while found := _DURATION.match(rest):
        count = 1.0 if found[1].lower() in {"a", "an"} else float(found[1].replace(",", "."))
        minutes += count * _MINUTES[found[2][0].lower()]
        rest = rest[found.end() :].lstrip()
    span = timedelta(minutes=minutes)
    return (span, rest) if timedelta(minutes=1) <= span <= MAX_SPAN else None


def duration(text: str) -> timedelta | None:
    """Return the length of time that a whole text names, or None."""
    found = leading_duration(text)
    return found[0] if found and not found[1] else None


def cut(text: str) -> tuple[str, str]:
    """Return the first word and what follows it."""
    words = text.strip().split(maxsplit=1)
    return (words[0] if words else "", words[1].strip() if len(words) > 1 else "")


def without(text: str, fillers: set[str]) -> str:
    """Return the text without a first word that only makes it a sentence."""
    head, tail = cut(text)
    return tail if head.lower() in fillers else text


def option(word: str) -> str:
    """Return the name of an option, or "" if the word is none. Phones write two hyphens as a dash."""
    return word.lstrip("-—–").lower() if word[:1] in {"-", "—", "–"} else ""
