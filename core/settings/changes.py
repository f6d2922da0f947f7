"""Which options differ between two readings of them, by name: a process that runs says which of them it goes on without.

Pure but for what it is given. Excluded: reading them (core/settings/settings.py).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from core.settings.settings import Settings


def changed_options(before: Settings, now: Settings) -> tuple[str, ...]:
    """Return the names of the options that differ, as the file writes them (`target.gates.rsi_min`); never their values."""
    return tuple(sorted(_differing(before, now, "")))


def _differing(before: Any, now: Any, name: str) -> Iterator[str]:
    if before == now:
        return
    if isinstance(before, BaseModel) and type(before) is type(now):
        for field in type(before).model_fields:
            yield from _differing(getattr(before, field), getattr(now, field), f"{name}.{field}" if name else field)
    elif isinstance(before, Mapping) and isinstance(now, Mapping) and name:
        for key in before.keys() | now.keys():
            yield from _differing(before.get(key), now.get(key), f"{name}.{key}")
    else:
        yield name
