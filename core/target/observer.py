"""Looks at a router, and measures its ledger, in a process of its own: nothing here waits for the millions of lines.

While lines are decoded or a status is put together, no other thread of that process gets on: an acknowledgement and a brake
would wait for it. So who acts lets a lookout do the looking. One look is made at a time; all who ask for the same meanwhile share
the next one, which begins after they asked: however many people want a status in the same second, few looks are made.

The process lives from the first look until it is closed. If it dies (of the memory that a window needs, say), nothing was
measured, and the next look starts another. Excluded: what is seen (core/target/overview.py, core/scan/scan.py).
"""

import logging
import os
import signal
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any

from core.actors import AccessPolicy
from core.errors import AnrError, LedgerUnreadable
from core.ledger.figures import WindowMetrics
from core.ledger.window import Window
from core.router.marks import BrakeNote
from core.scan.measure import measure
from core.settings.target import TargetSettings
from core.system import logs
from core.system.logs import logger
from core.system.progress import OnProgress
from core.system.single_flight import SingleFlight
from core.system.worker import Worker, WorkerLost
from core.target.overview import Overview, look
from core.target.target import MAX_OPERATION_SECONDS, Target

log = logger(__name__)

_SILENT_SECONDS = 120.0
"""How long the process may say nothing while it reads a file: then the disk hangs, and whoever asked is told."""
_STOPPING = "anr is being stopped. Nothing was measured."
_NICENESS = 10
"""Steps by which looking stands back from acknowledgements and brakes where processors are few (POSIX's nice)."""


@dataclass(frozen=True, slots=True)
class _Measure:
    """A window that is to be measured."""

    target: TargetSettings
    window: Window


@dataclass(frozen=True, slots=True)
class _Look:
    """A router that is to be looked at.

    Attributes:
        remembered: the brake's marks that only the process that acts knows.
    """

    target: TargetSettings
    access: AccessPolicy
    now: datetime
    remembered: tuple[BrakeNote, ...]


_Order = _Measure | _Look


@dataclass(slots=True)
class _Watcher:
    """Somebody who waits and is told how far the reading is, until they want no more.

    Attributes:
        enough: what they raised.
    """

    on_progress: OnProgress
    enough: BaseException | None = None

    def tell(self, read: int, size: int) -> None:
        if self.enough is None:
            try:
                self.on_progress(read, size)
            except BaseException as error:  # noqa: BLE001 - theirs alone: raised where they wait
                self.enough = error


