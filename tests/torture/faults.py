"""Work in a process of its own that dies, or whose disk fails, at a chosen write.

Every way in which our code reaches the disk passes a boundary: what Python opens to write, writes, syncs, renames, removes or
starts (audit hooks and a patched `os`), and what SQLite writes, syncs, truncates or removes (tests/torture/faults_sqlite.py).
Boundaries are counted, so that a test can go through all of them in turn and asks no clock.

    ended = run(work, argument)                                        # undisturbed; ended.boundaries says what it passed
    ended = run(work, argument, fault=Killed(at=7))                    # SIGKILL immediately before its 7th boundary
    ended = run(work, argument, fault=Failing(errno.ENOSPC, "*.env"))  # every write to such a file fails
    with stalled(work, argument, fault=Stalled(3, 5)) as goes_on: ...  # SIGSTOP before its 3rd, later SIGKILL before its 5th
    for ended in killed_everywhere(prepare, work): ...                 # dies at each boundary in turn, prepared anew each time

`work` is a function of a module, its arguments and its result can be pickled. It runs in a fork of a clean process that has
imported core already, so that a death costs milliseconds.

Excluded: what has to hold afterwards. No boundary: SQLite's shared memory (-shm), which it rebuilds; deaths at random times
(`kill_after_s`) go through that.
"""

import builtins
import contextlib
import errno
import fnmatch
import io
import itertools
import logging
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

from tests.torture.faults_sqlite import WRITES, patch_sqlite

_TIME_LIMIT_SECONDS = 600.0
SERVER = multiprocessing.get_context("forkserver")
"""What forks of a clean process come from."""
_CORE = [
    "core.cli.render",
    "core.journal.tables",
    "core.scan.scan",
    "core.watch.recover",
    "core.watch.watch",
    "sqlalchemy.dialects.sqlite",
]
SERVER.set_forkserver_preload([*_CORE, "hypothesis", "pytest", "tests.support.rig", "tests.torture.faults"])


@dataclass(frozen=True, slots=True)
class Killed:
    """SIGKILL immediately before the boundary with this number, counted from 1."""

    at: int


