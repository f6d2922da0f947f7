"""The text after `/anr` -> a typed command.

Pure. The text comes as Slack escapes it (`should_escape`): people, channels and links in angle brackets, `&lt;` for `<`.
Whoever types a brake is understood in doubt; whoever types anything else and makes a mistake is told the nearest command.
Excluded: who may do it and what comes of it.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import timedelta
from difflib import get_close_matches

from bot.commands.command import WORDS, Command, Misunderstood
from bot.commands.phrases import leading_stage, named_person, plain
from core.text import leading_span, parse_span

_SYNONYMS = {
    "": "help",
    "?": "help",
    "go": "promote",
    "stop": "rollback",
    "abort": "rollback",
    "revert": "rollback",
    "roll": "rollback",
    "thaw": "unfreeze",
    "reject": "deny",
}


def parse(text: str, targets: Collection[str] = ()) -> Command | Misunderstood:
    """Understand the text after `/anr`.

    Args:
        text: as Slack sends it.
        targets: the routers' names; where there are several, one may follow the command: `/anr status staging`.
    """
    first, rest = _cut(text)
    word = _SYNONYMS.get(first.lower(), first.lower())
    if first.lower() == "roll":
        rest = _without(rest, {"back"})
    if word not in WORDS:
        return _unknown(first, word, rest)
    if len(targets) > 1:
        named, after = _cut(rest)
        if named.lower() in targets:
            understood = _command(word, after)
            return understood if isinstance(understood, Misunderstood) else replace(understood, target=named.lower())
    return _command(word, rest)


def _unknown(first: str, word: str, rest: str) -> Misunderstood:
    near = get_close_matches(word, WORDS, n=1, cutoff=0.5) or [one for one in rest.lower().split() if one in WORDS]
    return Misunderstood(f"“{plain(first)[:40]}” is not a command.", near[0] if near else None)


def _command(word: str, rest: str) -> Command | Misunderstood:
    take = _TAKERS.get(word)
    return take(word, rest) if take else Command(word, reason=plain(rest))


def _answer(word: str, rest: str) -> Command | Misunderstood:
    argument, reason = _cut(_without(rest, {"request"}))
    argument = argument.strip("`'\"#“”")
    if not argument:
        return Misunderstood(f"`{word}` needs the id of the request, as shown on its card.")
    return Command(word, argument=argument.lower(), reason=plain(reason))


def _promote(word: str, rest: str) -> Command | Misunderstood:
    dry_run = False
    stage: int | None = None
    named = False
    while rest:
        head, tail = _cut(rest)
        if _option(head) == "dry-run" or head.lower() == "dry-run":
            dry_run, rest = True, tail
        elif not named and (found := leading_stage(rest)) is not None:
            named, (stage, rest) = True, found
        elif not named and set(head) <= set("0123456789.,%"):
            return Misunderstood(f"“{head[:40]}” is no stage; a stage is a whole percentage, for example `promote 25`.")
        elif _option(head):
            return Misunderstood(f"“{plain(head)[:40]}” is not an option of `promote`; there is `--dry-run`.")
        else:
            break
    return Command(word, stage=stage, reason=plain(rest), dry_run=dry_run)


def _freeze(word: str, rest: str) -> Command:
    """An option that nobody knows belongs to the reason: the brake is not refused for a slip of the finger."""
    keep_stage, at_once, lasts = False, False, None
    while rest:
        head, tail = _cut(rest)
        if _option(head) == "now":
            at_once, rest = True, tail
        elif _option(head) in {"keep-stage", "keep"}:
            keep_stage, rest = True, tail
        elif lasts is None and (found := _lasting(head, tail)) is not None:
            lasts, rest = found
        else:
            break
    return Command(word, reason=plain(rest), keep_stage=keep_stage, at_once=at_once, lasts=lasts)


def _rollback(word: str, rest: str) -> Command:
    head, tail = _cut(rest)
    at_once = _option(head) == "now"
    return Command(word, reason=plain(tail if at_once else rest), at_once=at_once)


def _lasting(head: str, tail: str) -> tuple[timedelta, str] | None:
    """Return how long, from `for two hours`, `--for 2h` or a plain `2h`, and what follows."""
    if head.lower() == "for" or _option(head) == "for":
        return leading_span(tail)
    span = parse_span(head)
    return None if span is None else (span, tail)


def _unfreeze(word: str, rest: str) -> Command:
    holds = []
    head, tail = _cut(rest)
    while_firing = _option(head) == "while-firing"
    if while_firing:
        rest = tail
        head, tail = _cut(rest)
    while _names_hold(head.strip("`,").lower()):
        holds.append(head.strip("`,").lower())
        rest = tail
        head, tail = _cut(rest)
    return Command(word, holds=tuple(holds), reason=plain(rest), while_firing=while_firing)


def _restore(word: str, rest: str) -> Command | Misunderstood:
    name, reason = _cut(rest)
    name = plain(name).strip("`")[:100]
    if not name:
        return Misunderstood("`restore` needs the name of a backup; `/anr backups` lists them.")
    option, after = _cut(reason)
    other_routes = _option(option) == "other-routes"
    return Command(word, argument=name, reason=plain(after if other_routes else reason), other_routes=other_routes)


def _names_hold(word: str) -> bool:
    """Whether a word can be the first characters of a hold's id, and is no English word such as “facade”."""
    hexadecimal = len(word) >= 6 and set(word) <= set("0123456789abcdef")
    return hexadecimal and (len(word) >= 8 or any(letter.isdigit() for letter in word))


