"""A process that answers orders: it is given up when it dies, and dies with whoever started it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection

import psutil
import pytest

from core.system.worker import Worker, WorkerLost

HERE = __name__
STARTS_ONE = f"""
import sys
from core.system.worker import Worker
worker = Worker("{HERE}:echo", quiet=True)
print(worker.pid, flush=True)
sys.stdin.readline()
"""


def echo(connection: Connection) -> None:
    while True:
        connection.send(("answer", connection.recv(), os.getpid()))


def dies_half_way(connection: Connection) -> None:
    connection.recv()
    os._exit(7)


def never_begins(_connection: Connection) -> None:
    os._exit(7)


@pytest.fixture(autouse=True)
def _found_over_there(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setenv("PYTHONPATH", str(request.config.rootpath))


@pytest.fixture
def worker() -> Iterator[Worker]:
    one = Worker(f"{HERE}:echo", quiet=False)
    yield one
    one.end()


def test_orders_are_answered_by_another_process_in_their_order(worker: Worker) -> None:
    """Objects go over whole, both ways."""
    for order in ({"number": 1}, (2, b"\x00" * 100_000)):
        worker.send(order)
    assert worker.receive() == ("answer", {"number": 1}, worker.pid)
    assert worker.receive() == ("answer", (2, b"\x00" * 100_000), worker.pid)
    assert worker.pid != os.getpid()


def test_a_worker_that_dies_half_way_answers_nobody() -> None:
    """Whoever waits is told at once, and how it ended can be said."""
    one = Worker(f"{HERE}:dies_half_way", quiet=True)
    one.send("work")
    with pytest.raises(WorkerLost):
        one.receive()
    assert one.end() == "exit code 7" or one.end().startswith("signal")


def test_a_worker_that_ends_at_once_is_noticed() -> None:
    """Nobody waits for an answer that will never come."""
    one = Worker(f"{HERE}:never_begins", quiet=True)
    with pytest.raises(WorkerLost):
        one.receive()
    one.end()


def test_a_worker_that_cannot_be_reached_is_an_error_and_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that cannot even start is told from one that works."""
    monkeypatch.setattr("core.system.worker._PROGRAM", "raise SystemExit(3)")
    before, threads = {process.pid for process in psutil.Process().children()}, set(threading.enumerate())
    with pytest.raises(WorkerLost, match="ended before it could be reached"):
        Worker(f"{HERE}:echo", quiet=True)
    assert {process.pid for process in psutil.Process().children()} <= before
    left = [thread for thread in {*threading.enumerate()} - threads if thread.name == "anr-worker"]
    for thread in left:  # the connection that ends its wait is closed; how soon it gets the processor is the machine's affair
        thread.join(30)
    assert not [thread for thread in left if thread.is_alive()]


def test_a_silent_worker_is_ended(worker: Worker) -> None:
    """One that hangs holds up nobody for ever."""
    os.kill(worker.pid, signal.SIGSTOP)
    worker.send("work")
    with pytest.raises(WorkerLost):
        worker.receive(0.05)
    assert worker.end() == "signal 9"


def test_killing_it_ends_the_wait_of_another_thread(worker: Worker) -> None:
    """Shutdown does not wait for a long reading."""
    killer = threading.Timer(0, worker.kill)
    killer.start()
    with pytest.raises(WorkerLost):
        worker.receive()
    killer.join()


def test_a_worker_ends_with_the_process_that_started_it() -> None:
    """SIGKILL of the one leaves no other behind."""
    with subprocess.Popen([sys.executable, "-c", STARTS_ONE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        there = psutil.Process(int(owner.stdout.readline()))
        owner.kill()
        owner.wait()
        psutil.wait_procs([there], timeout=30)
    assert not there.is_running()


def test_a_stranger_who_knows_the_address_is_not_served() -> None:
    """Only who has the key is answered."""
    from multiprocessing import AuthenticationError  # noqa: PLC0415 - beside its only use
    from multiprocessing.connection import Client, Listener  # noqa: PLC0415 - as above

    with Listener(authkey=b"ours") as listener:
        refused: list[str] = []

        def knock() -> None:
            with pytest.raises((AuthenticationError, OSError, EOFError)):
                Client(listener.address, authkey=b"theirs")
            refused.append("refused")

        stranger = threading.Thread(target=knock)
        stranger.start()
        with pytest.raises(AuthenticationError):
            listener.accept()
        stranger.join()
    assert refused == ["refused"]
