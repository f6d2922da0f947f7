"""One thread that takes all that waits for it at once."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from bot.http.together import Together


class Work:
    """Doubles numbers; the first turn waits until it is let go."""

    def __init__(self) -> None:
        self.turns: list[list[int]] = []
        self.begun, self.let_go = threading.Event(), threading.Event()

    def __call__(self, asked: Sequence[int]) -> list[int]:
        self.turns.append(list(asked))
        self.begun.set()
        self.let_go.wait()
        if 13 in asked:
            raise ValueError("thirteen")
        return [2 * number for number in asked]


async def test_what_comes_while_the_thread_works_shares_its_next_turn() -> None:
    """In the order in which it came, and everybody gets their own answer."""
    work = Work()
    together = Together(work, "test")
    first = together.ask(1)
    await asyncio.to_thread(work.begun.wait)
    others = [together.ask(number) for number in range(2, 7)]
    work.let_go.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 8, 10, 12]
    together.close()
    assert work.turns == [[1], [2, 3, 4, 5, 6]]


async def test_what_one_breaks_is_not_the_others_fault() -> None:
    """A turn that fails is made one by one: only who cannot be answered gets the error."""
    work = Work()
    together = Together(work, "test")
    first = together.ask(1)
    await asyncio.to_thread(work.begun.wait)
    good, bad, after = (together.ask(number) for number in (2, 13, 3))
    work.let_go.set()
    assert (await first, await good, await after) == (2, 4, 6)
    with pytest.raises(ValueError, match="thirteen"):
        await bad
    together.close()


async def test_what_nobody_waits_for_comes_with_the_next_that_somebody_does() -> None:
    """It keeps its place: what is asked for later, and at once, does not overtake it."""
    work = Work()
    work.let_go.set()
    together = Together(work, "test")
    slow, slower = together.ask(1, within_s=3600.0), together.ask(2, within_s=3600.0)
    assert await together.ask(3) == 6
    assert (await slow, await slower) == (2, 4)
    assert await together.ask(4, within_s=0.001) == 8
    together.close()
    assert work.turns == [[1, 2, 3], [4]]


async def test_who_has_stopped_waiting_spoils_nothing() -> None:
    """A request that was broken off is done all the same, and the others of its turn are answered."""
    work = Work()
    together = Together(work, "test")
    first = together.ask(1)
    await asyncio.to_thread(work.begun.wait)
    gone, there = together.ask(2), together.ask(3)
    gone.cancel()
    work.let_go.set()
    assert (await first, await there) == (2, 6)
    together.close()
    assert work.turns == [[1], [2, 3]]


async def test_an_alert_is_acted_on_where_no_thread_is_to_be_had_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account has as many as it may: the thread has run since the bot began."""
    work = Work()
    work.let_go.set()
    together = Together(work, "test")

    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as changed:
        changed.setattr(threading.Thread, "start", no_thread)
        assert await together.ask(4) == 8
    together.close()


async def test_a_panic_is_answered_and_the_next_is_served() -> None:
    """What is no Exception leaves nobody waiting: the webhook says 5xx, and Alertmanager comes again."""

    class Panic(BaseException):
        """As PyO3's PanicException, which pydantic raises for a bug of its own."""

    def work(asked: Sequence[int]) -> list[int]:
        if 13 in asked:
            raise Panic("index out of bounds")
        return list(asked)

    together = Together(work, "test")
    with pytest.raises(RuntimeError, match="Panic: index out of bounds"):
        await asyncio.wait_for(together.ask(13), 60)
    assert await together.ask(1) == 1
    together.close()


async def test_a_thread_that_died_is_replaced_and_what_waited_is_done() -> None:
    """A pool replaces none: what the next alert asks for takes the one before it along."""
    work = Work()
    work.let_go.set()
    together = Together(work, "test")
    died, may_die = together._runs, threading.Event()

    class OutOfMemory:
        """A piece of work that the pool itself cannot begin."""

        def run(self) -> None:
            may_die.wait()
            raise MemoryError

    together.thread._work_queue.put(OutOfMemory())  # type: ignore[arg-type]  # between two turns, where no work of ours is tried
    lost = together.ask(1)
    may_die.set()
    await asyncio.to_thread(died.join)
    assert not lost.done()
    assert await asyncio.wait_for(together.ask(2), 60) == 4
    assert await lost == 2
    together.close()
    with pytest.raises(RuntimeError, match="after shutdown"):
        together.ask(3)
