"""What a brake makes of options that are wrong: as much as it needs, and what it does not know.

Every other command refuses options with a mistake in them. A brake needs a settings file, a reload command and a place for its
marks; it takes them from what can be understood, and whatever it had to guess counts against "safe". Excluded: options that are
not there at all (core/settings/options.py), and what the brake does (core/brake/brake.py).
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from core.errors import ConfigurationError
from core.settings.options import nearest
from core.settings.options_file import PREFIX, RUN_DIR
from core.settings.settings import Settings, as_written, in_place, load
from core.settings.target import TargetSettings

_NEEDED = ("settings_file", "reload_command", "run_dir", "journal", "receipts_dir", "reload_timeout_s", "name")
"""What a brake needs; all else may go so that these make a target."""
_DECIDES = ("settings_file", "reload_command", "run_dir")
"""Without knowing these nobody can say that the right router is safe."""
_LONGEST_VALUE = 60
"""Lines that one value of a broken file may go over."""
_PEOPLE: Mapping[str, TypeAdapter[Any]] = {
    "operators": TypeAdapter(frozenset[str]),
    "approvers": TypeAdapter(frozenset[str]),
    "people": TypeAdapter(dict[str, str]),
    "brake_open_to_members": TypeAdapter(bool),
}


@dataclass(frozen=True, slots=True)
class Mended:
    """What of broken options a brake can act on.

    Attributes:
        settings: options with one target, and who holds which role.
        doubts: what had to be guessed about the router, each a sentence; none of it may be called safe.
    """

    settings: Settings
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ForBrake:
    """The routers that a brake is meant for.

    Attributes:
        meant: the options of each.
        wrong: what is wrong with the options, sentences; empty if nothing is.
        unclear: the routers for which nobody can say which settings file is meant, each a sentence.
    """

    meant: tuple[Mended, ...]
    wrong: str = ""
    unclear: tuple[str, ...] = ()


def load_for_brake(named: str | None) -> ForBrake:
    """Read the options of a brake, which runs with wrong ones, too, as far as they can be understood.

    Args:
        named: the target that the command line names; where there are several and none is named, all of them are meant.

    Raises:
        ConfigurationError: there are none, the file cannot be read, or nobody can say which settings file is meant.
    """
    try:
        settings = load()
    except ConfigurationError as error:
        text, file, environment = as_written()
        several = _lines_that_hold(text)[0].get("targets")
        names = [named] if named is not None or not isinstance(several, dict) or not several else [*several]
        found, unclear = [], []
        for name in names:
            try:
                found.append(mended(text, file, environment, name))
            except ConfigurationError as why:
                if len(names) == 1:
                    raise
                unclear.append(f"{name} IS NOT BRAKED: {why}")
        if not found:
            raise
        return ForBrake(tuple(found), str(error).removesuffix(" Nothing was started."), tuple(unclear))
    targets = settings.every_target if named is None else (settings.target_named(named),)
    return ForBrake(tuple(Mended(settings.model_copy(update={"target": target, "targets": {}}), ()) for target in targets))


def mended(text: str, file: Path | None, environment: Mapping[str, str], named: str | None) -> Mended:
    """Return what a brake can act on.

    Args:
        text: of the options file; empty if there is none.
        file: where it is; None if there is none.
        environment: with the variables that win over it.
        named: the target that the command line names.

    Raises:
        ConfigurationError: nobody can say which settings file is meant; nothing was done.
    """
    options, lost = _lines_that_hold(text)
    given, name = _of_target(options, environment, named)
    fields, doubts = _spelt_right(given)
    target, dropped = _made(in_place({"target": fields}, file.parent)["target"] if file is not None else fields)
    if name is not None:
        target = target.model_copy(update={"name": name})
    for option in _DECIDES:
        if option in dropped:
            doubts.append(f"`{option}` cannot be understood.")
        elif option not in fields and lost:
            doubts.append(f"`{option}` may stand in a line that cannot be understood; its default was taken.")
    if "settings_file" in dropped:
        raise ConfigurationError(
            "Nobody can say which settings file is meant, because `settings_file` cannot be understood. NOTHING WAS DONE, the "
            "router goes on as it was: write the safe settings by hand.",
        )
    people = {key: value for key, value in ((key, _valid(key, options, environment)) for key in _PEOPLE) if value is not None}
    if "operators" not in people:
        people["brake_open_to_members"] = True  # whoever stands there has to be able to brake
    return Mended(Settings.model_construct(target=target, **people), tuple(doubts))


def _lines_that_hold(text: str) -> tuple[dict[str, Any], bool]:
    """Return what can be understood of TOML, and whether something could not."""
    try:
        return tomllib.loads(text), False
    except tomllib.TOMLDecodeError:
        pass
    lines, found, table, lost, at = text.splitlines(), dict[str, Any](), "", False, 0
    while at < len(lines):
        for end in range(at + 1, min(len(lines), at + _LONGEST_VALUE) + 1):
            piece = "\n".join(lines[at:end])
            try:
                read = tomllib.loads(f"{table}\n{piece}")
            except tomllib.TOMLDecodeError:
                continue
            if piece.lstrip().startswith("["):
                table = piece
            _merge(found, read)
            at = end
            break
        else:
            lost, at = True, at + 1
            if lines[at - 1].lstrip().startswith("["):
                table = "[a-table-that-cannot-be-understood]"
    return found, lost


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _of_target(
    options: Mapping[str, Any], environment: Mapping[str, str], named: str | None
) -> tuple[dict[str, Any], str | None]:
    """Return the options of the router that is meant, and its name if several are set."""
    several = options.get("targets")
    if isinstance(several, dict) and several:
        if (named is None and len(several) > 1) or (named is not None and named not in several):
            raise ConfigurationError(f"Several routers are set. Nothing was done; name one with --target: {', '.join(several)}.")
        name = named or next(iter(several))
        own = several[name]
        places = {"run_dir": f"{RUN_DIR}/{name}", "receipts_dir": f"ops/logs/{name}"}
        return {**places, **(own if isinstance(own, dict) else {})}, name
    target = options.get("target")
    given = dict(target) if isinstance(target, dict) else {}
    whole = _json(environment.get(f"{PREFIX}TARGET", ""))
    given |= whole if isinstance(whole, dict) else {}
    for variable, value in environment.items():
        words = variable.upper().removeprefix(PREFIX).split("__")
        if variable.upper().startswith(PREFIX) and words[0] == "TARGET" and len(words) == 2:
            read = _json(value)
            name = words[1].lower()
            is_path = (
                name in TargetSettings.model_fields
                and TargetSettings.model_fields[name].annotation is Path
                and "://" not in value
            )
            given[name] = str(Path(value).absolute()) if is_path else read if isinstance(read, list | dict) else value
    return given, None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _spelt_right(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the options that there are; one that is spelt wrong stands for the one that was meant, if that is missing."""
    fields = {name: value for name, value in given.items() if name in TargetSettings.model_fields}
    doubts = []
    for name, value in given.items():
        if name in TargetSettings.model_fields:
            continue
        meant = nearest(name, list(TargetSettings.model_fields))
        if meant is not None and meant not in fields:
            fields[meant] = value
            if meant in _DECIDES:
                doubts.append(f"`{name}` was taken for `{meant}`.")
    return fields, doubts


def _made(fields: Mapping[str, Any]) -> tuple[TargetSettings, frozenset[str]]:
    """Return a target of as many of the options as make one, and the names of the others."""
    left = dict(fields)
    while True:
        try:
            return TargetSettings.model_validate(left), frozenset(fields.keys() - left.keys())
        except ValidationError as error:
            wrong = {str(message["loc"][0]) for message in error.errors(include_input=False) if message["loc"]} & left.keys()
            # a rule between several options names none of them: all that is not needed goes
            wrong = wrong or left.keys() - set(_NEEDED) or set(left)
            for name in wrong:
                del left[name]


def _valid(key: str, options: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    value = options.get(key)
    if (written := environment.get(PREFIX + key.upper())) is not None:
        value = _json(written)
    if value is None:
        return None
    try:
        return _PEOPLE[key].validate_python(value)
    except ValidationError:
        return None
