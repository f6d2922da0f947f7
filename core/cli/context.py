"""What commands share: their options, and the target that they operate.

Excluded: the commands (core/cli/commands).
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Annotated

import typer

from core.actors import Actor
from core.cli.output import err, working
from core.cli.said import NAMED_TARGET
from core.settings.broken_options import load_for_brake
from core.settings.settings import Settings, load
from core.settings.target import TargetSettings
from core.settings.terminal import at_terminal, who_brakes
from core.system import logs
from core.target.target import Target

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the receipt.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Decide, but change nothing.")]
Now = Annotated[bool, typer.Option("--now", help="Do not wait for the approval that the settings want for a brake.")]
DISTRUST: ContextVar[str] = ContextVar("distrust", default="")
"""Why the caller's options say nothing about raising traffic, a sentence; empty if they do."""


@contextmanager
def operating() -> Iterator[tuple[Actor, Target]]:
    """Yield who sits at the terminal and the target that the options describe; long reading shows its progress."""
    with examining(load()) as (settings, target):
        terminal = at_terminal(settings, target.settings)
        DISTRUST.set(terminal.distrust)
        yield terminal.actor, replace(target, not_its_run=terminal.not_its_run)


@contextmanager
def braking() -> Iterator[tuple[tuple[tuple[Actor, Target], ...], tuple[str, ...]]]:
    """Yield who brakes, and the target, of every router that is meant: the one that is named, else all; and what is unclear.

    A brake runs with broken options, too; a target knows what had to be guessed of it.
    """
    found = load_for_brake(NAMED_TARGET.get())
    if found.wrong:
        err.say(f"{found.wrong} The brake runs on what can be understood; correct the rest.")
    with ExitStack() as targets:
        meant = []
        for known in found.meant:
            _, target = targets.enter_context(examining(known.settings, known.settings.target))
            meant.append((who_brakes(known.settings, target.settings), replace(target, doubts=known.doubts)))
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
