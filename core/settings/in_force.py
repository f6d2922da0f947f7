"""Every option with the value that is in force and where it comes from, for whoever asks what anr runs on.

Secrets are named and not told. Excluded: reading the options (core/settings/settings.py), and printing this (core/cli).
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, SecretStr

from core.settings.mistakes import Written, as_toml
from core.settings.options import TABLES, model_of, variable_of
from core.settings.settings import Settings

HIDDEN = "…"


@dataclass(frozen=True, slots=True)
class InForce:
    """One option.

    Attributes:
        name: with the tables that it stands in, joined by dots.
        value: as JSON has it; None if the option is not set, `HIDDEN` for a secret.
        source: `default`, `variable …`, or the file and its line.
    """

    name: str
    value: Any
    source: str

    def line(self) -> str:
        """Return the option as TOML, with its source behind it."""
        if self.value is None:
            return f"# {self.name} is not set"
        return f"{self.name} = {as_toml(self.value)} # {self.source}"


def in_force(settings: Settings, written: Written) -> tuple[InForce, ...]:
    """Return every option of settings, in the order of docs/configuration.md; of several routers those of each.

    Args:
        settings: the options that are in force.
        written: as which they were read.
    """
    options = tomllib.loads(written.text)
    return tuple(
        InForce(".".join(path), value, _source(path, options, written))
        for path, value in _of_table(settings, ())
        if path[0] != ("target" if settings.targets else "targets")
    )


def _of_table(table: BaseModel, before: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    shown = table.model_dump(mode="json")
    for name, field in type(table).model_fields.items():
        value, path = getattr(table, name), (*before, name)
        inner, many = model_of(field)
        if many and name == "targets":
            for key, one in value.items():
                yield from _of_table(one, (*path, key))
        elif inner is not None and not many:
            yield from _of_table(value, path)
        elif isinstance(value, SecretStr):
            yield path, HIDDEN if value.get_secret_value() else None
        else:
            yield path, shown[name]


def _source(path: tuple[str, ...], options: Mapping[str, Any], written: Written) -> str:
    for length in range(len(path), 0, -1):
        wanted = variable_of(".".join(path[:length]))
        for variable, value in written.environment.items():
            if variable.upper() == wanted and (length == len(path) or _holds(_json(value), path[length:])):
                return f"variable {variable}"
    if not _holds(options, path):
        return "default"
    return f"{written.file}, line {written.line(path)}"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _holds(options: Any, path: tuple[str, ...]) -> bool:
    for part in path:
        if not isinstance(options, TABLES) or part not in options:
            return False
        options = options[part]
    return True
