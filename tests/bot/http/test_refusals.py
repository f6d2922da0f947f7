"""What the webhook refused is kept beside each router."""

import asyncio

from bot.http.refusals import RefusalKeeper
from core.target.refusals import refusals, unmatched
from tests.support.rig import Rig


def test_a_flood_of_refusals_is_kept_as_one_line_with_its_count(rig: Rig) -> None:
    """Of each kind the newest is told, and how many there were; none is lost when the bot stops."""

    async def flooded() -> None:
        keeper = RefusalKeeper([rig.target])
        for number in range(500):
            keeper.refused(403, "wrong_token", f"from 10.0.0.{number % 250}")
        keeper.refused(413, "too_large", "70,000 bytes")
        await keeper.drain()

    asyncio.run(flooded())
    kept = {refusal.result: refusal for refusal in refusals(rig.target.settings.run_dir, rig.target.clock())}
    assert {result: refusal.count for result, refusal in kept.items()} == {"wrong_token": 500, "too_large": 1}
    assert kept["wrong_token"].text == "from 10.0.0.249"


def test_alerts_that_no_rule_matches_are_told_by_name(rig: Rig) -> None:
    """However often a group fires, each name is kept once, with the moment."""

    async def heard() -> None:
        keeper = RefusalKeeper([rig.target])
        for _ in range(3):
            keeper.unmatched(["AnrSomethingNew", "AnrSomethingElse"])
        await keeper.drain()

    asyncio.run(heard())
    now = rig.target.clock()
    assert unmatched(rig.target.settings.run_dir, now) == {"AnrSomethingNew": now, "AnrSomethingElse": now}


def test_a_folder_that_cannot_be_written_ends_nothing(rig: Rig) -> None:
    """The webhook goes on refusing; the log has what was lost."""
    rig.target.settings.run_dir.parent.mkdir(parents=True, exist_ok=True)
    rig.target.settings.run_dir.write_text("a file where the folder should be", encoding="utf-8")

    async def refused() -> None:
        keeper = RefusalKeeper([rig.target])
        keeper.refused(403, "wrong_token", "from 10.0.0.1")
        await keeper.drain()

    asyncio.run(refused())
    assert rig.target.settings.run_dir.read_text(encoding="utf-8") == "a file where the folder should be"
