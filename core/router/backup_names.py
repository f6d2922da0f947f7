"""The names of backups: when each was made, which is newer, and which are one too many.

Pure. Excluded: the files themselves (core/router/backups.py).
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

_BACKUP = re.compile(r"anr_state_(\d{8}_\d{6})(?:_([2-9]|[1-9]\d{1,3}))?\.json", re.ASCII)
MAX_COLLISIONS = 9999
"""Backups of one second that can have names of their own."""


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
