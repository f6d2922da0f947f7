"""The command line of a site as people have it: options that the account which runs the tests wrote, and who sits there."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from core.cli.app import app
from core.settings import account
from tests.support.rig import Rig

PERSON, ANOTHER = 40001, 40002
"""Numbers of accounts that nobody has: people at the terminal, beside the account that runs the tests and owns the site."""
ME, OTHER = f"os:{PERSON}", f"os:{ANOTHER}"
_OF_TARGET = ("ledger", "settings_file", "health_url", "journal", "receipts_dir", "run_dir", "state_file", "backups_dir")


def toml(value: Any) -> str:
    """Write a value as TOML."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(str(name))} = {toml(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list | tuple | frozenset):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(str(value) if isinstance(value, Path) else value)


def options_of(rig: Rig, **target: Any) -> dict[str, Any]:
    """What an options file says of a rig's router."""
    places = {name: getattr(rig.settings, name) for name in _OF_TARGET}
    commands = {"stop_command": ["true"], "start_command": ["true"]}
    return {**places, **commands, "observe_timeout_s": 0, "soak_hours": 0, **target}


class Terminal:
    """The command line: call it with words. A person with an account of their own sits there until somebody else does.

    Attributes:
        options: what the options file says; `write` changes it.
        file: the options file.
    """

    def __init__(self, rig: Rig, folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        self._monkeypatch = monkeypatch
        self._runner = CliRunner()
        self.file = folder / "anr.toml"
        self.options: dict[str, Any] = {"target": options_of(rig), **options}
        self.write()
        machine = folder / "uid_map"
        machine.write_text("0 0 4294967295\n", encoding="ascii")
        monkeypatch.setattr(account, "UID_MAP", machine)  # the tests may run in a container that maps accounts
        monkeypatch.setenv("ANR_CONFIG", str(self.file))
        self.is_used_by(PERSON)

    def write(self, *, target: Mapping[str, Any] | None = None, **options: Any) -> None:
        """Write the options file anew, with these options changed."""
        self.options |= options
        self.options["target"] |= target or {}
        lines = [f"{name} = {toml(value)}" for name, value in self.options.items()]
        self.file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.file.chmod(0o644)

    def is_used_by(self, uid: int) -> None:
        """Let somebody else sit there: the kernel says so."""
        self._monkeypatch.setattr(os, "getuid", lambda: uid)
        self._monkeypatch.setattr(os, "getgid", lambda: uid)
        self._monkeypatch.setattr(os, "getgroups", lambda: [uid])

    def is_used_by_its_account(self) -> None:
        """Let the account that runs anr for the site do what follows."""
        self.is_used_by(self.file.stat().st_uid)

    def __call__(self, *words: str) -> Result:
        """Type a command; `init` is typed by the account that runs anr, which it begins with, whoever sits there otherwise."""
        if "init" not in words[:3]:
            return self._runner.invoke(app, list(words))
        person = os.getuid()
        self.is_used_by_its_account()
        try:
            return self._runner.invoke(app, list(words))
        finally:
            self.is_used_by(person)