def _receipts(word: str, rest: str) -> Command | Misunderstood:
    count, person = 5, None
    for one in _without(rest, {"last", "of", "by", "from"}).split():
        if one.isascii() and one.isdigit() and 1 <= int(one[:3]) <= MAX_RECEIPTS and len(one) <= 2:
            count = int(one)
        elif (found := named_person(one)) is not None:
            person = found
        elif one.lower() not in {"of", "by", "from", "last"}:
            return Misunderstood(
                f"`receipts` takes a number up to {MAX_RECEIPTS} and a person, for example `receipts 10 @olivia`."
            )
    return Command(word, count=count, person=person)


MAX_RECEIPTS = 20
"""As many receipts as fit in one answer."""

_CHOICES = {"schedule": ("pause", "resume"), "drift": ("reapply", "accept"), "state": ("reset",)}


def _choice(word: str, rest: str) -> Command | Misunderstood:
    choice, reason = _cut(rest)
    if choice.lower() not in _CHOICES[word]:
        return Misunderstood(f"`{word}` needs one of {', '.join(f'`{word} {one}`' for one in _CHOICES[word])}.")
    return Command(word, argument=choice.lower(), reason=plain(reason))


_TAKERS: dict[str, Callable[[str, str], Command | Misunderstood]] = {
    "approve": _answer,
    "deny": _answer,
    "promote": _promote,
    "rollback": _rollback,
    "freeze": _freeze,
    "unfreeze": _unfreeze,
    "receipts": _receipts,
    "schedule": _choice,
    "drift": _choice,
    "restore": _restore,
    "state": _choice,
}


def _cut(text: str) -> tuple[str, str]:
    """Return the first word and what follows it."""
    words = text.strip().split(maxsplit=1)
    return (words[0] if words else "", words[1].strip() if len(words) > 1 else "")


def _without(text: str, fillers: set[str]) -> str:
    """Return the text without a first word that only makes it a sentence."""
    head, tail = _cut(text)
    return tail if head.lower() in fillers else text


def _option(word: str) -> str:
    """Return the name of an option, or "" if the word is none. Phones write two hyphens as a dash."""
    return word.lstrip("-—–").lower() if word[:1] in {"-", "—", "–"} else ""
