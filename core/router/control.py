"""The router's settings file, its reload, and the health of its slots.

The router reads a dotenv file when it is reloaded (its text: core/router/envfile.py).

Excluded: deciding what the settings should be, and the ledger.
"""

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from core.errors import AnrError, BrakeUnreadable, ReloadFailed, SettingsFileError
from core.gates.report import SlotsHealth
from core.router.envfile import settings_in, with_settings
from core.router.health import slots_of
from core.router.marks import Brake, BrakeReading
from core.settings.target import TargetSettings
from core.system.files import WrittenUnsynced, read_bounded, write_durably
from core.system.logs import logger
from core.text import clean_text

log = logger(__name__)

SAFE_SETTINGS: Mapping[str, str] = {"NOVA_ANR_ENABLED": "0", "NOVA_ANR_PILOT": "0.00", "NOVA_ANR_KILL": "1"}
"""What a rollback writes: the guardrail route R4 is forced, ANR is off (runbook: `anr-pilot.ps1 -Rollback`)."""
_SAFE_WRITES = 3
"""How often the safe settings are written when they do not stand: a promotion that looked before the brake writes once."""
_MAX_SETTINGS_BYTES = 1 << 20
_MAX_LOGGED_BYTES = 2000


def settings_for(stage: int, fast_cap: float) -> dict[str, str]:
    """Return the settings that serve `stage` percent of live traffic, with the guardrails that the gates assume."""
    return {
        "NOVA_ANR_ENABLED": "1",
        "NOVA_ANR_PILOT": f"{stage / 100:.2f}",
        "NOVA_ANR_KILL": "0",
        "NOVA_ANR_MAX_FAST_PROB": f"{fast_cap:.2f}",
        "NOVA_ANR_STRICT_ON_ANOMALY": "1",
    }


@dataclass(frozen=True, slots=True)
class RouterSettings:
    """The `NOVA_…` settings as the file has them."""

    values: Mapping[str, str]

    @property
    def stage(self) -> int | None:
        """Percent of live traffic that these settings serve, or None if they cannot be understood.

        ANR that is switched off or killed serves none, whatever the pilot says; a switch is 0 or 1.
        """
        killed, enabled = self.values.get("NOVA_ANR_KILL", "0"), self.values.get("NOVA_ANR_ENABLED", "0")
        if killed == "1" or (killed, enabled) == ("0", "0"):
            return 0
        if (killed, enabled) != ("0", "1"):
            return None
        try:
            percent = float(self.values.get("NOVA_ANR_PILOT", "0")) * 100
        except ValueError:
            return None
        return round(percent) if 0 <= percent <= 100 and abs(percent - round(percent)) < 1e-6 else None

    @property
    def pilot(self) -> str | None:
        """The pilot as it is written, for example `0.25`."""
        return self.values.get("NOVA_ANR_PILOT")

    def carries(self, settings: Mapping[str, str]) -> bool:
        """Whether every one of `settings` stands in the file."""
        return all(self.values.get(name) == value for name, value in settings.items())


@dataclass(frozen=True, slots=True)
class Written:
    """What came of writing settings: what the file says now, and whether a brake came in between."""

    observed: RouterSettings
    overtaken: bool