class Observer:
    """Looks at one router. Safe to use from several threads."""

    def __init__(self) -> None:
        self._measuring = defaultdict[int, SingleFlight[_Measure, WindowMetrics]](lambda: SingleFlight(self._measured))
        self._looking = SingleFlight[Target, Overview](self._looked)
        self._watching: list[_Watcher] = []
        self._turn = threading.Lock()
        self._starting = threading.Lock()
        self._worker: Worker | None = None
        self._closed = False

    def close(self) -> None:
        """End the process; a look under way fails."""
        self._closed = True  # before the lock, which is held while a process is being started: that ends then
        with self._starting:
            if self._worker is not None:
                self._worker.kill()
        with self._turn:  # whoever waited for an answer was just told that none will come
            if self._worker is not None:
                self._worker.end()
                self._worker = None

    def measure(self, target: TargetSettings, window: Window, on_progress: OnProgress) -> WindowMetrics:
        """Measure a window of the router's ledger; it ends a little later than asked if somebody else asked later for it.

        Args:
            target: always the same.
            window: the span of time.
            on_progress: is given bytes read and bytes in all now and then; what it raises is raised here, and ends a reading that
                nobody else watches.

        Raises:
            LedgerUnreadable: the ledger cannot be read, or the process that reads it died or fell silent.
            ConfigurationError: it is a table, and what reads tables is not installed.
        """
        with self._starting:
            shared = self._measuring[window.minutes]
        with self._told(on_progress):
            return shared.ask(_Measure(target, window))

    def look(self, target: Target, on_progress: OnProgress | None = None) -> Overview:
        """Look at everything that a status shows; a part that cannot be read says so and hides nothing else.

        Raises:
            LedgerUnreadable: this was closed.
        """
        try:
            with self._told(on_progress):
                return self._looking.ask(target)
        except LedgerUnreadable as error:
            if self._closed:  # nobody waits for it any more
                raise
            # the process died: what needs no ledger can be seen from here
            log.warning("looked at %s without the process that looks: %s", target.settings.name, error)
            return look(replace(target, on_progress=on_progress))

    @contextmanager
    def _told(self, on_progress: OnProgress | None) -> Iterator[None]:
        """Tell somebody who waits how far the reading is, also while it is the one before theirs."""
        watcher = _Watcher(on_progress) if on_progress is not None else None
        if watcher is not None:
            with self._starting:
                self._watching.append(watcher)
        try:
            yield
        finally:
            if watcher is not None:
                with self._starting:
                    self._watching[:] = [other for other in self._watching if other is not watcher]
                if watcher.enough is not None:
                    raise watcher.enough

    def _measured(self, orders: Sequence[_Measure]) -> WindowMetrics:
        metrics: WindowMetrics = self._carried_out(lambda: max(orders, key=lambda order: order.window.end_us))
        return metrics

    def _looked(self, targets: Sequence[Target]) -> Overview:
        target = targets[-1]  # the others are the same; what only this process knows is taken when the look begins
        overview: Overview = self._carried_out(
            lambda: _Look(target.settings, target.access, target.clock(), target.brake.remembered)
        )
        return overview

    def _carried_out(self, order: Callable[[], _Order]) -> Any:
        """Give an order to the process and return its answer.

        Raises:
            AnrError: what went wrong over there, or that nobody is there any more.
        """
        with self._turn:
            worker = self._started()
            try:
                answer = self._answer(worker, order())
            except WorkerLost as error:
                self._worker = None
                raise LedgerUnreadable(
                    f"The process that reads the ledger ended half-way ({worker.end()}). Nothing was measured; the next report "
                    "starts another. If that ends too, see whether the machine is out of memory, or the ledger's disk hangs.",
                ) from error
        if isinstance(answer, AnrError):
            raise answer
        return answer

    def _answer(self, worker: Worker, order: _Order) -> Any:
        table = order.target.ledger_is_a_table
        patience = MAX_OPERATION_SECONDS if table else _SILENT_SECONDS
        worker.send(order)
        while isinstance(answer := worker.receive(patience), tuple):
            watching = tuple(self._watching)
            for watcher in watching:
                watcher.tell(*answer)
            if watching and all(watcher.enough is not None for watcher in watching):
                worker.kill()  # nobody wants it any more: the reading ends with its process
        return answer

    def _started(self) -> Worker:
        with self._starting:
            if self._closed:
                raise LedgerUnreadable(_STOPPING)
            if self._worker is not None and not self._worker.is_running:
                self._worker.end()
                self._worker = None
            if self._worker is None:
                try:
                    self._worker = Worker(f"{__name__}:serve", quiet=False, is_wanted=lambda: not self._closed)
                except (OSError, WorkerLost) as error:
                    if self._closed:
                        raise LedgerUnreadable(_STOPPING) from error
                    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
                    raise LedgerUnreadable(
                        f"The process that reads the ledger cannot be started ({reason}). Nothing was measured.",
                    ) from error
            return self._worker


def _seen(target: Target, order: _Look, on_progress: OnProgress) -> Overview:
    target.brake.remember(order.remembered)
    return look(replace(target, clock=lambda: order.now, on_progress=on_progress))


def serve(connection: Connection) -> None:
    """Do what is ordered, until no more comes."""
    if sys.platform != "win32":
        os.nice(_NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; whoever asked ends this one
    logs.configure(verbose=False, quiet_level=logging.WARNING)
    target: Target | None = None

    def on_progress(read: int, size: int) -> None:
        connection.send((read, size))

    while True:
        order: _Order = connection.recv()
        logs.hide([order.target.ledger_table.get_secret_value()])
        try:
            if isinstance(order, _Look):
                target = target or Target.at(order.target, order.access)  # it is always the same router
                answer: object = _seen(target, order, on_progress)
            else:
                answer = measure(order.target, order.window, on_progress)
        except AnrError as error:
            answer = error
        connection.send(answer)
