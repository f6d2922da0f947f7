"""Running a command of the settings: bounded in time and output, in a minimal environment, and what it started ends with it.

Excluded: which command, and what its end means (core/router/control.py).
"""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

_KEPT_BYTES = 2000
"""How much of a command's output is kept: its end, where errors stand."""
_CHUNK_BYTES = 64 << 10
_LAST_WORDS_SECONDS = 0.2
"""How long the output of a command that has ended is waited for: what it left in the background may hold it open for ever."""
_PASSED_ON = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES"),
        *("TMPDIR", "TMP", "TEMP", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK"),
        *("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"),
        *("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"),
        *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "PSMODULEPATH", "USERPROFILE", "USERNAME", "HOMEDRIVE"),
        *("HOMEPATH", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES", "PROGRAMFILES(X86)"),
    }
)
"""What a command needs to find programs, its account's files, and the service manager that it talks to; no token of ours."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    Attributes:
        code: its exit code; None if it took too long and was killed, with all that it had started.
        said: the end of what it wrote, on both streams.
        took_s: for how long it ran, in seconds.
    """

    code: int | None
    said: str
    took_s: float


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return what a command gets as its environment: a list of names that may pass, and the settings that are given."""
    return {**{name: value for name, value in os.environ.items() if name.upper() in _PASSED_ON}, **settings}


def run(command: Sequence[str], *, settings: Mapping[str, str], timeout_s: float) -> Ended:
    """Run a command to its end, without a shell and without a terminal.

    What it writes is read and dropped but for its end. What it leaves running after a success is left alone (it may be the
    router); when its time is over, its whole process group is killed, on Windows its process and whoever of its group obeys.

    Raises:
        OSError, ValueError: it cannot be started.
    """
    begun = time.monotonic()
    output = _Output.reading()
    try:
        process = _started(command, environment(settings), subprocess.PIPE if output else subprocess.DEVNULL)
    except BaseException:
        if output:
            output.feed(None)
        raise
    if output:
        output.feed(process.stdout)
    try:
        code: int | None = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        _kill(process)
        code = None
    except BaseException:
        _kill(process)
        raise
    return Ended(code, output.end() if output else "", time.monotonic() - begun)


def piped(command: Sequence[str], given: bytes, *, timeout_s: float, limit: int) -> bytes:
    """Run a command to its end with these bytes as its input, without a shell, and return what it writes to its output.

    Args:
        command: its argument list.
        given: its input.
        timeout_s: how long it may take, in seconds; after that its process group is killed.
        limit: how many bytes it may write.

    Raises:
        OSError, ValueError: it cannot be started, failed, took too long, or wrote more than `limit` bytes.
    """
    process = subprocess.Popen(
        list(command),
        env=environment({}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=sys.platform != "win32",
    )
    try:
        written, complaint = process.communicate(given, timeout_s)
    except subprocess.TimeoutExpired:
        raise OSError(f"{command[0]} took longer than {timeout_s:g} s") from None
    finally:
        if process.returncode is None:
            _kill(process)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
    if process.returncode:
        said = complaint[-_KEPT_BYTES:].decode("utf-8", "replace").strip()
        raise OSError(f"{command[0]} ended with {process.returncode}{f': {said}' if said else ''}")
    if len(written) > limit:
        raise OSError(f"{command[0]} wrote more than {limit:,} bytes")
    return written


def _started(command: Sequence[str], env: Mapping[str, str], stdout: int) -> "subprocess.Popen[bytes]":
    if sys.platform == "win32":
        return subprocess.Popen(
            list(command),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )
    return subprocess.Popen(
        list(command),
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if sys.platform == "win32":
        with contextlib.suppress(OSError):
            process.send_signal(signal.CTRL_BREAK_EVENT)
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Output:
    """Reads what a command writes, on a thread, and keeps its end."""

    def __init__(self) -> None:
        self._kept = b""
        self._given: queue.SimpleQueue[IO[bytes] | None] = queue.SimpleQueue()
        self._reading = threading.Thread(target=self._read, name="anr-command-output", daemon=True)

    @classmethod
    def reading(cls) -> "_Output | None":
        """Return one whose thread runs; None where no thread can be had, and a command has to do without being heard."""
        output = cls()
        try:
            output._reading.start()
        except RuntimeError:
            return None
        return output

    def feed(self, stream: IO[bytes] | None) -> None:
        """Give it what to read; None ends it."""
        self._given.put(stream)

    def _read(self) -> None:
        given = self._given.get()
        if given is None:
            return
        with contextlib.suppress(OSError, ValueError), given as stream:
            while part := os.read(stream.fileno(), _CHUNK_BYTES):
                self._kept = (self._kept + part)[-_KEPT_BYTES:]

    def end(self) -> str:
        """Return the end of the output, as far as it is there."""
        self._reading.join(_LAST_WORDS_SECONDS)
        return self._kept.decode("utf-8", "replace")
