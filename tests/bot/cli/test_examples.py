"""The examples for Slack's own check are the real thing, and nothing is missing among them."""

import tempfile
from pathlib import Path

import pytest

from bot.cli.examples import examples
from bot.commands.table import MODALS
from bot.playground.workspace.limits import check_message, check_view


def test_there_is_an_example_of_each_modal_message_and_home_that_slack_would_take() -> None:
    """Every form opens with what it asks for, every kind of story is told, and the playground's checks find nothing wrong."""
    shown = examples()
    views = {example.name: example.content for example in shown if example.kind == "view"}
    assert set(views) == {*(f"modal {name}" for name in MODALS), "home"}
    assert all("submit" in view for name, view in views.items() if name != "home"), "a form that only says why it does not open"
    stories = {str(example.content["text"]).partition(" ")[2].partition(":")[0] for example in shown if example.kind == "message"}
    for told in ("Approval needed", "Promoted", "Denied", "Frozen by alert", "Daily report", "Pre-flight", "State backed up"):
        assert told in stories
    for example in shown:
        found = check_view(example.content) if example.kind == "view" else check_message(example.content["blocks"])
        assert found == [], example.name


def test_the_router_of_the_examples_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was never there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    examples()
    assert list(tmp_path.iterdir()) == []
