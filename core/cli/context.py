"""What commands share: their options, and the target that they operate.

Excluded: the commands (core/cli/commands).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Annotated

import typer

from core.cli.output import err, working
from core.settings.broken_options import load_for_brake
from core.settings.settings import Settings, load
from core.system import logs
from core.target.target import Target

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the receipt.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Decide, but change nothing.")]
Now = Annotated[bool, typer.Option("--now", help="Do not wait for the approval that the settings want for a brake.")]
NAMED_TARGET: ContextVar[str | None] = ContextVar("target", default=None)
"""The router that the command line named."""
VERBOSE: ContextVar[bool] = ContextVar("verbose", default=False)
"""Whether the command line asked for every log."""


@contextmanager
def operating() -> Iterator[tuple[Settings, Target]]:
    """Yield the settings and the site that they describe; long reading shows its progress."""
    with _at(load()) as both:
        yield both


@contextmanager
def braking() -> Iterator[tuple[Settings, Target]]:
    """Yield settings and site for a brake, which runs with broken options, too; the site knows what had to be guessed."""
    settings, wrong, doubts = load_for_brake(NAMED_TARGET.get())
    if wrong:
        err.say(f"{wrong.removesuffix(' Nothing was started.')} The brake runs on what can be understood; correct the rest.")
        NAMED_TARGET.set(None)  # only the one that is meant was understood
    with _at(settings) as (_, site):
        yield settings, replace(site, doubts=doubts)


@contextmanager
def _at(settings: Settings) -> Iterator[tuple[Settings, Target]]:
    logs.hide(settings.secrets)
    target = settings.target_named(NAMED_TARGET.get())
    with working() as on_progress:
        site = Target.at(target, settings.access, on_progress=on_progress)
        try:
            yield settings, site
        finally:
            site.journal.close()
