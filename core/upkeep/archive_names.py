"""The names of the ledger's archives, the month of each, and which are too old.

Pure. Excluded: the files themselves (core/upkeep/archive.py, core/upkeep/months.py).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_ARCHIVE = re.compile(r"anr_ledger_(\d{4})(0[1-9]|1[0-2])(?:_([2-9]|[1-9]\d{1,3}))?\.ndjson\.gz", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month in UTC.

    Attributes:
        year: as in 2025.
        number: 1 to 12.
    """

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
