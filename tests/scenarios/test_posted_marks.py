"""What the channel has seen, the bot remembers: a chain whose end was cut off no longer verifies."""

import asyncio
import sqlite3
from contextlib import closing

from bot.playground.demo import CHANNEL
from core.target.target import Target
from tests.support.workspace import WAIT, Played, cards, whispers


async def test_a_deleted_tail_is_told_by_what_was_posted(played: Played, site: Target) -> None:
    """Rows and files of the newest receipts are gone: the chain holds by itself, and `/anr verify` says that it was cut."""
    playground, settings = played
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "rollback errors")
    await playground.wait_for(lambda: cards(playground, "errors"), WAIT)
    async with asyncio.timeout(WAIT):  # it is remembered after the last call of Slack, of which the playground knows
        while (shown := await asyncio.to_thread(site.witness.newest)) is None or shown.seq < 2:
            pass
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "verify")
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "receipts verify"), WAIT)
    with closing(sqlite3.connect(settings.target.journal, isolation_level=None)) as connection:
        connection.execute("DELETE FROM receipts WHERE seq > 1")
    for path in settings.target.receipts_dir.glob("anr_*.json"):
        if "_000001_" not in path.name:
            path.unlink()
    assert site.journal.verify()[1] == ()
    await playground.slash("U0OLIVIA", CHANNEL, "/anr", "verify")
    await playground.wait_for(lambda: whispers(playground, "U0OLIVIA", "The newest mark that was posted"), WAIT)
