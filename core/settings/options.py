"""The options as people write them: what their relative paths mean, and what in them is no option.

Who asks passes the environment in; only core/settings/settings.py reads it. Excluded: where the file is found
(core/settings/options_file.py), what the options are (core/settings/settings.py and core/settings/target.py), and what a brake
makes of options that are wrong (core/settings/broken_options.py).
"""

import difflib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from core.settings.options_file import CONFIG, PREFIX
from core.settings.target import TargetSettings

_EXAMPLES = {
    "reload_command": ["systemctl", "restart", "nova-router"],
    "operators": ["U012ABCDEF", "os:olivia"],
    "approvers": ["U012ABCDEF", "os:aaron"],
    "people": {"olivia": "U012ABCDEF"},
    "soak_hours": {"10": 48},
    "allowed_channels": ["C012ABCDEF"],
    "alertmanager_url": "http://127.0.0.1:9093",
    "drill_alertmanager_url": "http://127.0.0.1:9093",
    "runbook_url": "https://wiki.example.org/anr",
    "router_account": "nova",
}
"""An example for each option whose default is nothing; its name alone tells it."""


_TABLES = (dict, Mapping)
_OF_MANY = (*_TABLES, tuple, list, set, frozenset)


def placed(target: Any, folder: Path) -> Any:
    """Return a target's options in which every path is absolute: relative ones, and defaults, begin at the options' folder.

    A command that is named by a relative path with a folder in it (`./restart.sh`) begins there, too.
    """
    if not isinstance(target, dict):
        return target
    found = dict(target)
    for name, field in TargetSettings.model_fields.items():
        value = found.get(name, field.default if field.annotation is Path else None)
        if field.annotation in {Path, Path | None} and isinstance(value, str | Path) and "://" not in str(value):
            found[name] = str(folder / value)
        elif name.endswith("_command") and isinstance(value, list) and value and isinstance(value[0], str):
            in_a_folder = any(sign in value[0] for sign in (os.sep, os.altsep) if sign)
            if in_a_folder and not Path(value[0]).is_absolute():
                found[name] = [str(folder / value[0]), *value[1:]]
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
    ours = sorted(((_path_of(name), value) for name, value in environment.items() if name.upper().startswith(PREFIX)), key=_depth)
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
    return above is None or get_origin(above.annotation) not in _TABLES or field_of(path, model) is not above


def _is_table_or_list(kind: Any) -> bool:
    return get_origin(kind) in _OF_MANY or kind in _OF_MANY or (isinstance(kind, type) and issubclass(kind, BaseModel))


# --- what is no option ------------------------------------------------------------------------------------------------


def unknown_options(options: Mapping[str, Any], model: type[BaseModel], file: Path) -> tuple[str, ...]:
    """Name what stands in a file and is no option, each with the nearest one."""
    return tuple(
        f"{name}: no such option (in {file}{_did_you_mean(nearest(name, list(_names(model))))})"
        for name in _strangers(options, model, "")
    )


def _strangers(options: Mapping[str, Any], model: type[BaseModel], before: str) -> Iterator[str]:
    for name, value in options.items():
        field = model.model_fields.get(name)
        if field is None:
            yield before + name
            continue
        inner, many = _model_of(field)
        if inner is None or not isinstance(value, dict):
            continue
        if not many:
            yield from _strangers(value, inner, f"{before}{name}.")
            continue
        for key, inner_value in value.items():
            if isinstance(inner_value, dict):
                yield from _strangers(inner_value, inner, f"{before}{name}.{key}.")


def unknown_variables(environment: Mapping[str, str], model: type[BaseModel]) -> tuple[str, ...]:
    """Name the variables that begin like ours and are no option, each with the nearest one."""
    known = list(_names(model))
    wrong = [
        name
        for name in sorted(environment)
        if name.upper().startswith(PREFIX) and name.upper() != CONFIG and field_of(_path_of(name), model) is None
    ]
    meant = {name: nearest(".".join(_path_of(name)), known) for name in wrong}
    return tuple(
        f"{name}: no such option (a variable{_did_you_mean(option and variable_of(option))})" for name, option in meant.items()
    )


