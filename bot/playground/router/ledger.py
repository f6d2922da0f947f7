"""The simulated router's ledger: lines appended, some of them late, rotated as operators do, and what stands in its window.

It is opened for each write, so that a rotation needs no restart. Excluded: what the lines say (router_decisions.py).
"""

import contextlib
import json
import math
import shutil
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from bot.playground.router.state import replace

DAY: Final = timedelta(hours=24)
BURST_LINES_MAX: Final = 50_000


@dataclass(slots=True)
class WindowCounts:
    """What the last 24 hours hold: live decisions, those that match the argmax, and TRI figures at or above zero and below."""

    live: int = 0
    matching: int = 0
    tri_up: int = 0
    tri_down: int = 0


class DecisionLedger:
    """The file, and the lines that are not in it yet.

    Attributes:
        written: how many lines were written since the beginning.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = 0
        self._late: deque[tuple[datetime, str]] = deque()

    def hold_back(self, line: str, until: datetime) -> None:
        """Keep a line until it is due."""
        self._late.append((until, line))

    def forget_late(self) -> None:
        """Drop what was held back."""
        self._late.clear()

    def flush(self, now: datetime, *, everything: bool = False) -> None:
        """Write what is due.

        Raises:
            OSError: it cannot be written.
        """
        due = [line for at, line in self._late if everything or at <= now]
        self._late = deque() if everything else deque(item for item in self._late if item[0] > now)
        self.append(due)

    def append(self, lines: list[str]) -> None:
        """Write lines at the end, in one write, so that readers see whole lines.

        Raises:
            OSError: they cannot be written.
        """
        if not lines:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab", buffering=0) as stream:
            stream.write("".join(f"{line}\n" for line in lines).encode())
        self.written += len(lines)

    def replace(self, lines: list[str]) -> None:
        """Put a new ledger in the place of the old one.

        Raises:
            OSError: it cannot be written.
        """
        replace(self.path, "".join(f"{line}\n" for line in lines).encode())
        self.written += len(lines)

    def rotate(self, how: str, now: datetime) -> Path:
        """Rotate by renaming, or by copying and truncating; return where the old lines are.

        Raises:
            OSError: it cannot be rotated.
        """
        sibling = self.path.with_name(f"{self.path.stem}_{now:%Y%m%d_%H%M%S}_{now.microsecond:06d}{self.path.suffix}")
        if how == "rename":
            return self.path.rename(sibling)
        shutil.copyfile(self.path, sibling)
        with self.path.open("r+b") as stream:
            stream.truncate(0)
        return sibling

    def lines(self) -> Iterator[tuple[datetime, dict[str, Any], str]]:
        """Time, entry and text of the lines; one that somebody broke is left out."""
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8", errors="replace") as stream:
            for line in stream:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    entry = json.loads(line)
                    at = datetime.fromisoformat(entry["t"])
                    yield at if at.tzinfo else at.replace(tzinfo=UTC), entry, line.rstrip("\r\n")

    def cut_off(self, since: datetime) -> None:
        """Take away what was decided since a moment.

        Raises:
            OSError: the ledger cannot be written.
        """
        self.forget_late()
        self.replace([line for at, _, line in self.lines() if at < since])

    def counts(self, now: datetime) -> WindowCounts:
        """Count the window of 24 hours that ends now."""
        counts = WindowCounts()
        for at, entry, _ in self.lines():
            # Our own lines have this shape; what a test or a visitor put between them may not.
            with contextlib.suppress(AttributeError, KeyError, TypeError):
                if at < now - DAY:
                    continue
                if route := entry.get("live", {}).get("route"):
                    counts.live += 1
                    counts.matching += route == entry["shadow"]["argmax"]
                tri = entry.get("rewards", {}).get("immediate", {}).get("tri_delta_norm")
                if tri is not None:
                    counts.tri_up += tri >= 0
                    counts.tri_down += tri < 0
        return counts


def burst_size(name: str, counts: WindowCounts, served: float) -> tuple[int, int, bool | None]:
    """How many bad decisions turn the window red, how many others in shadow, whether the bad are live (None: by the pilot)."""
    if name == "fast_cap":
        return 150, 150, None
    if name == "tri_drop":
        return min(max(200, round(1.1 * (counts.tri_up - counts.tri_down))), BURST_LINES_MAX), 0, None
    bad = max(3, math.ceil(counts.live / 500))
    if name == "rsi_drop":
        bad = max(30, math.ceil(counts.matching / 0.80) - counts.live)
    bad = min(bad, BURST_LINES_MAX)
    # In company of shadow decisions, so that the live rate stays what the pilot says.
    return bad, min(round(bad / served) - bad, 5_000), True
