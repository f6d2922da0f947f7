"""Where in a ledger the window can begin: bisection on time over segments.

Pure: it is given the time of a segment and asks for few. Lines are nearly in the order of time: where no line is more than
the slack older than a line before it, everything before a segment whose time is more than the slack before the window is older
than the window. The time of a segment is the median of some of its lines, so that one bad clock cannot misdirect it. Clocks
that jump for a while are looked for with further probes: all over the ledger, and closely before the place that was found. If
one shows that times are out of order beyond the slack, in a way that can matter to the window, everything has to be read.

Excluded: reading the segments (core/scan/scan.py).
"""

from collections.abc import Callable
from dataclasses import dataclass

from core.ledger.window import Window

TimeOf = Callable[[int], int | None]
"""The time of a segment, in microseconds since 1970; None if no line that begins in it tells."""
_SURVEY = 64
_NEAR = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where to begin.

    Attributes:
        first: number of the first segment that can matter.
        in_order: False if times were seen further out of order than the slack; then `first` is 0.
    """

    first: int
    in_order: bool = True


def seek(segments: int, window: Window, slack_us: int, time_of: TimeOf) -> Place:
    """Find the first segment that a window can need.

    Args:
        segments: how many segments the ledger has; the last one may still grow and is not asked for.
        window: the window, of which the start matters, and the length for how far to look for jumps.
        slack_us: how far lines may be out of order.
        time_of: is asked for the time of a segment, any number of times.
    """
    return _Search(segments, window, slack_us, time_of).run()


class _Search:
    def __init__(self, segments: int, window: Window, slack_us: int, time_of: TimeOf) -> None:
        self._last = segments - 1
        self._length_us = window.end_us - window.start_us
        self._bound_us = window.start_us - slack_us
        self._slack_us = slack_us
        self._time_of = time_of
        self._times: dict[int, int] = {}
        self._asked: set[int] = set()

    def run(self) -> Place:
        if self._last < 1:
            return Place(0)
        # a power of two, so that the same segments are asked for again when the ledger has grown
        stride = 1
        while self._last > stride * _SURVEY:
            stride *= 2
        for number in range(0, self._last, stride):
            self._probe(number)
        self._bisect()
        found = self._place()
        while not self._settled(found):
            self._bisect()
            found = self._place()
        return Place(found) if self._in_order() else Place(0, in_order=False)

    def _settled(self, found: int) -> bool:
        """Look closely before the place that was found: evenly as far as the window is long, and ever further apart."""
        reach = min(found, max(self._last - found, self._segments_a_window()))
        distances = {reach * part // _NEAR for part in range(1, _NEAR + 1)}
        distance = 1
        while distance < found:
            distances.add(distance)
            distance += 1 + distance // 2
        for distance in sorted(distances):
            self._probe(found - distance)
        return self._place() == found

    def _segments_a_window(self) -> int:
        """As many as the window would take at the ledger's usual pace."""
        oldest, newest = min(self._times.values(), default=0), max(self._times.values(), default=0)
        return self._last * self._length_us // max(newest - oldest, self._length_us)

    def _probe(self, number: int) -> int | None:
        if number not in self._asked and 0 <= number < self._last:
            self._asked.add(number)
            time = self._time_of(number)
            if time is not None:
                self._times[number] = time
        return self._times.get(number)

    def _bisect(self) -> None:
        low, high = self._place(), self._first_not_old()
        while high - low > 1:
            middle = (low + high) // 2
            time = self._nearest(middle, low, high)
            if time is None:
                return
            number, time_us = time
            low, high = (number, high) if time_us < self._bound_us else (low, number)

    def _nearest(self, middle: int, low: int, high: int) -> tuple[int, int] | None:
        """Return a segment between `low` and `high` with its time, the nearest to the middle that tells one."""
        for distance in range(high - low):
            for number in {middle + distance, middle - distance}:
                if low < number < high and (time := self._probe(number)) is not None:
                    return number, time
        return None

    def _first_not_old(self) -> int:
        return min((number for number, time in self._times.items() if time >= self._bound_us), default=self._last)

    def _place(self) -> int:
        """The last segment that is known to be old and has none before it that is known not to be."""
        end = self._first_not_old()
        return max((number for number, time in self._times.items() if number < end and time < self._bound_us), default=0)

    def _in_order(self) -> bool:
        newest: int | None = None
        for _, time in sorted(self._times.items()):
            if newest is not None and time < self._bound_us <= newest and newest - time > self._slack_us:
                return False
            newest = time if newest is None else max(newest, time)
        return True
