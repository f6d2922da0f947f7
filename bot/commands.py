"""The text after `/anr` -> a typed command.

Pure. Excluded: who may do it and what comes of it.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from difflib import get_close_matches

WORDS = ("help", "status", "report", "promote", "approve", "deny", "rollback", "freeze", "unfreeze", "receipts", "verify")
"""Every word that can follow `/anr`."""
_SYNONYMS = {"": "help", "?": "help", "go": "promote", "stop": "rollback", "revert": "rollback", "thaw": "unfreeze"}


@dataclass(frozen=True, slots=True)
class Command:
    """A command that was understood.

    Attributes:
        word: one of `WORDS`.
        target: the router that was named, where there are several.
        stage: percent, for `promote 25`; None for the next stage.
        argument: the id for `approve` and `deny`.
        reason: the rest of the text, as it was typed.
    """

    word: str
    stage: int | None = None
    argument: str = ""
    reason: str = ""
    dry_run: bool = False
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Misunderstood:
    """A text that is no command, and what may have been meant."""

    problem: str
    nearest: str | None = None


def parse(text: str, targets: Collection[str] = ()) -> Command | Misunderstood:
    """Understand the text after `/anr`.

    Args:
        text: as it was typed.
        targets: the routers' names; where there are several, one may follow the command: `/anr status staging`.
    """
    words = text.strip().split(maxsplit=1)
    first = words[0].lower() if words else ""
    rest = words[1].strip() if len(words) > 1 else ""
    word = _SYNONYMS.get(first, first)
    if word not in WORDS:
        near = get_close_matches(word, WORDS, n=1, cutoff=0.5)
        return Misunderstood(f"“{first[:40]}” is not a command.", near[0] if near else None)
    if len(targets) > 1:
        named, _, after = rest.partition(" ")
        if named.lower() in targets:
            understood = _command(word, after.strip())
            return understood if isinstance(understood, Misunderstood) else replace(understood, target=named.lower())
    return _command(word, rest)


def _command(word: str, rest: str) -> Command | Misunderstood:
    if word == "promote":
        return _promote(rest)
    if word in {"approve", "deny"}:
        argument, _, reason = rest.partition(" ")
        if not argument:
            return Misunderstood(f"`{word}` needs the id of the request, as shown on its card.")
        return Command(word, argument=argument.lower(), reason=reason.strip())
    return Command(word, reason=rest)


def _promote(rest: str) -> Command | Misunderstood:
    dry_run, stage, reason = False, None, rest
    while reason:
        head, _, tail = reason.partition(" ")
        digits = head.rstrip("%")
        if head in {"--dry-run", "—dry-run", "dry-run"}:  # phones write two hyphens as a dash
            dry_run = True
        elif stage is None and digits.isascii() and digits.isdigit() and len(digits) <= 3:
            stage = int(digits)
        elif head.startswith("-"):
            return Misunderstood(f"“{head[:40]}” is not an option of `promote`; there is `--dry-run`.")
        else:
            break
        reason = tail.strip()
    return Command("promote", stage=stage, reason=reason, dry_run=dry_run)
