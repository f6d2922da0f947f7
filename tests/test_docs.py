import re
import textwrap
from importlib import import_module
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from typer.core import TyperGroup
from typer.main import get_command

from core.cli.app import app
from core.settings.settings import Settings, load

ROOT = Path(__file__).parents[1]


def options(model: type[BaseModel], before: str = "") -> list[tuple[str, FieldInfo]]:
    """Every option with its dotted name, nested ones after their parent's name."""
    found: list[tuple[str, FieldInfo]] = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found.extend(options(field.annotation, f"{before}{name}."))
        else:
            found.append((before + name, field))
    return found


def shown(field: FieldInfo) -> str:
    """A default as the table writes it: as in TOML or JSON, and nothing where there is none."""
    default = field.get_default(call_default_factory=True)
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if isinstance(default, frozenset | tuple):
        default = sorted(default) if isinstance(default, frozenset) else list(default)
    return "" if default == "" or default is None else f"`{default}`"


def test_the_configuration_table_names_every_option_with_its_help() -> None:
    """docs/configuration.md has exactly one row for each option of `Settings`, in order, with its default and its own words."""
    rows = [
        line for line in (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    ]
    expected = [f"| `{name}` | {shown(field)} | {field.description} |" for name, field in options(Settings)]
    assert rows == expected


def test_the_readmes_settings_are_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a newcomer copies from the README is accepted as it stands, together with the variables that it names."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = textwrap.dedent(text[text.index("       operators =") : text.index("\n5. ")])
    (tmp_path / "anr.toml").write_text(block, encoding="utf-8")
    monkeypatch.setenv("ANR_CONFIG", str(tmp_path / "anr.toml"))
    variables = re.findall(r"`(ANR_[A-Z_]+)`", text)
    for number, name in enumerate(variables):
        monkeypatch.setenv(name, f"secret {number}")
    found = load()
    secrets = (found.slack.bot_token, found.slack.app_token, found.slack.signing_secret)
    assert [secret.get_secret_value() for secret in secrets] == ["secret 0", "secret 1", "secret 2"]
    assert (found.slack.channel, found.target.schedule.zone) == ("C0123", "Europe/Zurich")


def test_every_option_explains_itself() -> None:
    """No option without a description."""
    assert [name for name, field in options(Settings) if not field.description] == []


def test_what_the_runbook_tables_type_is_understood_by_the_command_line() -> None:
    """Each `anr …` of the README is a command with these options; and the runbook's dry run of a report is among them."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    typed = [
        command_line for line in text.splitlines() if line.startswith("| ") for command_line in re.findall(r"`(anr [^`]+)`", line)
    ]
    assert len(typed) > 30
    assert "anr promote --dry-run --report FILE --verbose" in typed
    import_module("bot.cli.table")  # adds the bot's commands
    everywhere = {"--verbose", "--target"}
    for command_line in typed:
        command = get_command(app)
        words = re.sub(r"[\[\]…|]", " ", command_line).split()[1:]
        while words and isinstance(command, TyperGroup):
            found = command.get_command(command.context_class(command), words.pop(0))
            assert found is not None, command_line
            command = found
        known = everywhere | {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known, command_line


def test_the_readme_names_every_command() -> None:
    """The runbook table and the picture are there, and no command is left out."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for word in (
        "status",
        "report",
        "promote",
        "approve",
        "deny",
        "rollback",
        "freeze",
        "unfreeze",
        "receipts",
        "verify",
        "daily",
    ):
        assert f"`anr {word}" in text
    assert (ROOT / "docs" / "channel.png").is_file()
    assert "docs/channel.png" in text
