"""The options as people write them: where their file is found, what its relative paths mean, and what their names are.

Who asks passes the environment in; only core/settings/settings.py reads it. Excluded: what the options are
(core/settings/settings.py and core/settings/target.py), what is wrong with them (core/settings/mistakes.py), and what a brake
makes of options that are wrong (core/settings/broken_options.py).
"""

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from core.errors import ConfigurationError
from core.settings.target import TargetSettings
from core.system.files import read_bounded

FILE_NAME = "anr.toml"
PREFIX = "ANR_"
CONFIG = "ANR_CONFIG"
_MAX_BYTES = 1 << 20
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
TABLES = (dict, Mapping)


@dataclass(frozen=True, slots=True)
class Search:
    """Where options were looked for.

    Attributes:
        file: the options file; None if there is none.
        looked: every place that was looked at, in order, and why a file there was not taken.
    """

    file: Path | None
    looked: tuple[str, ...]


# --- the file ---------------------------------------------------------------------------------------------------------


def find_options(environment: Mapping[str, str]) -> Search:
    """Look for the options file: where `ANR_CONFIG` says, else in the working folder and those above it, in the user's
    configuration folder (`XDG_CONFIG_HOME`, `%APPDATA%`), and in `/etc/anr`.

    A file that anybody could have put there is not taken: they would say which command reloads the router.

    Raises:
        ConfigurationError: `ANR_CONFIG` names what is not a file.
    """  # noqa: D205 - one sentence
    if named := environment.get(CONFIG):
        file = Path(named).absolute()
        if not _is_there(file) or not os.path.isfile(file):  # noqa: PTH113 - it never raises
            raise ConfigurationError(f"{CONFIG} names {named}, which is not a file. Nothing was started.")
        return Search(file, (str(file),))
    looked = []
    for file in _places(environment):
        if not _is_there(file):
            looked.append(str(file))
        elif (why := _not_trusted(file)) is not None:
            looked.append(f"{file} ({why})")
        else:
            return Search(file, (*looked, str(file)))
    return Search(None, tuple(looked))


def find_text(environment: Mapping[str, str]) -> tuple[str, Search, tuple[str, ...]]:
    """Look for options as a brake does: what cannot be read is passed over for the next place, and what is no UTF-8 is guessed.

    Returns:
        The text of the first file that can be read (empty if there is none), where it was found, and what of it is in doubt,
        sentences.
    """
    doubts: list[str] = []
    named = environment.get(CONFIG)
    looked = [*([named] if named else ()), *map(str, _places(environment))]
    for place in [*([Path(named).absolute()] if named else ()), *_places(environment)]:
        is_named = bool(named) and not doubts
        if not is_named and (not _is_there(place) or _not_trusted(place) is not None):
            continue
        try:
            data = read_bounded(place, _MAX_BYTES)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            doubts.append(f"{CONFIG + ' names ' if is_named else ''}{place}, which cannot be read ({reason}).")
            continue
        if doubts:
            doubts.append(f"The options of {place} were taken in its place.")
        try:
            return data.decode("utf-8-sig"), Search(place, tuple(looked)), tuple(doubts)
        except UnicodeDecodeError:
            doubts.append(f"{place} is not UTF-8, and was guessed at.")
            guess = "utf-16" if data.startswith(_UTF_16) else "latin-1"
            return data.decode(guess, "replace"), Search(place, tuple(looked)), tuple(doubts)
    return "", Search(None, tuple(looked)), tuple(doubts)


def _places(environment: Mapping[str, str]) -> Iterator[Path]:
    try:
        here = Path.cwd()
    except OSError:  # the working folder was removed
        pass
    else:
        for folder in (here, *here.parents):
            yield folder / FILE_NAME
    for variable in ("XDG_CONFIG_HOME", "APPDATA"):
        if (base := environment.get(variable)) and Path(base).is_absolute():
            yield Path(base, "anr", FILE_NAME)
    if sys.platform != "win32":
        if not environment.get("XDG_CONFIG_HOME") and (home := environment.get("HOME")):
            yield Path(home, ".config", "anr", FILE_NAME)
        yield Path("/etc/anr", FILE_NAME)


def _is_there(file: Path) -> bool:
    try:
        return stat.S_ISREG(file.stat().st_mode)
    except OSError:
        return False


def _not_trusted(file: Path) -> str | None:
    """Say why a file may be anybody's, or None: it, or the folder that it lies in, can be written by everybody."""
    if sys.platform == "win32":
        return None
    found, folder = file.stat(), file.parent.stat()
    if found.st_mode & stat.S_IWOTH:
        return "left aside: everybody may write it"
    if folder.st_mode & stat.S_IWOTH and found.st_uid not in {0, os.geteuid()}:
        return "left aside: everybody may put a file there, and this one belongs to somebody else"
    return None


def text_of(file: Path) -> str:
    """Return the text of an options file; a byte order mark before it is none of it.

    Raises:
        ConfigurationError: it cannot be read, or is not UTF-8.
    """
    try:
        data = read_bounded(file, _MAX_BYTES)
    except OSError as error:
        raise ConfigurationError(
            f"The options file {file} cannot be read ({error.strerror or error}). Nothing was started."
        ) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if data.startswith(_UTF_16):
            line, what = 1, "it is UTF-16, as PowerShell's `>` and Notepad's \"Unicode\" write it"
        else:
            line, what = data[: error.start].count(b"\n") + 1, "it is not UTF-8"
        raise ConfigurationError(
            f"The options file {file} cannot be read, line {line}: {what}; save it as UTF-8. Nothing was started."
        ) from error


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
