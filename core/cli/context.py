"""What commands share: their options, and the target that they operate.

Excluded: the commands (core/cli/commands).
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Annotated

import typer

from core.cli.output import err, working
from core.settings.broken_options import load_for_brake
from core.settings.settings import Settings, load
from core.settings.target import TargetSettings
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
    settings = load()
    with _at(settings, settings.target_named(NAMED_TARGET.get())) as site:
        yield settings, site


@contextmanager
def braking() -> Iterator[tuple[tuple[tuple[Settings, Target], ...], tuple[str, ...]]]:
    """Yield settings and site of every router that a brake is meant for: the one that is named, else all; and what is unclear.

    A brake runs with broken options, too; a site knows what had to be guessed of it.
    """
    found = load_for_brake(NAMED_TARGET.get())
    if found.wrong:
        err.say(f"{found.wrong} The brake runs on what can be understood; correct the rest.")
    with ExitStack() as sites:
        meant = tuple(
            (one.settings, replace(sites.enter_context(_at(one.settings, one.settings.target)), doubts=one.doubts))
            for one in found.meant
        )
        yield meant, found.unclear


@contextmanager
def _at(settings: Settings, target: TargetSettings) -> Iterator[Target]:
    logs.hide(settings.secrets)
    with working() as on_progress:
        site = Target.at(target, settings.access, on_progress=on_progress)
        try:
            yield site
        finally:
            site.journal.close()
