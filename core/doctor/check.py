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

_COMMAND_CHARACTERS = 100
"""How much of a command line a sentence quotes."""


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


def examine(target: Target, examinations: Sequence[tuple[str, Examine]]) -> tuple[Check, ...]:
    """Run examinations on one moment, each by itself.

    Args:
        target: the router that is meant.
        examinations: what is looked at, by name; a name stands for what could not be looked at.
    """
    now = target.clock()
    found: list[Check] = []
    for name, look in examinations:
        try:
            found.extend(look(target, now))
        except AnrError as error:
            found.append(Check(name, Health.FAIL, str(error), "The sentence says what to repair; then run `doctor` again."))
        except Exception as error:  # the top of a check: the others still have to be seen
            log.exception("the check of the %s failed", name)
            text = f"It could not be looked at ({type(error).__name__}: {error})."
            found.append(Check(name, Health.FAIL, text, "The log has the details."))
    return tuple(found)


def restart(target: Target, _now: datetime) -> Iterator[Check]:
    """Whether anything restarts the router: a running process never reads its settings again."""
    name, command = "restart", target.settings.reload_command
    if not command:
        text = "`reload_command` is not set: what anr writes reaches the router when somebody restarts it, and not before."
        yield Check(name, Health.WARN, text, 'Set it to what restarts the router, as `["systemctl", "restart", "nova"]`.')
    elif _only_reloads(command):
        quoted = " ".join(command)[:_COMMAND_CHARACTERS]
        text = f"`{quoted}` reloads the router and does not restart it: a running process keeps its settings."
        yield Check(name, Health.WARN, text, "Let it restart the router, every worker of it.")
    else:
        yield Check(
            name,
            Health.OK,
            f"`{command[0]}` is run to restart the router; whether it does is seen after each step, and not tried by this check.",
        )


def restore_commands(target: Target, _now: datetime) -> Iterator[Check]:
    """Whether a restore or a reset could stop the router and start it again: it is refused otherwise while the router runs."""
    name = "restore commands"
    missing = [word for word in ("stop_command", "start_command") if not getattr(target.settings, word)]
    if missing:
        text = (
            f"{' and '.join(f'`{word}`' for word in missing)} not set: while the router runs, `restore` and `state reset` refuse."
        )
        step = 'Set them to what stops and starts it, as `["systemctl", "stop", "nova"]`, before a backup has to be put back.'
        yield Check(name, Health.WARN, text, step)
    else:
        yield Check(name, Health.OK, "The router can be stopped and started around a restore.")


def _only_reloads(command: Sequence[str]) -> bool:
    words = {word.lower() for word in command}
    return bool(words & {"reload", "-hup", "-s=hup", "sighup", "hup"}) and "restart" not in words
