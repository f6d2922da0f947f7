"""Good days that lie behind a simulated router: drawn once for each source of chance, and ended at whatever moment is asked for.

Excluded: what a decision looks like (decisions.py), and the file (ledger.py).
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from bot.playground.router.decisions import Decisions, timestamp
from bot.playground.router.switches import BURSTS, HABITS

LINES_A_DAY: Final = 2_700
_DRAWN: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""A moment that no line of the past shows in the end."""


@dataclass(frozen=True, slots=True)
class GoodDays:
    """Decisions of some days, oldest first but for up to 90 seconds.

    Attributes:
        lines: of each how long before the end it was made, and what stands before and after its time.
        pulls, rewards: what was learned of each route.
        chance: the state of the source of chance after all were drawn.
    """

    lines: tuple[tuple[timedelta, str, str], ...]
    pulls: Mapping[str, int]
    rewards: Mapping[str, float]
    chance: tuple[Any, ...]

    def ending(self, now: datetime) -> list[str]:
        """Return the ledger's lines if the newest is of this moment."""
        return [f"{before}{timestamp(now - ago)}{after}" for ago, before, after in self.lines]


@lru_cache(maxsize=4)
def good_days(chance: tuple[Any, ...], hour: int, days: int, pilot: float, habits: tuple[str, ...]) -> GoodDays:
    """Draw days without a rollback or a breach: RSI 0.96, median TRI above zero, about `LINES_A_DAY` decisions a day.

    Args:
        chance: the state of the source of chance, as `random.Random.getstate` gives it.
        hour: of the day in which they end; at night there is less traffic.
        days: how many.
        pilot: the fraction of live traffic in those days.
        habits: how this build differs, by name.
    """
    rng = random.Random()  # noqa: S311 - a demo
    rng.setstate(chance)
    past = Decisions(rng, dict.fromkeys(BURSTS, False), {name: name in habits for name in HABITS})
    ages = [timedelta()]
    for hours_ago in range(days * 24):
        swell = 1 + 0.45 * math.sin(((hour - hours_ago) % 24 - 9) / 24 * 2 * math.pi)
        count = round(LINES_A_DAY / 24 * swell)
        ages += [timedelta(hours=hours_ago, seconds=rng.uniform(1, 3600)) for _ in range(count)]
    ages.sort(reverse=True)
    drawn = [(ago, line) for ago in ages if (line := past.line(_DRAWN, pilot=pilot)) is not None]
    drawn.sort(key=lambda ago_and_line: timedelta(seconds=rng.uniform(0, 90)) - ago_and_line[0])
    lines = tuple((ago, *_around(line)) for ago, line in drawn)
    return GoodDays(lines, past.pulls, past.rewards, rng.getstate())


def _around(line: str) -> tuple[str, str]:
    before, _, after = line.partition(timestamp(_DRAWN))
    return before, after
