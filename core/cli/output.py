"""What is written at a terminal: sentences, JSON, progress, and the exit codes.

rich is imported when there is something to lay out, so that a script which asks for JSON does not wait for it. Excluded: what
results mean (core/cli/render.py), tables (core/cli/tables.py), the commands (core/cli/app.py).
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from core.system import streams

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

DONE, REFUSED, USAGE, FAILED = 0, 1, 2, 3


@dataclass(slots=True)
class Elsewhere:
    """The terminal of somebody who is served from afar: a bot writes to it what a command line would write to its own.

    Attributes:
        write: takes a text of the output, or of the error stream if it is told so.
        columns: how wide a text may be.
        terminals: whether the output, and the error stream, are shown to a person.
        variables: what of their environment says how colours are shown.
    """

    write: Callable[[str, bool], None]
    columns: int = 80
    terminals: tuple[bool, bool] = (False, False)
    variables: Mapping[str, str] = field(default_factory=dict)
    _consoles: dict[bool, "Console"] = field(default_factory=dict)

    def console(self, *, errors: bool) -> "Console":
        """Return one of its streams as rich lays it out."""
        from rich.console import Console  # noqa: PLC0415 - as for one's own terminal

        if errors not in self._consoles:
            stream: Any = _Stream(self.write, errors)
            self._consoles[errors] = Console(
                file=stream,
                width=self.columns,
                force_terminal=self.terminals[errors],
                legacy_windows=False,
                _environ=self.variables,
            )
        return self._consoles[errors]


@dataclass(frozen=True, slots=True)
class _Stream:
    """A stream of somebody else's terminal, as far as rich needs one."""

    _write: Callable[[str, bool], None]
    _errors: bool
    encoding = "utf-8"

    def write(self, text: str) -> int:
        self._write(text, self._errors)
        return len(text)

    def flush(self) -> None:
        return


ELSEWHERE: ContextVar[Elsewhere | None] = ContextVar("elsewhere", default=None)
"""Whose terminal is written to, in a bot; None for this process's own streams."""


class Output:
    """The output or the error stream. What cannot be written there stops nothing.

    Attributes:
        lost: something could not be written: the stream is closed or full, or its reader is gone.
    """

    def __init__(self, *, errors: bool = False) -> None:
        self._errors = errors
        self._console: Console | None = None
        self.lost = False

    @property
    def console(self) -> "Console":
        """The stream as rich lays it out."""
        if (elsewhere := ELSEWHERE.get()) is not None:
            return elsewhere.console(errors=self._errors)
        if self._console is None:
            from rich.console import Console  # noqa: PLC0415 - slow to import, and JSON needs none of it

            self._console = Console(stderr=self._errors)
        return self._console

    @property
    def is_terminal(self) -> bool:
        """Whether a person sees it."""
        elsewhere = ELSEWHERE.get()
        return self._stream.isatty() if elsewhere is None else elsewhere.terminals[self._errors]

    def print(self, what: "RenderableType") -> None:
        """Print a table, or a text with rich's markup."""
        self._written(lambda: self.console.print(what))

    def say(self, sentence: str) -> None:
        """Print a text as it is, whatever it holds."""
        self._written(lambda: self.console.print(sentence, markup=False))

    def write(self, text: str) -> None:
        """Write a text that is laid out already."""
        elsewhere = ELSEWHERE.get()
        self._written(lambda: self._stream.write(text) if elsewhere is None else elsewhere.write(text, self._errors))

    @property
    def _stream(self) -> TextIO:
        return sys.stderr if self._errors else sys.stdout

    def _written(self, write: Callable[[], object]) -> None:
        if ELSEWHERE.get() is not None:  # whoever is served from afar sees for themselves what did not arrive
            write()
        else:
            self.lost = not streams.written(self._stream, write) or self.lost


out, err = Output(), Output(errors=True)


@contextmanager
def working() -> Iterator[Callable[[int, int], None]]:
    """Yield what is told how far the ledger was read. Work that lasts a second shows on the error stream that it goes on.

    Where nobody looks, nothing is written.
    """
    if ELSEWHERE.get() is not None or not err.is_terminal:
        yield lambda _read, _size: None
        return
    from core.cli.progress import showing  # noqa: PLC0415 - slow to import, and a script needs none of it

    with showing(err.console) as on_progress:
        yield on_progress


def print_json(value: Any) -> None:
    """Print one line of JSON whose bytes depend on the value alone."""
    out.write(json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")
