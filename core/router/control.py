"""The router's settings file and its restart.

The router reads a dotenv file when its process starts, and never again (its text: core/router/envfile.py).

Excluded: deciding what the settings should be, the ledger, and the health of slots (core/router/health.py).
"""

import errno
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import AnrError, BrakeUnreadable, ReloadFailed, SettingsFileError
from core.router.access import Rehearsal, may_read, owner_of, rehearse, rewrite
from core.router.envfile import decoded, misread, refused_by_docker, settings_in, with_settings
from core.router.marks import Brake, BrakeReading
from core.settings.target import TargetSettings
from core.system.files import WrittenUnsynced, create_durably, make_folder, read_bounded
from core.system.logs import logger
from core.system.processes import run
from core.text import clean_text

log = logger(__name__)

SAFE_SETTINGS: Mapping[str, str] = {"NOVA_ANR_ENABLED": "0", "NOVA_ANR_PILOT": "0.00", "NOVA_ANR_KILL": "1"}
"""What a rollback writes: the guardrail route R4 is forced, ANR is off (runbook: `anr-pilot.ps1 -Rollback`)."""
_OURS = "NOVA_ANR_"
_KNOWS_NO_SYNC = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP})
"""With these a file system says that it does not sync at all; every other error is one of the disk."""
_SAFE_WRITES = 3
"""How often the safe settings are written when they do not stand: a promotion that looked before the brake writes once."""
_MAX_SETTINGS_BYTES = 1 << 20
_MAX_LOGGED = 2000


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
    """The `NOVA_ANR_…` settings as the file has them: no other, which may be secrets, gets into receipts."""

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
class SettingsTrial:
    """What came of trying beforehand whether the settings can be written, and read by whoever reads them.

    Attributes:
        problem: why they could not, a sentence; None if they could.
        warnings: what somebody should see to although they could, each a sentence.
        remarks: what is worth knowing, each a sentence.
    """

    problem: str | None
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """What came of writing settings: what the file says now, and whether a brake came in between.

    Attributes:
        observed: the settings as they stand in the file now.
        overtaken: whether a brake came in between, so that these are the safe settings.
    """

    observed: RouterSettings
    overtaken: bool


