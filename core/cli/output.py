"""What is written at a terminal: sentences, JSON, progress, and the exit codes.

rich is imported when there is something to lay out, so that a script which asks for JSON does not wait for it. Excluded: what
results mean (core/cli/render.py), tables (core/cli/tables.py), the commands (core/cli/app.py).
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

from core.system import streams

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

DONE, REFUSED, USAGE, FAILED = 0, 1, 2, 3


class Output:
    """The output or the error stream. What cannot be written there stops nothing.

    Attributes:
        lost: something could not be written: the stream is closed or full, or its reader is gone.
    """

    def __init__(self, *, errors: bool = False) -> None:
        self._errors = errors
        self.lost = False

    @cached_property
    def console(self) -> "Console":
        """The stream as rich lays it out."""
        from rich.console import Console  # noqa: PLC0415 - slow to import, and JSON needs none of it

        return Console(stderr=self._errors)

    def print(self, what: "RenderableType") -> None:
        """Print a table, or a text with rich's markup."""
        self._written(lambda: self.console.print(what))

    def say(self, sentence: str) -> None:
        """Print a text as it is, whatever it holds."""
        self._written(lambda: self.console.print(sentence, markup=False))

    def write(self, text: str) -> None:
        """Write a text that is laid out already."""
        self._written(lambda: self._stream.write(text))

    @property
    def _stream(self) -> TextIO:
        return sys.stderr if self._errors else sys.stdout

    def _written(self, write: Callable[[], object]) -> None:
        self.lost = not streams.written(self._stream, write) or self.lost


out, err = Output(), Output(errors=True)


@contextmanager
def working() -> Iterator[Callable[[int, int], None]]:
    """Yield what is told how far the ledger was read. Work that lasts a second shows on the error stream that it goes on.

    Where nobody looks, nothing is written.
    """
    if not sys.stderr.isatty():
        yield lambda _read, _size: None
        return
    from core.cli.progress import showing  # noqa: PLC0415 - slow to import, and a script needs none of it

    with showing(err.console) as on_progress:
        yield on_progress


def print_json(value: Any) -> None:
    """Print one line of JSON whose bytes depend on the value alone."""
    out.write(json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")
