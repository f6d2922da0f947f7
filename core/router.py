"""The router's settings file, its reload, and the health of its slots.

The router reads a dotenv file when it is reloaded. It is written as `KEY=value` lines without quotes, which uvicorn's
`--env-file`, systemd's `EnvironmentFile=` and container env files read alike.

Excluded: deciding what the settings should be, and the ledger.
"""

import io
import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass

import urllib3
from dotenv.parser import parse_stream

from core.brake import Brake, BrakeReading
from core.errors import BrakeUnreadable, ReloadFailed, SettingsFileError
from core.files import read_bounded, write_durably
from core.gates import SlotsHealth
from core.target import Target

SAFE_SETTINGS: Mapping[str, str] = {"NOVA_ANR_ENABLED": "0", "NOVA_ANR_PILOT": "0.00", "NOVA_ANR_KILL": "1"}
"""What a rollback writes: the guardrail route R4 is forced, ANR is off (runbook: `anr-pilot.ps1 -Rollback`)."""
_MAX_SETTINGS_BYTES = 1 << 20
_MAX_HEALTH_BYTES = 64 << 10
_MAX_STATUS_CHARACTERS = 60


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

        ANR that is switched off or killed serves none, whatever the pilot says.
        """
        if self.values.get("NOVA_ANR_KILL", "0") == "1" or self.values.get("NOVA_ANR_ENABLED", "0") != "1":
            return 0
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

    def __init__(self, target: Target, brake: Brake) -> None:
        self._target = target
        self._brake = brake

    def settings(self) -> RouterSettings:
        """Read the settings file.

        Raises:
            SettingsFileError: it is missing, unreadable, too long or not a dotenv file.
        """
        values: dict[str, str] = {}
        for binding in parse_stream(io.StringIO(self._text())):
            if binding.error:
                raise SettingsFileError(
                    f"Line {binding.original.line} of {self._target.settings_file} is not KEY=value. "
                    "Nothing was changed; correct the file.",
                )
            if binding.key is not None and binding.key.startswith("NOVA_"):
                values[binding.key] = binding.value or ""
        return RouterSettings(values)

    def serve(self, stage: int, since: BrakeReading) -> Written:
        """Write the settings of a stage and reload the router, unless a brake was engaged after `since` was read.

        The marks are looked at immediately before the write, after it and after the reload; whoever sees a brake puts the
        router back to its safe settings (rule 2).

        Raises:
            SettingsFileError: the file cannot be written, or does not say what was written.
            ReloadFailed: the file was written, but the reload failed.
            BrakeUnreadable: the marks cannot be read; the safe settings were applied if anything had been written.
        """
        wanted = settings_for(stage, self._target.gates.fast_cap)
        if self._brake.read() != since:
            return Written(self.settings(), overtaken=True)
        self._write(wanted)
        try:
            if self._brake.read() == since:
                self._reload()
                if self._brake.read() == since:
                    return Written(self._read_back(wanted), overtaken=False)
        except BrakeUnreadable:
            self.make_safe()
            raise
        except (ReloadFailed, SettingsFileError):
            if self._brake.read() == since:
                raise  # otherwise a brake wrote in between, and what it wants counts
        self.make_safe()
        return Written(self.settings(), overtaken=True)

    def make_safe(self) -> tuple[str, ...]:
        """Put the router in its safe settings, doing as much as can be done; return what went wrong, empty if nothing did.

        The reload command runs even if the file could not be written, with the safe settings in its environment.
        """
        problems = []
        try:
            self._write(SAFE_SETTINGS)
            self._read_back(SAFE_SETTINGS)
        except SettingsFileError as error:
            problems.append(str(error))
        try:
            self._reload(SAFE_SETTINGS)
        except ReloadFailed as error:
            problems.append(str(error))
        return tuple(problems)

    def slots(self) -> SlotsHealth:
        """Ask for the health of the slots; whatever goes wrong is part of the answer, and never healthy."""
        url, limit = self._target.health_url, self._target.health_timeout_s
        ends = time.monotonic() + limit
        try:
            with urllib3.PoolManager(retries=False) as pool:
                response = pool.request("GET", url, timeout=urllib3.Timeout(total=limit), redirect=False, preload_content=False)
                body = bytearray()
                for chunk in response.stream(1024, decode_content=False):
                    body += chunk
                    if len(body) > _MAX_HEALTH_BYTES or time.monotonic() > ends:
                        response.close()
                        return SlotsHealth(error="the router's health answer is too long or took too long")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return SlotsHealth(error=f"the router's health could not be asked ({type(error).__name__})")
        if response.status != 200:
            return SlotsHealth(error=f"the router's health endpoint answered {response.status}")
        return _slots_in(bytes(body))

    def _text(self) -> str:
        path = self._target.settings_file
        try:
            return read_bounded(path, _MAX_SETTINGS_BYTES).decode("utf-8")
        except FileNotFoundError:
            raise SettingsFileError(
                f"The router's settings file {path} does not exist. Nothing was changed; set `settings_file` to the right one.",
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise SettingsFileError(
                f"The router's settings file {path} cannot be read ({reason}). Nothing was changed."
            ) from error

    def _write(self, wanted: Mapping[str, str]) -> None:
        path = self._target.settings_file
        try:
            before = self._text()
        except SettingsFileError:
            if path.exists() and wanted is not SAFE_SETTINGS:
                raise
            before = ""  # the brake does not wait for a file that can be read
        try:
            write_durably(path, _with(before, wanted).encode())
        except OSError as error:
            raise SettingsFileError(
                f"The router's settings file {path} could not be written ({error.strerror or error}); it is as it was. "
                "Free the disk or repair the permissions, then try again.",
            ) from error

    def _read_back(self, wanted: Mapping[str, str]) -> RouterSettings:
        observed = self.settings()
        if not observed.carries(wanted):
            raise SettingsFileError(
                f"{self._target.settings_file} does not say what was written to it. Something else writes it; find out what.",
            )
        return observed

    def _reload(self, settings: Mapping[str, str] | None = None) -> None:
        command = self._target.reload_command
        if not command:
            return
        try:
            done = subprocess.run(
                list(command),
                env={**os.environ, **(settings or {})},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._target.reload_timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ReloadFailed(
                f"The reload command took longer than {self._target.reload_timeout_s:g} s and was stopped. "
                "The router may still run its old settings.",
            ) from None
        except OSError as error:
            raise ReloadFailed(
                f"The reload command cannot be started ({error.strerror or error}). The router runs its old settings."
            ) from error
        if done.returncode != 0:
            raise ReloadFailed(f"The reload command ended with {done.returncode}. The router may still run its old settings.")


def _with(text: str, wanted: Mapping[str, str]) -> str:
    """Return a dotenv text in which `wanted` stand, each once; other keys, comments and blank lines survive untouched."""
    newline = "\r\n" if "\r\n" in text else "\n"
    missing = dict(wanted)
    parts = []
    for binding in parse_stream(io.StringIO(text)):
        original = binding.original.string
        if binding.key not in wanted or binding.error:
            parts.append(original)
        elif binding.key in missing:
            lead = original[: len(original) - len(original.lstrip())]
            parts.append(f"{lead}{binding.key}={missing.pop(binding.key)}{newline}")
    body = "".join(parts)
    if missing and body and not body.endswith(("\n", "\r")):
        body += newline
    return body + "".join(f"{name}={value}{newline}" for name, value in missing.items())


def _slots_in(body: bytes) -> SlotsHealth:
    unreadable = SlotsHealth(error="the router's health answer is not the JSON that was expected")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return unreadable
    slots = answer.get("slots") if isinstance(answer, dict) else None
    if not isinstance(slots, dict):
        return unreadable
    statuses = {
        str(name)[:_MAX_STATUS_CHARACTERS]: str(slot.get("status"))[:_MAX_STATUS_CHARACTERS]
        if isinstance(slot, dict)
        else "unreadable"
        for name, slot in slots.items()
    }
    return SlotsHealth(statuses=statuses)
