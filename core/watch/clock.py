"""Whether the machine's clock was set, held against the time that has passed since: what is due is asked of it, and ages are.

Nothing waits for a clock that was set back (bot/jobs.py); it is told, because ages, soaks and expiries are wrong by as much.

Excluded: setting it right.
"""

from datetime import datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from core.canonical import canonical_bytes
from core.errors import AnrError
from core.system.files import make_folder, read_bounded, replace_unsynced

JUMP = timedelta(seconds=30)
"""A clock that is off by less is being corrected, and nothing here is asked more precisely."""
_FILE = "clock.json"


class ClockJump(BaseModel):
    """The clock was set.

    Attributes:
        noticed: when, by the new clock.
        by_s: by how many seconds; below 0 it was set back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    noticed: datetime
    by_s: float

    @property
    def back(self) -> timedelta | None:
        """By how much it was set back, None if it was set forward."""
        return timedelta(seconds=-self.by_s) if self.by_s < 0 else None


class ClockWatch:
    """Compares the clock with the time that has passed, from one look to the next."""

    def __init__(self) -> None:
        self._last: tuple[datetime, float] | None = None

    def look(self, now: datetime, passed_s: float) -> ClockJump | None:
        """Return by how much the clock was set since the last look, None if it was not.

        Args:
            now: what the clock says.
            passed_s: seconds since any fixed moment, by a clock that nobody can set (`time.monotonic`).
        """
        last, self._last = self._last, (now, passed_s)
        if last is None:
            return None
        jump = (now - last[0]) - timedelta(seconds=passed_s - last[1])
        return ClockJump(noticed=now, by_s=jump.total_seconds()) if abs(jump) > JUMP else None


def remember(run_dir: Path, jump: ClockJump) -> None:
    """Keep a jump for whoever asks.

    Raises:
        OSError: it cannot be written.
    """
    make_folder(run_dir)
    replace_unsynced(run_dir / _FILE, canonical_bytes(jump.model_dump(mode="json")))


def newest_jump(run_dir: Path) -> ClockJump | None:
    """Return the newest jump that was noticed, or None.

    Raises:
        AnrError: what was noticed cannot be read.
    """
    path = run_dir / _FILE
    try:
        return ClockJump.model_validate_json(read_bounded(path, 4096))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise AnrError(f"Whether the clock was set cannot be read from {path}; remove it if it is damaged.") from error