class Router:
    """One router's settings and health."""

    def __init__(self, target: TargetSettings, brake: Brake) -> None:
        self._target = target
        self._brake = brake
        self._left: tuple[int, ...] | None = None
        self._left_at = 0.0

    def settings(self) -> RouterSettings:
        """Read the settings file.

        Raises:
            SettingsFileError: it is missing, unreadable, too long or not a dotenv file.
        """
        return self._understood(self._text())

    def _understood(self, text: str) -> RouterSettings:
        values, wrong = settings_in(text)
        if wrong is not None:
            raise SettingsFileError(
                f"Line {wrong} of {self._target.settings_file} is not KEY=value. Nothing was changed; correct the file.",
            )
        return _routers_own(values)

    def serve(self, stage: int, since: BrakeReading) -> Written:
        """Write the settings of a stage and reload the router, unless a brake was engaged after `since` was read.

        The marks are looked at immediately before the write, after it and after the reload; whoever sees a brake puts the
        router back to its safe settings (rule 2).

        Raises:
            SettingsFileError: the file is read-only or cannot be written, or does not say what was written.
            ReloadFailed: the file was written, but the reload failed.
            BrakeUnreadable: the marks cannot be read; the safe settings were applied if anything had been written.
        """
        wanted = settings_for(stage, self._target.gates.fast_cap)
        if self._brake.read() != since:
            return Written(self.settings(), overtaken=True)
        text = self._text()
        self._understood(text)  # a file that cannot be understood is not written beside
        self._refuse_read_only()
        self._write(with_settings(text, wanted), wanted)
        try:
            if self._brake.read() == since:
                came_of_it = self._reload_and_look(wanted)
                if self._brake.read() == since:
                    if isinstance(came_of_it, AnrError):
                        raise came_of_it
                    return Written(came_of_it, overtaken=False)
        except BrakeUnreadable:
            self.make_safe()
            raise
        self.make_safe()
        return Written(self.settings(), overtaken=True)

    def unwritable(self) -> str | None:
        """Say why the settings could not be written, without writing; None if nothing speaks against it."""
        folder = self._file.parent
        if not os.access(folder, os.W_OK | os.X_OK):
            return f"{folder} cannot be written, so the router's settings cannot be replaced"
        try:
            self.settings()
        except SettingsFileError as error:
            return str(error)
        return None

    def make_safe(self) -> tuple[str, ...]:
        """Put the router in its safe settings, doing as much as can be done; return what went wrong, empty if nothing did.

        The file is written even if it cannot be understood or read; then what it was is kept beside it. The reload command
        runs even if the file could not be written, with the safe settings in its environment.
        """
        problems = []
        self._left = written = None
        try:
            before = self._text(errors="surrogateescape")
        except SettingsFileError:
            before = ""
            self._keep_aside()
        try:
            if any(self._wrote_safe(before) for _ in range(_SAFE_WRITES)):
                written = self._identity()  # before the reload: whoever writes after this makes it another file
            else:
                problems.append(self._not_what_was_written())
        except SettingsFileError as error:
            problems.append(str(error))
        try:
            self._reload(SAFE_SETTINGS)
        except ReloadFailed as error:
            problems.append(str(error))
        if not problems:
            self._left, self._left_at = written, time.monotonic()
        return tuple(problems)

    def is_left_safe(self, within_s: float | None = None) -> bool:
        """Whether the settings file is still the one that this process wrote and reloaded when it made the router safe last.

        With `within_s` only if that is no longer ago, in seconds.
        """
        left = self._left
        if left is None or self._identity() != left:
            return False
        if within_s is not None and time.monotonic() - self._left_at > within_s:
            return False
        try:
            return self.settings().carries(SAFE_SETTINGS)
        except SettingsFileError:
            return False

    def _identity(self) -> tuple[int, ...] | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size

    def _wrote_safe(self, before: str) -> bool:
        """Write the safe settings, and say whether they stand in the file."""
        self._write(with_settings(before, SAFE_SETTINGS), SAFE_SETTINGS)
        values, _ = settings_in(self._text(errors="surrogateescape"))
        return _routers_own(values).carries(SAFE_SETTINGS)

    def reload_as_it_is(self, since: BrakeReading) -> None:
        """Reload the router with the settings that its file has; with the safe ones if a brake is engaged or comes meanwhile.

        Raises:
            SettingsFileError: the file cannot be read; nothing was reloaded.
            ReloadFailed: the reload failed.
            BrakeUnreadable: the marks cannot be read; the safe settings were applied.
        """
        if since.frozen_by:
            self.make_safe()
            return
        settings = self.settings()
        try:
            if self._brake.read() == since:
                self._reload(settings.values)
                if self._brake.read() == since:
                    return
        except BrakeUnreadable:
            self.make_safe()
            raise
        self.make_safe()

    def slots(self) -> SlotsHealth:
        """Ask for the health of the slots; whatever goes wrong is part of the answer, and never healthy."""
        return slots_of(self._target)

    @property
    def _file(self) -> Path:
        # a link is followed: the rename would replace it, and the router would go on reading the file behind it
        path = self._target.settings_file
        return Path(os.path.realpath(path)) if path.is_symlink() else path

    def _text(self, *, errors: str = "strict") -> str:
        path = self._target.settings_file
        try:
            return read_bounded(self._file, _MAX_SETTINGS_BYTES).decode("utf-8", errors)
        except FileNotFoundError:
            raise SettingsFileError(
                f"The router's settings file {path} does not exist. Nothing was changed; set `settings_file` to the right one.",
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise SettingsFileError(
                f"The router's settings file {path} cannot be read ({reason}). Nothing was changed."
            ) from error

    def _refuse_read_only(self) -> None:
        # the rename of a durable write would replace it all the same: whoever made it read-only meant otherwise
        if not os.access(self._file, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            raise SettingsFileError(
                f"The router's settings file {self._target.settings_file} is read-only for the account that runs anr. It is as "
                "it was; make it writable, then try again. `rollback` and `freeze` replace it all the same.",
            )

    def _write(self, text: str, wanted: Mapping[str, str]) -> None:
        try:
            write_durably(self._file, text.encode("utf-8", "surrogateescape"))
        except WrittenUnsynced as error:
            raise SettingsFileError(
                f"The router's settings file {self._target.settings_file} was written, but its directory cannot be synced "
                f"({error.strerror or error}): a power cut may bring the old settings back. See to the disk, then try again.",
            ) from error
        except OSError as error:
            raise SettingsFileError(
                f"The router's settings file {self._target.settings_file} could not be written ({error.strerror or error}); "
                "it is as it was. Free the disk or repair the permissions, then try again.",
            ) from error
        log.info("settings written", file=str(self._file), pilot=wanted.get("NOVA_ANR_PILOT"))

    def _keep_aside(self) -> None:
        """Keep a file that the brake is about to replace unread, under a second name; the brake does not wait for it."""
        with contextlib.suppress(OSError):
            os.link(self._file, f"{self._file}.before-{time.time_ns()}")

    def _not_what_was_written(self) -> str:
        return f"{self._target.settings_file} does not say what was written to it. Something else writes it; find out what."

    def _reload_and_look(self, wanted: Mapping[str, str]) -> RouterSettings | ReloadFailed | SettingsFileError:
        """Reload the router and return what its settings file says then, or what went wrong."""
        try:
            self._reload(wanted)
            shown = self.settings()
        except (ReloadFailed, SettingsFileError) as error:
            return error
        return shown if shown.carries(wanted) else SettingsFileError(self._not_what_was_written())

    def _reload(self, settings: Mapping[str, str]) -> None:
        command = self._target.reload_command
        if not command:
            return
        begun = time.monotonic()
        with _scratch() as output:
            try:
                done = subprocess.run(
                    list(command),
                    env={**os.environ, **settings},
                    stdin=subprocess.DEVNULL,
                    # a file, no pipe: what the command leaves in the background may hold a pipe open for ever
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=self._target.reload_timeout_s,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise ReloadFailed(
                    f"The reload command took longer than {self._target.reload_timeout_s:g} s and was stopped. "
                    "The router may still run its old settings.",
                ) from None
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                raise ReloadFailed(
                    f"The reload command cannot be started ({reason}). The router runs its old settings."
                ) from error
            if done.returncode != 0:
                _log_tail(output)
                raise ReloadFailed(
                    f"The reload command ended with {done.returncode}; the log has its output. "
                    "The router may still run its old settings."
                )
        log.info("router reloaded", command=command[0], took_s=round(time.monotonic() - begun, 3))


@contextlib.contextmanager
def _scratch() -> Iterator[IO[bytes] | int]:
    """Yield a file for a command's output, or nowhere if there is no room for one."""
    with contextlib.ExitStack() as stack:
        try:
            output: IO[bytes] | int = stack.enter_context(tempfile.TemporaryFile())
        except OSError:
            output = subprocess.DEVNULL
        yield output


def _log_tail(output: IO[bytes] | int) -> None:
    if not isinstance(output, int):
        output.seek(max(0, output.seek(0, os.SEEK_END) - _MAX_LOGGED_BYTES))
        log.error("the reload command said: %s", clean_text(output.read().decode("utf-8", "replace"), _MAX_LOGGED_BYTES))


def _routers_own(values: Mapping[str, str]) -> RouterSettings:
    return RouterSettings({name: value for name, value in values.items() if name.startswith("NOVA_")})
