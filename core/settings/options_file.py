"""Where the options file is found, and what it says as TOML.

A command that is answered by a running bot (core/cli/client.py) needs no more than this: nothing slow is imported.

Excluded: what its relative paths mean, and what in it is no option (core/settings/options.py).
"""

import os
import stat
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import ConfigurationError
from core.system.files import read_bounded

FILE_NAME = "anr.toml"
PREFIX = "ANR_"
CONFIG = "ANR_CONFIG"
RUN_DIR = "run/anr"
"""Where `run_dir` is if nothing is said, from the options' folder on."""
NO_POLICY = ("SLACK__", "HTTP", "ALERTS__TOKEN", "ALERTS__USERNAME", "ALERTS__PASSWORD")
"""Variables that say nothing about a router, its gates or people: at the terminal nobody reaches Slack with them."""
_MAX_BYTES = 1 << 20


class Search(NamedTuple):
    """Where options were looked for.

    Attributes:
        file: the options file; None if there is none.
        looked: every place that was looked at, in order, and why a file there was not taken.
    """

    file: Path | None
    looked: tuple[str, ...]


def decides(variable: str) -> bool:
    """Whether a variable says something about people, gates or routers; its name is given in capitals."""
    return variable.startswith(PREFIX) and variable != CONFIG and not variable.removeprefix(PREFIX).startswith(NO_POLICY)


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
        elif (why := _not_trusted(file, environment)) is not None:
            looked.append(f"{file} ({why})")
        else:
            return Search(file, (*looked, str(file)))
    return Search(None, tuple(looked))


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


def _not_trusted(file: Path, environment: Mapping[str, str]) -> str | None:
    """Say why a file may be anybody's, or None: it, or the folder that it lies in, can be written by everybody.

    Under another account by `sudo` a file of whoever called it is theirs as well: they would choose which command that account
    runs. Root is not asked (as git does not, git-config(1) on `safe.directory`): whoever may be root for everything is.
    """
    if sys.platform == "win32":
        return None
    found, folder = file.stat(), file.parent.stat()
    callers = {environment.get(variable) for variable in ("SUDO_UID", "PKEXEC_UID")}
    if os.geteuid() not in {0, found.st_uid} and callers & {str(found.st_uid), str(folder.st_uid)} - {"0", str(os.geteuid())}:
        return f"left aside: it, or its folder, belongs to whoever called this by `sudo`; {CONFIG} may name it"
    if found.st_mode & stat.S_IWOTH:
        return "left aside: everybody may write it"
    if folder.st_mode & stat.S_IWOTH and found.st_uid not in {0, os.geteuid()}:
        return "left aside: everybody may put a file there, and this one belongs to somebody else"
    return None


def text_of(file: Path) -> str:
    """Return the text of an options file; a byte order mark is none of it.

    Raises:
        ConfigurationError: it cannot be read, or is not UTF-8.
    """
    try:
        return read_bounded(file, _MAX_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"The options file {file} cannot be read ({reason}). Nothing was started.") from error


def options_in(file: Path) -> dict[str, Any]:
    """Return the options of a file as they stand there.

    Raises:
        ConfigurationError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(text_of(file))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"The options file {file} is not TOML ({error}). Nothing was started.") from None
