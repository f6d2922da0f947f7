"""Decisions of a long span, in the order of time, from which any window's figures are taken.

Pure. For many windows over the same decisions; one window of one ledger is core/ledger/totals.py, with which this agrees. Holds
17 bytes a decision, and about three times as many while it sorts. Excluded: reading (core/backtest/ledgers.py).
"""

from collections.abc import Iterable

from core.ledger.columns import TIMELESS, Bytes, Columns, Floats, Integers, Kind
from core.ledger.figures import Figures, figures_of
from core.ledger.totals import counts_of, median_in_place, with_r3
from core.ledger.window import Window
from core.system.arrays import np


class PastDecisions:
    """Decisions from `start_us` to `end_us`, both inside."""

    def __init__(self, parts: Iterable[Columns], start_us: int, end_us: int, fast_cap: float) -> None:
        times, flags, tri, skipped, kinds = [], [], [], [], []
        last = TIMELESS
        for part in parts:
            inside = (part.t_us >= start_us) & (part.t_us <= end_us)
            times.append(part.t_us[inside])
            flags.append(with_r3(part, fast_cap)[inside])
            tri.append(part.tri[inside])
            # a line without a time stands where the entry before it stands
            stands = np.where(part.skipped_t_us == TIMELESS, last, part.skipped_t_us)
            skipped.append(stands)
            kinds.append(part.skipped_kind)
            last = int(part.t_us[-1]) if len(part.t_us) else last
        self._t_us: Integers = np.concatenate([np.empty(0, np.int64), *times])
        order = np.argsort(self._t_us, kind="stable")
        self._t_us = self._t_us[order]
        self._flags: Bytes = np.concatenate([np.empty(0, np.uint8), *flags])[order]
        self._tri: Floats = np.concatenate([np.empty(0, np.float64), *tri])[order]
        self._skipped_t_us: Integers = np.concatenate([np.empty(0, np.int64), *skipped])
        if len(self._t_us):  # at the beginning it stands where the first entry stands
            self._skipped_t_us[self._skipped_t_us == TIMELESS] = self._t_us[0]
        order = np.argsort(self._skipped_t_us, kind="stable")
        self._skipped_t_us = self._skipped_t_us[order]
        self._kinds: Bytes = np.concatenate([np.empty(0, np.uint8), *kinds])[order]

    def figures(self, window: Window) -> Figures:
        """Return the figures of one window."""
        here = _places(self._t_us, window)
        flags, tri = self._flags[here], self._tri[here]
        values = tri[~np.isnan(tri)]
        return figures_of(counts_of(flags, len(values)), median_in_place(values))

    def skipped(self, window: Window) -> dict[str, int]:
        """Return how many of a window's lines are no entries, by kind; what came after the window had no date in the future."""
        kinds = self._kinds[_places(self._skipped_t_us, window)]
        malformed = int(np.count_nonzero(kinds == Kind.MALFORMED))
        return {"malformed": malformed, "undated": len(kinds) - malformed, "future": 0}

    def oldest_us(self, window: Window) -> int | None:
        """Return the time of the oldest decision in a window."""
        here = _places(self._t_us, window)
        return int(self._t_us[here.start]) if here.stop > here.start else None

    def newest_us(self, window: Window) -> int | None:
        """Return the time of the newest decision in a window."""
        here = _places(self._t_us, window)
        return int(self._t_us[here.stop - 1]) if here.stop > here.start else None


def _places(times: Integers, window: Window) -> slice:
    first, after = np.searchsorted(times, [window.start_us, window.end_us + 1]).tolist()
    return slice(first, after)
