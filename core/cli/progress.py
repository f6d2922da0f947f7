"""How far the reading of a ledger or a journal is, for a person who waits."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

PATIENCE_SECONDS = 1.0
"""What lasts longer than this shows that it goes on."""


class _Patient(Progress):
    """A progress display that stays empty until the work has lasted a while."""

    def get_renderables(self) -> Iterable[RenderableType]:
        if any((task.elapsed or 0) >= PATIENCE_SECONDS for task in self.tasks):
            yield from super().get_renderables()


@contextmanager
def showing(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Yield what is told how many bytes of how many were read. Work that lasts a second shows that it goes on.

    A console that is no terminal stays empty.
    """
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with _Patient(*columns, console=console, transient=True, disable=not console.is_terminal) as display:
        waiting = display.add_task("Working", total=None)
        ledger = display.add_task("", visible=False)

        def show(read: int, size: int) -> None:
            text = f"Reading, {decimal(read)} of {decimal(size)}"
            display.update(ledger, description=text, completed=read, total=size, visible=read < size)
            display.update(waiting, visible=read >= size)

        yield show
