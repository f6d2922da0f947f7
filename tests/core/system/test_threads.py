"""Pools of threads that run from the start."""

import threading

import pytest

from core.system import threads


def no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_a_pool_goes_on_where_no_further_thread_is_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its threads were begun when it was made: all of them work at once."""
    with threads.running(3, "test") as pool:
        monkeypatch.setattr(threading.Thread, "start", no_thread)
        together = threading.Barrier(3)
        assert sorted(future.result() for future in [pool.submit(together.wait) for _ in range(3)]) == [0, 1, 2]


def test_a_pool_that_cannot_be_had_whole_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes it hears of that at once, and the threads that there are end."""
    begun: list[threading.Thread] = []
    start = threading.Thread.start

    def second_fails(thread: threading.Thread) -> None:
        if begun:
            no_thread(thread)
        begun.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", second_fails)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        threads.running(2, "test")
    begun[0].join()
