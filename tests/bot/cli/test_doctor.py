"""`anr doctor --slack`: what Slack itself thinks of what is shown there."""

import asyncio
import json

import pytest
from typer.testing import CliRunner, Result

import bot.cli.table  # noqa: F401 - adds the bot's commands
from bot.cli.examples import examples
from bot.playground.process import environment
from core.cli.app import app
from tests.support.workspace import Played


async def test_slack_is_shown_every_example_and_only_when_it_is_asked_for(scene: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the option nothing is shown; with it each example once, and what Slack says of them is a check among the others."""
    playground, settings = scene
    for name, value in environment(settings, {}).items():
        monkeypatch.setenv(name, value)

    async def doctor(*words: str) -> list[dict[str, str]]:
        ran: Result = await asyncio.to_thread(CliRunner().invoke, app, ["doctor", "--json", *words])
        return [check for check in json.loads(ran.stdout) if check["name"] == "slack blocks"]

    assert await doctor() == []
    (check,) = await doctor("--slack")
    assert (check["health"], f"each of the {len(examples())} messages" in check["text"]) == ("OK", True)
    asked = [call for call in playground.api.calls if call.method == "blocks.validate"]
    assert len(asked) == len(examples())
