"""Stages, options and people, as they are typed in a hurry.

Pure. What is not plainly one of them is none, so that it stays part of a reason. Excluded: lengths of time (core/text.py).
"""

import re
from collections.abc import Collection

from bot.slack.texts import read

LONGEST_QUOTED = 40
"""How much of a word that was not understood is repeated, in characters."""
_PERSON = re.compile(r"<@([UW][A-Z0-9]{2,20})(?:\|[^<>]*)?>|([UW][A-Z0-9]{6,20})")
_NUMBER = r"([01]?\.\d{1,2}(?!\d)|\d{1,6}(?![\d.]\d|\d))\s*(?:%|percent\b|per cent\b|pct\b)?"
_STAGE = re.compile(
    rf"(?:(?:up|down)\s+)?(?:to\s+)?(?:stage\s+)?{_NUMBER}(?=[\s,;:]|\.(?!\d)|$)[,;:.]?",
    re.IGNORECASE | re.ASCII,
)
_NEXT = re.compile(r"(?:the\s+)?next(?:\s+stage)?(?=\s|$)", re.IGNORECASE)
_AROUND_AN_ID = "`´'\"“”‘’„«»‹›()[]{}<>#*_~,;:.!?"


def plain(text: str) -> str:
    """Return what was typed, from what Slack makes of it: people, channels, groups, links and addresses by their names."""
    return read(text) if "<" in text or "&" in text else text


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


def cut(text: str) -> tuple[str, str]:
    """Return the first word and what follows it."""
    words = text.strip().split(maxsplit=1)
    return (words[0] if words else "", words[1].strip() if len(words) > 1 else "")


def without(text: str, fillers: set[str]) -> str:
    """Return the text without a first word that only makes it a sentence."""
    head, tail = cut(text)
    return tail if head.lower() in fillers else text


def options_in(text: str, known: Collection[str]) -> tuple[frozenset[str], str]:
    """Take known options out of a text, wherever they stand; return their names, and the text that is left."""
    words = text.split()
    found = frozenset(option(word) for word in words) & frozenset(known)
    return found, " ".join(word for word in words if option(word) not in found or not option(word)) if found else text


def unknown_option(text: str) -> str:
    """Return the first word that was meant as an option, with two hyphens, or "" if there is none."""
    return next((word for word in text.split() if word.startswith("--") and option(word)), "")


def bare(word: str) -> str:
    """Return an id as it was copied, without what stands around it: quotes, brackets, `#`, commas, marks of code."""
    return plain(word).strip(_AROUND_AN_ID).lower()


def option(word: str) -> str:
    """Return the name of an option, or "" if the word is none. Phones write two hyphens as a dash."""
    return word.lstrip("-—–").lower() if word[:1] in {"-", "—", "–"} else ""
