"""One call for everybody who wants the same at the same time.

Excluded: keeping a result for later. Who asks gets what was found out after they asked, never something older.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Wish = TypeVar("Wish")
Found = TypeVar("Found")


@dataclass(slots=True)
class _Round(Generic[Wish, Found]):
    """A call that has not begun, and what those who wait for it want."""

    wishes: list[Wish] = field(default_factory=list)
    found: "Future[Found]" = field(default_factory=Future)


class SingleFlight(Generic[Wish, Found]):
    """A call that runs once at a time, for all who asked before it began. Safe to use from several threads.

    However many ask at once, each waits for the call under way and for one more.
    """

    def __init__(self, call: Callable[[Sequence[Wish]], Found]) -> None:
        self._call = call
        self._asking = threading.Lock()
        self._turn = threading.Lock()
        self._next: _Round[Wish, Found] | None = None

    def ask(self, wish: Wish) -> Found:
        """Return what the next call finds; it is given the wishes of all who share it. Raises what the call raises."""
        with self._asking:
            leads = self._next is None
            mine = self._next = self._next or _Round()
            mine.wishes.append(wish)
        if leads:
            with self._turn:
                with self._asking:
                    self._next = None  # who asks from now on waits for the call after this
                try:
                    mine.found.set_result(self._call(mine.wishes))
                except BaseException as error:  # noqa: BLE001 - everybody who waits gets it
                    mine.found.set_exception(error)
        return mine.found.result()
