"""Decisions of a long span, in the order of time, from which any window's figures are taken.

Pure. For many windows over the same decisions; one window of one ledger is core/ledger/totals.py, with which this agrees. Holds
18 bytes a decision, and about three times as many while it sorts. Excluded: reading (core/backtest/ledgers.py).
"""

from collections.abc import Iterable

from core.ledger.columns import Columns, Flag
from core.ledger.figures import Counts, Figures, figures_of
from core.ledger.totals import median_in_place
from core.ledger.window import Window
from core.system.arrays import NDArray, np


class PastDecisions:
    """Decisions from `start_us` to `end_us`, both inside."""

    def __init__(self, parts: Iterable[Columns], start_us: int, end_us: int, fast_cap: float) -> None:
        times, flags, tri, breaching = [], [], [], []
        for part in parts:
            inside = (part.t_us >= start_us) & (part.t_us <= end_us)
            breaches = np.zeros(len(part.t_us), bool)
            breaches[np.flatnonzero(part.flags & Flag.ENGAGED)] = part.r3 > fast_cap
            times.append(part.t_us[inside])
            flags.append(part.flags[inside])
            tri.append(part.tri[inside])
            breaching.append(breaches[inside])
        self._t_us: NDArray[np.int64] = np.concatenate([np.empty(0, np.int64), *times])
        order = np.argsort(self._t_us, kind="stable")
        self._t_us = self._t_us[order]
        self._flags: NDArray[np.uint8] = np.concatenate([np.empty(0, np.uint8), *flags])[order]
        self._tri: NDArray[np.float64] = np.concatenate([np.empty(0, np.float64), *tri])[order]
        self._breaching: NDArray[np.bool_] = np.concatenate([np.empty(0, bool), *breaching])[order]

    def figures(self, window: Window) -> Figures:
        """Return the figures of one window."""
        here = self._places(window)
        flags, tri = self._flags[here], self._tri[here]
        counts = Counts(
            decisions=len(flags),
            live=int(np.count_nonzero(flags & Flag.LIVE)),
            matching=int(np.count_nonzero(flags & Flag.MATCHES_SHADOW)),
            rollbacks=int(np.count_nonzero(flags & Flag.ROLLED_BACK)),
            breaches=int(np.count_nonzero(self._breaching[here])),
        )
        return figures_of(counts, median_in_place(tri[~np.isnan(tri)]))

    def newest_us(self, window: Window) -> int | None:
        """Return the time of the newest decision in a window."""
        here = self._places(window)
        return int(self._t_us[here.stop - 1]) if here.stop > here.start else None

    def _places(self, window: Window) -> slice:
        first, after = np.searchsorted(self._t_us, [window.start_us, window.end_us + 1]).tolist()
        return slice(first, after)
