"""The process that looks at a router for the bot, seen from Slack."""

import psutil

from bot.playground.demo import CHANNEL
from tests.scenarios.workspace import WAIT, Played, said


def lookouts() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if any("core.lookout" in word for word in one.cmdline())]


async def test_a_status_after_the_process_that_looks_was_killed(played: Played) -> None:
    """Whoever asks next gets an answer all the same, gates included, from a new process."""
    playground, _ = played
    assert (await playground.slash("U0OLIVIA", CHANNEL, "/anr", "status")).acked
    (first,) = await playground.wait_for(lambda: playground.ephemerals("U0OLIVIA"), WAIT)
    (process,) = lookouts()
    process.kill()
    process.wait()
    assert (await playground.slash("U0OLIVIA", CHANNEL, "/anr", "status")).acked
    _, second = await playground.wait_for(
        lambda: playground.ephemerals("U0OLIVIA")[1:] and playground.ephemerals("U0OLIVIA"), WAIT
    )
    assert "*Gates:*" in said(second)
    assert "*Stage:* 10 %" in said(first)
    assert "*Stage:* 10 %" in said(second)
    (again,) = lookouts()
    assert again.pid != process.pid
