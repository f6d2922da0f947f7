"""The options as people write them: what their relative paths mean, and what their names are.

Who asks passes the environment in; only core/settings/settings.py reads it. Excluded: where the file is found
(core/settings/options_file.py), what the options are (core/settings/settings.py and core/settings/target.py), what is wrong with
them (core/settings/mistakes.py), and what a brake makes of options that are wrong (core/settings/broken_options.py).
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from core.settings.options_file import PREFIX
from core.settings.target import TargetSettings

TABLES = (dict, Mapping)
OF_MANY = (*TABLES, tuple, list, set, frozenset)


def placed(target: Any, folder: Path) -> Any:
    """Return a target's options in which every path is absolute: relative ones, and defaults, begin at the options' folder.

    A command that is named by a relative path with a folder in it (`./restart.sh`) begins there, too.
    """
    if not isinstance(target, dict):
        return target
    found = paths_placed(target, TargetSettings, folder)
    for name, value in found.items():
        if name.endswith("_command") and isinstance(value, list) and value and isinstance(value[0], str):
            in_a_folder = any(sign in value[0] for sign in (os.sep, os.altsep) if sign)
            if in_a_folder and not Path(value[0]).is_absolute():
                found[name] = [str(folder / value[0]), *value[1:]]
    return found


def paths_placed(options: Mapping[str, Any], model: type[BaseModel], folder: Path) -> dict[str, Any]:
    """Return the options of one table in which every path is absolute: relative ones, and defaults, begin at a folder."""
    found = dict(options)
    for name, field in model.model_fields.items():
        value = found.get(name, field.default if field.annotation is Path else None)
        if field.annotation in {Path, Path | None} and isinstance(value, str | Path) and "://" not in str(value):
            found[name] = str(folder / value)
    return found


# --- the variables ----------------------------------------------------------------------------------------------------


class ValueNotJson(ValueError):
    """The variable of a list or a table has a value that is not JSON; `not_json` names it."""


def options_of(environment: Mapping[str, str], model: type[BaseModel]) -> dict[str, Any]:
    """Return what the variables say, as tables in tables, as a file would; what is no option is left out.

    A list or a table is JSON; of a table single options may have variables of their own, which win.

    Args:
        environment: the variables; their names are read in any case.
        model: the options that there are.

    Raises:
        ValueNotJson: a list or a table is not JSON.
    """
    said: dict[str, Any] = {}
    ours = sorted(((path_of(name), value) for name, value in environment.items() if name.upper().startswith(PREFIX)), key=_depth)
    for path, value in ours:
        field = field_of(path, model)
        if field is None:
            continue  # `unknown_variables` names it
        table = said
        for name in path[:-1]:
            inner = table.get(name)
            table[name] = table = dict(inner) if isinstance(inner, dict) else {}
        table[path[-1]] = over(table.get(path[-1]), _meant(value, path, field, model))
    return said


def _depth(said: tuple[tuple[str, ...], str]) -> int:
    return len(said[0])


def over(below: Any, above: Any) -> Any:
    """Return options of which those of `above` win, and tables are joined."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {**below, **{name: over(below.get(name), value) for name, value in above.items()}}


def _meant(value: str, path: tuple[str, ...], field: FieldInfo, model: type[BaseModel]) -> Any:
    """Return what the text of a variable says.

    Raises:
        ValueNotJson: it has to be JSON, and is not.
    """
    if not _is_option(path, model):  # one row of a table by name: a table itself, or a text
        kinds = get_args(field.annotation)[1:]
    elif get_origin(field.annotation) in {Union, UnionType}:
        kinds = get_args(field.annotation)
    else:
        kinds = (field.annotation,)
    if not any(map(_is_table_or_list, kinds)):
        return value
    try:
        return json.loads(value)
    except ValueError:
        if len(kinds) > 1:  # it may also be a text
            return value
        raise ValueNotJson(f"{variable_of('.'.join(path))} is not JSON") from None


def _is_option(path: tuple[str, ...], model: type[BaseModel]) -> bool:
    """Whether a path leads to an option itself, and not to a row of a table by name."""
    above = field_of(path[:-1], model) if path[:-1] else None
    return above is None or get_origin(above.annotation) not in TABLES or field_of(path, model) is not above


def _is_table_or_list(kind: Any) -> bool:
    return get_origin(kind) in OF_MANY or kind in OF_MANY or (isinstance(kind, type) and issubclass(kind, BaseModel))


# --- their names ----------------------------------------------------------------------------------------------------------


def variable_of(name: str) -> str:
    """Return the variable of an option, `ANR_TARGET__LEDGER` for `target.ledger`."""
    return PREFIX + name.upper().replace(".", "__")


def path_of(variable: str) -> tuple[str, ...]:
    """Return the parts of an option's name, as its variable has them."""
    return tuple(variable[len(PREFIX) :].lower().split("__"))


def field_of(path: tuple[str, ...], model: type[BaseModel]) -> FieldInfo | None:
    """Return the option that a path of names leads to, or None; below a table of anything everything is one."""
    field = model.model_fields.get(path[0])
    if field is None or len(path) == 1:
        return field
    inner, many = model_of(field)
    rest = path[2:] if many else path[1:]
    if inner is not None:
        return field_of(rest, inner) if rest else field
    return field if get_origin(field.annotation) in TABLES else None


def model_of(field: FieldInfo) -> tuple[type[BaseModel] | None, bool]:
    """Return the model of an option that is a table, and whether it is a table of such tables by name."""
    annotation = field.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    values = get_args(annotation)[1:] if get_origin(annotation) is dict else ()
    if values and isinstance(values[0], type) and issubclass(values[0], BaseModel):
        return values[0], True
    return None, False


def names_of(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """Yield the dotted name of every option, in order."""
    for name, field in model.model_fields.items():
        inner, many = model_of(field)
        if inner is None or many:
            yield before + name
        else:
            yield from names_of(inner, f"{before}{name}.")
