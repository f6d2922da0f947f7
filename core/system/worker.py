"""A process of our own that answers orders, for work that must not hold up the threads of this one.

Orders and answers are Python objects over `multiprocessing.connection`, with a secret that only the two know; the process is
started without this one's main module, so that it imports what it needs and nothing else. It ends when this one does.

Excluded: what is ordered and answered (core/scan/workers.py, core/target/observer.py).
"""

import secrets
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Client, Connection, Listener
from queue import Empty, SimpleQueue
from typing import Any

_START_SECONDS = 60.0
"""How long a process may take until it answers for the first time; an interpreter on a busy machine takes several."""
_LOOK_SECONDS = 0.1
_PROGRAM = f"import sys; from {__name__} import main; main(*sys.argv[1:])"


class WorkerLost(Exception):
    """The process ended, or was ended because it fell silent; what it was ordered may be half done. Nobody was answered."""


class Worker:
    """One process. Not safe to use from several threads at once, except for `kill`."""

    def __init__(self, serve: str, *, quiet: bool, is_wanted: Callable[[], bool] = lambda: True) -> None:
        """Start the process.

        Args:
            serve: `module:function` over there; it is given the connection, and returns when no more orders come.
            quiet: what it writes on the error stream goes nowhere.
            is_wanted: asked now and then until the process can be reached; it is ended as soon as this is no longer so.

        Raises:
            OSError: it cannot be started.
            WorkerLost: it ended before it could be reached, or was ended because it is no longer wanted.
        """
        key = secrets.token_bytes(32)
        with Listener(authkey=key) as listener:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, serve, str(listener.address)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL if quiet else None,
            )
            try:
                self._connection = self._reached(listener, key, is_wanted)
            except (OSError, EOFError, WorkerLost):
                self.kill()
                self._process.wait()
                raise

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def send(self, order: object) -> None:
        """Give it an order.

        Raises:
            WorkerLost: it is gone.
        """
        try:
            self._connection.send(order)
        except (OSError, ValueError) as error:
            raise WorkerLost("the order could not be sent") from error

    def receive(self, patience_s: float | None = None) -> Any:
        """Return its next answer.

        Args:
            patience_s: after so many seconds of silence the process is killed; None waits as long as it runs.

        Raises:
            WorkerLost: it is gone.
        """
        try:
            if patience_s is not None and not self._connection.poll(patience_s):
                self.kill()
            return self._connection.recv()
        except (OSError, EOFError) as error:
            raise WorkerLost("no answer came") from error

    def kill(self) -> None:
        """End the process at once; whoever waits for its answer is told that it is gone."""
        self._process.kill()

    def end(self) -> str:
        """End the process, let go of it, and say how it ended."""
        self.kill()
        code = self._process.wait()
        self._connection.close()
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def _reached(self, listener: Listener, key: bytes, is_wanted: Callable[[], bool]) -> Connection:
        """Return the connection that the process opens."""
        came = SimpleQueue[Any]()  # a connection, of which each system has its own kinds, or what was raised

        def accept() -> None:
            try:
                came.put(listener.accept())
            except Exception as error:  # noqa: BLE001 - raised where it is waited for
                came.put(error)

        threading.Thread(target=accept, name="anr-worker", daemon=True).start()
        orders = self._process.stdin
        if orders is not None:
            with suppress(OSError), orders:  # it is gone already, which shows below
                orders.write(key)
        for _ in range(round(_START_SECONDS / _LOOK_SECONDS)):
            with suppress(Empty):
                answer = came.get(timeout=_LOOK_SECONDS)
                if isinstance(answer, Exception):
                    raise answer
                reached: Connection = answer
                return reached
            if not (self.is_running and is_wanted()):
                break
        with suppress(OSError, EOFError):  # nobody will come: the thread that waits for them has to end
            Client(listener.address, authkey=key).close()
        raise WorkerLost("the process ended before it could be reached")


def main(serve: str, address: str) -> None:
    """Connect to the process that started this one, and answer it until no more orders come."""
    module, _, function = serve.partition(":")
    key = sys.stdin.buffer.read()
    try:
        connection = Client(address, authkey=key)
    except (EOFError, ConnectionError, FileNotFoundError, KeyboardInterrupt):  # whoever started this is gone
        return
    with suppress(EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt), connection:
        getattr(import_module(module), function)(connection)