@dataclass(frozen=True, slots=True)
class Failing:
    """The disk says no: every boundary at a file whose path matches fails with this error.

    Attributes:
        error: `errno.ENOSPC`, `errno.EIO`, `errno.EACCES`.
        files: pattern of paths.
        reading: whether opening such files to read fails, too.
        at: only the boundary with this number fails, whatever the file.
    """

    error: int
    files: str = "*"
    reading: bool = False
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Stalled:
    """SIGSTOP immediately before one boundary; once it goes on, SIGKILL before another.

    Attributes:
        at: the boundary before which it stops, counted from 1.
        killed_at: the one before which it dies; None if it may live.
    """

    at: int
    killed_at: int | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How the process ended.

    Attributes:
        killed: it died before its work was over.
        boundaries: what it was about to do at each boundary that it reached, in order, the fatal one included.
        failed: how many boundaries failed.
        returned: what the work returned.
        raised: type and text of what it raised.
        logged: what it logged as a warning or worse.
    """

    killed: bool
    boundaries: tuple[str, ...]
    failed: int = 0
    returned: Any = None
    raised: tuple[type[BaseException], str] | None = None
    logged: tuple[str, ...] = field(default=())


def run(
    work: Callable[..., Any],
    *arguments: Any,
    fault: Killed | Failing | None = None,
    kill_after_s: float | None = None,
) -> Ended:
    """Run work in a process of its own.

    Args:
        work: a function of a module.
        arguments: for `work`.
        fault: what befalls it; nothing if left out.
        kill_after_s: SIGKILL after so many seconds, wherever it is.
    """
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        trace, result = Path(folder, "trace"), Path(folder, "result")
        ready, started = SERVER.Pipe(duplex=False)
        process = SERVER.Process(target=_work, args=(work, arguments, fault, trace, result, started))
        process.start()
        started.close()
        try:
            if kill_after_s is not None:
                ready.poll(_TIME_LIMIT_SECONDS)
                process.join(kill_after_s)
                process.kill()
            process.join(_TIME_LIMIT_SECONDS)
        finally:
            ready.close()
            overtime = process.is_alive()
            process.kill()
            process.join()
        assert not overtime, f"{work.__name__} did not end; it had reached {trace.read_text(encoding='utf-8').splitlines()[-3:]}"
        boundaries = tuple(trace.read_text(encoding="utf-8").splitlines()) if trace.exists() else ()
        if process.exitcode == 0:
            return Ended(False, boundaries, **pickle.loads(result.read_bytes()))  # noqa: FBT003, S301 - written by `_work`
        assert process.exitcode == -signal.SIGKILL, f"{work.__name__} ended with {process.exitcode} after {boundaries[-3:]}"
        return Ended(True, boundaries)  # noqa: FBT003 - as above


@contextlib.contextmanager
def stalled(work: Callable[..., Any], *arguments: Any, fault: Stalled) -> Iterator[Callable[[], Ended]]:
    """Run work until it stalls; what is yielded lets it go on, and returns how it ended.

    Args:
        work: a function of a module.
        arguments: for `work`.
        fault: where it stalls, and dies.
    """
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        trace, result = Path(folder, "trace"), Path(folder, "result")
        ready, started = SERVER.Pipe(duplex=False)
        process = SERVER.Process(target=_work, args=(work, arguments, fault, trace, result, started))
        process.start()
        assert process.pid is not None

        def goes_on() -> Ended:
            os.kill(process.pid or 0, signal.SIGCONT)
            process.join(_TIME_LIMIT_SECONDS)
            boundaries = tuple(trace.read_text(encoding="utf-8").splitlines())
            if process.exitcode == 0:
                return Ended(False, boundaries, **pickle.loads(result.read_bytes()))  # noqa: FBT003, S301 - written by `_work`
            return Ended(True, boundaries)  # noqa: FBT003 - as above

        try:
            while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
                assert process.is_alive(), f"{work.__name__} ended before it stalled"
                process.join(0.01)
            yield goes_on
        finally:
            process.kill()
            process.join()
            ready.close()
            started.close()


def killed_everywhere(prepare: Callable[[], tuple[Any, ...]], work: Callable[..., Any]) -> Iterator[Ended]:
    """Kill work at its first boundary, at its second, and so on; yield how each ended, last of all the one that lived.

    Args:
        prepare: brings the files back to where the work begins, and returns its arguments.
        work: a function of a module.
    """
    for number in itertools.count(1):
        ended = run(work, *prepare(), fault=Killed(at=number))
        yield ended
        if not ended.killed:
            return


# --- in the process that suffers --------------------------------------------------------------------------------------


def _work(work: Callable[..., Any], arguments: tuple[Any, ...], fault: Any, trace: Path, result: Path, started: Any) -> None:
    sys.stderr = io.StringIO()
    logged: list[str] = []
    logging.getLogger().addHandler(_Keep(logged))
    boundaries = Boundaries(fault, os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
    returned, raised = None, None
    started.close()
    with boundaries.watched():
        try:
            returned = work(*arguments)
        except BaseException as error:  # noqa: BLE001 - the test judges what it is
            raised = (type(error), str(error))
    facts = {"returned": returned, "raised": raised, "logged": tuple(logged), "failed": boundaries.failed}
    result.write_bytes(pickle.dumps(facts))


class _Keep(logging.Handler):
    def __init__(self, into: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._into = into

    def emit(self, record: logging.LogRecord) -> None:
        self._into.append(record.getMessage())


class Boundaries:
    """Counts boundaries, and brings the fault."""

    def __init__(self, fault: Killed | Failing | Stalled | None, trace: int) -> None:
        self.failed = 0
        self._fault = fault
        self._trace = trace
        self._count = 0
        self._watching = False
        self._write = os.write
        self._busy = threading.RLock()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        _hear_audits(self)
        _patch_os(self)
        _patch_open(self)
        patch_sqlite(self.pass_, self.open_to_read)
        self._watching = True
        try:
            yield
        finally:
            self._watching = False

    def pass_(self, what: str, file: str | int) -> int:
        """Pass a boundary; return the errno with which it fails, or 0."""
        if not self._watching:
            return 0
        with self._busy:
            self._watching = False  # naming a file must not be a boundary
            try:
                path = _path_of(file)
                if path.endswith("-shm"):
                    return 0
                self._count += 1
                self._write(self._trace, f"{what} {path}\n".encode())
                match self._fault:
                    case Killed(at=number) if self._count == number:
                        os.kill(os.getpid(), signal.SIGKILL)
                        threading.Event().wait()
                    case Stalled(at=number) if self._count == number:
                        os.kill(os.getpid(), signal.SIGSTOP)
                    case Stalled(killed_at=number) if self._count == number:
                        os.kill(os.getpid(), signal.SIGKILL)
                        threading.Event().wait()
                    case Failing(error=error, at=None, files=pattern) if fnmatch.fnmatch(path, pattern):
                        self.failed += 1
                        return error
                    case Failing(error=error, at=number) if self._count == number:
                        self.failed += 1
                        return error
            finally:
                self._watching = True
        return 0

    def open_to_read(self, file: str) -> int:
        """Return the errno with which opening a file to read fails, or 0."""
        match self._fault:
            case Failing(error=error, at=None, files=pattern, reading=True) if self._watching and fnmatch.fnmatch(file, pattern):
                if error != errno.ENOSPC:  # a full disk can be read
                    self.failed += 1
                    return error
        return 0


def _path_of(file: str | int) -> str:
    if isinstance(file, str):
        return file
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/self/fd/{file}").readlink())
    return f"descriptor {file}"


_PATHS = {
    "os.rename": 1,  # replace as well; the name that comes to be
    "os.remove": 0,  # unlink as well
    "os.mkdir": 0,
    "os.rmdir": 0,
    "os.link": 1,
    "os.symlink": 1,
    "os.truncate": 0,
    "os.chmod": 0,
    "os.chown": 0,
    "os.utime": 0,
    "subprocess.Popen": 0,
}
"""Audit events at which something changes, and which of their arguments names it
(https://docs.python.org/3/library/audit_events.html)."""


def _fail(error: int, path: object = None) -> None:
    if error:
        raise OSError(error, os.strerror(error), path)


def _hear_audits(boundaries: Boundaries) -> None:
    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and not isinstance(arguments[0], int):
            path = os.fsdecode(arguments[0])
            _fail(boundaries.pass_("open", path) if arguments[2] & WRITES else boundaries.open_to_read(path), path)
        elif event in _PATHS:
            path = arguments[_PATHS[event]]
            _fail(boundaries.pass_(event, path if isinstance(path, int) else os.fsdecode(path)), path)

    sys.addaudithook(hear)


def _patch_os(boundaries: Boundaries) -> None:
    def watched(real: Callable[..., Any], which: int) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            _fail(boundaries.pass_(real.__name__, arguments[which]))
            return real(*arguments, **options)

        return call

    for name in ("write", "pwrite", "fsync", "fdatasync", "sendfile", "copy_file_range"):
        if real := getattr(os, name, None):
            setattr(os, name, watched(real, which=1 if name == "copy_file_range" else 0))


def _patch_open(boundaries: Boundaries) -> None:
    """What C writes for Python's own files goes through a raw file of ours."""

    class Raw(io.FileIO):
        def write(self, data: Any, /) -> int:
            _fail(boundaries.pass_("write", self.fileno()))
            return super().write(data)

        def truncate(self, size: int | None = None, /) -> int:
            _fail(boundaries.pass_("truncate", self.fileno()))
            return super().truncate(size)

    real_open = io.open

    def open_(file: Any, mode: str = "r", buffering: int = -1, *text: Any, **options: Any) -> IO[Any]:
        if not set(mode) & set("wax+"):
            return real_open(file, mode, buffering, *text, **options)
        closefd, opener = options.pop("closefd", True), options.pop("opener", None)
        raw = Raw(file, mode.replace("b", "").replace("t", ""), closefd, opener)
        if buffering == 0:
            return raw
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *text, **options)

    io.open = builtins.open = open_  # type: ignore[assignment]  # the same to its callers
