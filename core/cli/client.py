"""The command line beside a running bot: what a bot may do is handed to it over its Unix socket; the kernel says who asks.

The bot is asked first. A command that it does not take, or that no bot is there for, is done here, as far as this account may;
if it fails here, it is said why no bot did it. A brake is done here too if the bot did not make the router safe.

Two steps: the bot says that it is ready, and begins only when it is told to. So what was not begun is known, and of what was
begun and not answered nobody says that it was done.

Imports little: a status waits for all of it. Excluded: the bot's side (bot/terminal/server.py), and doing it here
(core/cli/app.py).
"""

import contextlib
import json
import os
import re
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from core.cli import protocol
from core.errors import ConfigurationError
from core.settings.options_file import RUN_DIR, decides, find_options, options_in, text_of
from core.system import streams
from core.system.peers import peer_of, reachable

_DONE, _FAILED = 0, 3
_READY_SECONDS, _READY_SECONDS_OF_A_BRAKE = 10.0, 2.0
"""How long the bot may take until it is ready; a brake does not wait, and goes on here."""
_SILENT_SECONDS = 5 * protocol.ALIVE_SECONDS
_RUN_DIR = re.compile(r"""^\s*run_dir\s*=\s*["']([^"']+)["']""", re.MULTILINE)


class Handed(NamedTuple):
    """What came of handing a command to a bot.

    Attributes:
        code: the exit code; None if the command is to be done here.
        unasked: why no bot did it, a sentence that is said if it fails here; empty if nobody needs to know.
    """

    code: int | None
    unasked: str = ""


class _Lost(Exception):
    """The bot cannot be spoken with, or no more."""


class _NotDone(Exception):
    """The bot did nothing, because it is not for a bot, or is not understood: whoever does it here says so."""


def hand_over(words: Sequence[str], environment: Mapping[str, str]) -> Handed:
    """Let a running bot do what was typed, if one is there, may do it and is the right one; else say why not.

    Args:
        words: the command line, without the program's name.
        environment: the variables of whoever typed it.
    """
    typed = protocol.understood(words)
    if not typed.is_for_bot or not hasattr(socket, "AF_UNIX") or sys.platform == "win32":
        return Handed(None)
    if any(decides(name.upper()) for name in environment):
        return Handed(
            None
        )  # they describe another router, or who is who: over there neither would count, and nobody would see it
    why = ""
    for path in _sockets(typed, environment):
        with contextlib.ExitStack() as open_parts:
            try:
                bot = open_parts.enter_context(_connected(path))
            except FileNotFoundError:
                why = why or _no_bot(path)
                continue
            except (OSError, _Lost) as error:
                why = _not_reached(path, error)
                continue
            return _asked(bot, words, typed, environment)
    return Handed(None, why)


def _sockets(typed: protocol.Typed, environment: Mapping[str, str]) -> list[Path]:
    """Return where a bot would listen: in the run folder of the router that is meant, else of each."""
    try:
        file = find_options(environment).file
    except ConfigurationError:  # whoever does it here says so
        return []
    if file is None:
        return []
    return [Path(file.parent, run_dir) / protocol.SOCKET for run_dir in dict.fromkeys(_run_dirs(file, typed))]


def _run_dirs(file: Path, typed: protocol.Typed) -> Iterator[str]:
    try:
        options = options_in(file)
    except ConfigurationError:
        if typed.brakes:  # with broken options, too
            with contextlib.suppress(ConfigurationError):
                yield from _RUN_DIR.findall(text_of(file))
            yield RUN_DIR
        return
    several = options.get("targets")
    if isinstance(several, dict) and several:
        for name, target in several.items():
            if typed.target in {None, name}:
                yield str(target.get("run_dir", f"{RUN_DIR}/{name}")) if isinstance(target, dict) else f"{RUN_DIR}/{name}"
        return
    target = options.get("target")
    yield str(target.get("run_dir", RUN_DIR)) if isinstance(target, dict) else RUN_DIR


