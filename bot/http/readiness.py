"""Whether the bot can do what it is asked for: brake, promote, or be reached from Slack.

Each is a question of its own: whoever takes a bot out of service because Slack is away takes the alerts' brake with it.

Excluded: HTTP (bot/http/server.py).
"""

from enum import StrEnum

from core.errors import AnrError
from core.target.target import Target


class Purpose(StrEnum):
    """What a bot may be ready for."""

    BRAKE = "brake"
    PROMOTION = "promotion"
    SLACK = "slack"


NEEDS: dict[Purpose, frozenset[str]] = {
    Purpose.BRAKE: frozenset({"router", "marks"}),
    Purpose.PROMOTION: frozenset({"router", "marks", "journal"}),
    Purpose.SLACK: frozenset(),
}
"""The parts of a router that a purpose needs."""


def unready(target: Target) -> dict[str, str]:
    """Return what is wrong with a router's parts, by their names; empty if nothing is.

    Args:
        target: its settings file has to be writable, the brake's marks readable, and the journal's receipts have to hold.
    """
    problems = {}
    if problem := target.router.unwritable():
        problems["router"] = problem
    try:
        target.brake.read()
    except AnrError as error:
        problems["marks"] = str(error)
    try:
        target.journal.state()
    except AnrError as error:
        problems["journal"] = str(error)
    return problems


def is_ready(purpose: Purpose, problems: dict[str, dict[str, str]], slack: str | None) -> bool:
    """Whether a bot can do what it is asked for.

    Args:
        purpose: what it is asked for.
        problems: what is wrong, by router and part.
        slack: why people in Slack do not reach it; None if they do.
    """
    if purpose is Purpose.SLACK:
        return slack is None
    return not any(NEEDS[purpose] & set(parts) for parts in problems.values())
