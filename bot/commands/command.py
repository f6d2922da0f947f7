"""A command as a value, and the words that make one.

Pure. Excluded: understanding what was typed (bot/commands/parse.py).
"""

from dataclasses import dataclass
from datetime import timedelta

WORDS = (
    "help",
    "status",
    "why",
    "next",
    "report",
    "promote",
    "approve",
    "deny",
    "rollback",
    "freeze",
    "unfreeze",
    "shadow",
    "schedule",
    "skip",
    "drift",
    "receipts",
    "verify",
    "doctor",
    "backups",
    "backup",
    "restore",
    "state",
    "drill",
)
"""Every word that can follow `/anr`."""
BRAKE_WORDS = frozenset({"rollback", "freeze", "rollback_now", "freeze_now"})
"""What brakes, typed or clicked: it waits for nobody, and Slack need not say who acts."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command that was understood.

    Attributes:
        word: one of `WORDS`, or `acknowledge` or `silence`, which only cards offer.
        target: the router that was named, where there are several.
        stage: percent, for `promote 25`; None for the next stage.
        argument: the id for `approve` and `deny`; `pause` or `resume`; `reapply` or `accept`; the backup's name for `restore`;
            `reset` for `state`; `alerts` for `drill`, or nothing.
        reason: the rest of the text, in plain characters.
        keep_stage: of `freeze`, hold promotions only.
        at_once: of `rollback` and `freeze`, do not wait for an approval where one is wanted.
        lasts: of `freeze`, when its hold ends by itself; None if somebody has to lift it.
        holds: of `unfreeze`, ids of holds or their first characters; empty for all.
        count: of `receipts`, how many.
        person: of `receipts`, whose; a Slack user id.
        operation: of a click on a message, the story whose button it was; empty if it was typed.
        while_firing: of `unfreeze`, although an alert still fires.
        minutes: how long a silence lasts.
        other_routes: of `restore`, also a backup with other routes than the newest valid one.
    """

    word: str
    stage: int | None = None
    argument: str = ""
    reason: str = ""
    dry_run: bool = False
    target: str | None = None
    keep_stage: bool = False
    at_once: bool = False
    lasts: timedelta | None = None
    holds: tuple[str, ...] = ()
    count: int = 5
    person: str | None = None
    operation: str = ""
    while_firing: bool = False
    minutes: int = 60
    other_routes: bool = False


@dataclass(frozen=True, slots=True)
class Misunderstood:
    """A text that is no command, and what may have been meant."""

    problem: str
    nearest: str | None = None
