"""What is known before a command is imported: what the command line said, and for whom it is carried out.

Excluded: the command's own options, and what they operate (core/cli/context.py).
"""

from contextvars import ContextVar
from typing import TYPE_CHECKING

from core.errors import AnrError

if TYPE_CHECKING:
    from core.cli.context import Caller

NAMED_TARGET: ContextVar[str | None] = ContextVar("target", default=None)
"""The router that the command line named."""
VERBOSE: ContextVar[bool] = ContextVar("verbose", default=False)
"""Whether the command line asked for every log."""
UNASKED: ContextVar[str] = ContextVar("unasked", default="")
"""Why no running bot did it, a sentence that is said if it fails here; empty if nobody needs to know."""
CALLER: "ContextVar[Caller | None]" = ContextVar("caller", default=None)
"""For whom a running bot carries a command out; None at a terminal."""


class OnlyHere(AnrError):
    """This reads or writes files of whoever types: no bot does it for them. Nothing was done."""
