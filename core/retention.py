"""Which files to delete and which lines to move, given names, ages and policy.

Pure. Excluded: the files themselves (core/backups.py, core/ledger_months.py) and receipts (core/pruning.py).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field


class Retention(BaseModel):
    """How much of what is kept, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backups: int = Field(7, ge=1, le=1000, description="how many valid backups of the bandit's state are kept")
    receipts_days: int = Field(90, ge=7, le=3650, description="how long receipts are kept, in days")
    ledger_days: int = Field(35, ge=2, le=3650, description="how long decisions stay in the ledger at least, in days")
    archives_months: int = Field(12, ge=1, le=240, description="how many months back archives of the ledger are kept")


_BACKUP = re.compile(r"anr_state_(\d{8}_\d{6})(?:_([2-9]|[1-9]\d{1,3}))?\.json", re.ASCII)
_ARCHIVE = re.compile(r"anr_ledger_(\d{4})(0[1-9]|1[0-2])(?:_([2-9]|[1-9]\d{1,3}))?\.ndjson\.gz", re.ASCII)
MAX_COLLISIONS = 9999
"""Backups of one second, and archives of one month, that can have names of their own."""


def backup_name(at: datetime, attempt: int = 1) -> str:
    """Return the name of a backup made at `at`, in UTC; a second one of the same second ends in `_2`."""
    suffix = "" if attempt == 1 else f"_{attempt}"
    return f"anr_state_{at.astimezone(UTC):%Y%m%d_%H%M%S}{suffix}.json"


def backup_made_at(name: str) -> datetime | None:
    """Return when a backup was made, by its name; None if it is not the name of a backup."""
    order = _order(name)
    return None if order is None else order[0]


def newest_first(names: Iterable[str]) -> list[str]:
    """Return the names of backups among `names`, the newest first; of one second, the later one first."""
    ordered = [(order, name) for name in names if (order := _order(name)) is not None]
    return [name for _, name in sorted(ordered, reverse=True)]


def _order(name: str) -> tuple[datetime, int] | None:
    found = _BACKUP.fullmatch(name)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], "%Y%m%d_%H%M%S").replace(tzinfo=UTC), int(found[2] or 1)
    except ValueError:
        return None


def backups_to_delete(validity: Sequence[tuple[str, bool]], keep: int) -> list[str]:
    """Return the names of backups that are one too many.

    A backup that is not valid never takes the place of one that is: what is older than the `keep` newest valid ones goes,
    valid or not, and nothing goes while there are fewer.

    Args:
        validity: name and validity of each backup, the newest first.
        keep: how many valid ones stay, at least 1.
    """
    valid = [index for index, (_, is_valid) in enumerate(validity) if is_valid]
    return [name for name, _ in validity[valid[keep - 1] + 1 :]] if len(valid) >= keep else []


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month in UTC."""

    year: int
    number: int

    @classmethod
    def of(cls, moment: datetime) -> "Month":
        """Return the month of a moment."""
        at = moment.astimezone(UTC)
        return cls(at.year, at.month)

    def __str__(self) -> str:
        return f"{self.year:04}{self.number:02}"

    @property
    def begins(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    def before(self, months: int) -> "Month":
        """Return the month that lies `months` earlier."""
        year, number = divmod(self.year * 12 + self.number - 1 - months, 12)
        return Month(year, number + 1)


def archive_name(month: Month, attempt: int = 1) -> str:
    """Return the name of a month's archive; a second one of the same month ends in `_2`."""
    suffix = "" if attempt == 1 else f"_{attempt}"
    return f"anr_ledger_{month}{suffix}.ndjson.gz"


def archived_month(name: str) -> Month | None:
    """Return the month of an archive, by its name; None if it is not the name of one."""
    found = _ARCHIVE.fullmatch(name)
    return None if found is None or found[1] == "0000" else Month(int(found[1]), int(found[2]))


def first_month_to_stay(now: datetime, kept_days: int) -> Month:
    """Return the first month that stays in the ledger: only whole months that ended `kept_days` ago or earlier leave it."""
    return Month.of(now - timedelta(days=kept_days))


def archives_to_delete(names: Iterable[str], now: datetime, keep_months: int) -> list[str]:
    """Return the names of archives of months that lie more than `keep_months` before the present one, in order of name."""
    oldest = Month.of(now).before(keep_months)
    return sorted(name for name in names if (month := archived_month(name)) is not None and month < oldest)
