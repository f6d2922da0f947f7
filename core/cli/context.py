"""What commands share: their options, and the target that they operate.

Excluded: the commands (core/cli/commands).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.actors import Actor
from core.cli.output import err, working
from core.cli.said import CALLER, NAMED_TARGET, OnlyHere
from core.settings.account import Account
from core.settings.broken_options import load_for_brake
from core.settings.settings import Settings, load
from core.settings.target import TargetSettings
from core.settings.terminal import Terminal, at_socket, at_terminal, who_brakes, who_brakes_at_socket
from core.system import logs
from core.system.files import left_to_others
from core.target.target import Target

if TYPE_CHECKING:
    from core.target.overview import Overview

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the receipt.")]
Request = Annotated[str, typer.Argument(help="Id of the request, as the card and `anr status` show it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Decide, but change nothing.")]
Now = Annotated[bool, typer.Option("--now", help="Do not wait for the approval that the settings want for a brake.")]
BEGINS: ContextVar[bool] = ContextVar("begins", default=True)
"""Whether the caller may make the journal and its folders, where there are none."""
DISTRUST: ContextVar[str] = ContextVar("distrust", default="")
"""Why the caller's options say nothing about raising traffic, a sentence; empty if they do."""


@dataclass(frozen=True, slots=True)
class Served:
    """A router as a running bot has it.

    Attributes:
        target: what operates it; it stays open.
        look: returns what is so now, of what the bot remembers.
    """

    target: Target
    look: Callable[[], "Overview"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody whose command a running bot carries out.

    Attributes:
        account: theirs, as the kernel says.
        settings: the bot's: what the caller's own say counts for nothing.
        options: the file that those come from; None if they come from the bot's variables.
        routers: by their names, in the order of the settings.
    """

    account: Account
    settings: Settings
    options: Path | None
    routers: Mapping[str, Served]

    def served(self, name: str | None) -> Served:
        """Return the router of that name; the only one needs no name.

        Raises:
            ConfigurationError: as of `Settings.target_named`.
        """
        return self.routers[self.settings.target_named(name).name]


MADE_SAFE: ContextVar[bool] = ContextVar("made_safe", default=False)
"""Whether a brake wrote the safe settings of every router that was meant, and restarted it."""


def only_here() -> None:
    """Do nothing at a terminal; what reads or writes files of whoever types is done there alone.

    Raises:
        OnlyHere: a bot was asked.
    """
    if CALLER.get() is not None:
        raise OnlyHere("This reads or writes files of yours, and no bot does that. Nothing was done.")


def own_settings(*, required: bool = True) -> Settings:
    """Read the options of whoever types.

    Args:
        required: as for `load`.

    Raises:
        OnlyHere: a bot was asked.
        ConfigurationError: as of `load`.
    """
    only_here()
    return load(required=required)


@contextmanager
def operating() -> Iterator[tuple[Actor, Target]]:
    """Yield who sits at the terminal and the target that the options describe; long reading shows its progress."""
    if (caller := CALLER.get()) is not None:
        target = caller.served(NAMED_TARGET.get()).target
        terminal = at_socket(caller.settings, target.settings, caller.account, caller.options)
        DISTRUST.set(terminal.distrust)
        yield terminal.actor, replace(target, not_its_run=terminal.not_its_run)
        return
    with examining(load()) as (settings, target):
        terminal = at_terminal(settings, target.settings)
        DISTRUST.set(terminal.distrust)
        BEGINS.set(terminal.begins)
        with _beginning(target.settings, terminal):
            yield terminal.actor, replace(target, not_its_run=terminal.not_its_run)


def _beginning(target: TargetSettings, terminal: Terminal) -> AbstractContextManager[None]:
    """Leave the journal and its folders to the account that runs anr, where there are none yet: who makes them owns them."""
    return (
        nullcontext()
        if terminal.begins
        else left_to_others(target.journal, target.journal.parent, target.receipts_dir, target.run_dir)
    )


def overview_of(target: Target) -> "Overview":
    """Look at everything that a status shows; a bot has most of it in its memory."""
    if (caller := CALLER.get()) is not None:
        return caller.served(target.settings.name).look()
    from core.target.overview import look  # noqa: PLC0415 - a command that does not look waits for nothing of it

    return look(target)


@contextmanager
def braking() -> Iterator[tuple[tuple[tuple[Actor, Target], ...], tuple[str, ...]]]:
    """Yield who brakes, and the target, of every router that is meant: the one that is named, else all; and what is unclear.

    A brake runs with broken options, too; a target knows what had to be guessed of it.
    """
    if (caller := CALLER.get()) is not None:
        named = NAMED_TARGET.get()
        routers = caller.routers.values() if named is None else (caller.served(named),)
        served = [router.target for router in routers]
        yield (
            tuple(
                (who_brakes_at_socket(caller.settings, target.settings, caller.account, caller.options).actor, target)
                for target in served
            ),
            (),
        )
        return
    found = load_for_brake(NAMED_TARGET.get())
    if found.wrong:
        err.say(f"{found.wrong} The brake runs on what can be understood; correct the rest.")
    with ExitStack() as targets:
        meant = []
        for known in found.meant:
            _, target = targets.enter_context(examining(known.settings, known.settings.target))
            terminal = who_brakes(known.settings, target.settings)
            targets.enter_context(_beginning(target.settings, terminal))
            meant.append((terminal.actor, replace(target, doubts=known.doubts)))
        yield tuple(meant), found.unclear


@contextmanager
def examining(settings: Settings, options: TargetSettings | None = None) -> Iterator[tuple[Settings, Target]]:
    """Yield settings and the target that they describe, whoever sits there: that of a target, else of the one that is named."""
    logs.hide(settings.secrets)
    options = options or settings.target_named(NAMED_TARGET.get())
    with working() as on_progress:
        target = Target.at(options, settings.access, on_progress=on_progress)
        try:
            yield settings, target
        finally:
            target.journal.close()
