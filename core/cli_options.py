"""The options that commands share."""

from contextvars import ContextVar
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the receipt.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Decide, but change nothing.")]
Now = Annotated[bool, typer.Option("--now", help="Do not wait for the approval that the settings want for a brake.")]
NAMED_TARGET: ContextVar[str | None] = ContextVar("target", default=None)
"""The router that the command line named."""
VERBOSE: ContextVar[bool] = ContextVar("verbose", default=False)
"""Whether the command line asked for every log."""