def variable_of(name: str) -> str:
    """Return the variable of an option, `ANR_TARGET__LEDGER` for `target.ledger`."""
    return PREFIX + name.upper().replace(".", "__")


def _path_of(variable: str) -> tuple[str, ...]:
    return tuple(variable[len(PREFIX) :].lower().split("__"))


def field_of(path: tuple[str, ...], model: type[BaseModel]) -> FieldInfo | None:
    """Return the option that a path of names leads to, or None; below a table of anything everything is one."""
    field = model.model_fields.get(path[0])
    if field is None or len(path) == 1:
        return field
    inner, many = _model_of(field)
    rest = path[2:] if many else path[1:]
    if inner is not None:
        return field_of(rest, inner) if rest else field
    return field if get_origin(field.annotation) in _TABLES else None


def _model_of(field: FieldInfo) -> tuple[type[BaseModel] | None, bool]:
    """Return the model of an option that is a table, and whether it is a table of such tables by name."""
    annotation = field.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    values = get_args(annotation)[1:] if get_origin(annotation) is dict else ()
    if values and isinstance(values[0], type) and issubclass(values[0], BaseModel):
        return values[0], True
    return None, False


def _names(model: type[BaseModel], before: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner, many = _model_of(field)
        if inner is None or many:
            yield before + name
        else:
            yield from _names(inner, f"{before}{name}.")


def nearest(name: str, known: list[str]) -> str | None:
    """Return the option that somebody may have meant: spelt alike, or of the same name at another place."""
    last = name.rpartition(".")[2]
    elsewhere = [option for option in known if option.rpartition(".")[2] == last]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return next(iter([*close, *elsewhere]), None)


def _did_you_mean(meant: str | None) -> str:
    return f"; did you mean {meant}?" if meant else "; docs/configuration.md names them all"


# --- what is wrong with an option -------------------------------------------------------------------------------------


def described(
    path: tuple[str, ...], problem: str, model: type[BaseModel], environment: Mapping[str, str], file: Path | None
) -> str:
    """Return a sentence about a wrong value: the option, what is wrong, which file or variable it is in, and an example.

    Args:
        path: the option's name, a part for each table that it stands in; empty for a rule between several.
        problem: what is wrong.
        model: the options that there are.
        environment: the variables, which win over the file.
        file: the options file; None if there is none.
    """
    name = ".".join(path)
    where = next(
        (
            f"variable {variable}"
            for length in range(len(path), 0, -1)
            for variable in environment
            if variable.upper() == variable_of(".".join(path[:length]))
        ),
        f"in {file}" if file else "",
    )
    example = _example(path, model)
    told = "; ".join(part for part in (where, f"for example {example}" if example else "") if part)
    return f"{name}: {problem}{f' ({told})' if told else ''}" if name else f"{problem}{f' ({where})' if where else ''}"


def _example(path: tuple[str, ...], model: type[BaseModel]) -> str:
    field = field_of(path, model) if path else None
    if field is None or _model_of(field)[0] is not None:
        return ""
    default = _EXAMPLES.get(path[-1]) or _EXAMPLES.get(path[0]) or field.get_default(call_default_factory=True)
    if not default and default != 0:
        return ""
    try:
        return json.dumps(sorted(default) if isinstance(default, frozenset) else default, default=str)
    except TypeError:
        return ""


def not_json(environment: Mapping[str, str], model: type[BaseModel]) -> tuple[str, ...]:
    """Name the variables of lists and tables whose value is not JSON; the values are told to nobody."""
    wrong = []
    for variable, value in sorted(environment.items()):
        path = _path_of(variable)
        if not variable.upper().startswith(PREFIX) or (field := field_of(path, model)) is None:
            continue
        if get_origin(field.annotation) not in _OF_MANY and _model_of(field)[0] is None:
            continue
        try:
            json.loads(value)
        except ValueError:
            wrong.append(described(path, "the value is not JSON", model, environment, None))
    return tuple(wrong)
