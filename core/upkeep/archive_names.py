"""The names that archiving gives to what was the ledger, the moment of each, and which are too old.

`anr_ledger-20251001T070500Z.ndjson` was the ledger `anr_ledger.ndjson` until that second (UTC); packed it ends in `.gz`. Such a
name belongs to the ledger's family (core/scan/family.py), and neither logrotate nor the operators' scripts give one like it, so
that what they left is never taken for ours.

Pure. Excluded: the files themselves (core/upkeep/rotation.py, core/upkeep/packing.py).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath

PACKED = ".gz"
_BY_MONTH = re.compile(r"anr_ledger_(\d{4})(0[1-9]|1[0-2])(?:_(?:[2-9]|[1-9]\d{1,3}))?\.ndjson\.gz", re.ASCII)
"""What anr called its archives when it moved whole months; they are kept and deleted as the others."""
_STAMP = r"(\d{8}T\d{6}Z)"
_STAMP_FORMAT = "%Y%m%dT%H%M%SZ"


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

    def before(self, months: int) -> "Month":
        """Return the month that lies `months` earlier."""
        year, number = divmod(self.year * 12 + self.number - 1 - months, 12)
        return Month(year, number + 1)


def rotated_name(ledger: str, at: datetime) -> str:
    """Return the name that the ledger's file gets at a moment."""
    path = PurePath(ledger)
    return f"{path.stem}-{at.astimezone(UTC):{_STAMP_FORMAT}}{path.suffix}"


def rotated_at(name: str, ledger: str) -> datetime | None:
    """Return when a file of this name was the ledger last, packed or not; None if archiving never called it so."""
    path = PurePath(ledger)
    found = re.fullmatch(f"{re.escape(path.stem)}-{_STAMP}{re.escape(path.suffix)}(?:{re.escape(PACKED)})?", name, re.ASCII)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], _STAMP_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None


def is_packed(name: str) -> bool:
    """Whether a name of ours is that of a packed file."""
    return name.endswith(PACKED)


def archived_month(name: str, ledger: str) -> Month | None:
    """Return the month of an archive, by its name: the last one that it has lines of. None if it is not the name of one."""
    if (by_month := _BY_MONTH.fullmatch(name)) is not None:
        return None if by_month[1] == "0000" else Month(int(by_month[1]), int(by_month[2]))
    at = rotated_at(name, ledger) if is_packed(name) else None
    return None if at is None else Month.of(at)


def archives_to_delete(names: Iterable[str], ledger: str, now: datetime, keep_months: int) -> list[str]:
    """Return the names of archives that are too old, in order.

    Args:
        names: of any files.
        ledger: the ledger's own name.
        now: the present.
        keep_months: archives of months that lie more months than this before the present one are too old.
    """
    oldest = Month.of(now).before(keep_months)
    return sorted(name for name in names if (month := archived_month(name, ledger)) is not None and month < oldest)
