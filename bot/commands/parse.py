"""What was typed after `/anr`, or filled in a modal -> a command.

Pure. Text comes as Slack escapes it (`should_escape`): people, channels and links in angle brackets, `&lt;` for `<`.
Whoever types a brake is understood in doubt; whoever types anything else and makes a mistake is told the nearest command.
Excluded: who may do it and what comes of it.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from bot.commands.command import Misunderstood
from bot.commands.phrases import LONGEST_QUOTED, bare, cut, plain, without
from bot.commands.table import MODALS, SYNONYMS, WORDS, Command
from bot.views.modals import About, Wrong


def parse(text: str, targets: Collection[str] = ()) -> Command | Misunderstood:
    """Understand the text after `/anr`.

    Args:
        text: as Slack sends it.
        targets: the routers' names; where there are several, one may follow the command: `/anr status staging`.
    """
    first, rest = cut(text)
    typed = first.lower() if first.lower() in WORDS else bare(first)  # “freeze!” brakes
    if SYNONYMS.get(typed, typed) not in WORDS and (brake := _decorated_brake(first)) is not None:
        typed, behind = brake
        rest = f"{behind} {rest}".strip()
    word = SYNONYMS.get(typed, typed)
    if typed == "roll":
        rest = without(rest, {"back"})
    if word not in WORDS:
        near = get_close_matches(word, WORDS, n=1, cutoff=0.5) or [
            typed_word for typed_word in rest.lower().split() if typed_word in WORDS
        ]
        return Misunderstood(f"“{plain(first)[:LONGEST_QUOTED]}” is not a command.", near[0] if near else None)
    if len(targets) > 1:
        named, after = cut(rest)
        if named.lower() in targets:
            understood = _understood(word, after)
            return understood if isinstance(understood, Misunderstood) else replace(understood, target=named.lower())
    return _understood(word, rest)


_FIRST_WORD = re.compile(r"[\W_]*([^\W_]+)[\W_]*(.*)", re.DOTALL)


def _decorated_brake(first: str) -> tuple[str, str] | None:
    """Return the brake that a first word is, whatever stands around it or is glued to it, and what that is; None if it is none.

    `--freeze`, `freeze,errors`, `roll-back`: whoever types a brake is understood in doubt.
    """
    found = _FIRST_WORD.fullmatch(plain(first))
    if found is None:
        return None
    typed = found[1].lower()
    row = WORDS.get(SYNONYMS.get(typed, typed))
    return (typed, found[2]) if row is not None and row.brakes else None


def _understood(word: str, rest: str) -> Command | Misunderstood:
    row = WORDS[word]
    understood: Command | Misunderstood = row.parse(rest) if row.parse else row.kind()
    return understood


def read(view: Mapping[str, Any]) -> Command | Wrong:
    """Return the command that a submitted modal stands for, or what is wrong with its answers, by field.

    Raises:
        KeyError: no modal is called so.
    """
    modal = MODALS[str(view["callback_id"])].modal
    if modal is None:
        raise AssertionError("MODALS has the rows with a modal")
    values = {name: next(iter(field.values())) for name, field in view["state"]["values"].items()}
    understood: Command | Wrong = modal.read(values, About.of(view))
    return understood
