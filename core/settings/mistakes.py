"""What is wrong with the options as they were written, each as a sentence: which option, where it stands, and what to write.

Pure but for the list of time zones. The values are told to nobody: one of them may be a secret in the wrong place. Excluded: what
the options are (core/settings/settings.py), and what a brake makes of wrong ones (core/settings/broken_options.py).
"""

import difflib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from core.settings.options import OF_MANY, field_of, model_of, names_of, path_of, variable_of
from core.settings.options_file import CONFIG, PREFIX

_EXAMPLES: dict[str, Any] = {
    "reload_command": ["systemctl", "restart", "nova-router"],
    "stop_command": ["systemctl", "stop", "nova-router"],
    "start_command": ["systemctl", "start", "nova-router"],
    "operators": ["U012ABCDEF", "os:olivia"],
    "approvers": ["U012ABCDEF", "os:aaron"],
    "people": {"olivia": "U012ABCDEF"},
    "soak_hours": 23,
    "channel": "C012ABCDEF",
    "fallback_channel": "C012ABCDEF",
    "allowed_channels": ["C012ABCDEF"],
    "alertmanager_url": "http://127.0.0.1:9093",
    "drill_alertmanager_url": "http://127.0.0.1:9093",
    "url": "http://127.0.0.1:8000/status",
    "urls": ["http://127.0.0.1:8000/health/slots"],
    "runbook_url": "https://wiki.example.org/anr",
    "router_account": "nova",
    "rules": [{"match": 'alertname="NovaDown"', "then": "freeze"}],
    "at": "09:05",
    "quiet_from": "22:00",
    "quiet_until": "07:00",
    "zone": "Europe/Zurich",
    "bot_token": "xoxb-…",
    "app_token": "xapp-…",
    "bot_token_file": "/etc/anr/secrets/slack-bot-token",
    "app_token_file": "/etc/anr/secrets/slack-app-token",
    "signing_secret_file": "/etc/anr/secrets/slack-signing-secret",
    "token_file": "/etc/anr/secrets/alertmanager-token",
    "password_file": "/etc/anr/secrets/alertmanager-password",
    "target": {"settings_file": "/etc/nova/anr.env"},
    "slack": {"channel": "C012ABCDEF"},
    "schedule": {"at": "09:05", "zone": "Europe/Zurich"},
}
"""What to write for an option whose default is nothing, or says too little."""
_MEANT = {
    "bool": "true or false is meant",
    "int": "a whole number is meant",
    "float": "a number is meant",
    "string": "text in quotes is meant",
    "tuple": "a list in square brackets is meant",
    "list": "a list in square brackets is meant",
    "set": "a list in square brackets is meant",
    "frozen_set": "a list in square brackets is meant",
    "dict": "a table is meant",
    "model": "a table is meant",
    "mapping": "a table is meant",
    "path": "a path in quotes is meant",
}
"""By what pydantic's error types begin with, what should have been written."""
_OF_A_UNION = re.compile(r"float|int|(dict|Mapping|tuple)\[.*\]")
"""How pydantic calls the kinds of value that an option may be, behind the option's own name."""
_LINE = re.compile(r"at line (\d+)")
_UNQUOTED_TIME = re.compile(r"=\s*\d{1,2}[:.]\d{2}\b")
_YAML = re.compile(r"^\s*[A-Za-z_][\w.-]*\s*:(\s|$)")


@dataclass(frozen=True, slots=True)
class Written:
    """The options as they were written.

    Attributes:
        file: where they stand; None if there is none.
        text: what stands there.
        environment: the variables, which win over the file.
    """

    file: Path | None
    text: str
    environment: Mapping[str, str]

    def variable(self, path: tuple[str, ...]) -> str | None:
        """Return the variable that says an option, or a table that it stands in; None if none does."""
        by_name = {name.upper(): name for name in self.environment}
        found = (by_name.get(variable_of(".".join(path[:length]))) for length in range(len(path), 0, -1))
        return next(filter(None, found), None)

    def line(self, path: tuple[str, ...]) -> int | None:
        """Return the line of the file on which an option stands, or the nearest table that it is in; counted from one."""
        best, deepest = None, 0
        for number, found in _keys(self.text):
            if len(found) > deepest and path[: len(found)] == found:
                best, deepest = number, len(found)
        return best

    def place(self, path: tuple[str, ...]) -> str:
        """Say where an option was written, as words for a bracket; empty if nobody wrote it anywhere."""
        if (variable := self.variable(path)) is not None:
            return f"variable {variable}"
        if self.file is None:
            return ""
        line = self.line(path)
        return f"in {self.file}" + (f", line {line}" if line is not None else "")


