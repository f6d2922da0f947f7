from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from core.settings import Settings

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


def test_the_configuration_table_names_every_option_with_its_help() -> None:
    """docs/configuration.md has exactly one row for each option of `Settings`, in order, with the option's own words."""
    rows = [
        line for line in (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    ]
    expected = [(name, field.description) for name, field in options(Settings)]
    assert [(row.split("`")[1], row.rsplit("|", 2)[1].strip()) for row in rows] == expected


def test_every_option_explains_itself() -> None:
    """No option without a description."""
    assert [name for name, field in options(Settings) if not field.description] == []


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