@contextlib.contextmanager
def _connected(path: Path) -> Iterator["_Bot"]:
    """Connect to a bot while the block lasts.

    Raises:
        OSError: nobody listens there, or it may not be opened.
        _Lost: somebody else than the account of that folder listens there.
    """
    if sys.platform == "win32":
        raise OSError("no bot listens on Windows")
    with reachable(path) as address, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_READY_SECONDS_OF_A_BRAKE)
        connection.connect(address)
        there, owner = peer_of(connection), path.parent.stat().st_uid
        if there is None or there.uid not in {0, owner}:
            who = "nobody knows who" if there is None else f"account {there.uid}"
            raise _Lost(f"{who} listens there, and not account {owner}, to which the folder belongs: it was told nothing")
        yield _Bot(connection)


class _Bot:
    """A bot at the other end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._left = b""

    def say(self, what: Mapping[str, Any]) -> None:
        """Send a line.

        Raises:
            _Lost: it is gone.
        """
        try:
            self._connection.sendall(json.dumps(what).encode() + b"\n")
        except OSError as error:
            raise _Lost(error.strerror or "it does not listen") from error

    def hear(self, seconds: float) -> dict[str, Any]:
        """Return the next line.

        Raises:
            _Lost: none came in that time, the bot is gone, or it says what is no line of ours.
        """
        ends = time.monotonic() + seconds
        while b"\n" not in self._left:
            try:
                self._connection.settimeout(max(0.001, ends - time.monotonic()))
                heard = self._connection.recv(1 << 16)
            except TimeoutError:
                raise _Lost(f"it has said nothing for {seconds:g} s") from None
            except OSError as error:
                raise _Lost(error.strerror or "the connection broke") from error
            if not heard:
                raise _Lost("it ended, or closed the connection")
            self._left += heard
            if len(self._left) > protocol.MAX_LINE_BYTES + (1 << 16):
                raise _Lost("it says more than anr would")
        line, _, self._left = self._left.partition(b"\n")
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            raise _Lost("it says what is no JSON") from None
        if not isinstance(said, dict):
            raise _Lost("it says what anr would not")
        return said


def _asked(bot: _Bot, words: Sequence[str], typed: protocol.Typed, environment: Mapping[str, str]) -> Handed:
    """Ask a bot that is there."""
    try:
        bot.say(_request(words, environment))
        said = bot.hear(_READY_SECONDS_OF_A_BRAKE if typed.brakes else _READY_SECONDS)
        ready = said.get("ready")
        if not isinstance(ready, dict):
            return Handed(None, f"The bot did not do it: {said['not']}" if said.get("not") else "")
        bot.say({"go": True})
    except _Lost as lost:
        why = f"The bot was not asked: {lost}. Nothing was begun there."
        if typed.brakes:
            _complain(f"{why} It is done here.")
        return Handed(None, why)
    heard = _Heard(f"process {ready.get('pid', '?')} on {ready.get('host', '?')}")
    within = ready.get("within_s")
    patience = float(within) if typed.brakes and isinstance(within, int | float) else None
    try:
        code, safe = heard.until_it_ends(bot, patience)
    except _NotDone:
        return Handed(None)
    except KeyboardInterrupt:
        _complain(f"The bot ({heard.whose}) was told to do this and goes on. What comes of it: `anr status` and `anr receipts`.")
        return Handed(130)
    except _Lost as lost:
        known = f"The bot ({heard.whose}) had begun, and did not say how it ended: {lost}. WHETHER IT WAS DONE IS NOT KNOWN."
        if not typed.brakes:
            _complain(f"{known} Look at `anr status` and `anr receipts` before you go on.")
            return Handed(_FAILED)
        _complain(f"{known} It is done here once more.")
        return Handed(None, known)
    if typed.brakes and code == _FAILED and not safe:
        again = "The bot did not make the router safe. It is tried here once more, by this account."
        _complain(again)
        return Handed(None, "The bot tried it, too, and failed; it said why above.")
    if not code and heard.is_lost and not typed.brakes:
        _complain("What was to be said could not be written to the output.")
        return Handed(_FAILED)
    return Handed(code)


class _Heard:
    """What a bot says until it ends, as it is written to this terminal.

    Attributes:
        whose: which bot.
        is_lost: something could not be written to the output.
    """

    def __init__(self, whose: str) -> None:
        self.whose = whose
        self.is_lost, _ = streams.open_missing()

    def until_it_ends(self, bot: _Bot, patience: float | None) -> tuple[int, bool]:
        """Write what the bot says; return the exit code, and whether a brake made the router safe.

        Args:
            bot: which has begun.
            patience: how long it may take, in seconds; None for however long it says that it is there.

        Raises:
            _Lost: it did not come to its end.
            _NotDone: it did nothing.
        """
        ends = None if patience is None else time.monotonic() + patience
        while True:
            left = _SILENT_SECONDS if ends is None else min(_SILENT_SECONDS, ends - time.monotonic())
            if left <= 0:
                raise _Lost(f"it has worked for {patience:g} s, longer than a brake may take")
            said = bot.hear(left)
            if isinstance(text := said.get("out"), str):
                self.is_lost = not streams.written(sys.stdout, lambda text=text: sys.stdout.write(text)) or self.is_lost  # type: ignore[misc]
            elif isinstance(text := said.get("err"), str):
                streams.written(sys.stderr, lambda text=text: sys.stderr.write(text))  # type: ignore[misc]
            elif isinstance(code := said.get("exit"), int):
                return code, said.get("safe") is True
            elif "not" in said:
                raise _NotDone


def _request(words: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    variables = {name: environment[name] for name in protocol.VARIABLES if name in environment}
    return {
        "anr": protocol.VERSION,
        "words": list(words),
        "columns": _columns(environment),
        "terminals": [_is_terminal(1), _is_terminal(2)],
        "variables": variables,
    }


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def _columns(environment: Mapping[str, str]) -> int:
    """Return how wide a text may be, as rich would find it here."""
    if (said := environment.get("COLUMNS", "")).isdecimal() and 0 < int(said) < 10_000:
        return int(said)
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError, ValueError):
            return os.get_terminal_size(descriptor).columns or 80
    return 80


def _complain(sentence: str) -> None:
    streams.written(sys.stderr, lambda: sys.stderr.write(sentence + "\n"))


def _no_bot(path: Path) -> str:
    """Say that no bot runs, where another account's bot could have done it."""
    if sys.platform == "win32":
        return ""
    folder = path.parent
    try:
        owner = folder.stat().st_uid
    except OSError:
        return ""
    return (
        "" if owner == os.geteuid() else f"No bot runs that could do it ({path} is not there): `anr bot`, as {_name_of(owner)}."
    )


def _not_reached(path: Path, error: Exception) -> str:
    if sys.platform != "win32" and isinstance(error, PermissionError):
        return f"The bot was not asked: {_name_of(os.geteuid())} may not open {path}. {_who_may(path)}".rstrip()
    reason = getattr(error, "strerror", None) or error
    return f"The bot was not asked: nobody answers at {path} ({reason})."


def _who_may(path: Path) -> str:
    """Say who may open a socket, as far as that can be seen."""
    for place in (path, path.parent):
        with contextlib.suppress(OSError):
            found = place.stat()
            return f"{_name_of(found.st_uid)} may, and the group {_group_of(found.st_gid)}."
    return f"Whoever may search {path.parent} may."


def _name_of(uid: int) -> str:
    if sys.platform == "win32":
        return str(uid)
    import pwd  # noqa: PLC0415 - there is none on Windows, and where a bot answers nobody asks

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_of(gid: int) -> str:
    if sys.platform == "win32":
        return str(gid)
    import grp  # noqa: PLC0415 - as above

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
