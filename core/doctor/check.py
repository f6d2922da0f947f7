"""What `doctor` finds: every part that operating the router depends on, each OK, WARN or FAIL, with what to do next.

A check never raises for what it looks for; a fault in one hides no other. Excluded: Slack (bot/slack/checks.py), and repairing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.errors import AnrError
from core.system.logs import logger
from core.target.target import Target

log = logger(__name__)


class Health(StrEnum):
    """How something is."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found.

    Attributes:
        name: what was looked at.
        text: what was found, as a sentence.
        remedy: what to do next; empty if there is nothing to do.
    """

    name: str
    health: Health
    text: str
    remedy: str = ""


Examine = Callable[[Target, datetime], Iterator[Check]]


def examine(site: Target, examinations: Sequence[tuple[str, Examine]]) -> tuple[Check, ...]:
    """Run examinations on one moment, each by itself.

    Args:
        site: the target.
        examinations: what is looked at, by name; a name stands for what could not be looked at.
    """
    now = site.clock()
    found: list[Check] = []
    for name, look in examinations:
        try:
            found.extend(look(site, now))
        except AnrError as error:
            found.append(Check(name, Health.FAIL, str(error), "The sentence says what to repair; then run `doctor` again."))
        except Exception as error:  # the top of a check: the others still have to be seen
            log.exception("the check of the %s failed", name)
            text = f"It could not be looked at ({type(error).__name__}: {error})."
            found.append(Check(name, Health.FAIL, text, "The log has the details."))
    return tuple(found)
