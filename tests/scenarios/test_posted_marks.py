"""What the channel has seen, the bot remembers: a chain whose end was cut off no longer verifies."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from bot.app import running
from bot.playground.demo import CHANNEL
from core.target.target import Target
from tests.support.workspace import WAIT, Played, cards, scenery, whispers


async def test_a_deleted_tail_is_told_by_what_was_posted(played: Played, target: Target) -> None:
    """Rows and files of the newest receipts are gone: the chain holds by itself, and `/anr verify` says that it was cut."""
    playground, settings = played
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "rollback errors")
    await playground.wait_for(lambda: cards(playground, "errors"), WAIT)
    async with asyncio.timeout(WAIT):  # it is remembered after the last call of Slack, of which the playground knows
        while (shown := await asyncio.to_thread(target.witness.newest)) is None or shown.seq < 2:
            pass
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "verify")
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "receipts verify"), WAIT)
    assert whispers(playground, "U0OLIVIA", "the channel in Slack")
    with closing(sqlite3.connect(settings.target.journal, isolation_level=None)) as connection:
        connection.execute("DELETE FROM receipts WHERE seq > 1")
    for path in settings.target.receipts_dir.glob("anr_*.json"):
        if "_000001_" not in path.name:
            path.unlink()
    assert target.journal.verify()[1] == ()
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "verify")
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "what the bot remembers of the channel: #"), WAIT)


async def test_an_older_copy_that_was_put_back_while_the_bot_was_away_raises_nothing(tmp_path: Path) -> None:
    """Its memory is gone, too, but the channel has the marks: the bot reads them at its start, and no promotion is asked for."""
    async with scenery(tmp_path) as (playground, settings):
        options = settings.target
        async with running(settings):
            await playground.wait_for(lambda: cards(playground, "The journal begins"), WAIT)
            await playground.slash("U0OLIVIA", CHANNEL, "/anr", "freeze errors")
            await playground.wait_for(lambda: cards(playground, "errors"), WAIT)
            await playground.slash("U0OLIVIA", CHANNEL, "/anr", "unfreeze")
            await playground.wait_for(lambda: cards(playground, "Unfrozen"), WAIT)
        with closing(sqlite3.connect(options.journal, isolation_level=None)) as connection:
            connection.execute("DELETE FROM receipts WHERE seq > 1")
        for path in options.receipts_dir.glob("anr_*.json"):
            if "_000001_" not in path.name:
                path.unlink()
        (options.run_dir / "witness.json").unlink()
        shutil.rmtree(options.run_dir / "brake", ignore_errors=True)
        async with running(settings):
            target = Target.at(options, settings.access)
            async with asyncio.timeout(WAIT):  # it is read after the start, by a job
                while await asyncio.to_thread(target.witness.newest) is None:
                    pass
            await playground.slash("U0OLIVIA", CHANNEL, "/anr", "promote looks good")
            await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "is not the one that was shown before"), WAIT)
            await playground.slash("U0OLIVIA", CHANNEL, "/anr", "rollback all the same")
            await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "Rolled back"), WAIT)
        assert not cards(playground, "Approval needed")
