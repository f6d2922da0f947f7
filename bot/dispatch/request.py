"""Who acts where, and how they are answered.

Excluded: carrying it out (bot/dispatch/dispatcher.py).
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from bot.slack.members import team_of

Answer = Callable[..., Coroutine[Any, Any, Any]]


@dataclass(frozen=True, slots=True)
class Request:
    """Who acts where, and the key by which it has one effect."""

    user: str
    team: str | None
    channel: str | None
    cause: str | None = None

    @classmethod
    def of(cls, body: dict[str, Any], cause: str | None = None) -> "Request":
        """Read an interaction's payload."""
        return cls(body["user"]["id"], team_of(body), (body.get("channel") or {}).get("id"), cause)
