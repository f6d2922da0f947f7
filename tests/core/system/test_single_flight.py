import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.system.single_flight import SingleFlight

PATIENCE = 120.0


def until(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    ends = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < ends, "it never became so"
        time.sleep(0.001)


class Call:
    """A call that ends when it is let, and remembers for whom it was made."""

    def __init__(self) -> None:
        self.made_for: list[list[str]] = []
        self.may_end = threading.Semaphore(0)
        self.shared = SingleFlight[str, tuple[int, list[str]]](self)

    def __call__(self, wishes: Sequence[str]) -> tuple[int, list[str]]:
        self.made_for.append(list(wishes))
        assert self.may_end.acquire(timeout=PATIENCE)
        if "an error" in wishes:
            raise ValueError("as was wished")
        return len(self.made_for), sorted(wishes)

    def waiting(self) -> int:
        return len(self.shared._next.wishes) if self.shared._next is not None else 0


def test_all_who_ask_during_a_call_share_the_next_one() -> None:
    """Nobody is told what was found out before they asked, and however many ask, one more call is made."""
    call = Call()
    with ThreadPoolExecutor(9) as people:
        first = people.submit(call.shared.ask, "first")
        until(lambda: call.made_for == [["first"]])
        others = [people.submit(call.shared.ask, f"later {number}") for number in range(8)]
        until(lambda: call.waiting() == 8)
        call.may_end.release(2)
        assert first.result(PATIENCE) == (1, ["first"])
        assert {other.result(PATIENCE)[0] for other in others} == {2}
        assert others[0].result() == (2, [f"later {number}" for number in range(8)])
    assert len(call.made_for) == 2


def test_what_goes_wrong_is_told_to_everybody_and_ends_with_its_call() -> None:
    """All who share a call get its error, and whoever asks afterwards gets an answer."""
    call = Call()
    with ThreadPoolExecutor(3) as people:
        people.submit(call.shared.ask, "first")
        until(lambda: len(call.made_for) == 1)
        others = [people.submit(call.shared.ask, wish) for wish in ("an error", "none")]
        until(lambda: call.waiting() == 2)
        call.may_end.release(2)
        for other in others:
            with pytest.raises(ValueError, match="as was wished"):
                other.result(PATIENCE)
        call.may_end.release()
        assert call.shared.ask("afterwards") == (3, ["afterwards"])
