"""What a command line and a running bot say to each other over the bot's Unix socket: objects of JSON, a line each.

    command  {"anr": 1, "words": ["freeze", "-r", "…"], "columns": 80, "terminals": [true, true], "variables": {"TERM": "…"}}
    bot      {"ready": {"pid": 4711, "host": "router-1", "within_s": 75}}     or {"not": "why it does not do this"}
    command  {"go": true}                                                     until then nothing is begun
    bot      {"out": "text"}, {"err": "text"}, {"alive": true}                as often as it likes
    bot      {"exit": 0, "safe": true}

The command says nothing of who asks: the kernel does. Whatever else stands in its lines counts for nothing.

Standard library only, and little of it: who asks for a status waits for this. Excluded: doing it (core/cli/client.py,
bot/terminal/server.py).
"""

from collections.abc import Sequence
from typing import NamedTuple

VERSION = 1
SOCKET = "anr.sock"
"""Name of the socket in `run_dir`."""
MAX_REQUEST_BYTES = 64 << 10
MAX_LINE_BYTES = 1 << 20
"""Longest line that a bot says; a longer text is cut into several."""
CHUNK = 32 << 10
"""Characters of a text in one line: each takes at most twelve bytes in JSON."""
ALIVE_SECONDS = 2.0
"""How often a bot that works says that it is there."""
VARIABLES = ("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR")
"""What of the command's environment says how its terminal shows colours."""
BRAKES = frozenset({"rollback", "freeze"})
BY_BOT = BRAKES | {
    *("status", "why", "next", "receipts", "promote", "approve", "deny", "unfreeze", "shadow", "schedule", "skip", "daily"),
    *("drift", "break-glass", "review", "watch", "recover", "init"),
    *("backup", "backups", "restore", "state", "drill", "prune", "ledger"),
}
"""The commands that a bot carries out. The others read or write files of whoever types, or are about what they can reach."""
_GROUPS = {"drift": ("reapply", "accept"), "schedule": ("pause", "resume"), "state": ("reset",), "ledger": ("archive",)}
"""Of these commands only so much; without a further word they print their help."""
_NEVER = frozenset({"--help", "--report"})
"""Options with which a command reads files of whoever types, or does nothing."""
_WITH_VALUE = frozenset({"--target", "-t"})


class Typed(NamedTuple):
    """What of a command line matters to who carries it out.

    Attributes:
        command: its first word; empty if there is none.
        target: the router that it names; None if it names none.
        is_for_bot: whether a running bot may do it.
    """

    command: str
    target: str | None
    is_for_bot: bool

    @property
    def brakes(self) -> bool:
        """Whether it is a brake."""
        return self.command in BRAKES


def understood(words: Sequence[str]) -> Typed:
    """Return what a command line says; whatever is unclear is for no bot."""
    end = words.index("--") if "--" in words else len(words)
    left = [word for word in words[:end] if word != "--verbose"]
    target: str | None = None
    while left and left[0].startswith("-"):
        word = left.pop(0)
        option, is_joined, value = word.partition("=") if word.startswith("--") else (word[:2], word[2:], word[2:])
        if option not in _WITH_VALUE:
            return Typed("", None, is_for_bot=False)
        if not is_joined:
            if not left:
                return Typed("", None, is_for_bot=False)
            value = left.pop(0)
        target = value
    if not left:
        return Typed("", target, is_for_bot=False)
    command, *rest = left
    further = _GROUPS.get(command)
    fits = further is None or (bool(rest) and rest[0] in further)
    takes_files = any(word.partition("=")[0] in _NEVER for word in rest) or (command == "receipts" and "export" in rest)
    return Typed(command, target, command in BY_BOT and fits and not takes_files)
