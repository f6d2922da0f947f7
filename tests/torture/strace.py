"""strace's fault injection: the kernel refuses one call of a process, and no code of ours decides which or how.

    calls = traced(work, argument).calls                                  # undisturbed: how often each call was made
    ended = traced(work, argument, fault=Refused("fsync", "EIO", 3))      # the 3rd fsync fails with EIO and is not made

`work` is a function of a module; it runs in a fork of a clean process that has imported core already (tests/torture/faults.py),
so that strace sees the work alone. Counted and refused is what its main thread calls, in order; what it starts runs on untraced.

Source: strace(1), "Tampering". Excluded: what has to hold afterwards.
"""

import contextlib
import ctypes
import io
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.torture import faults

_TIME_LIMIT_SECONDS = 600.0
_CALL = re.compile(r"(?P<name>\w+)\(.*\) += (?P<result>-?\d+|\?)")
_GO = signal.SIGUSR1
_PR_SET_PTRACER, _ANYBODY = 0x59616D61, -1
"""prctl(2): where Yama restricts who may trace whom, the traced process has to allow it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """One call that the kernel refuses.

    Attributes:
        call: its name, as strace knows it.
        error: with which it fails, by name.
        at: which of the main thread's calls of this name, counted from 1; the one and all after it with `on`.
        on: it fails from there on.
    """

    call: str
    error: str
    at: int
    on: bool = False

    def __str__(self) -> str:
        """Say it as a test's failure shows it."""
        return f"{self.call} #{self.at}{'+' if self.on else ''} {self.error}"


@dataclass(frozen=True, slots=True)
class Traced:
    """How the process ended.

    Attributes:
        calls: how often each call was made.
        injected: how often one was refused.
        returned: what the work returned.
        raised: type and text of what it raised; None if it returned.
    """

    calls: Counter[str]
    injected: int
    returned: Any = None
    raised: tuple[str, str] | None = None


def traced(work: Callable[..., Any], *arguments: Any, fault: Refused | None = None, calls: str = "%file,%desc") -> Traced:
    """Run work under strace, in a process of its own.

    Args:
        work: a function of a module.
        arguments: for `work`.
        fault: which call is refused; none if left out.
        calls: what is traced where nothing is refused.
    """
    with tempfile.TemporaryDirectory(prefix="strace-") as folder:
        log, result = Path(folder, "log"), Path(folder, "result")
        ready, started = faults.SERVER.Pipe(duplex=False)
        process = faults.SERVER.Process(target=_wait_and_work, args=(work, arguments, result, started))
        process.start()
        started.close()
        pid = ready.recv()
        ready.close()
        with _attached(pid, log, fault, calls):
            os.kill(pid, _GO)
            process.join(_TIME_LIMIT_SECONDS)
        overtime = process.is_alive()
        process.kill()
        process.join()
        assert not overtime, f"{work.__name__} did not end: {fault}"
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        counted = Counter(found["name"] for line in lines if (found := _CALL.match(line)) is not None)
        injected = sum("(INJECTED)" in line for line in lines)
        if not result.stat().st_size:
            return Traced(counted, injected, raised=("death", f"exit code {process.exitcode}"))
        returned, raised = pickle.loads(result.read_bytes())  # noqa: S301 - written by `_wait_and_work`
        return Traced(counted, injected, returned, raised)


@contextlib.contextmanager
def _attached(pid: int, log: Path, fault: Refused | None, calls: str) -> Iterator[None]:
    traced_calls = calls if fault is None else fault.call
    command = ["strace", "-p", str(pid), "-o", str(log), "-e", f"trace={traced_calls}", "-e", "signal=none", "-s", "0"]
    if fault is not None:
        command += ["-e", f"inject={fault.call}:error={fault.error}:when={fault.at}{'+' if fault.on else ''}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        assert "attached" in said, said + tracer.stderr.read()
        yield


# --- in the process that is traced ------------------------------------------------------------------------------------


def _wait_and_work(work: Callable[..., Any], arguments: tuple[Any, ...], result: Path, started: Any) -> None:
    """Begin once strace looks on; neither the wait nor the handing over is made of calls that a test refuses."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANYBODY, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, {_GO})
    sys.stderr = io.StringIO()
    handing_over = os.open(result, os.O_WRONLY | os.O_CREAT)
    started.send(os.getpid())
    started.close()
    signal.sigwait({_GO})
    returned, raised = None, None
    try:
        returned = work(*arguments)
    except BaseException as error:  # noqa: BLE001 - the test judges what it is
        raised = (type(error).__name__, str(error))
    os.writev(handing_over, [pickle.dumps((returned, raised))])
