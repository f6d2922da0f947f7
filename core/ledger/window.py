"""The window that figures are of, in UTC, and the units of its moments.

Pure. Excluded: the figures themselves (core/ledger/figures.py).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.ledger.entry import EPOCH

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
FUTURE_US = 5 * MINUTE_US
"""An entry dated further after now than this is in the future and not counted."""


def moment_of(t_us: int) -> datetime:
    """Return the moment of a number of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=t_us)


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, closed at both ends, in microseconds since 1970.

    Attributes:
        end_us: when it ends, in microseconds since 1970.
        minutes: how long it is, in minutes.
    """

    end_us: int
    minutes: int

    @classmethod
    def ending(cls, now: datetime, minutes: int) -> "Window":
        """Return the window of that many minutes that ends at `now`."""
        return cls((now.astimezone(UTC) - EPOCH) // timedelta(microseconds=1), minutes)

    @property
    def start_us(self) -> int:
        """The first microsecond inside."""
        return self.end_us - self.minutes * MINUTE_US
