"""`anr verify --slack`: the command line against the channel's messages."""

import asyncio
import json
import sqlite3
from contextlib import closing

import pytest
from typer.testing import CliRunner, Result

import bot.cli.table  # noqa: F401 - adds the bot's commands
from bot.playground.demo import CHANNEL
from bot.playground.process import environment
from core.cli.app import app
from core.cli.output import DONE, FAILED
from core.target.target import Target
from tests.support.workspace import WAIT, Played, cards


async def test_the_channel_confirms_what_the_journal_says_and_finds_what_it_does_not(
    played: Played, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the channel nothing is proven, with it, it is; a cut tail or a memory that was taken away is named."""
    playground, settings = played
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "rollback errors")
    await playground.wait_for(lambda: cards(playground, "errors"), WAIT)
    async with asyncio.timeout(WAIT):  # it is remembered after the last call of Slack, of which the playground knows
        while (shown := await asyncio.to_thread(target.witness.newest)) is None or shown.seq < 2:
            pass
    for name, value in environment(settings, {}).items():
        monkeypatch.setenv(name, value)

    def verify(*words: str) -> Result:
        return CliRunner().invoke(app, ["verify", "--json", *words])

    alone = await asyncio.to_thread(verify)
    assert (alone.exit_code, json.loads(alone.stdout)["flaws"]) == (FAILED, [])
    assert "No mark outside was compared" in json.loads(alone.stdout)["unproven"]
    confirmed = await asyncio.to_thread(verify, "--slack")
    assert (confirmed.exit_code, json.loads(confirmed.stdout)["flaws"]) == (DONE, [])
    assert json.loads(confirmed.stdout)["proven"] >= 2
    (target.settings.run_dir / "witness.json").unlink()
    forgetful = await asyncio.to_thread(verify, "--slack")
    assert (forgetful.exit_code, "it is gone" in forgetful.stdout) == (FAILED, True)
    with closing(sqlite3.connect(settings.target.journal, isolation_level=None)) as connection:
        connection.execute("DELETE FROM receipts WHERE seq > 1")
    cut = await asyncio.to_thread(verify, "--slack", "--alone")
    assert cut.exit_code == FAILED
    assert any(flaw.startswith("the channel in Slack: #") for flaw in json.loads(cut.stdout)["flaws"])
