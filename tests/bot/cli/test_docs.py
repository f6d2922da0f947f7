"""`anr docs`, from the repository; from the wheel: tests/e2e/test_wheel.py."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import bot.cli.table  # noqa: F401 - adds the bot's commands
from core.cli.app import app
from core.cli.output import USAGE

ROOT = Path(__file__).parents[3]


def test_every_page_and_every_file_of_ops_is_listed_with_its_title() -> None:
    """Nobody has to know where anr was installed to."""
    listed = CliRunner().invoke(app, ["docs"]).stdout
    names = [line.split()[0] for line in listed.splitlines()]
    pages = [page.relative_to(ROOT / "docs").with_suffix("").as_posix() for page in ROOT.glob("docs/**/*.md")]
    files = [file.relative_to(ROOT).as_posix() for file in ROOT.glob("ops/**/*") if file.is_file()]
    assert {*pages, *files, "README", "SECURITY", "CHANGELOG", "manifest"} == set(names)
    assert "Written, restarted, seen" in listed


@pytest.mark.parametrize("name", ["restart", "restart.md", "docs/restart.md"])
def test_a_page_is_printed_as_it_is(name: str) -> None:
    """By its name, with or without folder and ending."""
    assert CliRunner().invoke(app, ["docs", name]).stdout == (ROOT / "docs" / "restart.md").read_text(encoding="utf-8")


def test_a_file_of_ops_is_printed_as_it_is() -> None:
    """So that it can be redirected to where it is needed."""
    printed = CliRunner().invoke(app, ["docs", "ops/systemd/anr-bot.service"]).stdout
    assert printed == (ROOT / "ops/systemd/anr-bot.service").read_text(encoding="utf-8")
    assert CliRunner().invoke(app, ["docs", "--where"]).stdout == f"{ROOT}\n"


@pytest.mark.parametrize("name", ["nothing", "../pyproject.toml", "/etc/passwd", "ops"])
def test_what_is_no_page_is_refused(name: str) -> None:
    """Only what is listed is printed."""
    refused = CliRunner().invoke(app, ["docs", name])
    assert (refused.exit_code, refused.stdout) == (USAGE, "")
