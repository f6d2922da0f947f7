"""Looks at a router, and measures its ledger, in a process of its own: nothing here waits for the millions of lines.

While lines are decoded or a status is put together, no other thread of that process gets on: an acknowledgement and a brake
would wait for it. So who acts lets a lookout do the looking. One look is made at a time; all who ask meanwhile share the next
one, which begins after they asked: however many people want a status in the same second, the ledger is read twice at most.

The process lives from the first look until it is closed. If it dies (of the memory that a window needs, say), nothing was
measured, and the next look starts another. Excluded: what is seen (core/overview.py, core/ledger_scan.py).
"""

import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import IO, Any

from core import logs
from core.actors import AccessPolicy
from core.brake import BrakeNote
from core.errors import AnrError, LedgerUnreadable
from core.ledger_scan import OnProgress, measure
from core.logs import logger
from core.metrics import Window, WindowMetrics
from core.overview import Overview, look
from core.sharing import Shared
from core.site import Site
from core.target import Target

log = logger(__name__)

_NICENESS = 10
"""Steps by which looking stands back from acknowledgements and brakes where processors are few (POSIX's nice)."""


@dataclass(frozen=True, slots=True)
class _Measure:
    """A window that is to be measured."""

    target: Target
    window: Window


@dataclass(frozen=True, slots=True)
class _Look:
    """A router that is to be looked at.

    Attributes:
        remembered: the brake's marks that only the process that acts knows.
    """

    target: Target
    access: AccessPolicy
    now: datetime
    remembered: tuple[BrakeNote, ...]


_Order = _Measure | _Look


class Lookout:
    """Looks at one router. Safe to use from several threads."""

    def __init__(self) -> None:
        self._measuring = defaultdict[int, Shared[_Order, Any]](lambda: Shared(self._newest))
        self._looking = Shared[_Order, Any](self._newest)
        self._watching: list[OnProgress] = []
        self._turn = threading.Lock()
        self._starting = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def close(self) -> None:
        """End the process; a look under way fails."""
        with self._starting:
            self._closed = True
            if self._process is not None:
                _end(self._process)

    def measure(self, target: Target, window: Window, on_progress: OnProgress) -> WindowMetrics:
        """Measure a window of the router's ledger; it ends a little later than asked if somebody else asked later for it.

        Args:
            target: always the same.
            window: the span of time.
            on_progress: is given bytes read and bytes in all now and then; may raise to stop the reading.

        Raises:
            LedgerUnreadable: the ledger cannot be read, or the process that reads it died.
            ConfigurationError: it is a table, and what reads tables is not installed.
        """
        with self._starting:
            shared = self._measuring[window.minutes]
        with self._told(on_progress):
            metrics: WindowMetrics = shared.ask(_Measure(target, window))
        return metrics

    def look(self, site: Site, on_progress: OnProgress | None = None) -> Overview:
        """Look at everything that a status shows; a part that cannot be read says so and hides nothing else."""
        order = _Look(site.target, site.access, site.clock(), site.brake.remembered)
        try:
            with self._told(on_progress):
                overview: Overview = self._looking.ask(order)
        except LedgerUnreadable as error:  # the process died: what needs no ledger can be seen from here
            log.warning("looked at %s without the process that looks: %s", site.target.name, error)
            return look(replace(site, on_progress=on_progress))
        return overview

    @contextmanager
    def _told(self, on_progress: OnProgress | None) -> Iterator[None]:
        """Tell somebody who waits how far the reading is, also while it is the one before theirs."""
        entry = [on_progress] if on_progress is not None else []
        with self._starting:
            self._watching.extend(entry)
        try:
            yield
        finally:
            with self._starting:
                for one in entry:
                    self._watching.remove(one)

    def _newest(self, orders: Sequence[_Order]) -> Any:
        """Carry out the newest order; the others are the same of a moment before."""
        with self._turn:
            process = self._started()
            answers = _pipe(process.stdout)
            try:
                _send(_pipe(process.stdin), orders[-1])
                while isinstance(answer := pickle.load(answers), tuple):  # noqa: S301 - from a process of our own
                    for on_progress in tuple(self._watching):
                        on_progress(*answer)
            except (OSError, ValueError, EOFError, pickle.UnpicklingError) as error:  # ValueError: its pipes were just closed
                raise LedgerUnreadable(
                    f"The process that reads the ledger ended half-way ({_end(process)}). Nothing was measured; the next report "
                    "starts another. If that ends too, see whether the machine is out of memory.",
                ) from error
            except BaseException:  # somebody wants no more: the reading ends with its process
                _end(process)
                raise
        if isinstance(answer, AnrError):
            raise answer
        return answer

    def _started(self) -> "subprocess.Popen[bytes]":
        with self._starting:
            if self._closed:
                raise LedgerUnreadable("anr is being stopped. Nothing was measured.")
            if self._process is not None and self._process.poll() is not None:
                _end(self._process)
                self._process = None
            if self._process is None:
                try:
                    # not `-m`: its module would be another one than that of the orders
                    command = [sys.executable, "-P", "-c", f"from {__name__} import main; main()"]
                    self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                except OSError as error:
                    raise LedgerUnreadable(
                        f"The process that reads the ledger cannot be started ({error.strerror or error}). Nothing was measured.",
                    ) from error
            return self._process


def _end(process: "subprocess.Popen[bytes]") -> str:
    """End the process, and say how it ended."""
    process.kill()
    code = process.wait()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):  # what could not be written to a process that is gone
            _pipe(pipe).close()
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise TypeError("it was started with pipes")
    return pipe


def _send(stream: IO[bytes], value: object) -> None:
    pickle.dump(value, stream)
    stream.flush()


class _Sites:
    """What the process looks at, put together once for each router."""

    def __init__(self) -> None:
        self._known: dict[str, Site] = {}

    def look(self, order: _Look, on_progress: OnProgress) -> Overview:
        site = self._known.get(order.target.name) or Site.at(order.target, order.access)
        self._known[order.target.name] = site
        site.brake.remember(order.remembered)
        return look(replace(site, clock=lambda: order.now, on_progress=on_progress))


def main() -> None:
    """Do what is ordered, until no more comes."""
    if sys.platform != "win32":
        os.nice(_NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; whoever asked ends this one
    logs.configure(verbose=False, quiet_level=logging.WARNING)
    orders, answers, sys.stdout = sys.stdin.buffer, sys.stdout.buffer, sys.stderr  # nothing else may write among the answers
    sites = _Sites()

    def on_progress(read: int, size: int) -> None:
        _send(answers, (read, size))

    with suppress(EOFError, BrokenPipeError):
        while True:
            order = pickle.load(orders)  # noqa: S301 - from the process that started this one
            logs.hide([order.target.ledger_table.get_secret_value()])
            try:
                if isinstance(order, _Look):
                    answer: object = sites.look(order, on_progress)
                else:
                    answer = measure(order.target, order.window, on_progress)
            except AnrError as error:
                answer = error
            _send(answers, answer)
