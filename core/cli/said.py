"""What the command line said before its command: read by whoever needs it, and imported by who lists the commands.

Pure. Excluded: the command's own options (core/cli/context.py).
"""

from contextvars import ContextVar

NAMED_TARGET: ContextVar[str | None] = ContextVar("target", default=None)
"""The router that the command line named."""
VERBOSE: ContextVar[bool] = ContextVar("verbose", default=False)
"""Whether the command line asked for every log."""