def _keys(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the lines that begin a table or an option, with its path."""
    table: tuple[str, ...] = ()
    seen = Counter[tuple[str, ...]]()
    for number, line in enumerate(text.split("\n"), 1):
        words = line.strip()
        if words.startswith("["):
            header = _path(words.strip("[] \t") if "#" not in words else words.partition("#")[0].strip("[] \t"))
            if not header:
                continue
            table = (*header, str(seen[header])) if words.startswith("[[") else header
            seen[header] += 1
            yield number, table
        elif "=" in words and (own := _path(words.partition("=")[0])):
            yield number, (*table, *own)


def _path(key: str) -> tuple[str, ...]:
    """Return the parts of a key as TOML reads them; none if it is no key."""
    try:
        read: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    parts = []
    while isinstance(read, dict) and len(read) == 1:
        ((part, read),) = read.items()
        parts.append(part)
    return tuple(parts)


# --- no TOML ----------------------------------------------------------------------------------------------------------


def not_toml(error: tomllib.TOMLDecodeError, text: str, file: Path) -> str:
    """Say what keeps a file from being TOML, on which line, and what to write instead."""
    found = _LINE.search(str(error))
    lines = text.split("\n")
    at = int(found.group(1)) if found else len(lines)
    line = lines[at - 1] if at <= len(lines) else ""
    return f"{file}, line {at}: it is not TOML: {error}. {_hint(line)}".rstrip()


def _hint(line: str) -> str:
    """Say what somebody may have meant by a line that is not TOML; empty if nobody can tell."""
    if "\ufeff" in line:
        return "A byte order mark stands there, as where two files were put together: delete the line, and type it again."
    if any(sign in line for sign in "“”‘’„"):
        return "These are printed quotation marks; TOML knows \" and ' alone."
    if "\\" in line and '"' in line:
        return (
            "In double quotes a backslash begins an escape; write a path in single quotes, 'C:\\nova\\anr.env', or "
            "C:/nova/anr.env."
        )
    if _UNQUOTED_TIME.search(line):
        return 'A time of day is written in quotes: at = "09:05".'
    if _YAML.match(line):
        return "An option is written with an equals sign: name = value."
    if "=" in line and re.search(r"=\s*(True|False|yes|no|on|off)\b", line):
        return "true and false are written without quotes, in small letters."
    if "=" in line:
        return "Text is written in quotes, a list in square brackets, and a name or a table stands in a file once."
    return ""


# --- what is no option ------------------------------------------------------------------------------------------------


def unknown_options(options: Mapping[str, Any], model: type[BaseModel], written: Written) -> tuple[str, ...]:
    """Name what stands in a file and is no option, each with its line and the nearest one."""
    known = list(names_of(model))
    return tuple(
        f"{'.'.join(path)}: no such option ({written_at}{_did_you_mean('.'.join(path), nearest('.'.join(path), known))})"
        for path in _strangers(options, model)
        for written_at in [Written(written.file, written.text, {}).place(path)]
    )


def _strangers(options: Mapping[str, Any], model: type[BaseModel], before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in options.items():
        field = model.model_fields.get(name)
        if field is None:
            yield (*before, name)
            continue
        inner, many = model_of(field)
        if inner is None or not isinstance(value, dict):
            continue
        if not many:
            yield from _strangers(value, inner, (*before, name))
            continue
        for key, inner_value in value.items():
            if isinstance(inner_value, dict):
                yield from _strangers(inner_value, inner, (*before, name, key))


def unknown_variables(environment: Mapping[str, str], model: type[BaseModel]) -> tuple[str, ...]:
    """Name the variables that begin like ours and are no option, each with the nearest one."""
    known = list(names_of(model))
    wrong = [
        name
        for name in sorted(environment)
        if name.upper().startswith(PREFIX) and name.upper() != CONFIG and field_of(path_of(name), model) is None
    ]
    meant = {name: nearest(".".join(path_of(name)), known) for name in wrong}
    return tuple(
        f"{name}: no such option (a variable{_did_you_mean(name, option and variable_of(option))})"
        for name, option in meant.items()
    )


def nearest(name: str, known: list[str]) -> str | None:
    """Return the option that somebody may have meant: spelt alike, or of the same name at another place."""
    last = name.rpartition(".")[2]
    elsewhere = [option for option in known if option.rpartition(".")[2] == last]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return next(iter([*close, *elsewhere]), None)


def _did_you_mean(name: str, meant: str | None) -> str:
    if not meant:
        return "; docs/configuration.md names them all"
    above = "." in name and "." not in meant and not meant.startswith(PREFIX)
    return f"; did you mean {meant}?{' It stands above the first [table] of the file' if above else ''}"


# --- what is wrong with a value ---------------------------------------------------------------------------------------


def wrong_values(found: Sequence[ErrorDetails], model: type[BaseModel], written: Written) -> tuple[str, ...]:
    """Return a sentence about each value that pydantic refused: the option, what is meant, where it stands, and an example."""
    told: dict[tuple[str, ...], str] = {}
    for error in found:
        path = tuple(str(part) for part in error["loc"] if not _OF_A_UNION.fullmatch(str(part)))
        told.setdefault(path, described(path, _problem(error, path), model, written))
    return tuple(told.values())


def _problem(found: ErrorDetails, path: tuple[str, ...]) -> str:
    kind, context = found["type"], found.get("ctx", {})
    if kind == "finite_number":
        return "a finite number is meant, neither inf nor nan"
    if kind in {"enum", "literal_error"}:
        return f"one of {context.get('expected')} is meant"
    if kind == "missing":
        return "it is missing"
    if kind == "string_pattern_mismatch" and _pattern(path) is not None:
        return str(_pattern(path))
    for bound, word in ("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than"):
        if bound in context and kind in {"greater_than_equal", "greater_than", "less_than_equal", "less_than"}:
            return f"{word} {context[bound]:g} is meant"
    if kind == "too_short":
        return f"at least {context['min_length']} of them is meant"
    if kind == "string_too_long":
        return f"at most {context['max_length']} characters are meant"
    meant = _MEANT.get(kind.removesuffix("_type").removesuffix("_parsing").removesuffix("_from_float"))
    return meant or found["msg"].removeprefix("Value error, ")


def _pattern(path: tuple[str, ...]) -> str | None:
    """Say what an option that has to look in some way is meant to be; None if its pattern says it all."""
    named = " ".join(path)
    if path[-1] == "name":
        return "a short name of small letters, digits and hyphens is meant"
    if "channel" in named:
        return "a channel is named by its id (C…), which stands at the end of its details in Slack, never by its name"
    return "an address that begins with http:// or https:// is meant" if "url" in named else None


def described(path: tuple[str, ...], problem: str, model: type[BaseModel], written: Written) -> str:
    """Return a sentence about a wrong value: the option, what is wrong, which file or variable it is in, and an example.

    Args:
        path: the option's name, a part for each table that it stands in; empty for a rule between several.
        problem: what is wrong.
        model: the options that there are.
        written: the options as they were written.
    """
    name, where = ".".join(path), written.place(path)
    example = _example(path, model, written.variable(path))
    told = "; ".join(part for part in (where, f"for example {example}" if example else "") if part)
    return f"{name}: {problem}{f' ({told})' if told else ''}" if name else f"{problem}{f' ({where})' if where else ''}"


def _example(path: tuple[str, ...], model: type[BaseModel], variable: str | None) -> str:
    """Return an option with a value, as it is written in the place where it is wrong; empty if there is none to show."""
    field, last = None, path[-1] if path else ""
    while path and (field := field_of(path, model)) is None:  # one of a list: the list is shown
        path = path[:-1]
    if field is None:
        return ""
    options = {name.rpartition(".")[2] for name in names_of(model)}
    name = next((part for part in reversed(path) if part in options), path[-1])  # of a list or a table of anything: the whole
    value = _EXAMPLES.get(name)
    if isinstance(value, dict) and last != name:  # an entry of a table of anything
        name, value = last, next(iter(value.values()))
    elif isinstance(value, list) and isinstance(value[0], dict) and last in value[0]:  # an option of one of many tables
        name, value = last, value[0][last]
    if value is None:
        if model_of(field)[0] is not None:
            return ""
        value = field.get_default(call_default_factory=True)
    if not value and value != 0:
        return ""
    try:
        said = as_toml(value) if variable is None else value if isinstance(value, str) else json.dumps(_plain(value), default=str)
    except TypeError:
        return ""
    return f"{name} = {said}" if variable is None else f"{variable}={said}"


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else value


def as_toml(value: Any) -> str:
    """Return a value as TOML writes it on one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {as_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple | frozenset):
        return "[" + ", ".join(map(as_toml, _plain(value))) + "]"
    return json.dumps(value, default=str, ensure_ascii=False)


def not_json(model: type[BaseModel], written: Written) -> tuple[str, ...]:
    """Name the variables of lists and tables whose value is not JSON; the values are told to nobody."""
    wrong = []
    for variable, value in sorted(written.environment.items()):
        path = path_of(variable)
        if not variable.upper().startswith(PREFIX) or (field := field_of(path, model)) is None:
            continue
        if get_origin(field.annotation) not in OF_MANY and model_of(field)[0] is None:
            continue
        try:
            json.loads(value)
        except ValueError:
            wrong.append(described(path, "the value is not JSON", model, written))
    return tuple(wrong)


def truths_for_numbers(
    options: Mapping[str, Any], model: type[BaseModel], before: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Yield the options that are numbers and were given as true or false, which Python would take for 1 and 0."""
    for name, value in options.items():
        field = model.model_fields.get(name)
        if field is None:
            continue
        inner, many = model_of(field)
        if isinstance(value, bool) and _is_a_number(field):
            yield (*before, name)
        elif inner is not None and isinstance(value, dict):
            for key, table in value.items() if many else [(None, value)]:
                if isinstance(table, dict):
                    yield from truths_for_numbers(table, inner, (*before, name) if key is None else (*before, name, key))


def _is_a_number(field: FieldInfo) -> bool:
    kinds = {field.annotation, *get_args(field.annotation)}
    return bool(kinds & {int, float}) and bool not in kinds