class Router:
    """One router's settings and health."""

    def __init__(self, target: TargetSettings, brake: Brake) -> None:
        self._target = target
        self._brake = brake
        self._remarks: tuple[str, ...] = ()
        self._unsynced = ""
        self._left: tuple[int, ...] | None = None
        self._left_at = 0.0
        self._reloaded: float | None = None

    @property
    def restart_took_s(self) -> float | None:
        """How long the last restart took, in seconds; None if nothing restarts the router, or the last one failed."""
        return self._reloaded

    def settings(self) -> RouterSettings:
        """Read the settings file.

        Raises:
            SettingsFileError: it is missing, unreadable, too long or not a dotenv file.
        """
        return self._read()[1]

    def _read(self) -> tuple[str, RouterSettings]:
        """Return the file's text, and the settings in it."""
        text = self._text()
        values, wrong = settings_in(text)
        if wrong is not None:
            raise SettingsFileError(
                f"Line {wrong} of {self._target.settings_file} is not KEY=value. Nothing was changed; correct the file.",
            )
        return text, _routers_own(values)

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
        before, _ = self._read()  # a file that cannot be understood is not written beside
        self._refuse_read_only()
        text = with_settings(before, wanted)
        if (misreading := misread(text, wanted)) is not None:
            raise SettingsFileError(f"{self._misread(misreading)} Nothing was changed.")
        self._write(text)
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
        """Say why the settings could not be written, trying it on a file beside theirs; None if nothing speaks against it."""
        return self.try_settings_file().problem

    def try_settings_file(self) -> SettingsTrial:
        """Try on a file beside the settings file what a brake will do: write it, keep its readers, be read alike by all."""
        path = self._target.settings_file
        try:
            text = self._text()
            self.settings()
            rehearsal: Rehearsal = rehearse(self._file)
        except SettingsFileError as error:
            return SettingsTrial(str(error))
        except OSError as error:
            return SettingsTrial(f"{path} cannot be looked at ({error.strerror or error}).")
        if rehearsal.problem is not None:
            return SettingsTrial(f"{path} could not be written: {rehearsal.problem}. {self._who_can()}")
        if (misreading := misread(with_settings(text, SAFE_SETTINGS), SAFE_SETTINGS)) is not None:
            return SettingsTrial(self._misread(misreading))
        unreadable, remarks = self._seen_by_router()
        warnings = []
        if unreadable is not None:
            return SettingsTrial(unreadable)
        if rehearsal.in_place:
            warnings.append(f"{path} is written in place, a power cut in between may leave a mixture: {rehearsal.in_place}.")
        ours = {name: value for name, value in settings_in(text)[0].items() if name.startswith(_OURS)}
        if (misreading := misread(text, ours)) is not None:
            warnings.append(f"Its readers do not agree on it: {misreading}. The next command that writes it cures that.")
        if (line := refused_by_docker(text)) is not None:
            remarks.append(f"docker's --env-file would refuse it for line {line}: a name with a space in it, or none.")
        return SettingsTrial(None, tuple(warnings), tuple(remarks))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the last brake of this process noticed although nothing failed, each a sentence."""
        return self._remarks

    @property
    def unsynced(self) -> tuple[str, ...]:
        """Why the safe settings that the last brake of this process wrote may not outlive the machine, a sentence; else empty."""
        return (self._unsynced,) if self._unsynced else ()

    def make_safe(self) -> tuple[str, ...]:
        """Put the router in its safe settings, doing as much as can be done; return what went wrong, empty if nothing did.

        A file that does not exist is not made: no router reads it. One that cannot be read is not replaced, because its other
        settings would be lost. One in another encoding is kept beside itself and becomes UTF-8, which every reader reads. The
        reload command runs even if the file could not be written, with the safe settings in its environment.
        """
        problems: list[str] = []
        self._left = written = None
        try:
            unsafe = self._write_safe()
            written = self._identity()  # before the reload: whoever writes after this makes it another file
            unreadable, remarks = self._seen_by_router()
            self._remarks = (*self._remarks, *remarks)
            problems.extend(problem for problem in (unsafe, unreadable) if problem is not None)
        except SettingsFileError as error:
            problems.append(str(error))
        try:
            self._reload_safe()
        except ReloadFailed as error:
            problems.append(str(error))
        if not problems:
            self._left, self._left_at = written, time.monotonic()
        return tuple(problems)

    def _reload_safe(self) -> None:
        """Reload the router with the safe settings; a command that could not be started is started once more.

        Raises:
            ReloadFailed: it failed, or could not be started.
        """
        try:
            self._reload(SAFE_SETTINGS)
        except ReloadFailed as error:
            if not isinstance(error.__cause__, OSError):
                raise
            self._reload(SAFE_SETTINGS)

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
            return misread(self._text(), SAFE_SETTINGS) is None
        except SettingsFileError:
            return False

    def _identity(self) -> tuple[int, ...] | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size

    def _write_safe(self) -> str | None:
        """Write the safe settings, and say why not every reader of the file gets them, or None if all do.

        Raises:
            SettingsFileError: the file is not there, or cannot be read or written; it is as it was.
        """
        self._remarks, self._unsynced, now, why = (), "", "", ""
        for _ in range(_SAFE_WRITES):
            text, encoding = self._understood()
            if encoding != "utf-8":
                self._keep_aside(encoding)
            self._write_whatever_fails(with_settings(text, SAFE_SETTINGS))
            now, encoding = self._understood()
            why = (misread(now, SAFE_SETTINGS) or "") if encoding == "utf-8" else f"it is {encoding} again"
            if not why:
                return None
        if settings_in(now)[0].items() >= SAFE_SETTINGS.items():
            return f"The safe settings were written, but not every router would read them. {self._misread(why)}"
        return self._not_what_was_written()

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

    def stop(self) -> None:
        """Stop the router, by the settings' `stop_command`.

        Raises:
            ReloadFailed: the command failed; the router may run or not.
        """
        self._order(SAFE_SETTINGS, self._target.stop_command, "stop")

    def start(self) -> None:
        """Start the router, by the settings' `start_command`: it reads its settings file, and its state.

        Raises:
            ReloadFailed: the command failed; the router may run or not.
        """
        self._order(SAFE_SETTINGS, self._target.start_command, "start")

    @property
    def _file(self) -> Path:
        # a link is followed: the rename would replace it, and the router would go on reading the file behind it
        path = self._target.settings_file
        return Path(os.path.realpath(path)) if os.path.islink(path) else path  # noqa: PTH114 - it never raises

    def _text(self) -> str:
        text, encoding = self._understood()
        if encoding != "utf-8":
            raise SettingsFileError(
                f"The router's settings file {self._target.settings_file} cannot be read (it is not UTF-8, it looks like "
                f"{encoding}), not by its readers either. Nothing was changed; save it as UTF-8. `rollback` and `freeze` do that "
                "and keep a copy.",
            )
        return text

    def _understood(self) -> tuple[str, str]:
        """Return the text of the file and its encoding."""
        path = self._target.settings_file
        try:
            return decoded(read_bounded(self._file, _MAX_SETTINGS_BYTES))
        except FileNotFoundError:
            raise SettingsFileError(
                f"The router's settings file {path} does not exist. Nothing was changed, and no file was made, because no router "
                "would read it; set `settings_file` to the one that the router reads.",
            ) from None
        except PermissionError as error:
            raise SettingsFileError(
                f"The router's settings file {path} cannot be read ({error.strerror}). Nothing was changed: what else stands in "
                f"it would be lost. {self._who_can()}",
            ) from error
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise SettingsFileError(
                f"The router's settings file {path} cannot be read ({reason}). Nothing was changed."
            ) from error

    def _who_can(self) -> str:
        owner = owner_of(self._file)
        if not owner:
            return "Give the command as the account that the file belongs to."
        return f"It belongs to {owner}: `sudo -u {owner} anr rollback` can do it, and so can root."

    def _misread(self, why: str) -> str:
        return (
            f"Not every reader of {self._target.settings_file} would get the same: {why}. Repair the lines that stand around the "
            "NOVA_ANR_ settings (an open quote, a line that goes on on the next), then try again."
        )

    def _seen_by_router(self) -> tuple[str | None, list[str]]:
        """Say why the router's account may not read the file, or None; and what cannot be told."""
        account = self._target.router_account
        allowed = may_read(self._file, account) if account else None
        if allowed is False:
            return (
                f"The router's account {account} may not read {self._target.settings_file}. Let it read the file and search the "
                "folders above it, then try again."
            ), []
        if allowed is None:
            why = f"nobody here knows {account}" if account else "`target.router_account` is not set"
            return None, [f"Whether the router's account can read the settings file cannot be told: {why}."]
        return None, []

    def _refuse_read_only(self) -> None:
        # the rename of a durable write would replace it all the same: whoever made it read-only meant otherwise
        if not os.access(self._file, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            raise SettingsFileError(
                f"The router's settings file {self._target.settings_file} is read-only for the account that runs anr. It is as "
                "it was; make it writable, then try again. `rollback` and `freeze` replace it all the same.",
            )

    def _write(self, text: str) -> None:
        try:
            rewrite(self._file, text.encode())
        except WrittenUnsynced as error:
            raise SettingsFileError(
                f"The router's settings file {self._target.settings_file} was written, but its directory cannot be synced "
                f"({error.strerror or error}): a power cut may bring the old settings back. See to the disk, then try again.",
            ) from error
        except OSError as error:
            raise self._unwritten(error) from error
        pilot = settings_in(text)[0].get("NOVA_ANR_PILOT")
        log.info("settings written", file=str(self._file), pilot=pilot)

    def _write_whatever_fails(self, text: str) -> None:
        """Write the safe settings: what cannot be synced stands all the same, and one error is no reason not to try once more.

        Raises:
            SettingsFileError: the file cannot be written.
        """
        for last in (False, True):
            self._unsynced = ""
            try:
                rewrite(self._file, text.encode(), whatever_fails=True)
            except WrittenUnsynced as error:
                why = error.strerror or error
                if error.errno in _KNOWS_NO_SYNC:
                    text_of_it = f"{self._target.settings_file} could not be synced ({why}): its file system knows no such thing."
                    self._remarks = (*self._remarks, text_of_it)
                else:
                    self._unsynced = (
                        f"The safe settings are in {self._target.settings_file}, but could not be synced ({why}): a crash of "
                        "the machine may bring the old ones back. See to its disk, then brake again."
                    )
                log.warning("%s could not be synced (%s)", self._file, error.strerror or error)
            except OSError as error:
                if last:
                    raise self._unwritten(error) from error
                continue
            log.info("settings written", file=str(self._file), pilot=SAFE_SETTINGS["NOVA_ANR_PILOT"])
            return

    def _unwritten(self, error: OSError) -> SettingsFileError:
        who = f" {self._who_can()}" if isinstance(error, PermissionError) else ""
        return SettingsFileError(
            f"The router's settings file {self._target.settings_file} could not be written ({error.strerror or error}); "
            f"it is as it was. Free the disk or repair the permissions, then try again.{who}",
        )

    def _keep_aside(self, encoding: str) -> None:
        """Keep the bytes of a file that becomes UTF-8, for the eyes of this account only: beside it, else in the run folder."""
        data, name = read_bounded(self._file, _MAX_SETTINGS_BYTES), f"{self._file.name}.before-{time.time_ns()}"
        refused: OSError | None = None
        for folder in (self._file.parent, self._target.run_dir):
            try:
                make_folder(folder)
                create_durably(folder / name, data)
            except OSError as error:
                refused = error
            else:
                self._remarks = (f"{self._target.settings_file} was {encoding} and is UTF-8 now; {folder / name} is as it was.",)
                return
        raise SettingsFileError(
            f"The router's settings file {self._target.settings_file} is not UTF-8 (it looks like {encoding}), and no copy of it "
            f"could be kept ({refused}). Nothing was changed; make room, or save it as UTF-8, then try again.",
        )

    def _not_what_was_written(self) -> str:
        return f"{self._target.settings_file} does not say what was written to it. Something else writes it; find out what."

    def _reload_and_look(self, wanted: Mapping[str, str]) -> RouterSettings | ReloadFailed | SettingsFileError:
        """Reload the router and return what its settings file says then, or what went wrong."""
        try:
            self._reload(wanted)
            text, shown = self._read()
        except (ReloadFailed, SettingsFileError) as error:
            return error
        if not shown.carries(wanted):
            return SettingsFileError(self._not_what_was_written())
        misreading = misread(text, wanted)
        return shown if misreading is None else SettingsFileError(self._misread(misreading))

    def _reload(self, settings: Mapping[str, str]) -> None:
        self._reloaded = None
        took_s = self._order(settings, self._target.reload_command, "reload")
        self._reloaded = took_s

    def _order(self, settings: Mapping[str, str], command: tuple[str, ...], name: str) -> float | None:
        """Run one of the router's commands; return how many seconds it took, None if the options name none.

        Raises:
            ReloadFailed: it could not be started, failed, or took too long.
        """
        if not command:
            return None
        try:
            ended = run(command, settings=settings, timeout_s=self._target.reload_timeout_s)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ReloadFailed(f"The {name} command cannot be started ({reason}). The router runs its old settings.") from error
        if ended.code != 0 and ended.said:
            log.error("the %s command said: %s", name, clean_text(ended.said, _MAX_LOGGED))
        if ended.code is None:
            raise ReloadFailed(
                f"The {name} command took longer than {self._target.reload_timeout_s:g} s and was stopped, with all that it had "
                "started. The router may still run its old settings.",
            )
        if ended.code != 0:
            raise ReloadFailed(
                f"The {name} command ended with {ended.code}; the log has its output. The router may still run its old settings."
            )
        log.info("router command ended", what=name, command=command[0], took_s=round(ended.took_s, 3))
        return ended.took_s


def _routers_own(values: Mapping[str, str]) -> RouterSettings:
    return RouterSettings({name: value for name, value in values.items() if name.startswith(_OURS)})
