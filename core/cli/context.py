"""What commands share: their options, and the target that they operate.

Excluded: the commands (core/cli/commands).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Annotated

import typer

from core.actors import Actor
from core.cli.output import err, working
from core.settings.broken_options import load_for_brake
from core.settings.settings import Settings, load
from core.settings.terminal import at_terminal
from core.system import logs
from core.target.target import Target

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the receipt.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Decide, but change nothing.")]
Now = Annotated[bool, typer.Option("--now", help="Do not wait for the approval that the settings want for a brake.")]
NAMED_TARGET: ContextVar[str | None] = ContextVar("target", default=None)
"""The router that the command line named."""
DISTRUST: ContextVar[str] = ContextVar("distrust", default="")
"""Why the caller's options say nothing about raising traffic, a sentence; empty if they do."""
VERBOSE: ContextVar[bool] = ContextVar("verbose", default=False)
"""Whether the command line asked for every log."""


@contextmanager
def operating() -> Iterator[tuple[Actor, Target]]:
    """Yield who sits at the terminal and the site that the options describe; long reading shows its progress."""
    with examining(load()) as (settings, site):
        terminal = at_terminal(settings, site.target)
        DISTRUST.set(terminal.distrust)
        yield terminal.actor, replace(site, not_its_run=terminal.not_its_run)


@contextmanager
def braking() -> Iterator[tuple[Actor, Target]]:
    """Yield who brakes and the site, with broken options, too; the site knows what had to be guessed."""
    settings, wrong, doubts = load_for_brake(NAMED_TARGET.get())
    if wrong:
        err.say(f"{wrong.removesuffix(' Nothing was started.')} The brake runs on what can be understood; correct the rest.")
        NAMED_TARGET.set(None)  # only the one that is meant was understood
    with examining(settings) as (_, site):
        yield at_terminal(settings, site.target).actor, replace(site, doubts=doubts)


@contextmanager
def examining(settings: Settings) -> Iterator[tuple[Settings, Target]]:
    """Yield settings and the site that they describe, whoever sits there."""
    logs.hide(settings.secrets)
    target = settings.target_named(NAMED_TARGET.get())
    with working() as on_progress:
        site = Target.at(target, settings.access, on_progress=on_progress)
        try:
            yield settings, site
        finally:
            site.journal.close()
