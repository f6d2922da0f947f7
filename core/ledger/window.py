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
        past: it ended when it was asked for, by the clock: lines that stand after it were appended since. Of a window that ends
            now they are dated ahead of the clock.
    """

    end_us: int
    minutes: int
    past: bool = False

    @classmethod
    def ending(cls, now: datetime, minutes: int, *, clock: datetime | None = None) -> "Window":
        """Return the window of that many minutes that ends at `now`.

        Args:
            now: its end.
            minutes: its length.
            clock: what the clock says, where `now` may be an instant in the past; else `now` is what the clock says.
        """
        end_us = (now.astimezone(UTC) - EPOCH) // timedelta(microseconds=1)
        return cls(end_us, minutes, past=clock is not None and clock - now > timedelta(microseconds=FUTURE_US))

    @property
    def start_us(self) -> int:
        """The first microsecond inside."""
        return self.end_us - self.minutes * MINUTE_US
