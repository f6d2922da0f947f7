"""What stands before a command reaches it."""

import sys
from types import ModuleType

import pytest
import typer
from typer.testing import CliRunner

from core.cli.app import COMMANDS, Listed, app
from core.cli.said import NAMED_TARGET, VERBOSE


def test_a_command_knows_which_router_was_named_and_whether_every_log_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said once, it is said for that command and no longer for the next one."""
    module, heard = ModuleType("a_probe"), list[tuple[str | None, bool]]()
    module.commands = commands = typer.Typer()  # type: ignore[attr-defined]

    @commands.command()
    def probe() -> None:
        heard.append((NAMED_TARGET.get(), VERBOSE.get()))

    monkeypatch.setitem(sys.modules, "a_probe", module)
    monkeypatch.setitem(COMMANDS, "probe", Listed("a_probe", ""))
    for words in (["--target", "staging", "probe", "--verbose"], ["probe"]):
        assert CliRunner().invoke(app, words).exit_code == 0
    assert heard == [("staging", True), (None, False)]
