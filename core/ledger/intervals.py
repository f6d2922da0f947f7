"""What a share that was counted can prove: its 95% interval.

Pure. Wilson's score interval (E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of
the American Statistical Association 22, 1927, pages 209 to 212), and for nothing among n the rule of three (J. A. Hanley and
A. Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 249, 1983, pages 1743 to 1745). Excluded: counting.
"""

import math

_Z = 1.959963984540054
"""The normal distribution leaves 2.5% above it."""

Interval = tuple[float, float]
"""Lowest and highest rate that what was counted allows, at 95%."""


def wilson(hits: int, trials: int) -> Interval:
    """Return Wilson's score interval of the share `hits` of `trials`, two-sided, of 95%; there has to be a trial."""
    share, spread = hits / trials, _Z * _Z / trials
    centre = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    # at the ends the interval touches 0 or 1; only rounding says otherwise
    return 0.0 if hits == 0 else centre - half, 1.0 if hits == trials else centre + half


def none_of(trials: int) -> Interval:
    """Return what nothing among `trials` proves, by the rule of three: one-sided, of 95%; there has to be a trial."""
    return 0.0, min(1.0, 3 / trials)
