import pytest
from rich.console import Console

from core.cli import tables
from core.doctor.check import Check, Health
from tests.support.rig import Rig


def test_the_terminal_shows_the_finding_and_what_to_do(begun: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for what was found, one for what to do; outside text cannot format the terminal."""
    console = Console(width=200, record=True, force_terminal=False)
    monkeypatch.setattr(tables, "out", console)
    tables.print_checks([Check("slots", Health.FAIL, "slot09 is [red]sick[/red].", "Heal it.")])
    told = console.export_text()
    assert "FAIL slots: slot09 is [red]sick[/red]." in told
    assert "→ Heal it." in told
