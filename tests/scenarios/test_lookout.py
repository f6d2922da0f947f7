"""The process that looks at a router for the bot, seen from Slack."""

import psutil

from bot.playground.demo import CHANNEL
from tests.support.workspace import WAIT, Played, said


def lookouts() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if any("core.target.observer" in word for word in child.cmdline())]


async def test_a_status_after_the_process_that_looks_was_killed(played: Played) -> None:
    """Whoever asks next gets an answer all the same, gates included, from a new process."""
    playground, _ = played

    def answers() -> list[str]:  # a slow machine also says how far the reading is
        return [text for message in playground.ephemerals("U0OLIVIA") if "*Stage:* 10%" in (text := said(message))]

    assert (await playground.slash("U0OLIVIA", CHANNEL, "/anr", "status")).acked
    await playground.wait_for(answers, WAIT)
    (process,) = lookouts()
    process.kill()
    process.wait()
    assert (await playground.slash("U0OLIVIA", CHANNEL, "/anr", "status")).acked
    await playground.wait_for(lambda: answers()[1:], WAIT)
    assert "*Gates:*" in answers()[1]
    (again,) = lookouts()
    assert again.pid != process.pid
